"""A host of its own as far as networks go: another engine, a pgberthd beside it, and a neighbour. What its engine does
to firewall rules and published ports happens in a network namespace, so the engine of this host does not notice."""
import json
import pathlib
import secrets
import shutil
import subprocess

from lib.stack import Stack
from lib.waiting import wait_for
from lib.walls import NUMBER, run, within

PREFIX = "pgbh"
PLACE = pathlib.Path("/var/tmp")
IMAGE = "pgberth-postgres:17"


class OtherEngine:
    """dockerd in a namespace, with its userland proxy or without."""

    def __init__(self, proxy):
        self.name = PREFIX + secrets.token_hex(3)
        self.place = PLACE / self.name
        self.socket = self.place / "docker.sock"
        self.proxy = proxy
        self.process = None

    def __enter__(self):
        try:
            run("ip", "netns", "add", self.name)
            run("ip", "-n", self.name, "link", "set", "lo", "up")
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        self.place.mkdir()
        # Another file than the host's own engine, which is found by its file.
        shutil.copy("/usr/sbin/dockerd", self.place / "dockerd")
        (self.place / "daemon.json").write_text(json.dumps({"userland-proxy": self.proxy}))
        command = [*within(self.name), self.place / "dockerd", "--config-file", self.place / "daemon.json",
                   "--data-root", self.place / "data", "--exec-root", self.place / "run", "--pidfile", self.place / "docker.pid",
                   "--host", f"unix://{self.socket}", "--bridge", "none"]
        with (self.place / "log").open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_for(lambda: self.docker("version", check=False).returncode == 0, f"{self.place}/log: the engine is up", 60)
        saved = subprocess.Popen(["/usr/bin/docker", "save", IMAGE], stdout=subprocess.PIPE)
        subprocess.run(["/usr/bin/docker", "-H", f"unix://{self.socket}", "load", "-q"], stdin=saved.stdout, check=True,
                       stdout=subprocess.DEVNULL)
        assert saved.wait() == 0

    def __exit__(self, *_):
        if self.process:
            ids = self.docker("ps", "-aq", check=False).stdout.split()
            if ids:
                self.docker("rm", "-f", *ids, check=False)
            self.process.terminate()
            self.process.wait(60)
        remove(self.name)

    @property
    def within(self):
        return within(self.name)

    def docker(self, *words, **options):
        return run("/usr/bin/docker", "-H", f"unix://{self.socket}", *words, **options)

    def proxies(self):
        """The engine's processes that pass on a published port."""
        return [pid for pid in run("pgrep", "-x", "docker-proxy", check=False).stdout.split()
                if run("ip", "netns", "identify", pid, check=False).stdout.strip() == self.name]


class OtherStack(Stack):
    """pgberthd where that engine is."""

    def __init__(self, engine, **options):
        super().__init__(engine_socket=engine.socket, network=engine.name, **options)
        self.command = [*within(engine.name), *self.command]


class Neighbour:
    """A namespace beyond that host. host: the host's address on the way there."""

    def __init__(self, engine):
        self.engine, self.name = engine, f"{engine.name}n"
        self.host, self.address = f"198.51.100.{4 * NUMBER + 129}", f"198.51.100.{4 * NUMBER + 130}"

    def __enter__(self):
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "add", "out", "type", "veth", "peer", "name", "in", "netns", self.engine.name)
        for namespace, link, address in ((self.name, "out", self.address), (self.engine.name, "in", self.host)):
            run("ip", "-n", namespace, "address", "add", f"{address}/30", "dev", link)
            run("ip", "-n", namespace, "link", "set", link, "up")
        return self

    def __exit__(self, *_):
        run("ip", "netns", "del", self.name, check=False)

    @property
    def within(self):
        return within(self.name)


def remove(name):
    """Removes the leftovers of such an engine, whose process has ended."""
    place = PLACE / name
    for line in reversed(pathlib.Path("/proc/mounts").read_text().splitlines()):
        if line.split()[1].startswith(f"{place}/"):
            run("umount", "-l", line.split()[1], check=False)
    for namespace in (name, f"{name}n"):
        run("ip", "netns", "del", namespace, check=False)
    shutil.rmtree(place, ignore_errors=True)


def reap():
    """Removes the leftovers of a killed run."""
    for place in PLACE.glob(PREFIX + "*"):
        run("pkill", "-9", "-f", f"{place}/", check=False)
        remove(place.name)
