"""What time does: entries of the trash grow old, servers expire, and what is stopped for long is purged on demand."""
import pytest

from lib.client import ok
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
