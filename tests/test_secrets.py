"""A password goes nowhere: looked for everywhere, by a search that finds what is planted."""
import subprocess

import pytest

from lib.canary_search import disguises, new_canary
from lib.client import ok
from lib.engine import HAS_SYSTEMD


def test_password_of_a_create_is_nowhere(new_instance, api, canary_search):
    instance = new_instance()
    canary = instance.password = new_canary()

    said = [instance.post().text, instance.post().text, api.get(instance.name).text,
            api.list().text, api.logs(instance.name).text]

    assert instance.value("SELECT 1") == 1
    assert not any(canary in text for text in said)
    assert canary_search.places_of(*disguises(canary)) == []


def test_password_of_a_create_by_form_is_nowhere(new_instance, api, canary_search):
    instance = new_instance()
    instance.password = new_canary()

    ok(api.create_by_form(instance.fields()))

    assert canary_search.places_of(*disguises(instance.password)) == []


def test_passwords_of_refused_posts_are_nowhere(shared, send, canary_search):
    canary = new_canary()
    name = f'"storage_dir": "{shared.name}"'

    said = [
        send(f'{{{name}, "admin_password": "{canary}"}}'),
        send(f'{{{name}, "admin_password": "{canary}", "port": 80}}'),
        send(f'{{{name}, "admin_password": "{canary}", "prot": 6123}}'),
        send(f'{{{name}, "admin_password": "{canary}", "admin_password": "{canary}"}}'),
        send(f'{{{name}, "admin_password": "{canary}"'),
        send(f'{{{name}, "admin_password": {canary}}}'),
        send(f'"{canary}"'),
        send(f'["{canary}"]'),
        send(f'{{"storage_dir": "{canary} ", "admin_password": "{canary}"}}'),
        send(f'{{{name}, "admin_password": ["{canary}"]}}'),
        send(f'{{{name}, "admin_password": "{canary}{"x" * 1024}"}}'),
        send(f'{{{name}, "admin_password": "{canary}\\u0000"}}'),
        send(f"storage_dir={shared.name}&admin_password={canary}&port=x", "application/x-www-form-urlencoded"),
        send(f"storage_dir={shared.name}&admin_password={canary}%", "application/x-www-form-urlencoded"),
        send(f"admin_password={canary}", "text/plain"),
        send(f'{{"admin_password": "{canary}"}}', "application/x-www-form-urlencoded"),
        send(f'port=6123&{{"admin_password": "{canary}"}}', "application/x-www-form-urlencoded"),
        send(f'{{"admin_password": "{canary}"}}'.ljust(20_000)),
    ]

    assert not any(canary in response.text for response in said)
    assert canary_search.places_of(*disguises(canary)) == []


def test_password_of_a_put_is_nowhere(instance, api, canary_search):
    canary, refused = new_canary(), new_canary()

    ok(api.put_password(instance.name, canary))
    response = api.on("PUT", instance.name, "password", json={"admin_password": refused, "x": 1})

    assert response.status_code == 422
    assert instance.value("SELECT 1", password=canary) == 1
    assert canary_search.places_of(*disguises(canary), *disguises(refused)) == []


@pytest.mark.parametrize("verbosity", ["log_statement = 'all'", "log_min_duration_statement = 0",
                                       "log_min_messages = 'debug5'"])
def test_password_is_nowhere_though_the_server_logs_all_it_can(changeable, api, canary_search, verbosity):
    changeable.sql("ALTER SYSTEM RESET ALL")
    changeable.sql(f"ALTER SYSTEM SET {verbosity}")
    changeable.sql("SELECT pg_reload_conf()")
    put, post = new_canary(), new_canary()

    ok(api.put_password(changeable.name, put))
    ok(api.stop(changeable.name))
    changeable.create(admin_password=post)

    assert changeable.value("SELECT 1") == 1
    assert canary_search.places_of(*disguises(put), *disguises(post)) == []


@pytest.mark.parametrize("admin_is_shut_out", [False, True])
def test_password_of_a_come_back_is_nowhere(instance, api, canary_search, admin_is_shut_out):
    if admin_is_shut_out:
        instance.sql("ALTER ROLE postgres NOLOGIN; ALTER ROLE pythonanywhere_helper NOLOGIN")
    ok(api.stop(instance.name))
    canary = new_canary()

    instance.create(admin_password=canary)

    assert canary_search.places_of(*disguises(canary)) == []


def test_password_of_a_purged_server_is_nowhere(new_instance, api, canary_search):
    instance = new_instance()
    instance.password = new_canary()
    instance.create()

    ok(api.delete(instance.name, purge=True))

    assert canary_search.places_of(*disguises(instance.password)) == []


def test_password_of_a_server_that_cannot_start_is_nowhere(instance, api, canary_search):
    instance.sql("ALTER SYSTEM SET shared_preload_libraries = 'nope'")
    ok(api.stop(instance.name))
    canary = new_canary()

    assert canary not in instance.post(admin_password=canary).text

    assert canary_search.places_of(*disguises(canary)) == []


def test_pgberthd_writes_no_cores(pgberthd):
    assert pgberthd.process().limit("Max core file size") == "0"


# ---- the search finds what is there ----------------------------------------------------------

def test_search_finds_a_file_of_the_tenant(changeable, canary_search):
    canary = new_canary()
    changeable.sql("CREATE TABLE planted AS SELECT %s AS line", canary)
    changeable.sql("CHECKPOINT")

    assert any(str(changeable.pgdata) in place for place in canary_search.places_of(canary))


def test_search_finds_a_label_and_a_record(changeable, api, canary_search):
    canary = new_canary()
    ok(api.patch(changeable.name, labels={"planted": canary}))

    assert str(changeable.directory / "instance.json") in canary_search.places_of(canary)


def test_search_finds_what_the_engine_knows(canary_search, stranger):
    canary = new_canary()
    container = stranger(f"pgberth-{canary}-stranger", environment={"PLANTED": canary})

    assert f"container {container.name}" in canary_search.places_of(canary)


def test_search_finds_a_line_of_the_servers_log(changeable, canary_search):
    canary = new_canary()
    changeable.sql(f"DO $$ BEGIN RAISE LOG '{canary}'; END $$")

    assert any("/pg/log/" in place for place in canary_search.places_of(canary))


def test_search_finds_a_line_of_the_log_of_nginx(api, canary_search):
    canary = new_canary()
    api.get(canary)

    assert any("/var/log/nginx/" in place for place in canary_search.places_of(canary))


@pytest.mark.skipif(HAS_SYSTEMD, reason="the log is the journal")
def test_search_finds_a_line_of_pgberthds_log(api, canary_search):
    canary = new_canary()
    api.call("GET", "/health", headers={"X-Request-Id": canary})

    assert any("/var/log/pgberth/" in place for place in canary_search.places_of(canary))


@pytest.mark.parametrize("kind", ["cmdline", "environ"])
def test_search_finds_what_a_process_was_given(canary_search, kind):
    canary = new_canary()
    words, environment = ([canary], {}) if kind == "cmdline" else ([], {"PLANTED": canary})
    process = subprocess.Popen(["/bin/sh", "-c", "read line", *words], env=environment, stdin=subprocess.PIPE)

    try:
        assert f"/proc/{process.pid}/{kind}" in canary_search.places_of(canary)
    finally:
        process.kill()
        process.communicate()
