"""A record of the running test: its request ids and the names that it used."""
import os
import pathlib
import re
import secrets

TEST_NAME = re.compile(r"test-[0-9a-f]{8}")


def new_name(suffix=""):
    """A storage_dir that the reaper knows as the tests'."""
    return f"test-{secrets.token_hex(4)}{suffix}"


class Recorder:
    def __init__(self):
        self.worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        self.request_ids = []
        self.names = []

    def clear(self):
        self.request_ids.clear()
        self.names.clear()

    def new_request_id(self):
        request_id = f"test-{self.worker}-{secrets.token_hex(6)}"
        self.request_ids.append(request_id)
        return request_id

    def remember(self, name):
        if name not in self.names:
            self.names.append(name)


class Registry:
    """Names of the tests that do not look so, in a file that outlives a crashed run."""

    def __init__(self, path="/var/tmp/pgberth-tests.names"):
        self.path = pathlib.Path(path)

    def add(self, name):
        with self.path.open("a") as file:
            file.write(f"{name}\n")

    def names(self):
        return set(self.path.read_text().split()) if self.path.exists() else set()

    def clear(self):
        self.path.unlink(missing_ok=True)


# One test runs at a time in a process, so the process has one trail.
RECORDER = Recorder()
