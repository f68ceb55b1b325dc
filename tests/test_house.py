"""What pgberthd finds at its start and keeps in order: on a stack of the test's own, whose disk and records it may spoil."""
import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess

import docker
import psycopg2
import pytest

from lib.client import assert_error, ok
from lib.concurrency import at_once
from lib.engine import Engine, Process
from lib.stack import Stack, remove_containers
from lib.waiting import wait_for



@pytest.fixture(scope="module")
def stack():
    with Stack() as stack:
        yield stack


@pytest.fixture
def instance(stack):
    instance = stack.make()
    instance.keep_row("precious")
    yield instance
    stack.api.delete(instance.name, purge=True)


def containers(stack, **options):
    return Engine().client.containers.list(filters={"label": f"pgberth.root={stack.root}"}, **options)


def record_of(instance):
    return json.loads((instance.directory / "instance.json").read_text())


def write_record(instance, **changes):
    (instance.directory / "instance.json").write_text(json.dumps({**record_of(instance), **changes}))


def state_is(instance, state, timeout=60):
    return wait_for(lambda: (view := instance.view())["state"] == state and view, f"it is {state}", timeout)


# ---- records ---------------------------------------------------------------------------------

BROKEN = {
    "torn": lambda text: text[:len(text) // 2],
    "empty": lambda text: "",
    "no_json": lambda text: "hello",
    "unknown_format": lambda text: text.replace('"format": 1', '"format": 99'),
    "another_name": lambda text: text.replace('"storage_dir": "test', '"storage_dir": "other'),
    "wrong_type": lambda text: text.replace('"uid": ', '"uid": "x", "was": '),
    "out_of_range": lambda text: text.replace('"wanted": "stopped"', '"wanted": "gone"'),
}


@pytest.mark.parametrize("breaking", BROKEN.values(), ids=BROKEN)
def test_broken_record_is_shown_and_left_as_it_is(stack, instance, breaking):
    ok(stack.api.stop(instance.name))
    path = instance.directory / "instance.json"
    good = path.read_text()
    stack.kill()
    path.write_text(breaking(good))
    broken = path.read_bytes()

    stack.start()

    view = instance.view()
    assert view["state"] == "failed"
    assert "left as it is" in view["reason"]
    assert instance.name in stack.api.listed(state="failed")
    for answer in (instance.post(), stack.api.start(instance.name), stack.api.delete(instance.name, purge=True),
                   stack.api.patch(instance.name, labels={}), stack.api.put_password(instance.name, "x")):
        assert_error(answer, 409, "foreign_data", "storage_dir")
    assert path.read_bytes() == broken
    assert instance.pgdata.is_dir()
    # Mended by hand, it is as good as ever.
    stack.kill()
    path.write_text(good)
    stack.start()
    ok(stack.api.start(instance.name))
    assert instance.kept_rows() == ["precious"]


def test_record_of_an_older_pgberth_is_understood(stack, instance):
    stack.kill()
    record = record_of(instance)
    for member in ("icu", "expires_at", "expire_purge", "stopped_at", "allow", "tls", "disk_mb"):
        del record[member]
    (instance.directory / "instance.json").write_text(json.dumps(record))

    stack.start()

    state_is(instance, "running")
    assert instance.kept_rows() == ["precious"]


def test_members_of_a_later_pgberth_stay_in_the_record(stack, instance):
    stack.kill()
    write_record(instance, colour="blue", tls="required")
    stack.start()

    ok(stack.api.patch(instance.name, labels={"a": "b"}, tls="offered"))

    assert (record_of(instance)["colour"], record_of(instance)["tls"]) == ("blue", "offered")
    assert record_of(instance)["labels"] == {"a": "b"}


@pytest.mark.parametrize("member", ["libc", "icu"])
def test_data_sorted_by_another_library_are_refused(stack, instance, member):
    ok(stack.api.stop(instance.name))
    stack.kill()
    good = record_of(instance)[member]
    write_record(instance, **{member: "1.0"})
    stack.start()

    message = assert_error(stack.api.start(instance.name), 409, "foreign_data", "storage_dir")

    assert "1.0" in message and good in message
    stack.kill()
    write_record(instance, **{member: good})
    stack.start()
    ok(stack.api.start(instance.name))


# ---- directories and containers that belong to nobody ----------------------------------------

def test_directory_that_appears_is_shown_and_never_adopted(stack, instance):
    copy = stack.settings.instances / f"{instance.name}-copy"
    ok(stack.api.stop(instance.name))
    subprocess.run(["cp", "-a", instance.directory, copy], check=True)
    other = stack.new(copy.name)

    view = wait_for(lambda: stack.api.get(copy.name).status_code == 200 and other.view(), "it is shown", 90)

    assert view["state"] == "failed"
    assert_error(other.post(), 409, "foreign_data", "storage_dir")
    shutil.rmtree(copy)
    wait_for(lambda: stack.api.get(copy.name).status_code == 404, "it is not shown any more", 90)


def test_directory_that_goes_is_said_and_delete_clears_it(stack, instance):
    away = stack.root / "away"
    instance.directory.rename(away)

    view = state_is(instance, "failed", 90)
    assert "gone" in view["reason"]
    assert_error(instance.post(), 409, "foreign_data", "storage_dir")
    away.rename(instance.directory)
    state_is(instance, "running", 90)
    assert instance.kept_rows() == ["precious"]
    shutil.rmtree(instance.directory)
    ok(stack.api.delete(instance.name))

    assert stack.api.get(instance.name).status_code == 404
    assert instance.name not in [each.labels["pgberth.storage_dir"] for each in containers(stack, all=True)]
    instance.create()


def test_container_without_a_record_goes(stack, instance):
    stack.kill()
    shutil.rmtree(instance.directory)

    stack.start()

    wait_for(lambda: instance.name not in [each.labels["pgberth.storage_dir"] for each in containers(stack, all=True)],
             "its container is removed", 60)
    assert stack.api.get(instance.name).status_code == 404


def test_second_container_on_the_same_directory_goes(stack, instance):
    first = Engine().container(instance.name)
    stack.kill()
    second = Engine().client.containers.run(
        first.attrs["Image"], ["86400"], entrypoint="/bin/sleep", labels=first.labels, name=f"{first.name}-twin",
        volumes={str(instance.directory / "pg"): {"bind": "/pg", "mode": "rw"}}, init=True, detach=True)
    stack.start()

    def left():
        return [each.id for each in containers(stack, all=True)
                if each.labels["pgberth.storage_dir"] == instance.name]

    wait_for(lambda: second.id not in left(), "the twin is gone", 60)
    assert left() == [first.id]
    state_is(instance, "running")
    wait_for(lambda: instance.value("SELECT 1") == 1, "it serves")
    assert instance.kept_rows() == ["precious"]


def test_paused_server_is_said_and_runs_on_when_unpaused(stack, instance):
    container = Engine().container(instance.name)
    container.pause()

    view = state_is(instance, "stopped")
    assert "paused" in view["reason"]
    container.unpause()

    assert state_is(instance, "running")["reason"] is None
    assert instance.kept_rows() == ["precious"]


def test_paused_server_comes_back_by_post(stack, instance):
    Engine().container(instance.name).pause()

    instance.create()

    assert instance.kept_rows() == ["precious"]


# ---- ports -----------------------------------------------------------------------------------

def test_port_that_a_process_took_meanwhile_is_waited_for(stack, instance):
    stack.kill()
    for container in containers(stack):
        container.remove(force=True)
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", instance.port))
        thief.listen()
        stack.start()
        view = state_is(instance, "failed")
        assert str(instance.port) in view["reason"]
        assert view["port"] == instance.port

    state_is(instance, "running", 120)
    assert instance.kept_rows() == ["precious"]


def test_port_that_a_container_took_meanwhile_is_waited_for(stack, instance):
    stack.kill()
    for container in containers(stack):
        container.remove(force=True)
    thief = Engine().run_stranger(f"{instance.name}-thief", ports={"80/tcp": ("127.0.0.1", instance.port)})
    try:
        stack.start()
        assert str(instance.port) in state_is(instance, "failed")["reason"]
    finally:
        thief.remove(force=True)

    state_is(instance, "running", 120)


# ---- the trash, uids, purging ----------------------------------------------------------------

def trash(stack):
    return ok(stack.api.call("GET", "/trash/"))["trash"]


def test_old_entry_of_the_trash_goes_by_itself_and_frees_its_uid(stack):
    instance = stack.make()
    uid = record_of(instance)["uid"]
    stack.purge(instance)
    entry, = [entry for entry in trash(stack) if entry["storage_dir"] == instance.name]
    fresh = stack.make()
    assert record_of(fresh)["uid"] != uid
    stack.purge(fresh)
    stamp = entry["id"].split(".")[1]
    path = stack.settings.trash / entry["id"]
    path.rename(path.with_name(entry["id"].replace(stamp, "20200101T000000Z")))

    stack.restart()

    wait_for(lambda: instance.name not in [each["storage_dir"] for each in trash(stack)], "it is removed", 90)
    assert fresh.name in [each["storage_dir"] for each in trash(stack)]
    wait_for(lambda: list(stack.settings.staging.iterdir()) == [], "nothing of it is left", 60)


def test_uid_of_what_is_in_the_trash_is_not_given_again(stack):
    instance = stack.make()
    uid = record_of(instance)["uid"]
    stack.purge(instance)
    entry, = instance.trashed()
    (entry / "instance.json").unlink()
    stack.restart()

    others = [stack.make() for _ in range(3)]

    assert uid not in [record_of(other)["uid"] for other in others]
    for other in others:
        stack.purge(other)


def test_purge_of_what_is_stopped_for_long(stack, instance):
    old, young = stack.make(), stack.make()
    ok(stack.api.stop(old.name))
    ok(stack.api.stop(young.name))
    stack.kill()
    write_record(old, stopped_at=record_of(old)["stopped_at"] - 40 * 86400)
    stack.start()

    def purge(**fields):
        return ok(stack.api.call("POST", "/purge/", json={"stopped_days": 30, **fields}))

    assert purge() == {"status": "OK", "dry_run": True, "containers": [old.name]}
    assert old.view()["state"] == "stopped"
    assert purge(dry_run=False) == {"status": "OK", "dry_run": False, "containers": [old.name]}
    assert stack.api.get(old.name).status_code == 404
    assert old.trashed()
    assert young.view()["state"] == "stopped"
    assert instance.view()["state"] == "running"
    stack.purge(young)


def test_what_expired_while_pgberthd_was_away_goes_at_its_start(stack):
    instance = stack.make(expires_in=1)
    stack.kill()

    stack.start()

    state_is(instance, "stored")
    stack.purge(instance)


# ---- stopping in order -----------------------------------------------------------------------

def test_sigterm_amid_creates_ends_them_well_and_in_time(stack):
    instances = [stack.new() for _ in range(4)]
    answers = at_once([lambda instance=instance: instance.post() for instance in instances] +
                      [lambda: wait_for(lambda: any(stack.settings.instances.glob("*")), "one is under way") and
                       stack.stop()])
    assert answers[-1] == 0

    stack.start()

    for instance, answer in zip(instances, answers):
        if answer.status_code == 200:
            state_is(instance, "running")
        else:
            wait_for(lambda name=instance.name: stack.api.get(name).status_code == 404, "nothing is left", 60)
        stack.api.delete(instance.name, purge=True)


# ---- the disk --------------------------------------------------------------------------------

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

        assert sorted(path.name for path in stack.settings.instances.iterdir()) == before
        assert list(stack.settings.staging.iterdir()) == []
        assert first.kept_rows() == ["precious"]
        assert first.name in stack.api.listed()
        ok(stack.api.stop(first.name))
        ok(stack.api.start(first.name))
        assert [each.labels["pgberth.storage_dir"] for each in containers(stack, all=True)] == [first.name]
        filler.unlink()
        stack.make()


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
        entry, = trash(stack)
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
        with pytest.raises(psycopg2.Error), contextlib.closing(instance.connect()) as session, \
                session.cursor() as cursor:
            while True:
                cursor.execute("INSERT INTO filling SELECT %s, string_agg(md5(g::text), '') "
                               "FROM generate_series(1, 20000) g", (number + 1,))
                number += 1
        assert number > 0

        (stack.root / "reserve").unlink()
        instance_log = stack.api.logs(instance.name, tail=200).text
        assert "No space left on device" in instance_log
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

        state_is(instance, "running")
        assert instance.value("SELECT count(*) FROM filling") >= number


def test_second_pgberthd_on_one_root_ends(stack):
    second = subprocess.run([stack.binary, "-c", stack.run / "pgberth.conf"], capture_output=True, timeout=60,
                            stdin=subprocess.DEVNULL)

    assert second.returncode != 0
    assert not stack.is_dead()


def test_image_that_is_missing_is_said(stack):
    manifest = stack.root / "templates/15/manifest.json"
    good = manifest.read_text()
    manifest.unlink()
    manifest.write_text(json.dumps({**json.loads(good), "image_id": "sha256:" + "0" * 64}))
    try:
        assert_error(stack.new().post(), 503, "image_missing")
        assert list(stack.settings.instances.iterdir()) == []
    finally:
        manifest.write_text(good)


def test_engine_has_only_what_the_api_has(stack):
    with pytest.raises(docker.errors.NotFound):
        Engine().client.containers.get("pgberth-nobody")
    assert {each.labels["pgberth.storage_dir"] for each in containers(stack, all=True)} <= set(stack.api.listed())


def runc_create(directory, uid):
    """What an engine that is killed amid a start leaves: a container that waits to be started. Its process."""
    name, rootfs = secrets.token_hex(32), directory / "rootfs"
    (rootfs / "bin").mkdir(parents=True)
    shutil.copy("/bin/true", rootfs / "bin")
    subprocess.run(["runc", "spec", "--bundle", directory], check=True)
    spec = json.loads((directory / "config.json").read_text())
    spec["process"].update(terminal=False, args=["/bin/true"], user={"uid": uid, "gid": uid})
    spec["linux"]["cgroupsPath"] = f"/docker/{name}"
    (directory / "config.json").write_text(json.dumps(spec))
    subprocess.run(["runc", "create", "--bundle", directory, "--pid-file", directory / "pid", name], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return name, Process(int((directory / "pid").read_text()))


def test_process_of_a_container_that_the_engine_forgot_is_ended(tmp_path):
    with Stack() as stack:
        instance = stack.make()
        uids = [stack.options["uid_min"] + 500, 399999]  # the second is nobody's
        made = [runc_create(tmp_path / str(uid), uid) for uid in uids]
        try:
            ours, others = [process for _, process in made]
            wait_for(lambda: not ours.is_alive(), "it is ended", 60)
            assert others.is_alive()
            assert instance.value("SELECT 1") == 1
        finally:
            for name, _ in made:
                subprocess.run(["runc", "delete", "--force", name], stderr=subprocess.DEVNULL)
