"""The disk of the host is low, then full: new servers are refused, those there lose nothing, and deleting works."""
import contextlib
import os
import subprocess

import psycopg2
import pytest

from lib.client import assert_error, ok
from lib.stack import Stack, remove_containers
from lib.waiting import wait_for


def test_low_disk_refuses_what_is_new_and_names_the_biggest():
    with Stack(free_percent=100) as stack:
        assert_error(stack.new().post(), 507, "no_space")
        storage = stack.health()["storage"]
        assert storage["ok"] is False and storage["reason"]
        assert list(stack.settings.instances.iterdir()) == []
        stack.kill()
        stack.write_configuration(free_percent=0)
        stack.start()
        small, big, deep, many = (stack.make() for _ in range(4))
        big.sql("CREATE TABLE big AS SELECT repeat('x', 500) FROM generate_series(1, 60000)")
        many.shell("mkdir /pg/data/many; cd /pg/data/many; seq 20000 | xargs touch")
        # Where nobody counts.
        deep.shell("cd /pg/data; for i in $(seq 70); do mkdir d; cd d; done; head -c 100000000 /dev/zero >zeros")
        ok(stack.api.stop(small.name))
        stack.kill()
        stack.write_configuration(free_percent=100)
        stack.start()

        named = wait_for(lambda: stack.health()["storage"]["biggest"], "the biggest are named", 60)

        assert [each["storage_dir"] for each in named] == [deep.name, many.name, big.name, small.name]
        assert [each["more"] for each in named] == [True, False, False, False]
        assert named[1]["files"] > 20000 and named[2]["bytes"] > 30e6
        # Those there are live on.
        ok(stack.api.start(small.name))
        ok(stack.api.delete(big.name, purge=True))


def test_full_disk_is_507_leaves_nothing_and_disturbs_nobody():
    with Stack(size_mb=220) as stack:
        first = stack.make()
        first.keep_row("precious")
        filler = stack.root / "filler"
        with filler.open("wb") as file:
            left = os.statvfs(stack.root)
            os.posix_fallocate(file.fileno(), 0, left.f_bavail * left.f_frsize - (12 << 20))
        before = sorted(path.name for path in stack.settings.instances.iterdir())

        for _ in range(3):
            assert_error(stack.new().post(), 507, "no_space")

        wait_for(lambda: "disk of the host is full" in (first.view()["reason"] or ""), "its reason says so")
        assert sorted(path.name for path in stack.settings.instances.iterdir()) == before
        assert list(stack.settings.staging.iterdir()) == []
        assert first.kept_rows() == ["precious"]
        assert first.name in stack.api.listed()
        ok(stack.api.stop(first.name))
        ok(stack.api.start(first.name))
        assert stack.container_names() == [first.name]
        filler.unlink()
        stack.make()
        wait_for(lambda: first.view()["reason"] is None, "nor does it say so any more")


def test_full_disk_lets_delete_and_restore_and_loses_nothing():
    with Stack(size_mb=220) as stack:
        instance = stack.make()
        instance.keep_row("precious")
        ok(stack.api.stop(instance.name))
        filler = stack.root / "filler"
        with filler.open("wb") as file, pytest.raises(OSError):
            while True:
                os.posix_fallocate(file.fileno(), 0, file.seek(0, os.SEEK_END) + 4096)
                file.seek(0, os.SEEK_END)

        answer = stack.api.start(instance.name)

        assert answer.status_code in (200, 503, 507), answer.text
        expected = ("running",) if answer.status_code == 200 else ("failed", "stopped")
        assert instance.view()["state"] in expected
        # Deleting works when it is needed most.
        ok(stack.api.delete(instance.name, purge=True))
        entry, = stack.trash()
        ok(stack.api.call("POST", f"/trash/{entry['id']}/restore"))
        filler.unlink()
        instance.port = ok(stack.api.start(instance.name))["port"]
        assert instance.kept_rows() == ["precious"]


def test_disk_that_fills_under_a_server_is_told_and_survived():
    """What it has acknowledged is there when there is room again, though it went down meanwhile."""
    with Stack(size_mb=220) as stack:
        instance = stack.make()
        instance.sql("CREATE TABLE filling (number int, filler text)")
        number = 0
        with pytest.raises(psycopg2.Error) as told, contextlib.closing(instance.connect()) as session, \
                session.cursor() as cursor:
            while True:
                cursor.execute("INSERT INTO filling SELECT %s, string_agg(md5(g::text), '') "
                               "FROM generate_series(1, 20000) g", (number + 1,))
                number += 1
        assert number > 0

        (stack.root / "reserve").unlink()
        instance_log = stack.api.logs(instance.name, tail=200).text
        # The log lies on the same disk, so that its own last words may lack the room.
        assert "No space left on device" in instance_log + str(told.value)
        stack.kill()
        remove_containers(stack.root)
        subprocess.run(["umount", "-l", stack.root], check=True)
        # A container that is being started, anybody's, holds every mount of the host for a moment.
        wait_for(lambda: not subprocess.run(["losetup", "--associated", stack.image], check=True,
                                            capture_output=True).stdout, "the file system is still in use")
        # A bigger disk, as an operator would give it.
        with stack.image.open("ab") as file:
            file.truncate(600 << 20)
        fsck = subprocess.run(["e2fsck", "-fp", stack.image], check=False, capture_output=True)
        assert fsck.returncode in (0, 1), fsck
        subprocess.run(["resize2fs", stack.image], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", stack.image, stack.root], check=True)
        stack.start()

        instance.becomes("running")
        assert instance.value("SELECT count(*) FROM filling") >= number
