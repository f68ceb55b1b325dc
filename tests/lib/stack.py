"""A pgberth of a test's own: another root, other ports and uids, its own nginx; the engine is the real one
unless told otherwise. What must not happen to the one of this host happens to this one."""
import contextlib
import itertools
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess

import pytest
import requests

from lib import nginx
from lib.client import Api, Instance, ok
from lib.daemon import ServiceLog
from lib.engine import Engine, Process
from lib.ports import is_free
from lib.settings import Settings
from lib.recorder import new_name
from lib.waiting import wait_for

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
# Built by make test, with the fault hook that nothing else has; make asan and make tsan set another.
BINARY = pathlib.Path(os.environ.get("PGBERTHD_UNDER_TEST", REPOSITORY / "app/build/faults/pgberthd"))
SANITIZED = BINARY.exists() and any(word in BINARY.read_bytes() for word in (b"__asan_init", b"__tsan_init"))
without_sanitizer = pytest.mark.skipif(SANITIZED, reason="a sanitizer must be the first library, and has its own allocator")
PREFIX = "pgberth-test-"
# The majors of this host's pgberth: with another one first (versions = 18 17 15) all of these servers are that.
MAJORS = Settings().versions
# Each stack has a slice of its own, of the worker's the next; eight workers stay below the kernel's own ports.
OF_WORKER = 12
SLICES = itertools.cycle(range(OF_WORKER))
# Above the default range.
UIDS = 1_910_000_000
FIRST_SLICE = OF_WORKER * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Stack:
    """size_mb: its root is a file system of that size. site: variables of the nginx role. options: of pgberth.conf."""

    def __init__(self, size_mb=None, binary=BINARY, env=None, site=None, **options):
        self.name = PREFIX + secrets.token_hex(3)
        self.root = pathlib.Path("/var/lib") / self.name
        self.run = pathlib.Path("/run") / self.name
        self.image = pathlib.Path("/var/tmp") / f"{self.name}.img"
        self.log = self.run / "pgberthd.log"
        self.fault = self.run / "fault"
        self.size_mb, self.binary, self.env = size_mb, binary, dict(env or {})
        number = FIRST_SLICE + next(SLICES)
        port, uid = 20000 + 100 * number, UIDS + 1000 * number
        self.options = {"root": self.root, "socket": self.run / "pgberthd.sock", "spares": 0, "versions": " ".join(map(str, MAJORS)),
                        "port_min": port, "port_max": port + 99, "uid_min": uid, "uid_max": uid + 999, "tokens": self.run / "tokens",
                        "free_percent": 0, **options}
        self.command = [self.binary, "-c", self.run / "pgberth.conf"]
        self.site = dict(site or {})
        self.https_port = free_port()
        self.api = Api(f"https://localhost:{self.https_port}/api")
        self.process = self.nginx = None
        self.instances = []

    # ---- begin and end -----------------------------------------------------------------------

    def __enter__(self):
        STACKS.append(self)
        try:
            self._make_root()
            self._make_run()
            self.nginx_start()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        STACKS.remove(self)
        if not self.is_dead():
            self.stop()  # rather than kill: a sanitizer tells of leaks at the end
        log = self.log_text() if self.log.exists() else ""
        if self.nginx:
            self.nginx.terminate()
            self.nginx.wait(30)
        remove_containers(self.root)
        remove_root(self.root)
        self.image.unlink(missing_ok=True)
        shutil.rmtree(self.run, ignore_errors=True)
        crash = [line for line in log.splitlines() if ServiceLog.CRASH.search(line)]
        assert not crash, "\n".join(crash[:60])

    def _make_root(self):
        self.root.mkdir(mode=0o700)
        if self.size_mb:
            with self.image.open("wb") as file:
                file.truncate(self.size_mb << 20)
            subprocess.run(["mkfs.ext4", "-q", "-m", "0", self.image], check=True)
            subprocess.run(["mount", "-o", "loop", self.image, self.root], check=True)
        (self.root / "templates").mkdir()
        copy_template(Settings().root / f"templates/{MAJORS[0]}", self.root / "templates")

    def _make_run(self):
        self.run.mkdir(mode=0o750)
        shutil.chown(self.run, "root", "www-data")
        self.write_configuration()
        text = site_text(**self.site).replace("/run/pgberth/", f"{self.run}/").replace("/var/log/nginx/", f"{self.run}/")
        text = re.sub(r"listen (\S+):443 ssl", rf"listen \1:{self.https_port} ssl", text)
        (self.run / "nginx.conf").write_text(
            f"user www-data;\nworker_processes 1;\npid {self.run}/nginx.pid;\nerror_log {self.run}/nginx.log;\n"
            f"events {{ worker_connections {self.site.get('nginx_connections', 1024)}; }}\n"
            f"http {{\n{''.join(f'{kind}_temp_path {self.run}/{kind};' for kind in TEMPORARY)}\n{text}\n}}\n")

    def write_configuration(self, **options):
        self.options.update(options)
        lines = [f"{key} = {value}\n" for key, value in self.options.items() if value is not None]
        (self.run / "pgberth.conf").write_text("[pgberth]\n" + "".join(lines))

    def nginx_start(self):
        """Starts nginx if it does not run, after ending the workers that a killed master left."""
        if self.nginx and self.nginx.poll() is None:
            return
        subprocess.run(["pkill", "-9", "-s", str(self.nginx.pid)] if self.nginx else ["true"])
        self.nginx = subprocess.Popen(["nginx", "-c", self.run / "nginx.conf", "-g", "daemon off;"],
                                      stdin=subprocess.DEVNULL, start_new_session=True)

    def nginx_signal(self, number):
        self.nginx.send_signal(number)
        if number != signal.SIGHUP:
            self.nginx.wait(30)

    # ---- the process -------------------------------------------------------------------------

    def spawn(self):
        """Started, but perhaps not serving yet."""
        self.fault.unlink(missing_ok=True)
        env = {**os.environ, **self.env, "KILL_POINT_FILE": self.fault}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=env, stderr=log,
                                            stdin=subprocess.DEVNULL, start_new_session=True)

    def start(self):
        self.spawn()
        wait_for(lambda: self.process.poll() is not None or self.serves(), "the private pgberthd serves", 60)
        assert self.process.poll() is None, self.log_text()

    def die_at(self, step):
        """Makes pgberthd kill itself when it next comes to that step (app/base/kill_point.h)."""
        self.fault.write_text(step)

    def serves(self):
        """True when pgberthd has read its records, whatever else health says."""
        with contextlib.suppress(requests.ConnectionError):
            answer = self.api.call("GET", "/health")
            return answer.json().get("process", {}).get("ok") is True
        return False

    def is_dead(self):
        return self.process is None or self.process.poll() is not None

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """SIGTERM; the seconds that it took do not matter, but that it ends does."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def restart(self):
        self.kill()
        self.start()

    def proc(self):
        return Process(self.process.pid)

    @contextlib.contextmanager
    def frozen(self):
        """It is called, and never answers."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            wait_for(self.proc().is_stopped, "it stands still")
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def log_text(self):
        return self.log.read_text(errors="replace")

    # ---- what it has -------------------------------------------------------------------------

    @property
    def settings(self):
        return Settings(self.run / "pgberth.conf")

    def new(self, name=None, port=None):
        """An instance that was not asked for yet. Its port is allocated unless given."""
        instance = Instance(self.api, self.settings, name or new_name(), port)
        self.instances.append(instance)
        return instance

    def free_port(self):
        held = {view["port"] for view in self.api.listed().values()}
        return next(port for port in range(self.options["port_max"], self.options["port_min"], -1)
                    if port not in held and is_free(port))

    def make(self, **fields):
        instance = self.new()
        instance.create(**fields)
        return instance

    def mounts(self):
        """Devices, by the place that each is mounted at."""
        return mounts_below(self.root)

    def loops(self):
        return loops_below(self.root)

    def health(self):
        return self.api.call("GET", "/health").json()

    def containers(self, **options):
        """Those that the engine has for it; all=True: not only those that run."""
        return Engine().client.containers.list(filters={"label": f"pgberth.root={self.root}"}, ignore_removed=True, **options)

    def container_names(self):
        """The storage_dirs that they are for."""
        return [each.labels["pgberth.storage_dir"] for each in self.containers(all=True)]

    def trash(self):
        return ok(self.api.call("GET", "/trash/"))["trash"]

    def purge(self, instance):
        ok(self.api.delete(instance.name, purge=True))


# Running stacks of this process, for the report of a test that fails.
STACKS = []
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def site_text(**variables):
    """nginx/pgberth.conf.j2 as the role would install it, with these of its variables changed."""
    values = {"nginx_listen": ["127.0.0.1", "::1"], "nginx_http2_directive": nginx.version() >= (1, 25, 1),
              "nginx_ipv6": {"stat": {"exists": pathlib.Path("/proc/net/if_inet6").exists()}}, **variables}
    return subprocess.run([REPOSITORY / "app/debian/render", REPOSITORY / "nginx/pgberth.conf.j2",
                           REPOSITORY / "ansible/roles/nginx/defaults/main.yml", json.dumps(values)],
                          check=True, capture_output=True, text=True).stdout


def copy_template(template, to):
    """Its files are only read: links to them will do where there can be some, which a mount between prevents."""
    if subprocess.run(["cp", "-al", template, to], capture_output=True).returncode != 0:
        subprocess.run(["cp", "-a", template, to], check=True)


def remove_containers(root):
    filters = ["--filter", f"label=pgberth.root={root}"]
    ids = subprocess.run(["/usr/bin/docker", "ps", "-aq", *filters], capture_output=True, text=True).stdout.split()
    if ids:
        subprocess.run(["/usr/bin/docker", "rm", "-fv", *ids], capture_output=True)


def mounts_below(root):
    """Mounts below a directory, and their sources."""
    lines = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    return {place: device for device, place, *_ in lines if place.startswith(f"{root}/")}


def loops_below(root):
    """The loop devices that have a file below a directory, deleted or not, mounted or not."""
    files = pathlib.Path("/sys/block").glob("loop*/loop/backing_file")
    return {file.parts[3]: text for file in files if (text := read_or_nothing(file)).startswith(f"{root}/")}


def read_or_nothing(path):
    with contextlib.suppress(OSError):
        return path.read_text().strip()
    return ""


def remove_root(root):
    for place in [*mounts_below(root), root]:
        subprocess.run(["umount", "-l", place], capture_output=True)
    shutil.rmtree(root, ignore_errors=True)


def reap():
    """Removes the stacks that a killed run left."""
    for root in pathlib.Path("/var/lib").glob(PREFIX + "*"):
        for kill in (["pkill", "-9", "-f", f"/run/{root.name}/"],):
            subprocess.run(kill, capture_output=True)
        remove_containers(root)
        remove_root(root)
    for left in [*pathlib.Path("/run").glob(PREFIX + "*"), *pathlib.Path("/var/tmp").glob(PREFIX + "*.img")]:
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()
