"""What another host or a copy left among the instances: never served by accident, and adopted when that is said."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess

import pytest
import requests

from lib.client import assert_error, ok
from lib.engine import Engine
from lib.engine_proxy import EngineProxy
from lib.stack import BINARY, Stack, mounts_below, remove_containers
from test_outside_hands import tree
from lib.recorder import new_name
from lib.waiting import wait_for

PGBERTH = BINARY.parent / "pgberth"
RANGES = ("port_min", "port_max", "uid_min", "uid_max")


@pytest.fixture(scope="module")
def original(stack):
    """A stopped instance with a row in it."""
    instance = stack.make()
    instance.keep_row("precious")
    ok(stack.api.stop(instance.name))
    return instance


@pytest.fixture(scope="module")
def limited(stack):
    """The same with a quota, stored: its disk is not mounted."""
    instance = stack.make(disk_mb=512)
    instance.keep_row("precious")
    ok(stack.api.delete(instance.name))
    # Not by a container that starts just now, with every mount of the host, either: the image would not be whole yet.
    wait_for(lambda: not stack.mounts() and not stack.loops(), "its disk is not mounted")
    return instance


@pytest.fixture
def copied(stack):
    """A function giving an instance that is none yet: a copy of another's directory."""
    copies = []

    def copy(instance, to=stack, **changes):
        made = to.new()
        made.password = instance.password
        copies.append((to, made))
        copy_whole(to, instance.directory, made.directory, **changes)
        return made

    yield copy
    for host, made in copies:
        with contextlib.suppress(requests.ConnectionError):  # a host of the test's own
            host.api.delete(made.name, purge=True)
        shutil.rmtree(made.directory, ignore_errors=True)


def copy_whole(stack, directory, place, **changes):
    """It appears with all that is in it, its record with these changes: pgberthd never sees half of it."""
    beside = stack.root / place.name
    subprocess.run(["cp", "-a", directory, beside], check=True)
    record = beside / "instance.json"
    if changes:
        record.write_text(json.dumps({**json.loads(record.read_text()), **changes}))
    beside.rename(place)


def record_of(instance):
    return json.loads((instance.directory / "instance.json").read_text())


def write_record(instance, **changes):
    if changes:
        (instance.directory / "instance.json").write_text(json.dumps({**record_of(instance), **changes}))


def owners(path):
    """Who has what is in a tree, links themselves and not where they lead."""
    return {(each.lstat().st_uid, each.lstat().st_gid) for each in path.rglob("*")}


def assert_is_of(instance, uid):
    assert record_of(instance)["uid"] == uid
    assert owners(instance.directory / "pg") == {(uid, uid)}
    assert owners(instance.directory / "conf") == {(0, uid)}
    for name, mode in (("pg", 0o750), ("conf", 0o750)):
        status = (instance.directory / name).stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (0, uid, mode)
    assert {path.stat().st_mode & 0o7777 for path in (instance.directory / "conf").iterdir()} == {0o640}


# ---- copies on one host ------------------------------------------------------------------------

def test_copy_gets_a_name_a_uid_and_a_port_of_its_own(stack, original, copied, tmp_path):
    (tmp_path / "outside").write_text("somebody's")
    before = record_of(original)
    copy = copied(original, expires_at=1, expire_purge=True)
    (copy.pgdata / "pg_tblspc" / "1").symlink_to(tmp_path / "outside")
    shutil.rmtree(copy.directory / "pg" / "log")
    with contextlib.suppress(FileNotFoundError):
        (copy.directory / "pg" / "run").rmdir()

    body = ok(stack.api.adopt(copy.name))

    uid = record_of(copy)["uid"]
    assert (body["adopted"], body["storage_dir"], body["state"], body["port"]) == (True, copy.name, "stopped", None)
    assert body["expires_at"] is None
    for said in (f"it was {original.name}", f"its uid is {uid} now ({before['uid']} ", f"held by {original.name}"):
        assert said in body["reason"]
    assert uid != before["uid"]
    assert_is_of(copy, uid)
    assert (tmp_path / "outside").stat().st_uid == 0
    (copy.pgdata / "pg_tblspc" / "1").unlink()
    # What was copied is as it was.
    assert record_of(original) == before
    assert_is_of(original, before["uid"])

    copy.port = ok(stack.api.start(copy.name))["port"]
    assert copy.kept_rows() == ["precious"]
    again = ok(stack.api.adopt(copy.name))
    assert (again["adopted"], again["state"], again["reason"]) == (False, "running", None)
    stack.restart()
    wait_for(lambda: copy.view()["state"] == "running", "it is an instance as any other")
    assert copy.kept_rows() == ["precious"]


def test_copy_of_one_with_a_quota(stack, limited, copied, tmp_path):
    copy = copied(limited)

    body = ok(stack.api.adopt(copy.name))

    assert (body["state"], body["port"], body["limits"]["disk_mb"]) == ("stored", None, 512)
    assert not stack.mounts()
    uid = record_of(copy)["uid"]
    assert uid != record_of(limited)["uid"]
    assert (copy.directory / "pg").stat().st_gid == uid
    copy.port = ok(stack.api.start(copy.name))["port"]
    assert copy.kept_rows() == ["precious"]
    assert_is_of(copy, uid)
    # The kernel mounts no two file systems of one UUID.
    subprocess.run(["mount", "-o", "loop", limited.directory / "pg.img", tmp_path], check=True)
    subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize("seconds, status", [(1, 200), (60, 409)])
def test_copy_of_a_quota_that_is_mounted_elsewhere(stack, limited, copied, tmp_path, seconds, status):
    """For a moment, as by a container that starts and has the host's mounts; or to stay."""
    copy = copied(limited)
    subprocess.run(["mount", "-o", "loop", limited.directory / "pg.img", tmp_path], check=True)
    before = record_of(copy)
    umount = subprocess.Popen(["sh", "-c", f"sleep {seconds}; exec umount {tmp_path}"], start_new_session=True)
    try:
        response = stack.api.adopt(copy.name)
        assert (umount.poll() is None) == (status == 409), "it did not wait, or waited too long"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(umount.pid, signal.SIGKILL)
        umount.wait()
        subprocess.run(["umount", tmp_path], check=status == 409)

    assert response.status_code == status, response.text
    if status == 409:
        assert_error(response, 409, "foreign_data", "storage_dir")
        assert "copy of one that is mounted" in response.text
        assert record_of(copy) == before
    else:
        assert copy.view()["state"] == "stored"
    assert not stack.mounts()


def test_disk_is_whole_in_its_file_when_delete_has_ended(stack, copied):
    """A container that starts has the host's mounts for a moment; what they keep in memory is in no copy of the file."""
    instance = stack.make(disk_mb=512)
    instance.keep_row("precious")
    with subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo ready; exec sleep 2"],
                          stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "ready\n"
        ok(stack.api.delete(instance.name))
        assert holder.poll() is not None, "it did not wait for the other mount"
        copy = copied(instance)

    ok(stack.api.adopt(copy.name))
    copy.port = ok(stack.api.start(copy.name))["port"]
    assert copy.kept_rows() == ["precious"]


def test_copy_with_the_uid_of_another_is_not_started_with_pgberthd(stack, original, copied):
    copy = copied(original)
    write_record(copy, storage_dir=copy.name, wanted="running")

    stack.restart()

    view = copy.view()
    assert (view["state"], view["foreign"]) == ("failed", True)
    assert "is already taken" in view["reason"] and view["reason"].endswith(f"pgberth adopt {copy.name}")
    assert original.view()["state"] == "stopped" and "foreign" not in original.view()
    assert_error(stack.api.start(copy.name), 409, "foreign_data", "storage_dir")
    assert Engine().container(copy.name) is None
    body = ok(stack.api.adopt(copy.name))
    assert (body["state"], "foreign" in body) == ("stopped", False)
    assert_is_of(copy, record_of(copy)["uid"])


def test_of_two_that_claim_one_uid_the_first_made_keeps_it(stack, original, copied):
    """Whichever is the first by name."""
    copies = [copied(original) for _ in range(4)]
    for copy in copies:
        write_record(copy, storage_dir=copy.name)

    stack.restart()

    assert "foreign" not in original.view()
    assert all(copy.view()["foreign"] for copy in copies)


SPOILT = {
    "out of range": (dict(uid=7), "uid_min"),
    "of nobody": (dict(), "belong to user 0"),
    "another name": (dict(storage_dir="elsewhere"), "its record belongs to elsewhere"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_record_that_does_not_fit_its_directory_is_shown_and_adopted(stack, original, copied, spoilt):
    changes, said = SPOILT[spoilt]
    copy = copied(original)
    write_record(copy, **{"storage_dir": copy.name, **changes})
    if spoilt == "of nobody":
        subprocess.run(["chown", "-R", "0:0", copy.directory], check=True)

    stack.restart()

    assert said in copy.view()["reason"]
    ok(stack.api.adopt(copy.name))
    assert_is_of(copy, record_of(copy)["uid"])


def test_uid_of_what_appeared_is_given_to_nobody(stack, original, copied):
    first = record_of(original)["uid"]
    with EngineProxy() as proxy, Stack(uid_min=first, uid_max=first + 2, engine_socket=proxy.path) as narrow:
        copy_whole(narrow, original.directory, narrow.settings.instances / original.name, uid=first + 1)
        proxy.renew()
        wait_for(lambda: narrow.api.get(original.name).status_code == 200, "it is shown", 90)

        copies = [copied(original, to=narrow) for _ in range(2)]
        ok(narrow.api.adopt(copies[0].name))
        assert record_of(copies[0])["uid"] == first + 2
        assert_error(narrow.api.adopt(copies[1].name), 507, "no_space")

        # What goes takes its uids along.
        shutil.rmtree(narrow.settings.instances / original.name)
        shutil.rmtree(copies[1].directory)
        proxy.renew()
        wait_for(lambda: narrow.api.get(original.name).status_code == 404, "it is not shown any more", 90)
        copies.append(copied(original, to=narrow))
        ok(narrow.api.adopt(copies[2].name))


# ---- other hosts -------------------------------------------------------------------------------

def test_move_to_a_host_with_other_ranges(original, copied):
    with Stack() as other:
        copy = copied(original, to=other)

        body = ok(other.api.adopt(copy.name))

        assert body["port"] is None
        assert f"its port {original.port} is out of range here" in body["reason"]
        uid = record_of(copy)["uid"]
        assert int(other.options["uid_min"]) <= uid <= int(other.options["uid_max"])
        assert_is_of(copy, uid)
        # With its own name, uid and port it would have been as it was.
        other.stop()
        uid = record_of(original)["uid"]
        other.write_configuration(uid_min=uid, uid_max=uid + 999, port_min=original.port, port_max=original.port)
        other.start()
        with socket.socket() as holder:
            other.api.delete(copy.name, purge=True)
            moved = copied(original, to=other)
            holder.bind(("127.0.0.1", original.port))
            holder.listen()
            assert "held by a process" in ok(other.api.adopt(moved.name))["reason"]


def test_move_of_one_keeps_what_can_be_kept(stack, original, copied):
    with Stack(**{name: stack.options[name] for name in RANGES}) as other:
        place = other.settings.instances / original.name
        copy_whole(other, original.directory, place)

        body = ok(other.api.adopt(original.name))

        assert (body["state"], body["port"], body["reason"]) == ("stopped", original.port, "adopted")
        assert json.loads((place / "instance.json").read_text())["uid"] == record_of(original)["uid"]


@pytest.fixture
def away(stack, original, limited):
    """A function that takes the whole host down, which is up again afterwards."""
    def take_down():
        stack.stop()
        ids = [container.id for container in
               Engine().client.containers.list(ignore_removed=True, filters={"label": f"pgberth.root={stack.root}"})]
        subprocess.run(["/usr/bin/docker", "stop", *ids], check=True, capture_output=True)
        remove_containers(stack.root)
        for place in mounts_below(stack.root):
            subprocess.run(["umount", place], check=True)

    yield take_down
    for instance, wanted in ((original, "stopped"), (limited, "stored")):
        write_record(instance, wanted=wanted)
    stack.start()


def test_move_of_a_whole_host(stack, original, limited, away):
    """Directories, installation, start: all are back with ports and passwords."""
    moved = [original, limited]
    trashed = stack.new()
    subprocess.run(["cp", "-a", original.directory, trashed.directory], check=True)
    ok(stack.api.adopt(trashed.name))
    ok(stack.api.delete(trashed.name, purge=True))
    for instance in moved:
        instance.port = ok(stack.api.start(instance.name))["port"]
    with Stack(**{name: stack.options[name] for name in RANGES}) as other:
        other.stop()
        away()
        for part in ("instances", "trash"):
            subprocess.run(["cp", "-a", f"{stack.settings.root / part}/.", other.settings.root / part], check=True)

        other.start()

        for instance in moved:
            there = other.new(instance.name, instance.port)
            there.password = instance.password
            wait_for(lambda there=there: there.view()["state"] == "running", "it is back", 60)
            assert there.view()["port"] == instance.port
            assert there.kept_rows() == ["precious"]
        entry, = [entry for entry in ok(other.api.call("GET", "/trash"))["trash"]
                  if entry["storage_dir"] == trashed.name]
        assert ok(other.api.call("POST", f"/trash/{entry['id']}/restore"))["storage_dir"] == trashed.name


def test_trash_of_another_host_is_not_restored_with_the_uid_of_an_instance(stack, original):
    entry = stack.settings.trash / f"{original.name}-x.20260101T000000Z.0123456789abcdef"
    subprocess.run(["cp", "-a", original.directory, entry], check=True)
    path = entry / "instance.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "storage_dir": f"{original.name}-x"}))

    message = assert_error(stack.api.call("POST", f"/trash/{entry.name}/restore"), 409, "foreign_data", "storage_dir")

    assert "adopt" in message and entry.is_dir()
    ok(stack.api.call("DELETE", f"/trash/{entry.name}"))
    assert "foreign" not in original.view()
    stack.restart()
    assert "foreign" not in original.view()


# ---- refusals ----------------------------------------------------------------------------------

def tear_record(copy, outside):
    path = copy.directory / "instance.json"
    path.write_text(path.read_text()[:100])


def lose_record(copy, outside):
    (copy.directory / "instance.json").unlink()


def be_of_another_major(copy, outside):
    write_record(copy, version=14)


def be_cut_off(copy, outside):
    write_record(copy, acknowledged=False)


def lose_data(copy, outside):
    shutil.rmtree(copy.pgdata)


def link_pg_away(copy, outside):
    (copy.directory / "pg").rename(outside / "pg")
    (copy.directory / "pg").symlink_to(outside / "pg")


def link_conf_away(copy, outside):
    (copy.directory / "conf").rename(outside / "conf")
    (copy.directory / "conf").symlink_to(outside / "conf")


def link_hard(copy, outside):
    os.link(outside / "file", copy.pgdata / "base" / "hard")


def put_a_link_into_conf(copy, outside):
    os.link(outside / "file", copy.directory / "conf" / "hard")


def put_a_device(copy, outside):
    subprocess.run(["mknod", copy.pgdata / "disk", "b", "7", "200"], check=True)


def nest_deep(copy, outside):
    (copy.pgdata / "/".join("d" * 70)).mkdir(parents=True)


def be_sorted_by_others(copy, outside):
    write_record(copy, libc="1.0")


def be_no_directory(copy, outside):
    copy.directory.rename(outside / "moved")
    copy.directory.symlink_to(outside / "moved")


REFUSED = [tear_record, lose_record, be_of_another_major, be_cut_off, lose_data, link_pg_away, link_conf_away, link_hard,
           put_a_link_into_conf, put_a_device, nest_deep, be_sorted_by_others, be_no_directory]


@pytest.fixture
def outside(stack):
    """A directory of somebody's on the same disk, where hard links can lead to."""
    place = stack.root / new_name()
    place.mkdir()
    (place / "file").write_text("somebody's")
    yield place
    shutil.rmtree(place)


@pytest.mark.parametrize("spoil", REFUSED, ids=lambda spoil: spoil.__name__)
def test_what_cannot_be_adopted_is_left_as_it_is(stack, original, copied, outside, spoil):
    copy = copied(original)
    spoil(copy, outside)
    before = tree(copy.directory), tree(outside)

    message = assert_error(stack.api.adopt(copy.name), 409, "foreign_data", "storage_dir")

    assert message.startswith(f"{copy.name} is left as it is: ")
    assert (tree(copy.directory), tree(outside)) == before
    if copy.directory.is_symlink():
        copy.directory.unlink()


def test_mount_among_the_data_is_not_crossed(stack, original, copied):
    copy = copied(original)
    place = copy.pgdata / "mounted"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
    try:
        assert "is a mount" in assert_error(stack.api.adopt(copy.name), 409, "foreign_data", "storage_dir")
    finally:
        subprocess.run(["umount", place], check=True)


def test_data_that_a_process_may_be_using_are_refused(stack, original, copied):
    copy = copied(original)
    uid = record_of(original)["uid"]
    with subprocess.Popen(["sleep", "600"], user=uid) as process:
        answer = stack.api.adopt(copy.name)
        process.kill()

    message = assert_error(answer, 409, "foreign_data", "storage_dir")
    assert f"process {process.pid} of user {uid}" in message
    ok(stack.api.adopt(copy.name))


def test_nothing_of_that_name_is_404(stack):
    assert_error(stack.api.adopt("nothing"), 404, "not_found")


# ---- the command line --------------------------------------------------------------------------

def test_command_line_tells_in_a_line_each_what_became_of_it(stack, original, copied):
    good, torn, named = copied(original), copied(original), copied(original)
    tear_record(torn, None)
    stack.restart()

    def adopt(*arguments, status):
        done = subprocess.run([PGBERTH, "adopt", *arguments, "--url", stack.api.base.removesuffix("/api"), "--cacert",
                               "/etc/pgberth/tls/nginx.crt"], capture_output=True, text=True, timeout=120)
        assert done.returncode == status, done
        return done.stdout.splitlines(), done.stderr

    (line,), _ = adopt(named.name, status=0)
    assert line.startswith(f"{named.name}: adopted, stopped, no port; it was {original.name}; its uid is ")
    assert adopt(named.name, status=0)[0] == [f"{named.name}: an instance already, stopped, no port"]
    (line,), said = adopt("--all", status=1)
    assert line.startswith(f"{good.name}: adopted, stopped, no port; ")
    assert f"{torn.name} is left as it is" in said
    failed = stack.api.listed(state="failed")
    assert torn.name in failed and not {good.name, named.name} & set(failed)
