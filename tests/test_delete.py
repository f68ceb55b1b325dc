"""DELETE keeps the storage; only a purge that is asked for moves it to the trash."""
import pytest

from lib.client import assert_error, ok
from lib.recorder import new_name


def test_delete_keeps_the_data_and_post_brings_the_server_back_on_them(instance, api, engine):
    instance.keep_row("precious")

    body = ok(api.delete(instance.name))

    assert (body["state"], body["port"], body["container_id"]) == ("stored", None, None)
    assert not body.get("purged")
    assert not instance.trashed()
    assert engine.container(instance.name) is None
    assert (instance.pgdata / "PG_VERSION").exists()
    assert instance.view()["state"] == "stored"
    assert api.listed()[instance.name]["state"] == "stored"
    # Once more changes nothing.
    assert ok(api.delete(instance.name))["state"] == "stored"

    assert instance.create()["state"] == "running"
    assert instance.kept_rows() == ["precious"]


@pytest.mark.parametrize("before", ["running", "stopped"])
def test_start_brings_a_deleted_server_back_with_its_password(instance, api, before):
    instance.keep_row("precious")
    if before == "stopped":
        ok(api.stop(instance.name))

    assert ok(api.on("DELETE", instance.name, params={"purge": "false"}))["state"] == "stored"

    assert instance.view()["state"] == "stored"
    instance.port = ok(api.start(instance.name))["port"]
    assert instance.kept_rows() == ["precious"]


def test_delete_frees_the_port_for_another_and_the_deleted_server_gets_another(instance, api, new_instance):
    ok(api.delete(instance.name))
    other = new_instance()

    other.create(port=instance.port)
    body = ok(instance.post(port=None))

    assert other.value("SHOW cluster_name") == other.name
    assert body["port"] != instance.port
    assert instance.value("SELECT 1", port=body["port"]) == 1


@pytest.mark.parametrize("purge", [False, True])
def test_delete_of_unknown_is_404(api, purge):
    assert_error(api.delete(new_name(), purge=purge), 404, "not_found")


@pytest.mark.parametrize("before", ["running", "stopped", "stored"])
def test_purge_moves_the_directory_to_the_trash(instance, api, engine, before):
    if before == "stopped":
        ok(api.stop(instance.name))
    elif before == "stored":
        ok(api.delete(instance.name))

    body = ok(api.delete(instance.name, purge=True))

    assert body["purged"] is True
    assert body["storage_dir"] == instance.name
    assert_error(api.get(instance.name), 404, "not_found")
    assert instance.name not in api.listed()
    assert engine.container(instance.name) is None
    assert not instance.directory.exists()
    assert_error(api.delete(instance.name, purge=True), 404, "not_found")


def test_purged_data_is_whole_in_the_trash_and_a_create_begins_anew(instance, api):
    instance.keep_row("precious")
    instance.sql("CHECKPOINT")
    table = instance.value("SELECT pg_relation_filepath('kept')")
    identifier = instance.value("SELECT system_identifier FROM pg_control_system()")

    ok(api.delete(instance.name, purge=True))

    trashed, = instance.trashed()
    assert b"precious" in (trashed / "pg" / "data" / table).read_bytes()

    instance.create()

    assert instance.value("SELECT to_regclass('kept')") is None
    assert instance.value("SELECT system_identifier FROM pg_control_system()") != identifier


@pytest.mark.parametrize("value", ["maybe", "1", "", "TRUE"])
def test_purge_that_is_neither_true_nor_false_is_422_and_deletes_nothing(shared, api, value):
    response = api.on("DELETE", shared.name, params={"purge": value})

    assert_error(response, 422, "invalid", "purge")
    assert shared.value("SELECT 1") == 1


def test_purge_does_not_follow_what_the_tenant_linked_to(instance, api, tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("alive")
    instance.shell(f"ln -s {tmp_path} /pg/data/link && ln -s {canary} /pg/data/file-link && echo done")

    ok(api.delete(instance.name, purge=True))

    assert canary.read_text() == "alive"
    assert list(tmp_path.iterdir()) == [canary]


def test_connections_that_are_open_do_not_hold_a_delete_up(instance, api):
    connection = instance.connect()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")

        assert ok(api.delete(instance.name))["state"] == "stored"
    connection.close()
