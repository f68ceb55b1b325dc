"""Traces of a name: in the API, in the engine and on the disk."""
import contextlib
import pathlib
import subprocess

import docker

from lib.client import ok
from lib.strangers import is_made_by_tests
from lib.waiting import wait_for


class Leftovers:
    PLACES = ("*", "instances/*", "staging/*", "trash/*")

    def __init__(self, api, engine, settings):
        self.api = api
        self.engine = engine
        self.settings = settings

    def on_disk(self, name):
        """Entries with that name in pgberthd's directories, staging and trash included."""
        places = [(self.settings.root, place) for place in self.PLACES]
        places.append((pathlib.Path("/run/pgberth"), "*"))
        return [str(path) for top, place in places for path in top.glob(place) if name in path.name]

    def in_engine(self, name):
        return [f"container {each}" for each in self.engine.names() if name in each]

    def of(self, name):
        """Every trace of a name, for an assertion that there is none."""
        answer = self.api.get(name)
        known = [] if answer.status_code == 404 else [f"API: {answer.status_code} {answer.text}"]
        return known + self.in_engine(name) + self.on_disk(name)

    def of_any(self, names):
        """Those of the names that left a trace, from one look at each place."""
        seen = [*self.api.listed(), *self.engine.names(), *self.on_disk("")]
        return {name for name in names if any(name in each for each in seen)}


class Reaper:
    """Removes the leftovers of test runs, and nothing else."""

    def __init__(self, api, engine, settings, registry):
        self.api = api
        self.engine = engine
        self.settings = settings
        self.registry = registry

    def _is_ours(self, name):
        return is_made_by_tests(name, self.registered)

    def reap(self):
        self.registered = self.registry.names()
        for name in filter(self._is_ours, self.api.listed()):
            # pgberthd may be at work on it, bringing it back.
            wait_for(lambda name=name: self.api.delete(name, purge=True).status_code != 409, f"{name} is purged", 120)
        for container in self.engine.client.containers.list(all=True, ignore_removed=True):
            # Those of a stack of a test's own are that stack's to remove.
            root = container.labels.get("pgberth.root", str(self.settings.root))
            if root == str(self.settings.root) and self._is_ours(container.name.removeprefix("pgberth-")):
                with contextlib.suppress(docker.errors.NotFound):
                    container.remove(force=True)
        for place in ("instances/*", "trash/*"):  # there may be no trash yet
            for path in self.settings.root.glob(place):
                if self._is_ours(path.name):
                    discard(path)
        self.registry.clear()


def discard(path):
    """Removes a file, or a directory with its content, however deep; never through a link."""
    if path.is_dir() and not path.is_symlink():
        subprocess.run(["rm", "-rf", path], check=True)
    else:
        path.unlink(missing_ok=True)


def trashed_as(api, name):
    """The id that a name has in the trash."""
    ids = [entry["id"] for entry in ok(api.call("GET", "/trash"))["trash"] if entry["storage_dir"] == name]
    return ids[0]
