"""A start with `safe` brings up what has no settings of its owner's, with those that its data demand."""
import contextlib
import os
import signal

import pytest

from lib.client import assert_error, ok
from lib.makers import MAJORS

TOO_LARGE = "shared_buffers = '400GB'\n"


def set_up(api, instance, **values):
    """It runs with these settings, and no others."""
    (instance.pgdata / "postgresql.auto.conf").write_text("".join(f"{name} = '{value}'\n" for name, value in values.items()))
    ok(api.restart(instance.name))


def prepare(instance, name="x"):
    with contextlib.closing(instance.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"BEGIN; CREATE TABLE IF NOT EXISTS kept_{name} (a int); PREPARE TRANSACTION '{name}'")


def rollback(instance, name="x"):
    with contextlib.closing(instance.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"ROLLBACK PREPARED '{name}'")


def drop_slots(instance):
    instance.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")


def make_slots(instance):
    for number in range(12):
        instance.sql(f"SELECT pg_create_physical_replication_slot('s{number}')")


def make_origins(instance):
    for number in range(12):
        instance.sql(f"SELECT pg_replication_origin_create('o{number}'); SELECT pg_replication_origin_advance('o{number}', '0/1000')")


def drop_origins(instance):
    instance.sql("SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin")


# Which setting limits the origins of replication.
ORIGINS = {15: "max_replication_slots", 17: "max_replication_slots", 18: "max_active_replication_origins"}


@pytest.mark.parametrize("major", MAJORS)
def test_safe_start_keeps_what_the_data_demand(servers, api, major):
    instance = servers[major]
    kept = {"wal_level": "logical", "max_replication_slots": "12", ORIGINS[major]: "12", "max_prepared_transactions": "1"}
    set_up(api, instance, **{name: value if name == "wal_level" else 20 for name, value in kept.items()})
    make_slots(instance)
    instance.sql("SELECT pg_drop_replication_slot('s0'); SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')")
    make_origins(instance)
    prepare(instance)
    ok(api.stop(instance.name))
    (instance.pgdata / "postgresql.auto.conf").write_text(TOO_LARGE)
    assert '"safe": true' in assert_error(api.start(instance.name), 503, "server_unavailable")

    body = ok(api.start(instance.name, safe=True))

    set_aside, _, names = body["reason"].partition("; kept what its data demand: ")
    assert "set aside as postgresql.auto.conf." in set_aside and {*names.split(", ")} == {*kept}
    assert {name: instance.value(f"SHOW {name}") for name in kept} == kept
    auto_conf = instance.pgdata / "postgresql.auto.conf"
    assert auto_conf.stat().st_uid == auto_conf.parent.stat().st_uid and auto_conf.stat().st_mode & 0o777 == 0o600
    for remove in (drop_slots, drop_origins, rollback):
        remove(instance)
    instance.sql("ALTER SYSTEM RESET ALL")
    ok(api.restart(instance.name))


def test_after_a_crash_there_is_room_for_what_was_prepared(servers, api, engine):
    instance = servers[17]
    set_up(api, instance, max_prepared_transactions=5, max_locks_per_transaction=100)
    prepare(instance, "crashed")
    (instance.pgdata / "postgresql.auto.conf").write_text(TOO_LARGE)
    os.kill(engine.postmaster_pid(instance.name), signal.SIGKILL)
    instance.becomes("failed", 90)

    ok(api.start(instance.name, safe=True))

    assert (instance.value("SHOW max_prepared_transactions"), instance.value("SHOW max_locks_per_transaction")) == ("5", "100")
    rollback(instance, "crashed")


def test_settings_that_were_lowered_below_what_the_data_demand_are_mended(servers, api):
    instance = servers[17]
    set_up(api, instance, max_prepared_transactions=5)
    prepare(instance)
    (instance.pgdata / "postgresql.auto.conf").write_text("work_mem = '9MB'\n")
    message = assert_error(api.restart(instance.name), 503, "server_unavailable")
    assert "maximum number of prepared transactions" in message and '"safe": true' in message

    ok(api.start(instance.name, safe=True))

    rollback(instance)


def test_standby_keeps_the_sizes_of_its_primary_and_where_it_reads(servers, api):
    instance = servers[17]
    sizes = {"max_connections": 120, "max_worker_processes": 11, "max_wal_senders": 12, "max_locks_per_transaction": 70}
    set_up(api, instance, **sizes)
    ok(api.stop(instance.name))
    (instance.pgdata / "standby.signal").touch()
    (instance.pgdata / "postgresql.auto.conf").write_text(TOO_LARGE + "primary_conninfo = 'password=hidden'\n")

    body = ok(api.start(instance.name, safe=True))

    assert "hidden" not in body["reason"]
    assert {name: instance.value(f"SHOW {name}") for name in [*sizes, "primary_conninfo"]} == {
        **{name: str(value) for name, value in sizes.items()}, "primary_conninfo": "password=hidden"}
    ok(api.stop(instance.name))
    (instance.pgdata / "standby.signal").unlink()


@pytest.mark.parametrize("own", ["work_mem = '9MB'\n", None])
def test_refused_safe_start_advises_no_other_and_leaves_the_settings(servers, api, own):
    instance = servers[17]
    ok(api.stop(instance.name))
    path = instance.pgdata / "postgresql.auto.conf"
    before = sorted(instance.pgdata.glob("postgresql.auto.conf*"))
    path.unlink()
    if own:
        path.write_text(own)
    (instance.pgdata / "recovery.signal").touch()

    message = assert_error(api.start(instance.name, safe=True), 503, "server_unavailable")

    assert "restore_command" in message and "safe" not in message
    assert (path.read_text() if path.exists() else None) == own
    assert {*instance.pgdata.glob("postgresql.auto.conf*")} == {*before} - (set() if own else {path})
    (instance.pgdata / "recovery.signal").unlink()
    path.write_text("")
    ok(api.start(instance.name))


# ---- a server that runs, where the role is the cause -----------------------------------------

ADMIN = "pythonanywhere_helper"
RAISING = ["CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$", "CREATE EVENT TRIGGER no ON login EXECUTE FUNCTION no()"]
DEEDS = {
    "role": [f"ALTER ROLE {ADMIN} SET session_preload_libraries = 'nope'"],
    "database": ["ALTER DATABASE postgres SET local_preload_libraries = 'nope'"],
    "all roles": ["ALTER ROLE ALL SET session_preload_libraries = 'nope'"],
    "role in the database": [f"ALTER ROLE {ADMIN} IN DATABASE postgres SET session_preload_libraries = 'nope'"],
    "login trigger": RAISING,
    "no login": [f"ALTER ROLE {ADMIN} NOLOGIN"],
    "closed database": ["ALTER DATABASE postgres ALLOW_CONNECTIONS false"],
}


@pytest.fixture
def innocent(servers, api):
    """It runs with a setting of its owner's that keeps nobody out."""
    instance = servers[17]
    set_up(api, instance, work_mem="9MB")
    return instance


def shut(instance, deed):
    with contextlib.closing(instance.connect(database="postgres" if deed is RAISING else "template1")) as connection:
        for statement in deed:
            connection.cursor().execute(statement)
    assert instance.refusal()


def mend(api, instance):
    ok(api.put_password(instance.name, instance.password))
    instance.sql("DROP EVENT TRIGGER IF EXISTS no; DROP FUNCTION IF EXISTS no")
    assert instance.value("SELECT 1") == 1


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_safe_start_says_that_the_role_is_the_cause_and_restarts_nothing(innocent, api, deed):
    started = innocent.postmaster_started()
    shut(innocent, deed)

    message = assert_error(api.start(innocent.name, safe=True), 503, "server_unavailable")

    assert "PUT" in message and "password" in message and "does not let pgberth in" in message
    assert "9MB" in (innocent.pgdata / "postgresql.auto.conf").read_text()
    mend(api, innocent)
    assert innocent.postmaster_started() == started


def test_safe_start_of_a_stopped_server_tells_that_its_role_is_shut_out(innocent, api):
    shut(innocent, DEEDS["role"])
    ok(api.stop(innocent.name))

    body = ok(api.start(innocent.name, safe=True))

    assert "set aside" in body["reason"] and "PUT the password" in body["reason"]
    mend(api, innocent)
    assert "PUT the password" not in innocent.view()["reason"]
