"""What time does: entries of the trash grow old, servers expire, and what is stopped for long is purged on demand."""
import contextlib
import os
import re
import signal

import pytest

from lib.client import ok
from lib.engine import Engine
from lib.waiting import wait_for


@pytest.fixture
def instance(precious):
    return precious


def test_old_entry_of_the_trash_goes_by_itself_and_frees_its_uid(stack):
    instance = stack.make()
    uid = instance.record()["uid"]
    stack.purge(instance)
    entry, = [entry for entry in stack.trash() if entry["storage_dir"] == instance.name]
    fresh = stack.make()
    assert fresh.record()["uid"] != uid
    stack.purge(fresh)
    stamp = entry["id"].split(".")[1]
    path = stack.settings.trash / entry["id"]
    path.rename(path.with_name(entry["id"].replace(stamp, "20200101T000000Z")))

    stack.restart()

    wait_for(lambda: instance.name not in [each["storage_dir"] for each in stack.trash()], "it is removed", 90)
    assert fresh.name in [each["storage_dir"] for each in stack.trash()]
    wait_for(lambda: list(stack.settings.staging.iterdir()) == [], "nothing of it is left", 60)


def test_uid_of_what_is_in_the_trash_is_not_given_again(stack):
    instance = stack.make()
    uid = instance.record()["uid"]
    stack.purge(instance)
    entry, = instance.trashed()
    (entry / "instance.json").unlink()
    stack.restart()

    others = [stack.make() for _ in range(3)]

    assert uid not in [other.record()["uid"] for other in others]
    for other in others:
        stack.purge(other)


def test_purge_of_what_is_stopped_for_long(stack, instance):
    old, young = stack.make(), stack.make()
    ok(stack.api.stop(old.name))
    ok(stack.api.stop(young.name))
    stack.kill()
    old.write_record(stopped_at=old.record()["stopped_at"] - 40 * 86400)
    stack.start()

    def purge(**fields):
        return ok(stack.api.call("POST", "/purge/", json={"stopped_days": 30, **fields}))

    assert purge() == {"status": "OK", "dry_run": True, "containers": [old.name]}
    assert old.view()["state"] == "stopped"
    assert purge(dry_run=False) == {"status": "OK", "dry_run": False, "containers": [old.name]}
    assert stack.api.get(old.name).status_code == 404
    assert old.trashed()
    assert young.view()["state"] == "stopped"
    assert instance.view()["state"] == "running"
    stack.purge(young)


def test_what_expired_while_pgberthd_was_away_goes_at_its_start(stack):
    instance = stack.make(expires_in=1)
    stack.kill()

    stack.start()

    instance.becomes("stored")
    stack.purge(instance)


@contextlib.contextmanager
def deaf(*instances):
    """Their postmasters do not hear that they should end, until the with block does."""
    postmasters = [Engine().postmaster_pid(instance.name) for instance in instances]
    try:
        for pid in postmasters:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in postmasters:
            os.kill(pid, signal.SIGCONT)


def test_servers_that_do_not_end_keep_no_others_from_expiring(stack):
    unending, other = [stack.make(), stack.make()], stack.make()
    with deaf(*unending):
        for instance in unending:
            ok(stack.api.patch(instance.name, expires_in=1))
        for instance in unending:
            instance.becomes("stopping")
        ok(stack.api.patch(other.name, expires_in=1))

        other.becomes("stored")

        assert [instance.view()["state"] for instance in unending] == ["stopping"] * 2
    for instance in [*unending, other]:
        instance.becomes("stored")
        stack.purge(instance)


def test_trash_and_disk_are_looked_after_though_a_server_does_not_end(stack):
    unending, trashed = stack.make(), stack.make()
    stack.purge(trashed)
    entry, = trashed.trashed()
    entry.rename(entry.with_name(re.sub(r"\.\d+T\d+Z\.", ".20200101T000000Z.", entry.name)))
    with deaf(unending):
        stack.kill()
        unending.write_record(expires_at=1)
        stack.write_configuration(free_percent=100)
        before = len(stack.log_text())
        stack.start()

        wait_for(lambda: trashed.trashed() == [], "what is old in the trash is removed")
        wait_for(lambda: "disk low" in stack.log_text()[before:], "the disk is measured")

        # It has not been given up first.
        assert f"expired instance not deleted name={unending.name}" not in stack.log_text()[before:].partition("disk low")[0]
        assert unending.view()["state"] != "stored"
    unending.becomes("stored", 120)
    stack.purge(unending)
    stack.write_configuration(free_percent=0)
    stack.restart()
