"""Looks for texts wherever pgberth, nginx, PostgreSQL, the engine and the kernel keep any."""
import contextlib
import json
import pathlib
import subprocess

import docker

from daemon import HAS_SYSTEMD

LOGS = ("/var/log/pgberth", "/var/log/nginx")
CONFIGURATION = ("/etc/pgberth", "/run/pgberth")


class Search:
    def __init__(self, engine, settings):
        self.engine = engine
        self.settings = settings

    def places_of(self, *needles):
        """Every place that holds one of the texts."""
        return [*self._on_disk(needles), *self._in_processes(needles), *self._in_engine(needles),
                *self._in_journal(needles)]

    def _on_disk(self, needles):
        # The texts go by standard input: command lines are one of the places searched.
        return subprocess.run(
            ["grep", "-rlaF", "-f", "-", str(self.settings.root), *CONFIGURATION, *LOGS],
            input="\n".join(needles), capture_output=True, text=True).stdout.splitlines()

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

    @staticmethod
    def _in_journal(needles):
        if HAS_SYSTEMD:
            said = subprocess.run(["journalctl", "-o", "cat", "--since", "-1h", "--no-pager"],
                                  capture_output=True, text=True).stdout
            if any(needle in said for needle in needles):
                yield "the journal"
