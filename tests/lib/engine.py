"""The Docker engine as an operator sees and uses it, behind pgberth's back."""
import contextlib
import os
import pathlib
import re
import signal
import subprocess

import docker
import requests

from lib.waiting import wait_for

HAS_SYSTEMD = pathlib.Path("/run/systemd/system").is_dir()


def pause(container):
    """At a busy host the kernel may be too slow to freeze it, and the engine says so."""
    def is_paused():
        with contextlib.suppress(docker.errors.APIError):
            container.pause()
        container.reload()
        return container.status == "paused"

    wait_for(is_paused, "it is paused")


class Engine:
    def __init__(self):
        self.client = docker.DockerClient(base_url="unix://var/run/docker.sock", version="auto")

    def container(self, name):
        """The container of a storage_dir, or None."""
        try:
            return self.client.containers.get(f"pgberth-{name}")
        except docker.errors.NotFound:
            return None

    def names(self):
        return [container.name
                for container in self.client.containers.list(all=True, ignore_removed=True)]

    def inspect(self, name):
        return self.container(name).attrs

    def host_pid(self, name):
        """The host's pid of the container's first process."""
        return self.inspect(name)["State"]["Pid"]

    def identity(self, name):
        """A value that changes whenever its container is made or started again; None while there is no container."""
        container = self.container(name)
        return container and (container.id, container.attrs["State"]["StartedAt"], container.attrs["RestartCount"])

    def postmaster_pid(self, name):
        """The host's pid of the postmaster: the child of the container's init."""
        top = self.container(name).top()
        pid, parent = top["Titles"].index("PID"), top["Titles"].index("PPID")
        init = str(self.host_pid(name))
        return next(int(row[pid]) for row in top["Processes"] if row[parent] == init)

    def run_stranger(self, name, image="pgberth-postgres:17", **options):
        """A sleeping container that does not belong to pgberth."""
        return self.client.containers.run(
            image, ["86400"], entrypoint="/bin/sleep", name=name, init=True, detach=True, **options)

    def pid(self):
        return int(pathlib.Path("/var/run/docker.pid").read_text())

    def kill(self):
        """kill -9 of dockerd alone, which no socket of systemd's starts again."""
        self._mask("mask")
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), f"dockerd {pid} is gone")

    def _mask(self, action):
        if HAS_SYSTEMD:
            subprocess.run(["systemctl", action, "--runtime", "docker.service"], check=True, stdin=subprocess.DEVNULL, capture_output=True)

    def _service(self, action):
        self._mask("unmask")
        subprocess.run(["/usr/local/sbin/pgberth-service", action, "engine"], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def answers(self):
        try:
            return self.client.ping()
        except (docker.errors.APIError, requests.RequestException):
            return False

    def start(self):
        """Twice at most: after a kill dockerd may find a containerd that answers no more, which it ends before it gives up."""
        try:
            self._service("start")
        except subprocess.CalledProcessError:
            self._service("start")
        wait_for(self.answers, "the engine answers", 90)

    def stop(self):
        self._service("stop")

    def restart(self):
        self._service("restart")
        wait_for(self.answers, "the engine answers", 90)

    @contextlib.contextmanager
    def frozen(self):
        """dockerd accepts calls, and never answers them."""
        pid = self.pid()
        # The thaw is another process's, at the end of its input: it comes even if this one is killed.
        thaw = subprocess.Popen(["/bin/sh", "-c", f"read -r line; kill -CONT {pid}"],
                                stdin=subprocess.PIPE, start_new_session=True)
        try:
            os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            thaw.communicate()


class Process:
    """A process of the host, as /proc tells it."""

    def __init__(self, pid):
        self.proc = pathlib.Path("/proc") / str(pid)

    def status(self):
        lines = (self.proc / "status").read_text().splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def is_alive(self):
        with contextlib.suppress(OSError):
            return self.status()["State"][0] not in "ZX"
        return False

    def is_stopped(self):
        """By SIGSTOP: none of its threads runs on."""
        return all(Process(f"{self.proc.name}/task/{task.name}").status()["State"][0] == "T" for task in (self.proc / "task").iterdir())

    def limit(self, name):
        """The soft limit of that name in /proc/<pid>/limits."""
        line = next(line for line in (self.proc / "limits").read_text().splitlines()
                    if line.startswith(name))
        return line[len(name):].split()[0]

    def rss_kb(self):
        return int(self.status()["VmRSS"].split()[0])

    def peak_kb(self):
        """The peak of its memory since the last forget_peak()."""
        return int(self.status()["VmHWM"].split()[0])

    def forget_peak(self):
        (self.proc / "clear_refs").write_text("5")

    def open_files(self):
        return len(list((self.proc / "fd").iterdir()))

    def _cgroup(self, controller):
        """The process's cgroup in that controller's tree, or in the single tree of version 2."""
        unified = None
        for line in (self.proc / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                return pathlib.Path("/sys/fs/cgroup") / controllers / path.lstrip("/")
            if not controllers:
                unified = pathlib.Path("/sys/fs/cgroup") / path.lstrip("/")
        return unified

    def memory_limit(self):
        """Bytes."""
        cgroup = self._cgroup("memory")
        file = cgroup / "memory.limit_in_bytes"
        return int((file if file.exists() else cgroup / "memory.max").read_text())

    def io_limit(self, device):
        """Bytes that it may write in a second to a device of this number; None without a limit."""
        number = f"{os.major(device)}:{os.minor(device)}"
        cgroup = self._cgroup("blkio")
        first, last = cgroup / "blkio.throttle.write_bps_device", cgroup / "io.max"
        for line in (first if first.exists() else last).read_text().splitlines():
            found = re.match(rf"{number} (?:.*\bwbps=)?(\d+)", line)
            if found:
                return int(found[1])
        return None

    def cpu_limit(self):
        """CPUs."""
        cgroup = self._cgroup("cpu")
        file = cgroup / "cpu.cfs_quota_us"
        if file.exists():
            return int(file.read_text()) / int((cgroup / "cpu.cfs_period_us").read_text())
        quota, period = (cgroup / "cpu.max").read_text().split()
        return int(quota) / int(period)
