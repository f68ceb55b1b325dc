"""kill -9 of pgberthd between any two steps of a change: an acknowledged one holds, any other is finished or undone."""
import contextlib
import json
import pathlib
import re
import subprocess

import pytest
import requests

from lib.client import ok
from lib.recorder import RECORDER
from lib.engine import Engine
from lib.stack import REPOSITORY
from lib.leftovers import Leftovers
from lib.waiting import wait_for
from test_audit import audit_lines


UP = ["up.claimed", "up.saved", "start.created", "start.started", "start.answers", "prove.written",
      "start.proven", "file.written", "up.acknowledged"]
DOWN = ["file.written", "down.saved", "reconcile.stopped", "reconcile.removed", "down.done", "delete.stored"]
STEPS = {
    "create": ["create.claimed", "fill.copied", "fill.laid", "take.laid", "take.placed", "create.stored", *UP],
    "come_back": UP,
    "start": UP,
    "restart": ["reconcile.stopped", "reconcile.removed", "start.started", "up.acknowledged"],
    "stop": ["file.written", "down.saved", "down.done"],
    "delete": DOWN,
    "purge": [*DOWN, "trash.moved"],
    "password": ["password.set", "password.proven"],
    "port": ["up.claimed", "up.saved", "reconcile.removed", "start.started", "start.proven", "up.acknowledged"],
    "labels": ["file.written"],
    "allow": ["file.written", "admit.written", "admit.read"],
    "restore": ["restore.moved"],
    "empty": ["empty.moved"],
    "adopt": ["adopt.owned", "file.written"],
    "uid": ["move.saved", "move.given", "move.owned", "move.moved", "move.done"],
    "quota_uid": ["move.given", "move.owned"],
    "quota_create": ["image.formatted", "image.attached", "image.mounted", "fill.copied", "start.created", "up.acknowledged"],
    "quota_come_back": ["image.attached", "image.mounted", "start.created", "up.acknowledged"],
    "quota_purge": ["reconcile.removed", "image.unmounted", "delete.stored", "trash.moved"],
    "quota_grow": ["file.written", "image.stretched", "image.grown"],
    "quota_empty": ["empty.moved"],
}
# The actions of which the log speaks, where they have another name.
ACTIONS = {"come_back": "create", "port": "update", "labels": "update", "allow": "update", "empty": "trash_remove", "uid": "start",
           "grow": "update"}
OLD_UID = 300005
CASES = [(change, step) for change, steps in STEPS.items() for step in dict.fromkeys(steps)]
# These end with the server running on its own data, so that it can serve for the next step.
REPEATABLE = {"come_back", "start", "restart", "stop", "delete", "purge", "password", "port", "allow", "uid"}


def test_every_step_that_the_code_names_is_tried():
    sources = "".join(path.read_text() for path in pathlib.Path(REPOSITORY, "app").glob("*/*.c"))
    named = set(re.findall(r'kill_point\("([^"]+)"\)', sources))

    assert named == {step for _, step in CASES}


class Change:
    """A change under way when pgberthd dies: what was before it, and what may be after it."""

    def __init__(self, stack, name):
        self.stack, self.api, self.name = stack, stack.api, name
        self.instance = stack.new()
        self.other_port = None
        self.has_row = False
        self.prepare = getattr(self, f"before_{name}", self.before)
        self.call = getattr(self, name)
        self.check = getattr(self, f"after_{name}", self.after)

    def end(self):
        self.api.delete(self.instance.name, purge=True)

    # ---- before ------------------------------------------------------------------------------

    def before(self):
        self.instance.create()
        if not self.has_row:
            self.instance.keep_row("precious")
            self.has_row = True

    def before_create(self):
        pass

    def before_come_back(self):
        self.before()
        ok(self.api.delete(self.instance.name))

    def before_start(self):
        self.before()
        ok(self.api.stop(self.instance.name))

    def before_password(self):
        self.before()
        ok(self.api.put_password(self.instance.name, "original"))
        self.instance.password = "original"

    def before_allow(self):
        self.before()
        ok(self.api.patch(self.instance.name, allow=["0.0.0.0/0", "::/0"]))

    def before_restore(self):
        self.before()
        ok(self.api.delete(self.instance.name, purge=True))

    before_empty = before_restore

    def before_adopt(self):
        self.before_start()
        self.original, self.instance = self.instance, self.stack.new()
        self.instance.password = self.original.password
        subprocess.run(["cp", "-a", self.original.directory, self.instance.directory], check=True)

    def before_uid(self):
        """As version 0.2 left it: with a uid of its range."""
        self.before_start()
        self.stack.stop()
        was, pg, conf = self.instance.record()["uid"], self.instance.directory / "pg", self.instance.directory / "conf"
        for command in (["chown", "-hR", f"--from={was}", f"{OLD_UID}:{OLD_UID}", pg], ["chgrp", OLD_UID, pg], ["chgrp", "-R", OLD_UID, conf]):
            subprocess.run([str(word) for word in command], check=True)
        if self.stack.mounts():
            subprocess.run(["umount", pg], check=True)
            subprocess.run(["chgrp", str(OLD_UID), pg], check=True)
        self.instance.write_record(uid=OLD_UID)
        self.stack.start()

    def before_quota_uid(self):
        self.before_quota_grow()
        self.has_row = True
        self.before_uid()

    before_quota_create = before_create

    def before_quota_grow(self):
        self.instance.create(disk_mb=512)
        self.instance.keep_row("precious")

    def before_quota_come_back(self):
        self.before_quota_grow()
        ok(self.api.delete(self.instance.name))

    before_quota_purge = before_quota_grow

    def before_quota_empty(self):
        self.before_quota_grow()
        ok(self.api.delete(self.instance.name, purge=True))

    # ---- the change --------------------------------------------------------------------------

    def create(self):
        return self.instance.post()

    come_back = create

    def start(self):
        return self.api.start(self.instance.name)

    def restart(self):
        return self.api.restart(self.instance.name)

    def stop(self):
        return self.api.stop(self.instance.name)

    def delete(self):
        return self.api.delete(self.instance.name)

    def purge(self):
        return self.api.delete(self.instance.name, purge=True)

    def password(self):
        return self.api.put_password(self.instance.name, "changed")

    def port(self):
        taken = {view["port"] for view in self.api.listed().values()}
        self.other_port = next(port for port in range(self.stack.settings.port_max, 0, -1) if port not in taken)
        return self.api.patch(self.instance.name, port=self.other_port)

    def labels(self):
        return self.api.patch(self.instance.name, labels={"a": "b"})

    def allow(self):
        return self.api.patch(self.instance.name, allow=["10.0.0.0/8"])

    def trash_id(self):
        found = ok(self.api.call("GET", "/trash/"))["trash"]
        return next((entry["id"] for entry in found if entry["storage_dir"] == self.instance.name), None)

    def restore(self):
        return self.api.call("POST", f"/trash/{self.trash_id()}/restore")

    def empty(self):
        return self.api.call("DELETE", f"/trash/{self.trash_id()}")

    def adopt(self):
        return self.api.adopt(self.instance.name)

    uid = quota_uid = start

    def quota_create(self):
        return self.instance.post(disk_mb=512)

    def quota_come_back(self):
        return self.instance.post(disk_mb=600)

    def quota_grow(self):
        return self.api.patch(self.instance.name, disk_mb=600)

    quota_purge, quota_empty = purge, empty

    # ---- after -------------------------------------------------------------------------------

    def is_told(self, lines):
        """By one line, of the call that nobody was answered; what pgberthd did for it may have another one."""
        name = self.name.removeprefix("quota_")
        [line] = [line for line in lines if line["who"] != "pgberthd"]
        assert (line["action"], line["name"], line["result"]) == (ACTIONS.get(name, name), self.instance.name, "cut_off"), lines
        assert "status" not in line and line["id"] in RECORDER.request_ids
        assert {line["action"] for line in lines if line["who"] == "pgberthd"} <= {"move_uid"}, lines

    def settled(self):
        """Its state, when that is one to stay in; `gone` when there is no instance."""
        answer = self.api.get(self.instance.name)
        if answer.status_code == 404:
            return "gone"
        return answer.json()["state"] in ("running", "stopped", "stored") and answer.json()["state"]

    def state(self):
        return wait_for(self.settled, f"{self.instance.name} is finished or undone", 60)

    def after(self):
        """Whatever it is now, its data are all there."""
        state = self.state()
        assert state != "gone"
        if state == "stopped":
            assert not self.containers("running")
            # The engine would start it when it restarts itself.
            wait_for(lambda: not self.containers("created"), "what was made and not started is removed", 60)
            assert self.instance.view()["state"] == "stopped"
        self.instance.port = self.instance.view()["port"]
        if state != "running":
            self.instance.create()
        assert self.instance.kept_rows() == ["precious"]

    def containers(self, status):
        filters = {"label": f"pgberth.storage_dir={self.instance.name}", "status": status}
        return Engine().client.containers.list(all=True, ignore_removed=True, filters=filters)

    def after_create(self):
        if self.state() == "gone":
            leftovers = Leftovers(self.api, Engine(), self.stack.settings)
            wait_for(lambda: leftovers.of(self.instance.name) == [], "nothing is left", 60)
        self.instance.create()
        assert self.instance.value("SHOW cluster_name") == self.instance.name

    def after_password(self):
        assert self.state() == "running"
        works = [password for password in (self.instance.password, "changed")
                 if not self._is_refused(password)]
        assert len(works) == 1
        self.instance.password = works[0]
        self.after()

    def _is_refused(self, password):
        with contextlib.suppress(AssertionError, BaseException):
            self.instance.connect(password=password).close()
            return False
        return True

    def after_port(self):
        before = self.instance.port
        self.after()
        assert self.instance.port in (before, self.other_port)

    def after_purge(self):
        if self.state() == "gone":
            self.instance.port = None
            ok(self.restore())
        self.after()

    def after_allow(self):
        """What it says is what the server goes by."""
        self.after()
        is_new = self.instance.view()["allow"] == ["10.0.0.0/8"]
        path = self.instance.directory / "conf/pg_hba.conf"
        wait_for(lambda: ("10.0.0.0/8" in path.read_text(), "may still have" in path.read_text()) == (is_new, False),
                 "the server has read what the record says")

    after_restore = after_quota_purge = after_purge

    def after_empty(self):
        assert self.state() == "gone"
        assert self.trash_id() is None

    def after_adopt(self):
        """Still a stranger, to be adopted again, or an instance whose owner has all of it."""
        if self.instance.view()["state"] == "failed":
            assert self.instance.view()["foreign"]
            ok(self.adopt())
        uid = json.loads((self.instance.directory / "instance.json").read_text())["uid"]
        assert {path.lstat().st_uid for path in (self.instance.directory / "pg").rglob("*")} == {uid}
        self.after()
        assert self.original.view()["state"] == "stopped"
        ok(self.api.delete(self.original.name, purge=True))

    def after_uid(self):
        """With one uid, of this range, and not before its server runs."""
        self.after()
        record, settings = self.instance.record(), self.stack.settings
        assert settings.uid_min <= record["uid"] <= settings.uid_max and record["uid_was"] == 0
        pg, conf = self.instance.directory / "pg", self.instance.directory / "conf"
        assert {(path.lstat().st_uid, path.lstat().st_gid) for path in pg.rglob("*")} == {(record["uid"], record["uid"])}
        assert {path.stat().st_gid for path in (pg, conf, *conf.iterdir())} == {record["uid"]}

    after_quota_uid = after_uid
    after_quota_create, after_quota_empty = after_create, after_empty

    def after_quota_grow(self):
        """As large as it says, and not larger."""
        self.after()
        said = self.instance.view()["limits"]["disk_mb"]
        assert said in (512, 600)
        wait_for(lambda: self.instance.disk_bytes() == said << 20, "it has grown to that")

    after_quota_come_back = after_quota_grow


class Servers:
    """The change that was tried last: its server serves for its next step, too, if all was well."""

    def __init__(self, stack):
        self.stack, self.last = stack, None

    def take(self, name):
        last, self.last = self.last, None
        if last and last.name == name:
            return last
        if last:
            last.end()
        return Change(self.stack, name)

    def give_back(self, change):
        if change.name in REPEATABLE:
            self.last = change
        else:
            change.end()


@pytest.fixture(scope="module")
def servers(stack):
    return Servers(stack)


@pytest.mark.parametrize("name, step", CASES, ids=[f"{change}-{step}" for change, step in CASES])
def test_kill_at(stack, servers, name, step):
    change = servers.take(name)
    change.prepare()
    before = len(stack.log_text())
    stack.die_at(step)

    with contextlib.suppress(requests.ConnectionError):
        change.call()
    wait_for(stack.is_dead, f"it dies at {step}")
    stack.start()

    change.is_told(audit_lines(stack.log_text()[before:]))
    change.check()
    assert list(stack.settings.staging.iterdir()) == []
    wait_for(lambda: list(stack.root.glob("staging.old*")) == [], "what it left in staging is removed")
    running = Engine().client.containers.list(ignore_removed=True, filters={"label": f"pgberth.root={stack.root}"})
    assert len(running) == len({container.labels["pgberth.storage_dir"] for container in running})
    servers.give_back(change)
    wait_for(lambda: not stack.mounts() and not stack.loops(), "nothing is mounted any more")
