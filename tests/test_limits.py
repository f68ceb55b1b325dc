"""Logins that a server refuses: for want of connections or processes, or by what its tenant did; what is told, and what is mended."""
import contextlib
import secrets
import socket
import struct
import subprocess
import threading

import psycopg2
import pytest

from lib.client import assert_error, ok
from lib.makers import Makers
from lib.waiting import wait_for

ADMIN = "pythonanywhere_helper"


@contextlib.contextmanager
def held(*connections):
    """Connections that are open within the block, however they end."""
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


def crowd(instance, **options):
    """Connections until the server takes no more."""
    connections = []
    with contextlib.suppress(psycopg2.OperationalError):
        while True:
            connections.append(instance.connect(**options))
    return connections


def is_alive(connection):
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return True
    except psycopg2.Error:
        return False


# ---- all connections are taken ---------------------------------------------------------------

@pytest.fixture(scope="module")
def small(api, settings, ports):
    """A server of few connections."""
    makers = Makers(api, settings, ports)
    instance = makers.make()
    instance.sql("ALTER SYSTEM SET max_connections = 8")
    instance.sql("ALTER SYSTEM SET max_wal_senders = 3")
    ok(api.restart(instance.name))
    yield instance
    makers.purge()


FULL = {"connections": [{}], "those for replication too": [{}, {"replication": "database"}]}


@pytest.fixture(params=FULL.values(), ids=FULL)
def full(small, request):
    """That server with all its connections taken by superusers that do nothing."""
    taken = [connection for options in request.param for connection in crowd(small, **options)]
    with held(*taken):
        assert "too many clients" in small.refusal()
        small.taken = taken
        yield small


def test_full_server_gets_its_password_and_the_old_one_is_refused(full, api):
    old, new = full.password, f"new {secrets.token_hex(4)}"

    body = ok(api.put_password(full.name, new))

    full.password = new
    assert body["state"] == "running"
    assert [is_alive(one) for one in full.taken].count(False) <= 2
    for one in full.taken:
        one.close()
    wait_for(lambda: "authentication failed" in full.refusal(password=old), "the old one is refused, not for want of room")
    assert full.value("SELECT 1") == 1


def test_full_server_changes_its_clients(full, api):
    assert ok(api.patch(full.name, allow=["127.0.0.1", "10.0.0.0/8"], tls="required"))["tls"] == "required"
    assert "10.0.0.0" in (full.directory / "conf/pg_hba.conf").read_text()
    assert ok(api.patch(full.name, allow=["0.0.0.0/0", "::/0"], tls="offered"))["tls"] == "offered"


def test_full_server_proves_passwords(full):
    ok(full.post())
    assert_error(full.post(admin_password="wrong"), 409, "already_exists", "admin_password")


def test_full_server_stops_and_starts(full, api):
    ok(api.stop(full.name))
    ok(api.start(full.name))
    ok(full.post())


def test_only_one_idle_session_is_ended_and_none_of_those_that_work(small, api):
    busy = [small.connect() for _ in range(4)]
    with held(*busy, *crowd(small), *crowd(small, replication="database")) as taken:
        for connection in busy:
            connection.autocommit = False
            connection.cursor().execute("SELECT 1")

        ok(api.put_password(small.name, small.password))

        alive = [is_alive(one) for one in taken]
        assert all(alive[:4])
        assert 1 <= alive.count(False) <= 2


@pytest.fixture(scope="module")
def unreplicated(stack):
    """A server of few connections, and none for replication."""
    instance = stack.make()
    for setting in ("max_connections = 8", "max_wal_senders = 0", "wal_level = minimal"):
        instance.sql(f"ALTER SYSTEM SET {setting}")
    ok(stack.api.restart(instance.name))
    return instance


def sessions_ended(stack, answer):
    """By the call with this answer."""
    lines = [line for line in stack.log_text().splitlines() if "session ended to make room" in line]
    return sum(line.endswith(f"id={answer.headers['X-Request-Id']}") for line in lines)


@contextlib.contextmanager
def rushing(instance, clients=14):
    """Clients that work, and come back as soon as they are thrown out."""
    done = threading.Event()

    def client():
        while not done.is_set():
            with contextlib.suppress(psycopg2.Error), contextlib.closing(instance.connect()) as connection:
                while not done.wait(0.05):
                    connection.cursor().execute("SELECT 1")

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: "too many clients" in full_refusal(instance), "it is full")
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def full_refusal(instance):
    try:
        instance.connect().close()
        return ""
    except psycopg2.OperationalError as error:
        return str(error)


def test_rush_of_clients_loses_few_sessions_and_a_refused_password_is_not_set(stack, unreplicated):
    answers = []
    with rushing(unreplicated):
        for number in range(3):
            answers.append(stack.api.put_password(unreplicated.name, f"new {number}"))
            if answers[-1].status_code == 200:
                unreplicated.password = f"new {number}"
        answers.append(unreplicated.post())

    for answer in answers:
        assert sessions_ended(stack, answer) <= 5
        if answer.status_code != 200:
            message = assert_error(answer, 503, "server_unavailable", ...)
            assert "too many clients" in message and "cannot be set again" not in message
    wait_for(lambda: full_refusal(unreplicated) == "", "the password that was last accepted holds")


def test_connections_that_have_not_logged_in_go_before_idle_sessions(stack, unreplicated):
    words = b"user\0nobody\0database\0postgres\0\0"
    hello = struct.pack("!II", len(words) + 8, 196608) + words
    with held(unreplicated.connect()) as (idle,), contextlib.ExitStack() as open_ones:

        def is_full():
            one = open_ones.enter_context(socket.create_connection(("localhost", unreplicated.port)))
            one.sendall(hello)
            return "too many clients" in full_refusal(unreplicated)

        wait_for(is_full, "it is full")

        ok(stack.api.put_password(unreplicated.name, unreplicated.password))

        assert is_alive(idle)


# ---- all processes are taken -----------------------------------------------------------------

def limit_processes(container, processes):
    subprocess.run(["docker", "update", "--pids-limit", str(processes), container], check=True, capture_output=True)


@pytest.fixture
def crammed(stack, engine):
    """A server whose container may start no process more."""
    instance = stack.make()
    container = engine.container(instance.name)
    connections = [instance.connect() for _ in range(3)]
    with held(*connections):
        limit_processes(container.id, len(container.top()["Processes"]))
        instance.taken = connections
        yield instance
        limit_processes(container.id, 512)


def test_server_without_processes_is_running_and_says_so_and_passwords_are_proven(stack, crammed):
    stack.restart()

    view = wait_for(lambda: (view := crammed.view())["reason"] and view, "it is told")
    assert view["state"] == "running"
    assert "512 processes" in view["reason"]
    assert_error(crammed.post(admin_password="wrong"), 409, "already_exists", "admin_password")
    ok(crammed.post())
    ok(stack.api.put_password(crammed.name, "another"))
    crammed.password = "another"
    ok(stack.api.patch(crammed.name, allow=["0.0.0.0/0", "10.0.0.0/8"]))
    assert crammed.view()["state"] == "running"


def test_more_connections_than_processes_are_told(instance, api):
    instance.sql("ALTER SYSTEM SET max_connections = 600")

    view = ok(api.restart(instance.name))

    assert view["state"] == "running"
    assert "max_connections is 600" in view["reason"] and "512 processes" in view["reason"]
    instance.sql("ALTER SYSTEM RESET max_connections")
    assert ok(api.restart(instance.name))["reason"] is None
