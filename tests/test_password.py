"""PUT …/password; every password that the rule admits is in test_catalogue."""
import contextlib

import pytest

from lib.client import assert_error, ok
from lib.catalogue import PASSWORDS
from lib.recorder import new_name

def is_refused(instance, password):
    return "authentication failed" in instance.refusal(password=password)


def test_put_password_admits_the_new_and_refuses_the_old_without_restart(instance, api, engine):
    before, started, old = engine.identity(instance.name), instance.postmaster_started(), instance.password

    body = ok(api.put_password(instance.name, "the new one"))

    assert is_refused(instance, old)
    instance.password = "the new one"
    assert instance.postmaster_started() == started
    assert engine.identity(instance.name) == before
    assert body["state"] == "running"


def test_put_password_by_form(instance, api):
    ok(api.on("PUT", instance.name, "password", data={"admin_password": "a form's & own"}))

    assert instance.value("SELECT 1", password="a form's & own") == 1


def test_put_password_leaves_open_sessions_alone(instance, api):
    with contextlib.closing(instance.connect()) as connection, connection.cursor() as cursor:
        ok(api.put_password(instance.name, "new"))

        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_put_password_outlives_a_restart(instance, api):
    ok(api.put_password(instance.name, "new"))

    ok(api.restart(instance.name))

    assert instance.value("SELECT 1", password="new") == 1


def test_put_the_same_password_is_200(instance, api):
    ok(api.put_password(instance.name, instance.password))

    assert instance.value("SELECT 1") == 1


@pytest.mark.parametrize("way", ["create", "create_by_form"])
@pytest.mark.parametrize("name", ["G72 quotes", "G73 form characters", "G75 control characters", "G77 emoji",
                                  "G71 1024 bytes", "G78 scram lookalike"])
def test_password_logs_in_after_create(new_instance, api, name, way):
    instance = new_instance()
    instance.password = PASSWORDS[name]
    fields = instance.fields()

    ok(api.create(**fields) if way == "create" else api.create_by_form(fields))

    assert instance.value("SELECT 1") == 1


def test_put_password_on_a_stopped_server_is_409(instance, api):
    ok(api.stop(instance.name))

    assert_error(api.put_password(instance.name, "new"), 409, "not_running")


def test_put_password_on_a_stored_server_is_409(instance, api):
    ok(api.delete(instance.name))

    assert_error(api.put_password(instance.name, "new"), 409, "not_running")


def test_put_password_of_unknown_is_404(api):
    assert_error(api.put_password(new_name(), "new"), 404, "not_found")


@pytest.mark.parametrize("fields, field", [
    ({}, "admin_password"),
    ({"admin_password": ""}, "admin_password"),
    ({"admin_password": None}, "admin_password"),
    ({"admin_password": 1}, "admin_password"),
    ({"admin_password": "x" * 1025}, "admin_password"),
    ({"admin_password": "a\0b"}, "admin_password"),
    ({"admin_password": "new", "port": 6200}, "port"),
    ({"password": "new"}, "password"),
])
def test_put_of_no_good_password_is_422_and_changes_nothing(shared, api, fields, field):
    response = api.on("PUT", shared.name, "password", json=fields)

    assert_error(response, 422, "invalid", field)
    assert shared.value("SELECT 1") == 1
