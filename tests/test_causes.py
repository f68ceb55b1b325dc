"""`reason` says what ended a server, or keeps it from starting, and what to do: by whose hand, with which words, until when."""
import calendar
import contextlib
import os
import re
import signal
import time

import psycopg2
import pytest

from lib.client import assert_error, ok
from lib.engine import pause
from lib.makers import Makers
from lib.waiting import wait_for


@pytest.fixture(scope="module")
def broken(api, settings, ports):
    """A stopped server, whose every test breaks its settings."""
    makers = Makers(api, settings, ports)
    instance = makers.make()
    ok(api.stop(instance.name))
    yield instance
    makers.purge()


@pytest.fixture(scope="module")
def handled(api, settings, ports):
    """A server that every test ends, and starts again."""
    makers = Makers(api, settings, ports)
    yield makers.make()
    makers.purge()


@pytest.fixture
def up(handled, api):
    """It runs, as new."""
    handled.port = ok(api.restart(handled.name))["port"]
    return handled


def reason_has(instance, words, timeout=60):
    return wait_for(lambda: re.search(words, instance.view()["reason"] or ""), f"its reason has: {words}", timeout)


def is_up(instance):
    with contextlib.suppress(psycopg2.Error):
        return instance.value("SELECT 1") == 1
    return False


# ---- settings that keep it from starting -----------------------------------------------------

SETTINGS = {
    "max_connections = 3": "must be less than",
    "superuser_reserved_connections = 200": "must be less than",
    "nosuch_parameter = 1": 'unrecognized configuration parameter "nosuch_parameter".*FATAL',
    "lc_time = 'xx_YY'": 'invalid value for parameter "lc_time"',
    "wal_level = minimal": "WAL streaming",
    "ssl_ca_file = 'gone.pem'": "could not load root certificate file",
    "recovery_target_xid = '1'\nrecovery_target_name = 'x'": "multiple recovery targets",
    "log_min_messages = panic\nmax_connections = 3": "must be less than",
}


@pytest.mark.parametrize("setting, words", SETTINGS.items(), ids=[setting.replace("\n", "; ") for setting in SETTINGS])
def test_setting_that_keeps_it_from_starting_is_told_with_a_way_out(broken, api, setting, words):
    (broken.pgdata / "postgresql.auto.conf").write_text(f"{setting}\n")

    answer = api.start(broken.name)

    message = assert_error(answer, 503, "server_unavailable")
    assert "Retry-After" not in answer.headers
    assert broken.view()["reason"] == message
    assert re.search(words, message) and '"safe": true' in message
    assert "exit code" not in message


@pytest.fixture(scope="module")
def broken_18(api, settings, ports):
    """The same of version 18."""
    makers = Makers(api, settings, ports)
    instance = makers.make(version=18)
    ok(api.stop(instance.name))
    yield instance
    makers.purge()


# Errors whose cause stands in a line beside them: a detail, or one before a hint.
SETTINGS_18 = {
    "ssl_groups = 'nope'": "FATAL: .*ssl_groups",
    "io_method = io_uring\nio_max_concurrency = 4": "FATAL: .*io_uring",
    "autovacuum_worker_slots = 262143": r'FATAL: .*\("max_connections" \(100\) plus "autovacuum_worker_slots" \(262143\)',
}


@pytest.mark.parametrize("setting, words", SETTINGS_18.items(), ids=[setting.replace("\n", "; ") for setting in SETTINGS_18])
def test_error_is_told_rather_than_the_hint_below_it(broken_18, api, setting, words):
    (broken_18.pgdata / "postgresql.auto.conf").write_text(f"{setting}\n")

    message = assert_error(api.start(broken_18.name), 503, "server_unavailable")

    assert re.search(words, message) and message.endswith('; start it with {"safe": true}')
    assert "HINT" not in message and " UTC " not in message


@pytest.mark.parametrize("lost", ["global/pg_filenode.map", "global/pg_control"])
def test_data_that_are_gone_are_told_and_are_no_start_that_goes_on(up, api, lost):
    (up.pgdata / lost).rename(up.pgdata / "lost")

    answer = api.restart(up.name)

    (up.pgdata / "lost").rename(up.pgdata / lost)
    assert answer.status_code in (409, 503), answer.text
    error = answer.json()["error"]
    assert error["code"] in ("server_unavailable", "foreign_data") and lost in error["message"]
    assert "Retry-After" not in answer.headers


def test_log_of_an_earlier_run_is_no_cause(broken, api):
    settings = broken.pgdata / "postgresql.auto.conf"
    settings.write_text("archive_mode = on\narchive_library = 'nope'\n")
    ok(api.start(broken.name))
    wait_for(lambda: "nope" in api.logs(broken.name).text, "it says so in its log")
    ok(api.stop(broken.name))
    settings.write_text("max_connections = 2\n")

    message = assert_error(api.start(broken.name), 503, "server_unavailable")

    assert "must be less than" in message and "nope" not in message


# ---- ends ------------------------------------------------------------------------------------

@pytest.mark.parametrize("whom", ["postmaster", "init"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_signal_that_ended_it_is_told(up, engine, whom, number):
    for _ in range(2 if (whom, number) == ("postmaster", signal.SIGKILL) else 1):
        before = engine.identity(up.name)

        if whom == "postmaster":
            os.kill(engine.postmaster_pid(up.name), number)
        else:
            os.kill(engine.host_pid(up.name), signal.SIGKILL)
            number = signal.SIGKILL

        wait_for(lambda: engine.identity(up.name) != before and is_up(up), "it serves again", 60)
        reason_has(up, rf"was restarted.*exit code {128 + number}, by signal {int(number)} \({number.name}\)")


HANDS = {
    "stopped": (lambda container: container.stop(), r"stopped outside pgberth \(exit code 0\)"),
    "killed": (lambda container: container.kill(), r"stopped outside pgberth \(exit code 137, by signal 9"),
    "paused, then killed": (lambda container: (pause(container), container.kill()), r"stopped outside pgberth \(exit code 137, by signal 9"),
    "removed": (lambda container: container.remove(force=True), "removed outside pgberth"),
    "stopped, then removed": (lambda container: (container.stop(), container.remove()), "removed outside pgberth"),
    "paused, then removed": (lambda container: (pause(container), container.remove(force=True)), "removed outside pgberth"),
}


@pytest.mark.parametrize("hand, words", HANDS.values(), ids=HANDS)
def test_hand_that_ended_it_is_told(up, engine, hand, words):
    hand(engine.container(up.name))

    reason_has(up, words)
    assert up.view()["state"] == "stopped"


@pytest.mark.parametrize("hand", [
    lambda container: container.restart(),
    lambda container: (container.stop(), container.start()),
], ids=["restart", "stop and start"])
def test_restart_by_hand_leaves_a_trace(up, engine, hand):
    hand(engine.container(up.name))

    reason_has(up, r"restarted outside pgberth \(20\d\d-.*Z\)")
    up.becomes("running")


# ---- paused ----------------------------------------------------------------------------------

@pytest.fixture
def paused(up, engine):
    """It is paused, with an open session."""
    with contextlib.closing(up.connect()) as session:
        pause(engine.container(up.name))
        up.session = session
        yield up
    container = engine.container(up.name)
    if container and container.status == "paused":
        container.unpause()


def session_lives(instance):
    with instance.session.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchall() == [(1,)]


@pytest.mark.parametrize("call", ["start", "post", "post with another password", "post with more memory"])
def test_paused_server_runs_on_with_its_sessions(paused, api, engine, call):
    before = engine.identity(paused.name)

    if call == "start":
        ok(api.start(paused.name))
    elif call == "post":
        paused.create()
    elif call == "post with another password":
        paused.create(admin_password="another")
    else:
        paused.create(memory_mb=640)
        assert engine.inspect(paused.name)["HostConfig"]["Memory"] == 640 << 20

    assert session_lives(paused)
    assert engine.identity(paused.name) == before
    assert is_up(paused)
    view = paused.view()
    assert (view["state"], view["reason"]) == ("running", None)


def test_paused_server_does_as_told(paused, api, engine):
    assert_error(api.put_password(paused.name, "another"), 409, "not_running")
    ok(api.patch(paused.name, memory_mb=384))
    ok(api.start(paused.name))
    assert engine.inspect(paused.name)["HostConfig"]["Memory"] == 384 << 20
    pause(engine.container(paused.name))
    ok(api.restart(paused.name))
    assert is_up(paused)
    pause(engine.container(paused.name))
    assert ok(api.stop(paused.name))["state"] == "stopped"
    ok(api.start(paused.name))
    pause(engine.container(paused.name))
    assert ok(api.delete(paused.name))["state"] == "stored"
    assert engine.container(paused.name) is None


# ---- a safe start of a server that runs ------------------------------------------------------

def test_safe_start_of_a_server_that_lets_nobody_in_restarts_it_without_its_settings(up, api):
    up.sql("ALTER SYSTEM SET session_preload_libraries = 'nope'")
    up.sql("SELECT pg_reload_conf()")
    wait_for(lambda: not is_up(up), "nobody gets in")
    assert up.view()["state"] == "running"

    body = ok(api.start(up.name, safe=True))

    assert "set aside" in body["reason"]
    assert is_up(up)


# ---- tries -----------------------------------------------------------------------------------

def seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def test_reason_stays_while_a_start_is_tried_again_and_the_next_try_is_announced(up, api, engine):
    assert up.view()["retry_at"] is None
    (up.pgdata / "postgresql.auto.conf").write_text("shared_preload_libraries = 'nonexistent'\n")
    os.kill(engine.postmaster_pid(up.name), signal.SIGKILL)
    up.becomes("failed", 90)
    seen = []

    def tries_seen():
        seen.append(up.view())
        states = [view["state"] for view in seen]
        return sum(states[i:i + 2] == ["failed", "starting"] for i in range(len(states))) >= 2

    wait_for(tries_seen, "two more tries begin", 60)
    (up.pgdata / "postgresql.auto.conf").write_text("")

    for view in seen:
        assert "nonexistent" in view["reason"], view
        assert (view["retry_at"] is not None) == (view["state"] == "failed"), view
    announced = [seconds(view["retry_at"]) for view in seen if view["state"] == "failed"]
    assert announced == sorted(announced)
    assert api.listed()[up.name].keys() == up.view().keys() - {"status"}
    view = up.becomes("running", 90)
    assert (view["retry_at"], view["reason"]) == (None, None)


def test_server_that_is_not_tried_again_announces_nothing(broken, api):
    (broken.pgdata / "postgresql.auto.conf").write_text("max_connections = 3\n")
    assert_error(api.start(broken.name), 503, "server_unavailable")

    view = broken.view()

    assert (view["state"], view["retry_at"]) == ("failed", None)
    (broken.pgdata / "postgresql.auto.conf").write_text("")


# ---- reasons that quote what was changed -----------------------------------------------------

def test_reason_about_a_port_ends_with_another_port(engine, instance, new_instance, api, ports):
    engine.container(instance.name).kill()
    new_instance().create(port=instance.port)
    reason_has(instance, rf"its port {instance.port} was")
    ok(api.patch(instance.name, labels={"a": "b"}))
    assert instance.view()["reason"]

    ok(api.patch(instance.name, port=ports.take()))

    assert instance.view()["reason"] is None
