"""The wall clock jumps; nginx goes away in the middle of a call."""
import contextlib
import signal
import threading

import pytest
import requests

from lib.client import ok
from lib.concurrency import at_once
from lib.stack import Stack, without_sanitizer
from lib.waiting import wait_for

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


@without_sanitizer
@pytest.mark.parametrize("jump", ["-1h", "+1d"])
def test_clock_that_jumps_moves_no_deadline(tmp_path, jump):
    clock = tmp_path / "clock"
    clock.write_text("+0")
    # The monotonic clock is nobody's to set, so it is left alone.
    env = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
           "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    with Stack(env=env) as stack:
        instance = stack.make()
        clock.write_text(jump)

        other = stack.make()
        ok(stack.api.stop(instance.name))
        ok(stack.api.start(instance.name))
        ok(stack.api.put_password(other.name, "changed"))
        stack.purge(other)

        assert instance.value("SELECT 1") == 1
        assert instance.view()["state"] == "running"
        # Not older than its grace period, whatever the clock says.
        assert len(ok(stack.api.call("GET", "/trash/"))["trash"]) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT, signal.SIGHUP], ids=["killed", "stopped", "reloaded"])
def test_nginx_going_amid_a_create_lets_it_end_and_a_retry_has_the_same_answer(stack, number):
    instance = stack.new()

    def post():
        with contextlib.suppress(requests.RequestException):
            answer = instance.post()
            return answer.json() if answer.status_code == 200 else None

    def end_nginx():
        threading.Event().wait(0.2)
        stack.nginx_signal(number)

    at_once([post, end_nginx])
    stack.nginx_start()

    body = wait_for(post, "a retry succeeds", 60)
    instance.port = body["port"]
    assert instance.value("SHOW cluster_name") == instance.name
    assert instance.post().json() == body
    stack.purge(instance)
