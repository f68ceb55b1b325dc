"""What was purged can be had back for a while, and what is removed for good is that directory and nothing else."""
import os
import time

import pytest

from lib.client import assert_error, ok
from lib.concurrency import at_once
from lib.racer import Racer, make_pairs
from lib.recorder import new_name
from lib.waiting import wait_for


def entries(api, name):
    return [entry for entry in ok(api.call("GET", "/trash/"))["trash"] if entry["storage_dir"] == name]


def restore(api, entry):
    return api.call("POST", f"/trash/{entry['id']}/restore")


def remove(api, entry):
    return api.call("DELETE", f"/trash/{entry['id']}/")


@pytest.fixture
def trashed(changeable, api):
    """This module's instance, purged, with a row in it, and its entry in the trash; whatever the tests make of it."""
    name = changeable.name
    if not entries(api, name):
        changeable.create()
        changeable.sql("DROP TABLE IF EXISTS kept")
        changeable.keep_row("precious")
        ok(api.delete(name, purge=True))
    entry, = entries(api, name)
    yield changeable, entry
    if entry in entries(api, name):  # what has its name by now is another
        api.delete(name, purge=True)
        for other in entries(api, name):
            assert other == entry or ok(remove(api, other))


def test_purge_is_listed_with_its_last_day(trashed):
    _, entry = trashed

    assert set(entry) == {"id", "storage_dir", "version", "trashed_at", "expires_at"}
    assert entry["version"] == 17
    assert entry["expires_at"] > entry["trashed_at"]


def test_restore_brings_back_instance_data_and_password(trashed, api):
    instance, entry = trashed

    body = ok(restore(api, entry))

    assert (body["storage_dir"], body["state"], body["port"]) == (instance.name, "stored", None)
    assert entries(api, instance.name) == []
    instance.port = ok(api.start(instance.name))["port"]
    assert instance.kept_rows() == ["precious"]


def test_restore_under_a_name_that_is_taken_is_409_and_changes_nothing(trashed, api):
    instance, entry = trashed
    instance.create()

    assert_error(restore(api, entry), 409, "already_exists", "storage_dir")

    assert entries(api, instance.name) == [entry]
    assert instance.value("SELECT 1") == 1


def test_several_purges_of_one_name_are_kept_apart(instance, api):
    for row in ("first", "second"):
        instance.create()
        instance.keep_row(row)
        ok(api.delete(instance.name, purge=True))
    first, second = sorted(entries(api, instance.name), key=lambda entry: entry["trashed_at"])

    ok(restore(api, second))
    instance.create()
    rows = instance.kept_rows()
    ok(api.delete(instance.name, purge=True))
    ok(restore(api, first))
    instance.create()

    assert sorted(rows + instance.kept_rows()) == ["first", "second"]


def test_removal_is_for_good_and_frees_the_uid(trashed, api):
    instance, entry = trashed

    assert ok(remove(api, entry))["removed"] == entry["id"]

    assert instance.trashed() == []
    assert_error(restore(api, entry), 404, "not_found")
    assert_error(remove(api, entry), 404, "not_found")


@pytest.mark.parametrize("id", ["nothing", "..", "a/b", "-x", "x" * 128, "%2e%2e", "a b", "*"])
def test_unknown_ids_are_404(api, id):
    assert api.call("POST", f"/trash/{id}/restore").status_code in (400, 404)
    assert api.call("DELETE", f"/trash/{id}").status_code in (400, 404, 405)


def test_methods_of_the_trash(api, trashed):
    _, entry = trashed
    assert_error(api.call("POST", "/trash/"), 405, "method_not_allowed")
    assert_error(api.call("GET", f"/trash/{entry['id']}/restore"), 405, "method_not_allowed")
    assert_error(api.call("POST", f"/trash/{entry['id']}/restore", json={"x": 1}), 422, "invalid", "x")


def test_restores_at_once_end_in_one_instance(trashed, api):
    instance, entry = trashed

    answers = at_once([lambda: restore(api, entry)] * 10)

    assert sorted(answer.status_code for answer in answers).count(200) == 1
    assert {answer.status_code for answer in answers} <= {200, 404, 409}
    instance.create()
    assert instance.kept_rows() == ["precious"]


def test_what_a_hostile_owner_put_there_is_removed_and_nothing_outside(stack, tmp_path):
    instance, canary = stack.make(), tmp_path / "canary"
    canary.write_text("alive")
    instance.shell(f"ln -s {tmp_path} /pg/data/link; ln -s / /pg/data/root; mkfifo /pg/data/fifo; "
                   "mkdir -p /pg/data/$(seq -s / 1 60); touch /pg/data/'-rf *'; true")
    # Deeper than any path may be long: one chain of directories put below another.
    chain = "for i in $(seq 1500); do mkdir d && cd d || exit 1; done"
    instance.shell(f"mkdir /pg/data/e && cd /pg/data/e && {chain}; cd /pg/data && {chain}; mv /pg/data/e .")
    ok(stack.api.delete(instance.name, purge=True))
    entry, = entries(stack.api, instance.name)

    ok(remove(stack.api, entry))

    assert instance.trashed() == []
    assert canary.read_text() == "alive"
    assert os.path.exists("/etc/passwd")


def test_purge_and_removal_go_round_what_swaps_directories_for_links(stack, tmp_path):
    """A process of the owner's that outlived its container has its directory open and swaps what is in it."""
    (tmp_path / "kept").write_text("alive")
    instance = stack.make()
    make_pairs(instance.pgdata, 300, tmp_path, instance.pgdata.stat().st_uid)

    with Racer(instance.pgdata, instance.pgdata.stat().st_uid) as racer:
        ok(stack.api.delete(instance.name, purge=True))
        entry, = entries(stack.api, instance.name)
        ok(remove(stack.api, entry))

    assert (tmp_path / "kept").read_text() == "alive"
    assert racer.raced > 10, "they went before the racer came to them"
    assert list(stack.settings.staging.iterdir()) == instance.trashed() == []


def test_purge_of_what_is_stopped_for_long_is_a_dry_run_first(make_instance, api):
    stopped, stored, running = make_instance(), make_instance(), make_instance()
    ok(api.stop(stopped.name))
    ok(api.delete(stored.name))

    def purge(**fields):
        return ok(api.call("POST", "/purge/", json=fields))

    ours = {stopped.name, stored.name, running.name}
    assert ours & set(purge(stopped_days=1)["containers"]) == set()
    dry = purge(stopped_days=0)
    assert dry["dry_run"] is True
    assert ours & set(dry["containers"]) == {stopped.name, stored.name}
    assert stopped.view()["state"] == "stopped"


@pytest.mark.parametrize("fields, field", [
    ({}, "stopped_days"), ({"stopped_days": "1"}, "stopped_days"), ({"stopped_days": -1}, "stopped_days"),
    ({"stopped_days": 1, "dry_run": "no"}, "dry_run"), ({"stopped_days": 1, "x": 1}, "x")])
def test_bad_purges_are_422(api, fields, field):
    assert_error(api.call("POST", "/purge/", json=fields), 422, "invalid", field)


# ---- expiry ----------------------------------------------------------------------------------

def test_server_that_expires_is_deleted_and_kept(new_instance):
    instance = new_instance()
    view = instance.create(expires_in=2)
    assert view["expires_at"] and view["expire_purge"] is False

    wait_for(lambda: instance.view()["state"] == "stored", "it has expired", 60)

    assert instance.view()["expires_at"] is None
    instance.create()
    assert instance.view()["state"] == "running"


def test_server_that_expires_with_its_data_goes_through_the_trash(make_instance, api):
    instance = make_instance(expire_purge=True)
    instance.keep_row("precious")
    ok(api.patch(instance.name, expires_in=1))

    wait_for(lambda: api.get(instance.name).status_code == 404, "it has expired", 60)

    entry, = entries(api, instance.name)
    ok(restore(api, entry))
    instance.create(port=None)
    assert instance.kept_rows() == ["precious"]


def test_what_is_restored_after_its_time_stays(make_instance, api):
    instance = make_instance(expires_in=4, expire_purge=True)
    ok(api.delete(instance.name, purge=True))
    entry, = entries(api, instance.name)
    expires = time.monotonic() + 4
    wait_for(lambda: time.monotonic() > expires, "its time is over", 10)

    body = ok(restore(api, entry))

    assert body["expires_at"] is None
    time.sleep(3)
    assert instance.view()["state"] == "stored"


def test_longest_name_goes_to_the_trash_and_comes_back(new_instance, api):
    instance = new_instance(f"{new_name()}-".ljust(63, "x"))
    instance.create()
    ok(api.delete(instance.name, purge=True))

    entry, = entries(api, instance.name)

    assert entry["trashed_at"] and entry["expires_at"]
    assert ok(restore(api, entry))["storage_dir"] == instance.name


def test_expiry_can_be_set_changed_and_taken_back(make_instance, api):
    instance = make_instance()
    assert instance.view()["expires_at"] is None

    body = ok(api.patch(instance.name, expires_in=3600, expire_purge=True))
    assert body["expires_at"] and body["expire_purge"] is True and body["restarted"] is False
    longer = ok(instance.post(expires_in=7200))
    assert longer["expires_at"] > body["expires_at"]
    ok(instance.post())
    assert instance.view()["expires_at"] == longer["expires_at"]
    assert ok(api.patch(instance.name, expires_in=0))["expires_at"] is None


def test_expiry_in_a_form(api, new_instance):
    instance = new_instance()
    fields = {**instance.fields(), "expires_in": "3600", "expire_purge": "true"}

    body = ok(api.create_by_form(fields))

    assert body["expires_at"] and body["expire_purge"] is True


@pytest.mark.parametrize("field, value", [
    ("expires_in", -1), ("expires_in", "60"), ("expires_in", 1.5), ("expires_in", None), ("expires_in", 10 ** 12),
    ("expires_in", True), ("expire_purge", "true"), ("expire_purge", 1), ("expire_purge", None)])
def test_bad_expiry_is_422(new_instance, field, value):
    instance = new_instance()
    fields = {**instance.fields(), field: value}

    assert_error(instance.api.create(**fields), 422, "invalid", field)


@pytest.mark.parametrize("field, value", [("expires_in", "060"), ("expires_in", ""), ("expires_in", "1e3"),
                                          ("expire_purge", "1"), ("expire_purge", ""), ("expire_purge", "TRUE")])
def test_bad_expiry_in_a_form_is_422(new_instance, field, value):
    instance = new_instance()
    assert_error(instance.api.create_by_form({**instance.fields(), field: value}), 422, "invalid", field)
