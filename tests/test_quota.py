"""disk_mb: a disk of one's own, which its owner cannot outgrow, whatever he runs; and what becomes of it."""
import contextlib
import os
import subprocess
import threading

import psycopg2
import pytest

from lib.client import assert_error, ok
from lib.concurrency import at_once
from lib.engine import Engine, Process
from lib.engine_proxy import EngineProxy
from lib.leftovers import discard
from lib.stack import Stack, mounts_below
from lib.waiting import wait_for

MB = 1 << 20
# As much as there is room for; then a little is given back, without which no SQL runs any more that could be asked.
FILL = "dd if=/dev/zero of=/pg/data/filler bs=1M count={mb} 2>&1; sync; truncate -s -8M /pg/data/filler"


@pytest.fixture(scope="module")
def stack():
    with EngineProxy() as proxy, Stack(engine_socket=proxy.path) as stack:
        stack.proxy = proxy
        yield stack


@pytest.fixture(scope="module")
def plain(stack):
    """One without a quota."""
    return stack.make()


@pytest.fixture
def neighbour(plain):
    """The same, that nothing may disturb."""
    plain.create()
    with Undisturbed(plain) as neighbour:
        yield neighbour


@pytest.fixture
def fresh(stack):
    """One that was never larger than the least."""
    instance = stack.make(disk_mb=512)
    instance.keep_row("precious")
    yield instance
    stack.api.delete(instance.name, purge=True)
    empty_trash(stack, instance)
    is_let_go(stack)


@pytest.fixture(scope="module")
def limited(stack):
    return stack.new()


@pytest.fixture
def instance(stack, limited):
    """This module's: no test makes it larger, and it is stored in between."""
    limited.create(disk_mb=512)
    limited.sql("DROP TABLE IF EXISTS kept")
    limited.keep_row("precious")
    yield limited
    for name in ("data/filler", "data/other", "data/hole", "run/other", "log/other"):
        discard(limited.directory / "pg" / name)
    ok(stack.api.delete(limited.name))
    is_let_go(stack)


def is_let_go(stack):
    """Not at once: a container that is just being started holds every mount of the host for a moment."""
    wait_for(lambda: not stack.mounts() and not stack.loops(), "nothing is mounted any more")


class Undisturbed:
    """A server that commits all the time, and fails the test if it once could not."""

    def __init__(self, instance):
        self.instance = instance
        self.instance.sql("DROP TABLE IF EXISTS tick; CREATE TABLE tick (number serial)")
        self.stop, self.error = threading.Event(), None

    def __enter__(self):
        self.before = Engine().identity(self.instance.name)
        self.thread = threading.Thread(target=self._commit)
        self.thread.start()
        return self

    def _commit(self):
        try:
            with contextlib.closing(self.instance.connect()) as connection, connection.cursor() as cursor:
                while not self.stop.wait(0.02):
                    cursor.execute("INSERT INTO tick DEFAULT VALUES")
        except Exception as error:
            self.error = error

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        assert self.error is None
        assert self.instance.value("SELECT count(*) FROM tick") > 10
        assert Engine().identity(self.instance.name) == self.before


def empty_trash(stack, instance):
    for path in instance.trashed():
        ok(stack.api.call("DELETE", f"/trash/{path.name}"))


def image_of(instance):
    return instance.directory / "pg.img"


def taken_bytes(instance):
    return image_of(instance).stat().st_blocks * 512


def state_is(instance, state, timeout=90):
    return wait_for(lambda: (view := instance.view())["state"] == state and view, f"it is {state}", timeout)


def go_down_full(instance):
    """Fills its disk, and makes it want another segment of WAL, without which it cannot go on."""
    instance.shell(FILL.format(mb=2000))
    with contextlib.suppress(psycopg2.Error):
        for _ in range(20):
            instance.sql("CREATE TABLE IF NOT EXISTS more (line text)")
            instance.sql("INSERT INTO more VALUES ('x'); SELECT pg_switch_wal()")


def unmount(instance):
    subprocess.run(["umount", instance.directory / "pg"], check=True)


def test_full_disk_is_told_while_it_lasts(stack, instance):
    instance.shell(FILL.format(mb=1000))

    reason = wait_for(lambda: instance.view()["reason"], "its reason says so")
    assert "512 MB is full" in reason and "disk_mb" in reason
    assert stack.api.listed()[instance.name]["reason"] == reason

    instance.shell("rm /pg/data/filler")

    wait_for(lambda: instance.view()["reason"] is None, "nor does it any more")


# ---- the wall ----------------------------------------------------------------------------------

def test_owner_cannot_outgrow_it_and_neighbours_go_on(stack, instance, neighbour):
    said = "\n".join(instance.shell(FILL.format(mb=1000)))

    assert "No space left on device" in said
    assert taken_bytes(instance) <= 512 * MB
    for way in ("fallocate -l 600M /pg/data/other", "fallocate -l 600M /pg/run/other", "touch /pg/log/other; fallocate -n -l 600M /pg/log/other"):
        assert "No space left" in "\n".join(instance.shell(f"{way} 2>&1; true")), way
    # A hole takes nothing, a mount or a device is not to be had.
    instance.shell("truncate -s 100G /pg/data/hole 2>&1; mount -o remount,rw /pg 2>&1; chown 0 /pg 2>&1; true")
    assert taken_bytes(instance) <= 512 * MB
    assert instance.disk_bytes() == 512 * MB
    assert "lines" not in (instance.shell("ls -d /dev/loop* /pg/../pg.img 2>/dev/null | sed 's/.*/lines/'") or [""])
    # Nothing of it outside: without the quota as much goes through.
    assert "No space" not in "\n".join(neighbour.instance.shell(FILL.format(mb=600)))
    neighbour.instance.shell("rm /pg/data/filler")


def test_owner_cannot_take_the_inodes_of_the_host():
    with Stack(size_mb=1500) as own:
        instance = own.make(disk_mb=512)
        with Undisturbed(own.make()):
            before = os.statvfs(own.root).f_ffree

            said = instance.shell("mkdir /pg/data/many; cd /pg/data/many; perl -e "
                                  "'for (1..400000) { open my $f, \">\", $_ or do { print \"$_ $!\\n\"; last } }'")

            assert "No space left on device" in said[0]
            assert before - os.statvfs(own.root).f_ffree < 5000
            try:
                said = "\n".join(instance.shell("mkdir /pg/data/more 2>&1; true"))
            except psycopg2.errors.DiskFull as full:  # not even a temporary table is to be had
                said = str(full)
            assert "No space left" in said
            wait_for(lambda: "disk_mb" in (instance.view()["reason"] or ""), "its reason says that it is full")


def test_what_is_freed_goes_back_to_the_host(instance):
    instance.shell(FILL.format(mb=200))
    assert taken_bytes(instance) > 250 * MB

    instance.shell("rm /pg/data/filler; sync")

    def is_sparse():
        subprocess.run(["sync", "-f", instance.directory / "pg"], check=True)  # which XFS itself does each half a minute
        return taken_bytes(instance) < 200 * MB

    wait_for(is_sparse, "the image is sparse again", 90)


# ---- full, and grown ---------------------------------------------------------------------------

def test_full_disk_is_told_and_growing_it_brings_the_server_back(stack, fresh, neighbour):
    go_down_full(fresh)
    wait_for(lambda: "disk_mb" in (fresh.view()["reason"] or ""), "its reason says that its disk is full", 90)
    state_is(fresh, "failed")

    body = ok(stack.api.patch(fresh.name, disk_mb=700))

    assert (body["state"], body["limits"]["disk_mb"], body["reason"]) == ("running", 700, None)
    assert fresh.kept_rows() == ["precious"]
    assert fresh.disk_bytes() == 700 * MB
    fresh.sql("CREATE TABLE large AS SELECT repeat('x', 500) FROM generate_series(1, 60000)")


def test_full_disk_lets_its_owner_delete_restore_and_come_back_larger(stack, fresh, neighbour):
    go_down_full(fresh)
    state_is(fresh, "failed")

    ok(stack.api.delete(fresh.name, purge=True))
    path, = fresh.trashed()
    ok(stack.api.call("POST", f"/trash/{path.name}/restore"))
    body = fresh.create(disk_mb=600)

    assert body["limits"]["disk_mb"] == 600
    assert fresh.kept_rows() == ["precious"]


def test_growing_while_it_runs_restarts_nothing(stack, fresh):
    before, started = Engine().identity(fresh.name), fresh.postmaster_started()
    fresh.shell(FILL.format(mb=1000))

    body = ok(stack.api.patch(fresh.name, disk_mb=800))

    assert body["restarted"] is False
    assert fresh.disk_bytes() == 800 * MB
    # He who is in the container sees it at once.
    assert int(fresh.shell("df -m --output=avail /pg | tail -1")[0]) > 250
    fresh.sql("CREATE TABLE large AS SELECT repeat('x', 500) FROM generate_series(1, 60000)")
    assert (Engine().identity(fresh.name), fresh.postmaster_started()) == (before, started)
    assert ok(stack.api.patch(fresh.name, disk_mb=800))["limits"]["disk_mb"] == 800


def test_stopped_and_stored_ones_grow_when_they_start(stack, fresh):
    ok(stack.api.stop(fresh.name))
    ok(stack.api.patch(fresh.name, disk_mb=600))
    ok(stack.api.start(fresh.name))
    assert fresh.disk_bytes() == 600 * MB

    ok(stack.api.delete(fresh.name))
    assert ok(stack.api.patch(fresh.name, disk_mb=700))["state"] == "stored"
    fresh.port = ok(stack.api.start(fresh.name))["port"]

    assert fresh.disk_bytes() == 700 * MB
    assert fresh.kept_rows() == ["precious"]


# ---- refusals ----------------------------------------------------------------------------------

def test_it_never_shrinks(stack, fresh):
    ok(stack.api.patch(fresh.name, disk_mb=600))
    before = fresh.view()

    assert "600" in assert_error(stack.api.patch(fresh.name, disk_mb=599), 422, "invalid", "disk_mb")
    assert_error(stack.api.patch(fresh.name, disk_mb=512, memory_mb=300), 422, "invalid", "disk_mb")
    assert_error(fresh.post(disk_mb=512), 409, "already_exists", "disk_mb")
    assert_error(fresh.post(disk_mb=700), 409, "already_exists", "disk_mb")
    assert ok(fresh.post(disk_mb=600)) == before == fresh.view()
    ok(stack.api.delete(fresh.name))
    stored = fresh.view()
    assert_error(fresh.post(disk_mb=512), 422, "invalid", "disk_mb")

    assert fresh.view() == stored
    assert not stack.mounts()
    assert fresh.create()["limits"]["disk_mb"] == 600


def test_one_without_a_quota_gets_none(stack, plain):
    plain.create()
    before = plain.view()
    assert "disk_mb" not in before["limits"]

    assert "quota" in assert_error(stack.api.patch(plain.name, disk_mb=600), 422, "invalid", "disk_mb")
    assert_error(plain.post(disk_mb=600), 409, "already_exists", "disk_mb")
    assert plain.view() == before
    ok(stack.api.stop(plain.name))
    assert_error(plain.post(disk_mb=600), 422, "invalid", "disk_mb")

    assert not image_of(plain).exists()


@pytest.mark.parametrize("value", [511, 0, -1, 1 << 31, "512", 512.5, None, True])
def test_patch_of_what_no_disk_has_is_422(stack, value):
    assert_error(stack.api.patch("nothing", disk_mb=value), 422, "invalid", "disk_mb")


# ---- its life ----------------------------------------------------------------------------------

def test_mounted_as_long_as_it_is_not_stored(stack, instance):
    place = str(instance.directory / "pg")
    assert list(stack.mounts()) == [place]
    options = next(line.split()[3] for line in open("/proc/mounts") if line.split()[1] == place).split(",")
    assert {"nosuid", "nodev"} <= set(options)
    ok(stack.api.stop(instance.name))
    assert list(stack.mounts()) == [place]

    ok(stack.api.delete(instance.name))
    is_let_go(stack)
    bare = instance.directory / "pg"
    assert (bare.stat().st_uid, bare.stat().st_mode & 0o7777, list(bare.iterdir())) == (0, 0o750, [])
    instance.create()
    assert list(stack.mounts()) == [place]

    stack.purge(instance)
    is_let_go(stack)
    path, = instance.trashed()
    assert (path / "pg.img").exists()
    ok(stack.api.call("POST", f"/trash/{path.name}/restore"))
    instance.create()
    assert instance.kept_rows() == ["precious"]


def test_host_that_was_started_again_has_it_mounted_again(stack, instance):
    """The engine is up first: it starts the server on the empty directory below the mount, in vain."""
    container = Engine().container(instance.name)
    container.stop()
    stack.kill()
    unmount(instance)
    is_let_go(stack)
    container.start()
    wait_for(lambda: (container.reload(), container.attrs["RestartCount"])[1] > 0, "the engine tries in vain")
    assert list((instance.directory / "pg").iterdir()) == []

    stack.start()

    state_is(instance, "running")
    assert instance.kept_rows() == ["precious"]
    wait_for(lambda: len(stack.loops()) == 1, "one device has it")


def test_stopped_server_of_a_host_that_was_started_again_starts(stack, instance):
    ok(stack.api.stop(instance.name))
    stack.kill()
    unmount(instance)
    stack.start()

    ok(stack.api.start(instance.name))

    assert instance.kept_rows() == ["precious"]


def test_mount_that_somebody_undid_is_made_again_while_the_server_runs(stack, instance):
    """Its container still has it: the same file system is mounted, by the same device."""
    before, loops = Engine().identity(instance.name), stack.loops()
    unmount(instance)
    stack.proxy.renew()

    wait_for(lambda: stack.mounts(), "it is mounted again", 60)

    assert instance.kept_rows() == ["precious"]
    assert (Engine().identity(instance.name), stack.loops()) == (before, loops)
    instance.password = "another"
    ok(stack.api.put_password(instance.name, instance.password))


def has_rows(instance, table="kept"):
    """How many, or None when it does not answer."""
    with contextlib.suppress(psycopg2.Error):
        return instance.value(f"SELECT count(*) FROM {table}")


def test_file_system_that_stopped_itself_is_mounted_anew(stack, instance, neighbour):
    instance.sql("INSERT INTO kept SELECT 'row ' || n FROM generate_series(1, 1000) n")
    subprocess.run(["xfs_io", "-x", "-c", "shutdown", instance.directory / "pg"], check=True)
    with contextlib.suppress(psycopg2.Error):
        instance.sql("CHECKPOINT")

    wait_for(lambda: has_rows(instance), "it has come back by itself", 120)

    assert len(instance.kept_rows()) == 1001
    state_is(instance, "running")


def test_full_host_takes_no_acknowledged_row():
    """Its image is sparse: the disk below may be full first. With room again it comes back by itself."""
    with EngineProxy() as proxy, Stack(size_mb=600, engine_socket=proxy.path) as small:
        instance = small.make(disk_mb=512)
        filler = small.root / "filler"
        with filler.open("wb") as file:
            left = os.statvfs(small.root)
            os.posix_fallocate(file.fileno(), 0, left.f_bavail * left.f_frsize - 20 * MB)
        instance.sql("CREATE TABLE rows (number int, line text)")
        done = 0
        with contextlib.suppress(psycopg2.Error):
            for done in range(1, 1000):
                instance.sql("INSERT INTO rows SELECT %s, string_agg(md5(random()::text), '') FROM generate_series(1, 4000)", done)
                instance.sql("CHECKPOINT")
        proxy.renew()
        reason = wait_for(lambda: instance.view()["reason"], "its reason says what happened", 90)

        filler.unlink()
        proxy.renew()

        wait_for(lambda: (has_rows(instance, "rows") or 0) >= done - 1, "it has come back with every row", 180)
        assert 1 < done < 999
        assert "disk" in reason


def test_copy_of_the_mount_elsewhere_keeps_nobody_from_coming_back(stack, instance):
    """Some container that was given the host's whole file system keeps what was mounted then."""
    stranger = Engine().run_stranger(f"{instance.name}-watcher", volumes=["/:/host:ro"])
    try:
        stack.api.delete(instance.name)
        assert not stack.mounts() and len(stack.loops()) == 1
        instance.create()
        assert instance.kept_rows() == ["precious"]
        assert len(stack.loops()) == 1
    finally:
        stranger.remove(force=True)


@pytest.mark.parametrize("spoil, word", [
    (lambda image: image.rename(image.with_name("aside.img")), "missing"),
    (lambda image: image.write_bytes(bytes(600 * MB)), "damaged"),
], ids=["missing", "damaged"])
def test_image_that_is_not_as_it_should_be_is_refused(stack, instance, tmp_path, spoil, word):
    ok(stack.api.delete(instance.name))
    is_let_go(stack)
    copy_sparsely(image_of(instance), tmp_path / "kept.img")
    try:
        spoil(image_of(instance))

        message = assert_error(stack.api.start(instance.name), 409, "foreign_data", "storage_dir")

        assert word in message
        is_let_go(stack)
        assert instance.view()["state"] == "stored"
    finally:
        discard(instance.directory / "aside.img")
        copy_sparsely(tmp_path / "kept.img", image_of(instance))


def copy_sparsely(image, to):
    subprocess.run(["cp", "-a", "--sparse=always", image, to], check=True)


def test_many_at_once(stack):
    instances = [stack.new() for _ in range(8)]

    for answer in at_once([lambda instance=instance: instance.post(disk_mb=512) for instance in instances]):
        assert ok(answer)["state"] == "running"

    assert len(stack.mounts()) == len(set(stack.mounts().values())) == 8
    for answer in at_once([lambda instance=instance: stack.api.delete(instance.name, purge=True) for instance in instances]):
        ok(answer)
    is_let_go(stack)


def test_option_gives_the_default_of_new_ones(stack):
    with Stack(disk_mb=520) as own:
        assert own.make().view()["limits"]["disk_mb"] == 520
        assert own.make(disk_mb=600).view()["limits"]["disk_mb"] == 600
        assert len(own.mounts()) == 2
        own.kill()
        own.write_configuration(disk_mb=100)
        own.spawn()
        assert own.process.wait(30) == 1
        assert "disk_mb" in own.log_text().splitlines()[-1]
    assert not mounts_below(own.root)


def test_disk_guard_counts_what_an_image_takes(stack, fresh):
    fresh.shell(FILL.format(mb=200))
    stack.kill()
    stack.write_configuration(free_percent=100)
    stack.start()
    try:
        biggest = wait_for(lambda: stack.health()["storage"]["biggest"], "the biggest are named", 90)
    finally:
        stack.kill()
        stack.write_configuration(free_percent=0)
        stack.start()

    size, = [each["bytes"] for each in biggest if each["storage_dir"] == fresh.name]
    assert 290 * MB < size < 512 * MB


# What pgberthd.service takes away unless told that servers have a quota, each by itself: rights, and devices.
HIDDEN = {
    "rights": ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"],
    "devices": ["unshare", "--mount", "sh", "-c", """
        mkdir "$0/dev"; mount -t tmpfs none "$0/dev"
        for device in null zero random urandom; do touch "$0/dev/$device"; mount --bind "/dev/$device" "$0/dev/$device"; done
        mount --move "$0/dev" /dev; exec "$@" """],
}


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_the_unit_hides_is_not_blamed_on_the_host(hidden):
    own = Stack()
    own.command = [*HIDDEN[hidden], *([own.run] if hidden == "devices" else []), *own.command]
    with own:
        message = assert_error(own.new().post(disk_mb=512), 422, "invalid", "disk_mb")

        assert "app_disk_quota" in message and "host" not in message
        assert own.health()["process"]["ok"]


LET_GO = """for place in $(awk '$2 ~ "^/var/lib/pgberth-test-" {print $2}' /proc/self/mounts); do
    [ "$place" = "$0" ] || umount -l "$place"
done
exec "$@"
"""


class Apart(Stack):
    """In a mount namespace of its own, as a hardened unit is, that gets what the host's gets. It lets go of its neighbours' disks."""

    def __init__(self, **options):
        super().__init__(**options)
        self.command = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", LET_GO, self.root, *self.command]

    def _make_root(self):
        super()._make_root()
        subprocess.run(["mount", "--make-shared", self.root], check=True)


def test_pgberthd_apart_mounts_where_the_engine_sees_it():
    with Apart(size_mb=1000) as stack:
        assert Process(stack.process.pid).proc.joinpath("ns/mnt").readlink() != Process("self").proc.joinpath("ns/mnt").readlink()

        instance = stack.make(disk_mb=512)

        instance.keep_row("precious")
        assert len(stack.mounts()) == 1
        ok(stack.api.restart(instance.name))
        assert instance.kept_rows() == ["precious"]
        stack.purge(instance)
        is_let_go(stack)
