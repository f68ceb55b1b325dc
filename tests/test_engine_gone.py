"""The engine is killed, stopped, restarted under running servers and under creates: sessions go on, nothing is lost."""
import contextlib
import os
import pathlib
import signal
import subprocess
import threading

import psycopg2
import pytest
import requests

from lib.client import assert_error, ok
from lib.concurrency import at_once
from lib.engine import Process
from lib.waiting import wait_for

pytestmark = pytest.mark.serial


@pytest.fixture(autouse=True)
def engine_is_back(engine, api):
    """Whatever the test did."""
    yield
    engine.start()
    wait_for(lambda: api.call("GET", "/health").status_code == 200, "pgberth is well again", 60)


def is_up(instance):
    with contextlib.suppress(psycopg2.Error):
        return instance.value("SELECT 1") == 1
    return False


def answer_of(instance):
    with contextlib.suppress(requests.ConnectionError):
        return instance.post()
    return None


ENDS = {"killed": lambda engine: engine.kill(), "stopped": lambda engine: engine.stop()}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_servers_do_not_notice_that_the_engine_goes_and_comes(instance, engine, end):
    before = engine.identity(instance.name)
    with contextlib.closing(instance.connect()) as session, session.cursor() as cursor:
        end(engine)
        cursor.execute("SELECT 1")
        assert is_up(instance)
        assert instance.view()["state"] == "running"

        engine.start()

        cursor.execute("SELECT 1")
    assert engine.identity(instance.name) == before
    wait_for(lambda: instance.view()["state"] == "running", "it is known to run")


def test_engine_comes_back_beside_a_process_that_it_has_run_itself_as(engine):
    """Started anew whenever the one that was is gone: its children for short tasks can outlast it."""
    child = subprocess.Popen(["libnetwork-setkey", "x", "y"], executable="/usr/sbin/dockerd", stdin=subprocess.PIPE)
    try:
        before = engine.pid()

        engine.restart()

        assert child.poll() is None
        assert engine.pid() != before
    finally:
        child.communicate()


def test_changes_are_503_while_the_engine_is_away_and_work_at_once_when_it_is_back(
        instance, new_instance, api, engine, leftovers):
    other = new_instance()
    engine.kill()

    for call in (other.post, instance.post, lambda: api.stop(instance.name), lambda: api.restart(instance.name),
                 lambda: api.delete(instance.name), lambda: api.put_password(instance.name, "x")):
        answer = call()
        assert_error(answer, 503, "engine_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert instance.view()["state"] == "running"
    assert other.name not in api.listed() and not other.directory.exists()
    wait_for(lambda: api.call("GET", "/health").status_code == 503, "health says it", 30)

    engine.start()

    wait_for(lambda: api.call("GET", "/health").status_code == 200, "health is back", 30)
    assert leftovers.of(other.name) == []
    other.create()
    assert is_up(instance)
    ok(api.restart(instance.name))


@pytest.mark.parametrize("turn", range(5))
def test_engine_killed_amid_creates_leaves_each_whole_or_not_at_all(new_instance, api, engine, leftovers, turn):
    instances = [new_instance() for _ in range(4)]

    def kill_amid():
        threading.Event().wait(0.1 + turn * 0.25)
        engine.kill()

    answers = at_once([lambda instance=instance: answer_of(instance) for instance in instances] + [kill_amid])
    engine.start()

    for instance, answer in zip(instances, answers):
        if answer is not None and answer.status_code == 200:
            wait_for(lambda instance=instance: is_up(instance), "an acknowledged create works", 60)
        else:
            wait_for(lambda name=instance.name: leftovers.of(name) == [], "nothing is left of the others", 60)
            # At another port: an engine killed at the wrong moment may keep the old one to itself.
            instance.create(port=None)


def test_tenant_that_logs_a_lot_goes_on_while_the_engine_is_down(instance, engine):
    """A log that went through the engine would block when its pipe is full: 64 KiB."""
    engine.kill()

    instance.sql("DO $$ BEGIN FOR i IN 1..2000 LOOP RAISE LOG '%', repeat('x', 1000); END LOOP; END $$")
    instance.keep_row("precious")

    engine.start()
    assert instance.kept_rows() == ["precious"]


def child_of(pid, name):
    """The pid of the first process of that name below pid, itself included."""
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            if fields["Name"].startswith(name[:15]) and (pid is None or int(fields["PPid"]) == pid):
                return int(status.parent.name)
    return None


def test_containerd_killed_is_survived(instance, new_instance, engine):
    instance.keep_row("precious")
    os.kill(child_of(None, "containerd"), signal.SIGKILL)

    wait_for(lambda: is_up(instance), "it serves", 60)
    assert instance.kept_rows() == ["precious"]
    other = new_instance()
    wait_for(lambda: other.post().status_code == 200, "creates work again", 90)


def test_shim_killed_never_makes_two_servers(instance, engine):
    instance.keep_row("precious")
    shim = int(pathlib.Path(f"/proc/{engine.host_pid(instance.name)}/stat").read_text().rpartition(")")[2].split()[1])

    before = Process(engine.host_pid(instance.name))
    os.kill(shim, signal.SIGKILL)

    wait_for(lambda: not before.is_alive(), "what ran is down", 60)
    wait_for(lambda: is_up(instance), "it serves again", 90)
    assert instance.kept_rows() == ["precious"]
    uid = instance.pgdata.stat().st_uid
    postmasters = [path for path in pathlib.Path("/proc").glob("[0-9]*")
                   if is_postmaster(path, uid)]
    assert len(postmasters) == 1


def is_postgres(process):
    """Not the container's init, which has it as arguments; backends call themselves otherwise, soon after they began."""
    line = (process / "cmdline").read_bytes()
    return line.startswith(b"/usr/lib/postgresql/") and b"/bin/postgres\0-D" in line


def is_postmaster(process, uid):
    with contextlib.suppress(OSError):
        parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        return process.stat().st_uid == uid and is_postgres(process) and not is_postgres(process.with_name(parent))
    return False
