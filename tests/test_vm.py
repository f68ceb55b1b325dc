"""A stock Debian with a kernel, cgroup v2 and AppArmor of its own, for what containers cannot show: memory that runs out,
quotas, walls, a boot. `make vm` runs these, in order; emulated, the suite's parts take two hours."""
import json
import os
import time

import pytest

from lib.vm import CLONE, SLOWER, Vm
from lib.waiting import wait_for

pytestmark = pytest.mark.vm
# Many creates at once outlast what pgberthd waits for an emulated engine.
PARTS = os.environ.get("PGBERTH_VM_TESTS") or "test_hardening,test_crashes,test_quota and not many_at_once,test_walls,test_restart"
SERVERS = ["first", "second", "third"]


def tell(text):
    print(f"\n{text}")


@pytest.fixture(scope="module")
def vm():
    with Vm(os.environ["PGBERTH_VM_RELEASE"]) as vm:
        yield vm


def test_it_is_a_stock_host(vm):
    assert vm.run("stat -fc %T /sys/fs/cgroup").stdout.strip() == "cgroup2fs"
    assert "apparmor" in vm.run("cat /sys/kernel/security/lsm").stdout


def test_it_becomes_a_pgberth(vm):
    vm.copy_images()
    began = time.monotonic()
    vm.run(f"make -C {CLONE} up ARGS='-e app_disk_quota=true'")
    tell(f"make up: {time.monotonic() - began:.0f} s")


@pytest.mark.parametrize("part", PARTS.split(","))
def test_part_of_the_suite_passes_in_it(vm, part):
    said = vm.run(f"PGBERTH_TESTS_SLOWER={SLOWER} make -C {CLONE} test FORCE=1 T='{part}'").stdout
    tell(said.strip().splitlines()[-1])
    assert "passed" in said


def view_of(vm, name):
    return json.loads(vm.run(f"curl -sk https://localhost/api/containers/{name}/").stdout)


def test_servers_are_confined_by_apparmor(vm):
    vm.run("pgberth create confined --password-file - <<<'a password of theirs'")
    pids = vm.run("docker inspect --format '{{.State.Pid}}' $(docker ps -q)").stdout.split()
    assert pids
    for pid in pids:
        assert vm.run(f"cat /proc/{pid}/attr/current").stdout.strip() == "docker-default (enforce)"
    vm.run("pgberth rm confined --purge")


def test_servers_are_back_after_a_boot(vm):
    for name in SERVERS:
        vm.run(f"pgberth create {name} --password-file - <<<'a password of theirs'")
    vm.go_down()
    vm.come_up()
    for name in SERVERS:
        wait_for(lambda name=name: view_of(vm, name).get("state") == "running", f"{name} is back", 600)
    logs = vm.run("cat /var/lib/pgberth/instances/*/pg/log/*.log").stdout
    assert "not properly shut down" not in logs
    for name in SERVERS:
        vm.run(f"pgberth rm {name} --purge")
