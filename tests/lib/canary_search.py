"""Looks for texts wherever pgberth, nginx, PostgreSQL, the engine and the kernel keep any."""
import base64
import contextlib
import json
import os
import pathlib
import secrets
import stat
import subprocess
import time

import docker

from lib.engine import HAS_SYSTEMD

LOGS = ("/var/log/pgberth", "/var/log/nginx")
CONFIGURATION = ("/etc/pgberth", "/run/pgberth")


def new_canary():
    """A text that is the same in JSON, a form, SQL and a shell."""
    return f"canary{secrets.token_hex(16)}"


def disguises(canary):
    """What an encoder would make of it."""
    return canary, base64.b64encode(canary.encode()).decode().rstrip("="), canary.encode().hex()


class CanarySearch:
    """A search for texts that are newer than itself: it reads only files changed since it began."""

    def __init__(self, engine, settings):
        self.engine = engine
        self.directories = [str(settings.root), *CONFIGURATION, *LOGS]
        self.trash = settings.trash
        self.since = time.time() - 1

    def places_of(self, *needles):
        """Every place that holds one of the texts."""
        return [*self._on_disk(needles), *self._in_processes(needles), *self._in_engine(needles),
                *self._in_journal(needles)]

    def _is_new(self, path):
        return path.lstat().st_ctime >= self.since

    def _changed_files(self):
        for top in self.directories:
            for directory, subdirectories, names in os.walk(top):
                here = pathlib.Path(directory)
                if here == self.trash:  # what has lain there for long need not be walked
                    subdirectories[:] = [name for name in subdirectories if self._is_new(here / name)]
                for path in (here / name for name in names):
                    with contextlib.suppress(OSError):  # it has been removed
                        if stat.S_ISREG(path.lstat().st_mode) and self._is_new(path):
                            yield path

    def _on_disk(self, needles):
        wanted = [needle.encode() for needle in needles]
        for path in self._changed_files():
            with contextlib.suppress(OSError):
                content = path.read_bytes()
                if any(needle in content for needle in wanted):
                    yield str(path)

    @staticmethod
    def _in_processes(needles):
        for proc in pathlib.Path("/proc").glob("[0-9]*"):
            for file in (proc / "cmdline", proc / "environ"):
                with contextlib.suppress(OSError):  # the process has ended
                    content = file.read_bytes().decode(errors="replace")
                    if any(needle in content for needle in needles):
                        yield str(file)

    def _in_engine(self, needles):
        for container in self.engine.client.containers.list(all=True, ignore_removed=True):
            with contextlib.suppress(docker.errors.APIError):  # it has been removed
                said = json.dumps(container.attrs) + container.logs().decode(errors="replace")
                if any(needle in said for needle in needles):
                    yield f"container {container.name}"

    def _in_journal(self, needles):
        if HAS_SYSTEMD:
            said = subprocess.run(["journalctl", "-o", "cat", "--since", f"@{self.since:.0f}", "--no-pager"],
                                  capture_output=True, text=True).stdout
            if any(needle in said for needle in needles):
                yield "the journal"
