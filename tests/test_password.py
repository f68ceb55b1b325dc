"""PUT …/password; every password that the rule admits is in test_catalogue."""
import contextlib

import pytest

from lib.client import assert_error, ok
from lib.catalogue import PASSWORDS
from lib.recorder import new_name


def test_put_password_admits_the_new_and_refuses_the_old_without_restart(changeable, api, engine):
    before, started, old = engine.identity(changeable.name), changeable.postmaster_started(), changeable.password

    with contextlib.closing(changeable.connect()) as connection, connection.cursor() as cursor:
        body = ok(api.put_password(changeable.name, "the new one"))

        # Open sessions are left alone.
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    changeable.password = "the new one"
    assert "authentication failed" in changeable.refusal(password=old)
    assert changeable.postmaster_started() == started
    assert engine.identity(changeable.name) == before
    assert body["state"] == "running"
    # The same again is no mistake.
    ok(api.put_password(changeable.name, "the new one"))
    assert changeable.value("SELECT 1") == 1


def test_put_password_by_form_outlives_a_restart(changeable, api):
    ok(api.on("PUT", changeable.name, "password", data={"admin_password": "a form's & own"}))
    changeable.password = "a form's & own"
    assert changeable.value("SELECT 1") == 1

    ok(api.restart(changeable.name))

    assert changeable.value("SELECT 1") == 1


@pytest.mark.parametrize("name, first, second", [
    ("G72 quotes", "json", "form"), ("G73 form characters", "form", "json"), ("G75 control characters", "json", "form"),
    ("G77 emoji", "form", "json"), ("G71 1024 bytes", "json", "form"), ("G78 scram lookalike", "form", "json")])
def test_password_logs_in_after_create_and_is_the_same_by_json_and_form(new_instance, api, name, first, second):
    """A server that runs answers 200 only to the password that it has."""
    ways = {"json": lambda fields: api.create(**fields), "form": api.create_by_form}
    instance = new_instance()
    instance.password = PASSWORDS[name]

    ok(ways[first](instance.fields()))

    assert instance.value("SELECT 1") == 1
    ok(ways[second](instance.fields()))
    assert_error(ways[second](instance.fields(admin_password=instance.password[1:] + "x")), 409, "already_exists", "admin_password")


def test_put_password_on_a_server_that_does_not_run_is_409(instance, api):
    ok(api.stop(instance.name))
    assert_error(api.put_password(instance.name, "new"), 409, "not_running")

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
