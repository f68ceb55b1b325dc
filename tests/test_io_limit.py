"""A server's share of the disk, where io_mb_s limits it."""
import os
import pathlib
import subprocess
import tempfile
import time

import pytest

from lib.client import ok
from lib.engine import Engine, Process
from lib.stack import BINARY, Stack

MB_S = 4


@pytest.fixture(scope="module")
def tenant():
    if os.major(os.stat("/var/lib").st_dev) == 0:
        pytest.skip("/var/lib lies on no disk that the kernel limits")
    with Stack(io_mb_s=MB_S) as stack:
        yield stack.make()


def limits_of(name):
    """What the engine was told of reads and of writes: bytes a second of each device."""
    told = Engine().inspect(name)["HostConfig"]
    return [{each["Path"]: each["Rate"] for each in told[key] or []} for key in ("BlkioDeviceReadBps", "BlkioDeviceWriteBps")]


def written_in(tenant, megabytes):
    """Seconds that it takes to write as many past the cache."""
    began = time.monotonic()
    said = tenant.shell(f"dd if=/dev/zero of=/pg/data/filler bs=1M count={megabytes} oflag=direct 2>&1; rm /pg/data/filler")
    assert any("records out" in line for line in said), said
    return time.monotonic() - began


def test_server_has_no_limit_unless_configured(shared):
    assert limits_of(shared.name) == [{}, {}]


def test_kernel_keeps_the_limit_for_the_disk_that_the_data_lie_on(tenant):
    reads, writes = limits_of(tenant.name)
    (disk, rate), = writes.items()
    number = pathlib.Path(disk).stat().st_rdev

    assert reads == writes and rate == MB_S << 20
    assert Process(Engine().postmaster_pid(tenant.name)).io_limit(number) == MB_S << 20


def test_writes_take_as_long_as_the_limit_makes_them(tenant):
    assert written_in(tenant, 4 * MB_S) > 3
    assert tenant.value("SELECT 1") == 1


def test_limit_holds_after_other_limits_have_changed(tenant):
    ok(tenant.api.patch(tenant.name, memory_mb=640))

    assert written_in(tenant, 3 * MB_S) > 2


def test_root_that_lies_on_no_disk_is_told_of(tmp_path):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as root:
        path = tmp_path / "pgberth.conf"
        path.write_text(f"[pgberth]\nroot = {root}\nsocket = {tmp_path}/socket\ntokens = {tmp_path}/tokens\nio_mb_s = 1\n")

        done = subprocess.run([BINARY, "-c", path], capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert f"io_mb_s cannot be kept: {root} lies on no disk that the kernel limits" in done.stderr
