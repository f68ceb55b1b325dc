"""Waiting without sleeping: until something is so, or a failure that says what never was."""
import time


def wait_for(condition, why, timeout=30):
    """Return the first true answer of condition(); fail with `why` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {timeout} s in vain: {why}"
        time.sleep(0.05)
