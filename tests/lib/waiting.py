"""Waiting without sleeping: until something is so, or a failure that says what never was."""
import os
import time

# Where all takes so many times longer: an emulated host.
SLOWER = float(os.environ.get("PGBERTH_TESTS_SLOWER", 1))


def wait_for(condition, why, timeout=30):
    """Return the first true answer of condition(); fail with `why` after `timeout` seconds, or more on a slower host."""
    deadline = time.monotonic() + timeout * SLOWER
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {timeout} s in vain: {why}"
        time.sleep(0.05)
