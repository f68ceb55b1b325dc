"""The pgberthd process of this host: its pid, its end and its beginning, its log."""
import os
import pathlib
import re
import signal
import subprocess
import time

import requests

from lib.engine import HAS_SYSTEMD, Process
from lib.waiting import wait_for

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent


# A daemon that a test killed stays dead until the test starts it.
UNTOUCHED = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=no\n"
DROP_INS = [pathlib.Path(f"/run/systemd/system/{unit}.service.d/pgberth-test.conf") for unit in ("docker", "pgberthd")]


def keep_systemd_from_restarting(is_kept):
    if not HAS_SYSTEMD:
        return
    for file in DROP_INS:
        if is_kept:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(UNTOUCHED)
        else:
            file.unlink(missing_ok=True)
    subprocess.run(["systemctl", "daemon-reload"], check=True, stdin=subprocess.DEVNULL)


class Pgberthd:
    def __init__(self, api):
        self.api = api

    def pid(self):
        """pgberthd's pid, or None."""
        if HAS_SYSTEMD:
            shown = subprocess.run(["systemctl", "show", "-p", "MainPID", "--value", "pgberthd"],
                                   check=True, capture_output=True, text=True).stdout
            return int(shown) or None
        file = pathlib.Path("/run/pgberth/pgberthd.pid")
        pid = int(file.read_text()) if file.exists() else 0
        return pid if pid and pathlib.Path(f"/proc/{pid}").exists() else None

    def process(self):
        return Process(self.pid())

    def is_healthy(self):
        try:
            return self.api.call("GET", "/health").status_code == 200
        except requests.ConnectionError:
            return False

    def _make(self, target):
        subprocess.run(["make", "--no-print-directory", "-C", str(REPOSITORY), target],
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def start(self):
        self._make("start")
        wait_for(self.is_healthy, "pgberthd is healthy", 60)

    def stop(self):
        self._make("stop")

    def restart(self):
        self._make("restart")
        wait_for(self.is_healthy, "pgberthd is healthy", 60)

    def kill(self):
        """kill -9, and it is gone."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), f"pgberthd {pid} is gone")


def fields(line):
    """Values of a log line by key, without quotes around them. The event, before the first key, has the key ""."""
    event, *pairs = re.split(r" (?=[a-z_]+=)", re.sub(r'"(?:[^"\\]|\\.)*"', lambda quoted: quoted[0].replace(" ", "\0"), line))
    unquoted = {key: value[1:-1] if value[:1] == '"' else value for key, _, value in (pair.partition("=") for pair in pairs)}
    return {"": event, **{key: re.sub(r"\\(.)", r"\1", value.replace("\0", " ")) for key, value in unquoted.items()}}


class ServiceLog:
    """pgberthd's log from a mark on: its file, or the journal where there is one."""

    CRASH = re.compile(r"backtrace|crash|Sanitizer|runtime error|^\s*#\d+ ", re.IGNORECASE)

    def __init__(self, path="/var/log/pgberth/pgberthd.log"):
        self.path = pathlib.Path(path)
        self.mark()

    def mark(self):
        self.since = time.time()
        self.offset = self.path.stat().st_size if self.path.exists() else 0

    def lines(self):
        if HAS_SYSTEMD:
            return subprocess.run(
                ["journalctl", "-u", "pgberthd", "-o", "cat", "--no-pager", "--since",
                 f"@{self.since:.3f}"], capture_output=True, text=True).stdout.splitlines()
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            # A file shorter than the mark has been rotated.
            file.seek(self.offset if self.path.stat().st_size >= self.offset else 0)
            return file.read().decode(errors="replace").splitlines()

    def of_requests(self, request_ids):
        wanted = set(request_ids)
        return [line for line in self.lines()
                if any(word.partition("=")[2] in wanted for word in line.split())]

    def of_crash(self):
        return [line for line in self.lines() if self.CRASH.search(line)]
