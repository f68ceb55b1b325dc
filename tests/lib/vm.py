"""A stock Debian of a test's own as a virtual machine under QEMU: own kernel, systemd, cgroup v2, AppArmor. KVM where it works,
else emulation, in which everything takes some ten times longer. What is built and done stays in a directory until it is removed."""
import os
import pathlib
import subprocess

from lib.box import REPOSITORY
from lib.waiting import wait_for

CLONE = "/pgberth"
PORT = 2222
BUILD = REPOSITORY / "tests/vm-image"
BOOT_SECONDS = 900  # emulated, on a busy machine
QEMU = ["qemu-system-x86_64", "-cpu", "max", "-smp", "2", "-m", "6144", "-kernel", "vmlinuz", "-initrd", "initrd",
        "-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0", "-drive", "file=disk.img,if=virtio,format=raw,cache=unsafe",
        "-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{PORT}-:22", "-device", "virtio-net-pci,netdev=n0",
        "-display", "none", "-serial", "file:boot.log", "-daemonize", "-pidfile", "qemu.pid"]
SSH = ["ssh", "-q", "-i", "key", "-p", str(PORT), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
       "-o", "ConnectTimeout=10", "root@127.0.0.1"]


def has_kvm():
    """A device alone says little: inside another virtual machine it may fail to start a guest."""
    said = subprocess.run(["qemu-system-x86_64", "-accel", "kvm", "-S", "-display", "none", "-monitor", "stdio"],
                          input=b"quit\n", capture_output=True)
    return said.returncode == 0


class Vm:
    def __init__(self, release):
        self.place = pathlib.Path(os.environ.get("PGBERTH_VM", f"/var/tmp/pgberth-vm-{release}"))
        self.release = release

    def __enter__(self):
        subprocess.run([BUILD, self.release, self.place], check=True, stdin=subprocess.DEVNULL)
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
        accelerator = "kvm" if has_kvm() else "tcg,thread=multi"
        subprocess.run([*QEMU, "-accel", accelerator], cwd=self.place, check=True)
        wait_for(lambda: self.run("systemctl is-system-running --wait", check=False).stdout.strip() in ("running", "degraded"),
                 "the virtual machine is up", BOOT_SECONDS)

    def go_down(self):
        """Switches it off: systemd stops everything in order."""
        pid = int((self.place / "qemu.pid").read_text())
        self.run("poweroff", check=False)
        wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "the virtual machine is down", BOOT_SECONDS)

    def copy_tree(self):
        tree = subprocess.Popen(["tar", "-C", REPOSITORY, "--exclude=./app/build", "--exclude=./.git", "-c", "."],
                                stdout=subprocess.PIPE)
        subprocess.run([*SSH, f"mkdir -p {CLONE}; tar -C {CLONE} --no-same-owner -x"], cwd=self.place, stdin=tree.stdout, check=True)
        assert tree.wait() == 0

    def run(self, command, check=True):
        """A shell command as root in it; what it prints goes by as it comes."""
        said = subprocess.run([*SSH, command], cwd=self.place, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert not check or said.returncode == 0, f"{command}: {said.returncode}\n{said.stdout[-8000:]}"
        return said
