"""A Debian host of a test's own: systemd in a container, with an engine inside. It is made bare, as a new host is; the test
takes part in its network, so that what it calls at localhost is the box's."""
import contextlib
import ctypes
import os
import pathlib
import re
import secrets
import subprocess
import tempfile

from lib.waiting import wait_for

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
# Debian's release, and a later one that the engine comes from.
RELEASE, *ENGINE_FROM = os.environ.get("PGBERTH_BOX", "bookworm").split()
IMAGE = "-".join(["pgberth-box-test", RELEASE, *ENGINE_FROM])
CLONE = "/pgberth"
NEW_NETWORK = 0x40000000  # CLONE_NEWNET, for setns(2)
LIBC = ctypes.CDLL(None, use_errno=True)
# As vagrant/Vagrantfile has it.
OPTIONS = ["--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE", "--security-opt", "seccomp=unconfined", "--security-opt",
           "apparmor=unconfined", "--security-opt", "systempaths=unconfined", "--stop-signal", "SIGRTMIN+3", "--cgroupns", "host",
           "--tmpfs", "/run", "--tmpfs", "/run/lock", "--device", "/dev/loop-control", "--device-cgroup-rule", "b 7:* rwm",
           "--sysctl", "net.ipv6.conf.all.disable_ipv6=0", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "-v", "/var/lib/docker",
           "-v", "/var/lib/pgberth"]


def docker(*words, **options):
    return subprocess.run(["/usr/bin/docker", *map(str, words)], text=True, capture_output=True, stdin=subprocess.DEVNULL,
                          **options)


class Box:
    """tree: the sources that the box gets a copy of."""

    def __init__(self, tree=REPOSITORY):
        self.name = f"pgberth-box-{secrets.token_hex(3)}"
        self.tree = tree

    def __enter__(self):
        subprocess.run([REPOSITORY / "vagrant/make-image", "/dev/null", IMAGE, RELEASE, *ENGINE_FROM], check=True, stdin=subprocess.DEVNULL)
        try:
            docker("run", "-d", "--name", self.name, *OPTIONS, IMAGE, check=True)
            self._wait_until_up()
            self.copy(self.tree, CLONE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        docker("rm", "-fv", self.name)
        give_back_controllers()

    def _wait_until_up(self):
        wait_for(lambda: self.run("systemctl is-system-running", check=False).stdout.strip() in ("running", "degraded"),
                 f"{self.name} is up", 120)

    def copy(self, tree, place):
        """The files of a tree that git would have, without built ones."""
        files = subprocess.Popen(["tar", "-C", tree, "--exclude=./app/build", "--exclude=./.git", "--exclude=.vagrant", "-c", "."],
                                 stdout=subprocess.PIPE)
        subprocess.run(["/usr/bin/docker", "exec", "-i", self.name, "sh", "-c", f"mkdir -p {place}; tar -C {place} --no-same-owner -x"],
                       stdin=files.stdout, check=True)
        assert files.wait() == 0

    def copy_file(self, file, place):
        docker("cp", file, f"{self.name}:{place}", check=True)

    def run(self, command, check=True, timeout=1800):
        """A shell command as root in the box."""
        said = docker("exec", self.name, "bash", "-c", command, timeout=timeout)
        assert not check or said.returncode == 0, f"{command}: {said.returncode}\n{said.stdout[-6000:]}\n{said.stderr[-3000:]}"
        return said

    def play(self, arguments, where=CLONE, check=True):
        """Runs ansible-playbook; returns its recap, as numbers by word."""
        said = self.run(f"cd {where}/ansible && ansible-playbook {arguments} </dev/null", check).stdout
        return {word: int(number) for word, number in re.findall(r"(\w+)=(\d+)", said[said.index("PLAY RECAP"):])}

    def address(self):
        return docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", self.name, check=True).stdout.strip()

    def go_down(self):
        """Switches the host off: systemd stops everything in order."""
        docker("stop", "-t", "600", self.name, check=True)

    def come_up(self):
        docker("start", self.name, check=True)

    @contextlib.contextmanager
    def network(self):
        """Has this thread, and those that it starts, call from inside the box. Sockets stay where they were made."""
        pid = docker("inspect", "--format", "{{.State.Pid}}", self.name, check=True).stdout.strip()
        with open("/proc/thread-self/ns/net") as own, open(f"/proc/{pid}/ns/net") as other:
            set_network(other)
            try:
                yield
            finally:
                set_network(own)


def give_back_controllers():
    """Where cgroups are of version 1, systemd in a box mounts controllers that this host does not, and they stay: the engine
    then finds no place for them in any container, and tells of no process that was killed for want of memory."""
    # Removed cgroups disappear a moment later, and only then can their parent be removed.
    wait_for(lambda: not [give_back(controllers) for controllers in unmounted_controllers()], "no controller is left behind")


def unmounted_controllers():
    mounted = [set(line.split()[3].split(",")) for line in pathlib.Path("/proc/mounts").read_text().splitlines()
               if line.split()[2] == "cgroup"]
    lines = pathlib.Path("/proc/self/cgroup").read_text().splitlines()
    hierarchies = [controllers for number, controllers, _ in (line.split(":", 2) for line in lines) if number != "0"]
    return [each for each in hierarchies if not any(set(each.split(",")) <= options for options in mounted)]


def give_back(controllers):
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["mount", "-t", "cgroup", "-o", controllers, "cgroup", place], check=True)
        subprocess.run(["find", place, "-mindepth", "1", "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"])
        subprocess.run(["umount", place], check=True)


def set_network(namespace):
    if LIBC.setns(namespace.fileno(), NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
