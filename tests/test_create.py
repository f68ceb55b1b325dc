"""POST /api/containers/: a new server, and the same POST again."""
import datetime
import json
import subprocess

import psycopg2
import pytest

from lib.client import assert_error, ok
from lib.recorder import new_name
from lib.stack import BINARY

KEYS = {"status", "storage_dir", "state", "port", "address", "version", "admin_user", "dsn",
        "created_at", "labels", "limits", "container_id", "reason", "allow", "tls", "exposure"}


def test_create_answers_the_instance_and_it_accepts_a_login_at_once(new_instance, api):
    instance = new_instance()

    body = ok(instance.post())

    assert instance.value("SELECT version()").startswith("PostgreSQL 17")
    assert KEYS <= set(body)
    assert body["storage_dir"] == instance.name
    assert body["port"] == instance.port
    assert body["state"] == "running"
    assert body["version"] == 17
    assert body["admin_user"] == instance.admin_user
    assert body["limits"] == {"memory_mb": 512, "cpus": 1}
    assert body["labels"] == {}
    assert ok(api.get(instance.name)) == body


def test_container_id_is_the_engines(shared, engine):
    assert shared.view()["container_id"] == engine.inspect(shared.name)["Id"]


def test_created_at_is_a_moment_with_a_time_zone(shared):
    assert datetime.datetime.strptime(shared.view()["created_at"][:19], "%Y-%m-%dT%H:%M:%S")
    assert shared.view()["created_at"].endswith("Z")


def test_dsn_holds_no_password_and_works_with_one(shared):
    dsn = shared.view()["dsn"]

    assert shared.password not in dsn
    psycopg2.connect(dsn, password=shared.password).close()


def test_address_and_port_are_where_the_server_listens(shared):
    view = shared.view()

    assert shared.value("SELECT 1", host=view["address"], port=view["port"]) == 1


def test_admin_is_a_superuser_of_the_configured_name(shared):
    assert shared.value("SELECT rolsuper FROM pg_roles WHERE rolname = %s", shared.admin_user)


def test_form_fields_mean_the_same_as_json(new_instance, api):
    instance = new_instance()

    body = ok(api.create_by_form(instance.fields(
        memory_mb=256, cpus="0.5", version=15, **{"labels.team": "red", "labels.a.b-c_d": "x=y"})))

    assert instance.value("SELECT 1") == 1
    assert body["port"] == instance.port
    assert body["limits"] == {"memory_mb": 256, "cpus": 0.5}
    assert body["labels"] == {"team": "red", "a.b-c_d": "x=y"}


def test_json_labels_and_limits_are_kept_and_the_same_post_again_touches_nothing(new_instance, engine):
    instance = new_instance()
    fields = {"memory_mb": 300, "cpus": 0.75, "labels": {"empty": "", "text": "é " * 80}}

    first = instance.create(**fields)
    before = engine.identity(instance.name)

    view = instance.view()
    assert view["limits"] == {"memory_mb": 300, "cpus": 0.75}
    assert view["labels"] == {"empty": "", "text": "é " * 80}
    assert ok(instance.post(**fields)) == first
    # A field that is not given keeps its recorded value.
    assert ok(instance.post(port=None)) == first
    assert engine.identity(instance.name) == before


@pytest.mark.parametrize("shape", ["{}.with.dots", "{}_under-and..dots.", "{}UPPER"])
def test_unusual_storage_dirs_work(new_instance, shape):
    instance = new_instance(shape.format(new_name()))

    instance.create()

    assert instance.value("SHOW cluster_name") == instance.name


def test_storage_dir_and_labels_of_the_greatest_length_work(new_instance):
    instance = new_instance(new_name().ljust(63, "x"))
    labels = {f"{number:02}".ljust(63, "k"): "v" * 255 for number in range(16)}

    assert instance.create(labels=labels)["labels"] == labels

    assert instance.value("SELECT 1") == 1
    assert instance.view()["storage_dir"] == instance.name


def test_names_that_differ_only_in_case_are_two_instances(new_instance):
    name = new_name("-twin")
    lower, upper = new_instance(name), new_instance(name.replace("twin", "TWIN"))

    lower.create()
    upper.create()

    assert lower.value("SHOW cluster_name") == lower.name
    assert upper.value("SHOW cluster_name") == upper.name


@pytest.mark.parametrize("changes", [
    {"admin_password": "another"},
    {"port": 0},
    {"memory_mb": 640},
    {"cpus": 0.3},
    {"disk_mb": 512},
    {"labels": {"other": "label"}},
    {"version": 15},
], ids=lambda changes: next(iter(changes)))
def test_post_that_differs_from_what_runs_is_409_naming_the_field(shared, ports, engine, changes):
    if "port" in changes:
        changes = {"port": ports.take()}
    view, before = shared.view(), engine.identity(shared.name)

    response = shared.post(**changes)

    assert_error(response, 409, "already_exists", next(iter(changes)))
    assert shared.view() == view
    assert engine.identity(shared.name) == before
    assert shared.value("SELECT 1") == 1


def test_answer_is_json_with_a_request_id(shared, api):
    response = shared.post()

    assert response.headers["Content-Type"].startswith("application/json")
    assert response.headers["X-Request-Id"]
    assert json.loads(response.text)["status"] == "OK"


@pytest.mark.parametrize("options, said", [
    (["--port", "80"], "port must be between 6000 and 9999 (invalid)"),
    (["--label", "A=x"], "labels must have keys that are 1 to 63 of a-z 0-9 . _ - (invalid)"),
    (["--tls", "off"], "tls must be offered or required (invalid)"),
    (["--cpus", "0"], None),
])
def test_command_line_says_a_refusal_in_one_sentence_with_the_fields_name_once(tmp_path, options, said):
    (tmp_path / "password").write_text("papwd\n")

    done = subprocess.run([BINARY.with_name("pgberth"), "create", new_name(), "--password-file", tmp_path / "password",
                           "--cacert", "/etc/pgberth/tls/nginx.crt", *options], capture_output=True, text=True, timeout=60)

    field = options[0].strip("-")
    assert done.returncode == 1 and done.stderr.count(field) == 1, done
    assert done.stderr.startswith(f"pgberth: {said}" if said else "pgberth: cpus must be between 0.1 and "), done.stderr
