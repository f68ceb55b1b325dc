"""A stock Debian of a test's own as a virtual machine under QEMU: own kernel, systemd, cgroup v2, AppArmor. Emulated, unless
PGBERTH_VM_ACCEL=kvm: then everything takes some ten times longer. What is built and done stays in a directory until it is removed."""
import json
import os
import pathlib
import subprocess

import yaml

from lib.box import REPOSITORY
from lib.waiting import wait_for

CLONE = "/pgberth"
PORT = 2222
BUILD = REPOSITORY / "tests/vm-image"
ACCEL = os.environ.get("PGBERTH_VM_ACCEL", "tcg,thread=multi")
SLOWER = 10 if ACCEL.startswith("tcg") else 1
BOOT_SECONDS = 900  # emulated, on a busy machine
TEMPLATES = pathlib.Path("/var/lib/pgberth/templates")
QEMU = ["qemu-system-x86_64", "-cpu", "max", "-smp", "2", "-m", "6144", "-kernel", "vmlinuz", "-initrd", "initrd",
        "-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0", "-drive", "file=disk.img,if=virtio,format=raw,cache=unsafe",
        "-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{PORT}-:22", "-device", "virtio-net-pci,netdev=n0",
        "-display", "none", "-serial", "file:boot.log", "-daemonize", "-pidfile", "qemu.pid"]
SSH = ["ssh", "-q", "-i", "key", "-p", str(PORT), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
       "-o", "ConnectTimeout=10", "root@127.0.0.1"]


def packages():
    """Of all roles, but for what a role only names for some releases."""
    for role in ("app", "dev", "firewall", "image", "nginx"):
        yield from yaml.safe_load((REPOSITORY / f"ansible/roles/{role}/defaults/main.yml").read_text())[f"{role}_packages"]
    yield from ("docker.io", "docker-cli", "iptables")


class Vm:
    def __init__(self, release):
        self.place = pathlib.Path(os.environ.get("PGBERTH_VM", f"/var/tmp/pgberth-vm-{release}"))
        self.release = release

    def __enter__(self):
        subprocess.run([BUILD, self.release, self.place, *packages()], check=True, stdin=subprocess.DEVNULL)
        self.come_up()
        try:
            self.copy_tree()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.go_down()

    def come_up(self):
        subprocess.run([*QEMU, "-accel", ACCEL], cwd=self.place, check=True)
        wait_for(lambda: self.run("systemctl is-system-running --wait", check=False).stdout.strip() in ("running", "degraded"),
                 "the virtual machine is up", BOOT_SECONDS)

    def go_down(self):
        """Switches it off: systemd stops everything in order."""
        pid = int((self.place / "qemu.pid").read_text())
        self.run("poweroff", check=False)
        wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "the virtual machine is down", BOOT_SECONDS)

    def copy_tree(self):
        self._pipe(["tar", "-C", REPOSITORY, "--exclude=./app/build", "--exclude=./.git", "-c", "."],
                   f"mkdir -p {CLONE}; tar -C {CLONE} --no-same-owner -x")

    def copy_images(self):
        """Takes the images and templates of this host, which the role would build again, and leaves as they are."""
        ids = [json.loads(file.read_text())["image_id"] for file in TEMPLATES.glob("*/manifest.json")]
        self._pipe(["/usr/bin/docker", "save", *self._names_of(ids)], "systemctl start docker; docker load")
        self._pipe(["tar", "-C", TEMPLATES.parent, "-c", "templates"],
                   f"install -d -m 700 {TEMPLATES.parent}; tar -C {TEMPLATES.parent} -x")

    def _names_of(self, ids):
        said = subprocess.run(["/usr/bin/docker", "image", "inspect", "--format", "{{index .RepoTags 0}}", *ids], check=True,
                              capture_output=True, text=True)
        return said.stdout.split()

    def _pipe(self, command, there):
        made = subprocess.Popen(command, stdout=subprocess.PIPE)
        subprocess.run([*SSH, there], cwd=self.place, stdin=made.stdout, stdout=subprocess.DEVNULL, check=True)
        assert made.wait() == 0

    def run(self, command, check=True):
        """A shell command as root in it; errors are printed with the rest."""
        said = subprocess.run([*SSH, command], cwd=self.place, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert not check or said.returncode == 0, f"{command}: {said.returncode}\n{said.stdout[-8000:]}"
        return said
