"""POST …/start, …/stop and …/restart."""
import contextlib

import pytest

from lib.client import assert_error, ok
from lib.recorder import new_name


def test_stop_is_a_clean_shutdown_and_start_brings_the_server_back_as_it_was(instance, api):
    instance.keep_row("precious")

    body = ok(api.stop(instance.name))

    assert (body["state"], body["port"]) == ("stopped", instance.port)
    assert "refused" in instance.refusal()
    assert ok(api.stop(instance.name))["state"] == "stopped"

    body = ok(api.start(instance.name))

    assert (body["state"], body["port"]) == ("running", instance.port)
    assert instance.kept_rows() == ["precious"]
    log = api.logs(instance.name, tail=1000).text
    # Said by each start: the first one, on the template, and the one after the stop.
    assert log.count("database system was shut down at") == 2
    assert "not properly shut down" not in log


def test_stop_of_a_stored_server_is_200_and_leaves_it_stored(instance, api):
    ok(api.delete(instance.name))

    assert ok(api.stop(instance.name))["state"] == "stored"


def test_start_of_a_running_server_is_200_and_touches_nothing(shared, api, engine):
    before = engine.identity(shared.name)

    assert ok(api.start(shared.name))["state"] == "running"
    assert engine.identity(shared.name) == before


def test_start_may_be_given_another_port_that_nobody_has(instance, shared, api, ports):
    ok(api.stop(instance.name))
    port = ports.take()

    message = assert_error(api.start(instance.name, port=shared.port), 409, "port_in_use", "port")

    assert shared.name in message
    assert instance.view()["state"] == "stopped"
    assert instance.view()["port"] == instance.port
    assert ok(api.start(instance.name, port=port))["port"] == port
    assert instance.value("SELECT 1", port=port) == 1


def test_restart_gives_a_new_postmaster_on_the_same_data_and_port_and_waits_for_no_session(instance, api):
    instance.keep_row("precious")
    started = instance.postmaster_started()

    with contextlib.closing(instance.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        body = ok(api.restart(instance.name))

    assert (body["state"], body["port"]) == ("running", instance.port)
    assert instance.postmaster_started() > started
    assert instance.kept_rows() == ["precious"]
    with contextlib.closing(instance.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        ok(api.stop(instance.name))


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_of_unknown_is_404(api, verb):
    assert_error(api.on("POST", new_name(), verb), 404, "not_found")


@pytest.mark.parametrize("fields, field", [
    ({"port": 0}, "port"), ({"port": "6200"}, "port"), ({"port": None}, "port"),
    ({"prot": 6200}, "prot"), ({"admin_password": "new"}, "admin_password"),
])
def test_start_with_a_wrong_field_is_422_naming_it(shared, api, fields, field):
    assert_error(api.on("POST", shared.name, "start", json=fields), 422, "invalid", field)


@pytest.mark.parametrize("verb", ["stop", "restart"])
def test_stop_and_restart_take_no_field(shared, api, engine, verb):
    before = engine.identity(shared.name)

    response = api.on("POST", shared.name, verb, json={"port": 6200})

    assert_error(response, 422, "invalid", "port")
    assert engine.identity(shared.name) == before


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_body_of_another_type_is_415(shared, api, verb):
    response = api.on("POST", shared.name, verb, data="port=6200",
                      headers={"Content-Type": "text/plain"})

    assert_error(response, 415, "unsupported_media_type")
