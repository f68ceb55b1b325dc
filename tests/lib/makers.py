"""Instances on the pgberth of this host, which go when whoever asked for them has done."""
from lib.client import Instance
from lib.concurrency import at_once
from lib.leftovers import discard
from lib.recorder import new_name

# Major versions of PostgreSQL that are tried.
MAJORS = [15, 17, 18]


class Makers:
    """Makes instances, and purges them when their time is over."""

    def __init__(self, api, settings, ports):
        self.api, self.settings, self.ports = api, settings, ports
        self.made = []

    def new(self, name=None):
        instance = Instance(self.api, self.settings, name or new_name(), self.ports.take())
        self.made.append(instance)
        return instance

    def make(self, **fields):
        instance = self.new()
        instance.create(**fields)
        return instance

    def purge(self):
        answers = at_once([lambda name=instance.name: self.api.delete(name, purge=True)
                           for instance in self.made])
        for instance in self.made:
            for path in instance.trashed():
                discard(path)
        assert all(answer.status_code in (200, 404, 409) for answer in answers), [
            answer.text for answer in answers]
