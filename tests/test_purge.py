"""A purge of many goes on where one cannot be purged, and says which and why."""
import contextlib
import subprocess

import pytest

from lib.client import assert_error, ok
from lib.concurrency import at_once
from lib.engine_proxy import CALLS, EngineProxy, answer, close, html
from lib.stack import Stack
from lib.waiting import wait_for

NAMES = ["aaa", "bbb", "ccc"]
BUSY = 'driver "overlay2" failed to remove root filesystem: device or resource busy'


@pytest.fixture(scope="module")
def stack():
    with EngineProxy() as proxy, Stack(engine_socket=proxy.path) as stack:
        stack.proxy = proxy
        stack.servers = {name: stack.new(name) for name in NAMES}
        yield stack


@pytest.fixture
def stopped(stack):
    """All of them, stopped, by name."""
    there = stack.api.listed()
    at_once([server.create for name, server in stack.servers.items() if name not in there])
    for answered in at_once([lambda name=name: stack.api.stop(name) for name in NAMES]):
        ok(answered)
    return stack.servers


def purge(stack, **fields):
    return stack.api.call("POST", "/purge/", json={"stopped_days": 0, "dry_run": False, **fields})


def container_id(stack, name):
    return next(each.id for each in stack.containers(all=True) if each.labels["pgberth.storage_dir"] == name)


def audited(stack, answered):
    """The results of a request's audit lines, by name."""
    lines = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in stack.log_text().splitlines()
             if " audit " in line and f"id={answered.headers['X-Request-Id']}" in line]
    return {line["name"]: line["result"] for line in lines}


@contextlib.contextmanager
def engine_refuses(stack, server, fault):
    with stack.proxy.fault("DELETE", container_id(stack, server.name), fault):
        yield


@contextlib.contextmanager
def is_mounted(stack, server):
    """Its directory is a mount, which cannot be moved."""
    subprocess.run(["mount", "--bind", server.directory, server.directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", server.directory], check=True)


OBSTACLES = {
    "engine refuses": ("bbb", lambda *of: engine_refuses(*of, answer(500, {"message": BUSY})), "engine_unavailable", "resource busy"),
    "something before the engine": ("aaa", lambda *of: engine_refuses(*of, html(403)), "engine_unavailable", "status 403"),
    "engine does not answer this": ("ccc", lambda *of: engine_refuses(*of, close), "engine_unavailable", "does not answer"),
    "directory": ("aaa", is_mounted, "internal", "cannot move"),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_purge_goes_on_with_the_others(stack, stopped, obstacle):
    name, hinder, code, reason = OBSTACLES[obstacle]
    others = [each for each in NAMES if each != name]

    with hinder(stack, stopped[name]):
        answered = purge(stack)

        body = ok(answered)
        assert body["containers"] == others
        failed, = body["failed"]
        assert failed["storage_dir"] == name
        assert failed["error"]["code"] == code
        assert reason in failed["error"]["message"]
        assert {entry["storage_dir"] for entry in stack.trash()} >= set(others)
        assert list(stack.api.listed()) == [name]
        assert audited(stack, answered) == {**dict.fromkeys(others, "ok"), name: code}
        again = purge(stack)
        assert reason in assert_error(again, 500 if code == "internal" else 503, code)

    assert ok(purge(stack)) == {"status": "OK", "dry_run": False, "containers": [name]}
    assert list(stack.api.listed()) == []


def test_refusal_of_all_names_each(stack, stopped):
    with stack.proxy.fault(*CALLS["remove"], answer(500, {"message": BUSY})):
        answered = purge(stack)

    message = assert_error(answered, 503, "engine_unavailable")
    assert message.startswith("aaa: ") and BUSY in message
    assert answered.headers["Retry-After"]
    assert [failed["storage_dir"] for failed in answered.json()["failed"]] == NAMES
    assert audited(stack, answered) == dict.fromkeys(NAMES, "engine_unavailable")
    assert set(stack.api.listed()) == set(NAMES)


def test_rest_is_not_tried_when_the_engine_goes_away(stack, stopped):
    def go(exchange):
        stack.proxy.hush()

    with stack.proxy.fault("DELETE", container_id(stack, "bbb"), go):
        answered = purge(stack)
    stack.proxy.listen()
    wait_for(lambda: stack.health()["engine"]["ok"], "the engine is back", 60)

    body = ok(answered)
    assert body["containers"] == ["aaa"]
    assert [(failed["storage_dir"], failed["error"]["code"]) for failed in body["failed"]] == [
        (name, "engine_unavailable") for name in NAMES[1:]]
    wait_for(lambda: ok(purge(stack)) and not stack.api.listed(), "all are purged", 60)


def test_nothing_to_purge_and_a_dry_run_have_no_failures(stack, stopped):
    with stack.proxy.fault(*CALLS["remove"], answer(500, {"message": BUSY})):
        assert ok(purge(stack, dry_run=True)) == {"status": "OK", "dry_run": True, "containers": NAMES}
    assert ok(purge(stack, stopped_days=1)) == {"status": "OK", "dry_run": False, "containers": []}
