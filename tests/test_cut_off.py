"""kill -9 of pgberthd between "the record says so" and "it is so", and what may become of the container until it is back."""
import contextlib
import json
import os
import signal

import pytest
import requests

from lib.client import ok
from lib.engine import Engine, pause
from lib.waiting import wait_for

UNCLEAN = "not properly shut down"
SHUT_DOWN = 1  # DBState of pg_control


@pytest.fixture
def instance(stack):
    if stack.is_dead():
        stack.start()
    instance = stack.make()
    instance.keep_row("precious")
    yield instance
    if stack.is_dead():
        stack.start()
    stack.purge(instance)


CHANGES = {
    "stop": lambda api, name: api.stop(name),
    "delete": lambda api, name: api.delete(name),
    "purge": lambda api, name: api.delete(name, purge=True),
}


def cut_off(stack, instance, change):
    """The record says so already, and the container is as it was; pgberthd is dead."""
    stack.die_at("down.saved")
    with contextlib.suppress(requests.ConnectionError):
        CHANGES[change](stack.api, instance.name)
    wait_for(stack.is_dead, "it dies before it has done anything")
    assert record(instance)["wanted"] != "running"


def record(instance):
    return json.loads((instance.directory / "instance.json").read_text())


def server_log(instance):
    """What the server itself has written since its directory was made."""
    return "".join(path.read_text() for path in sorted((instance.directory / "pg/log").iterdir()))


def is_shut_down(instance):
    """Its last word is in pg_control, not in the log: the end of a container swallows lines that the collector has not written."""
    control = (instance.pgdata / "global/pg_control").read_bytes()
    return int.from_bytes(control[16:20], "little") == SHUT_DOWN


def status(instance):
    """Of its container, as the engine says; None where there is none."""
    container = Engine().container(instance.name)
    return container and container.status


def postmaster_kill(instance):
    os.kill(Engine().postmaster_pid(instance.name), signal.SIGKILL)


def restarts(instance):
    return Engine().inspect(instance.name)["RestartCount"]


# ---- what becomes of the container while pgberthd is dead ------------------------------------

def runs_on(instance):
    pass


def is_paused(instance):
    pause(Engine().container(instance.name))


def went_down_once(instance):
    postmaster_kill(instance)
    wait_for(lambda: restarts(instance) == 1 and status(instance) == "running", "the engine started it again")


def is_restarting(instance):
    """It goes down at each start, and would come up at one of the next."""
    settings = instance.pgdata / "postgresql.auto.conf"
    before = settings.read_text()
    settings.write_text("nonsense\n")
    postmaster_kill(instance)
    wait_for(lambda: restarts(instance) >= 6 and status(instance) == "restarting", "the engine waits before it starts it again", 60)
    settings.write_text(before)


def is_given_up(instance):
    """Its start failed in the engine, which would try that again when it starts itself."""
    conf = instance.directory / "conf"
    conf.rename(instance.directory / "away")
    postmaster_kill(instance)
    wait_for(lambda: Engine().inspect(instance.name)["State"]["Error"], "the engine cannot start it again", 60)
    (instance.directory / "away").rename(conf)


MEANWHILE = [runs_on, is_paused, went_down_once, is_restarting, is_given_up]


@pytest.mark.parametrize("change", ["delete", "purge"])
@pytest.mark.parametrize("meanwhile", [runs_on, is_paused], ids=lambda meanwhile: meanwhile.__name__)
def test_deleted_server_is_stopped_in_order(stack, instance, change, meanwhile):
    cut_off(stack, instance, change)
    meanwhile(instance)
    stack.start()

    wait_for(lambda: status(instance) is None, "its container is removed", 60)

    assert is_shut_down(instance)
    instance.port = None
    instance.create()
    assert UNCLEAN not in server_log(instance)
    assert instance.kept_rows() == ["precious"]


@pytest.mark.parametrize("meanwhile", MEANWHILE, ids=lambda meanwhile: meanwhile.__name__)
@pytest.mark.parametrize("change, wanted, ends", [("stop", "stopped", (None, "exited")), ("delete", "stored", (None,))])
def test_it_ends_and_stays_so(stack, instance, change, wanted, ends, meanwhile):
    cut_off(stack, instance, change)
    meanwhile(instance)
    stack.start()

    wait_for(lambda: instance.view()["state"] == wanted and status(instance) in ends, "it is down for good", 60)

    assert record(instance)["wanted"] == wanted
    assert status(instance) is None or not Engine().inspect(instance.name)["State"]["Error"]
    instance.port = instance.view()["port"]
    instance.create()
    assert instance.kept_rows() == ["precious"]


@pytest.mark.parametrize("change", ["stop", "delete", "restart"])
def test_paused_server_is_ended_in_order(stack, instance, change):
    is_paused(instance)
    wait_for(lambda: instance.view()["state"] == "stopped", "it is seen as paused")

    ok({**CHANGES, "restart": lambda api, name: api.restart(name)}[change](stack.api, instance.name))

    assert change == "restart" or is_shut_down(instance)  # one that runs again says so below
    instance.port = instance.view()["port"]
    instance.create()
    assert UNCLEAN not in server_log(instance)


@pytest.mark.parametrize("is_away", [True, False], ids=["away", "there"])
def test_server_that_was_started_by_hand_is_wanted_running(stack, instance, is_away):
    ok(stack.api.stop(instance.name))
    if is_away:
        stack.kill()
    Engine().container(instance.name).start()
    if is_away:
        stack.start()

    wait_for(lambda: instance.view()["state"] == "running" and record(instance)["wanted"] == "running", "it is known to be wanted", 60)

    assert instance.kept_rows() == ["precious"]


def test_server_that_was_paused_after_its_stop_was_cut_off_is_not_wanted_when_it_runs_again(stack, instance):
    cut_off(stack, instance, "stop")
    is_paused(instance)
    stack.start()
    wait_for(lambda: instance.view()["state"] == "stopped", "it is stopped")

    with contextlib.suppress(Exception):  # where it is there no more, that is fine
        Engine().container(instance.name).unpause()

    wait_for(lambda: status(instance) in (None, "exited"), "it is down", 30)
    assert record(instance)["wanted"] == "stopped"
