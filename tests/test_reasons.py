"""How long a `reason` stays: what happened until the next start, what keeps clients out until it is over."""
import calendar
import contextlib
import os
import re
import signal
import time

import psycopg2
import pytest

from lib.client import assert_error, ok
from lib.engine import Engine
from lib.waiting import wait_for


@pytest.fixture(scope="module")
def server(stack):
    return stack.make()


@pytest.fixture
def up(server):
    """It runs, as new."""
    for path in server.pgdata.glob("postgresql.auto.conf"):
        path.write_text("")
    server.port = ok(server.api.restart(server.name))["port"]
    return server


def reason_has(instance, words, timeout=60):
    def seen():
        view = instance.view()
        return view["state"] == "running" and re.search(words, view["reason"] or "") and view["reason"]

    return wait_for(seen, f"it runs and its reason has: {words}", timeout)


def reason_ends(instance):
    wait_for(lambda: instance.view()["reason"] is None, "its reason ends", 20)


# ---- what happened ---------------------------------------------------------------------------

def crash(instance):
    os.kill(Engine().postmaster_pid(instance.name), signal.SIGKILL)
    return reason_has(instance, "it went down by itself and was restarted.*SIGKILL")


def restart_by_hand(instance):
    Engine().container(instance.name).restart()
    return reason_has(instance, "its container was restarted outside pgberth")


def start_safely(instance):
    instance.sql("ALTER SYSTEM SET work_mem = '9MB'")
    ok(instance.api.stop(instance.name))
    ok(instance.api.start(instance.name, safe=True))
    return reason_has(instance, "started without its settings, which were set aside as")


@pytest.mark.parametrize("event", [crash, restart_by_hand, start_safely])
def test_event_is_told_until_the_next_start(up, stack, event):
    reason = event(up)

    ok(up.post(expires_in=3600))
    assert up.view()["reason"] == reason
    ok(up.api.put_password(up.name, up.password))
    assert up.view()["reason"] == reason
    ok(up.api.patch(up.name, labels={"event": event.__name__}))
    stack.restart()
    wait_for(lambda: f"name={up.name}" in stack.log_text() and up.view()["state"] == "running", "it is proven again")
    ok(up.post())
    assert up.view()["reason"] == reason

    ok(up.api.restart(up.name))
    assert up.view()["reason"] is None


# ---- no room ---------------------------------------------------------------------------------

@contextlib.contextmanager
def crowd(instance, **options):
    """Takes all connections of that kind."""
    with contextlib.ExitStack() as sessions:
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                sessions.enter_context(contextlib.closing(instance.connect(**options)))
        yield


def test_server_that_was_full_when_pgberth_began_is_told_until_it_has_room(up, stack):
    for name, value in {"max_connections": 8, "superuser_reserved_connections": 1, "max_wal_senders": 3}.items():
        up.sql(f"ALTER SYSTEM SET {name} = {value}")
    ok(up.api.restart(up.name))
    with crowd(up), crowd(up, replication="database"):
        stack.restart()
        reason_has(up, "it admits nobody more")
    reason_ends(up)


def test_post_that_logs_in_ends_that_it_was_full(up):
    up.sql("ALTER SYSTEM SET max_connections = 8")
    ok(up.api.restart(up.name))
    with crowd(up):
        reason_has(up, "it admits nobody more")

    wait_for(lambda: up.post().status_code == 200, "it has room again")

    assert up.view()["reason"] is None


# ---- no TLS in common ------------------------------------------------------------------------

# Settings that PostgreSQL accepts, but which leave nothing that an OpenSSL client with its defaults speaks.
TLS = {
    "ciphers of another kind of key": (17, {"ssl_max_protocol_version": "TLSv1.2", "ssl_ciphers": "ECDHE-RSA-AES256-GCM-SHA384"}),
    "old versions": (17, {"ssl_min_protocol_version": "TLSv1", "ssl_max_protocol_version": "TLSv1.1"}),
    "an unusual suite": (18, {"ssl_min_protocol_version": "TLSv1.3", "ssl_tls13_ciphers": "TLS_AES_128_CCM_SHA256"}),
    "an unusual curve": (15, {"ssl_ecdh_curve": "sect283k1"}),
}


@pytest.mark.parametrize("kind", TLS)
def test_settings_of_tls_that_nobody_speaks_are_told_and_take_no_server_away(servers, api, kind):
    major, values = TLS[kind]
    instance = servers[major]
    with contextlib.closing(instance.connect(sslmode="disable")) as session, session.cursor() as cursor:
        session.autocommit = True
        for name, value in values.items():
            cursor.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        cursor.execute("SELECT pg_reload_conf()")
        wait_for(lambda: "TLS" in assert_error(instance.post(), 503, "server_unavailable"), "they hold")
        cursor.execute("SELECT 1")

    body = ok(api.restart(instance.name))

    assert body["state"] == "running"
    assert re.search(r'^it admits nobody by TLS: .*ssl_ciphers.*start it with {"safe": true}$', body["reason"])
    assert instance.value("SELECT 1", sslmode="disable") == 1
    assert_error(api.put_password(instance.name, "another"), 503, "server_unavailable")
    ok(api.patch(instance.name, labels={"tls": kind}))
    if len(values) == 1:
        for name in values:
            instance.sql(f"ALTER SYSTEM RESET {name}", sslmode="disable")
        instance.sql("SELECT pg_reload_conf()", sslmode="disable")
        reason_ends(instance)
    else:
        assert "set aside" in ok(api.start(instance.name, safe=True))["reason"]
    assert instance.value("SELECT 1", sslmode="require") == 1


# ---- tries -----------------------------------------------------------------------------------

def test_announced_try_is_never_in_the_past(servers, api, engine):
    instance = servers[17]
    ok(api.restart(instance.name))
    (instance.pgdata / "postgresql.auto.conf").write_text("shared_preload_libraries = 'nonexistent'\n")
    os.kill(engine.postmaster_pid(instance.name), signal.SIGKILL)
    instance.becomes("failed", 90)

    for _ in range(4):
        assert_error(api.start(instance.name), 503, "server_unavailable")
        now, view = int(time.time()), instance.view()
        assert view["state"] == "starting" or calendar.timegm(time.strptime(view["retry_at"], "%Y-%m-%dT%H:%M:%SZ")) >= now

    (instance.pgdata / "postgresql.auto.conf").write_text("")
    ok(api.start(instance.name))
