"""Directories, containers and processes that belong to no record, or to one twice: shown or removed, never adopted."""
import contextlib
import json
import pathlib
import secrets
import shutil
import subprocess

import docker
import pytest

from lib.client import assert_error, ok
from lib.engine import Engine, Process
from lib.stack import Stack
from lib.waiting import wait_for


@pytest.fixture
def instance(precious):
    return precious


def test_directory_that_appears_is_never_adopted_and_one_that_goes_is_said(stack, instance):
    """Both are seen by the next look, so one wait does for the two."""
    stopped = stack.make()
    ok(stack.api.stop(stopped.name))
    copy = stack.new(f"{stopped.name}-copy")
    subprocess.run(["cp", "-a", stopped.directory, copy.directory], check=True)
    away = stack.root / "away"
    instance.directory.rename(away)

    view = wait_for(lambda: stack.api.get(copy.name).status_code == 200 and copy.view(), "it is shown", 90)
    gone = instance.becomes("failed", 90)

    assert view["state"] == "failed"
    assert_error(copy.post(), 409, "foreign_data", "storage_dir")
    assert "gone" in gone["reason"]
    assert_error(instance.post(), 409, "foreign_data", "storage_dir")
    shutil.rmtree(copy.directory)
    away.rename(instance.directory)
    wait_for(lambda: stack.api.get(copy.name).status_code == 404, "it is not shown any more", 90)
    instance.becomes("running", 90)
    assert instance.kept_rows() == ["precious"]
    stack.purge(stopped)


def test_delete_clears_a_server_whose_directory_has_gone(stack, instance):
    shutil.rmtree(instance.directory)
    instance.becomes("failed", 90)

    ok(stack.api.delete(instance.name))

    assert stack.api.get(instance.name).status_code == 404
    assert instance.name not in stack.container_names()
    instance.create()


def test_container_without_a_record_goes(stack, instance):
    stack.kill()
    shutil.rmtree(instance.directory)

    stack.start()

    wait_for(lambda: instance.name not in stack.container_names(),
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
        return [each.id for each in stack.containers(all=True)
                if each.labels["pgberth.storage_dir"] == instance.name]

    wait_for(lambda: second.id not in left(), "the twin is gone", 60)
    assert left() == [first.id]
    instance.becomes("running")
    wait_for(lambda: instance.value("SELECT 1") == 1, "it serves")
    assert instance.kept_rows() == ["precious"]


def test_engine_has_only_what_the_api_has(stack):
    with pytest.raises(docker.errors.NotFound):
        Engine().client.containers.get("pgberth-nobody")
    assert set(stack.container_names()) <= set(stack.api.listed())


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


WAITING = "import ctypes, os, signal; os.setresuid(*[{uid}] * 3); ctypes.CDLL(None).prctl(15, b'runc:[2:INIT]'); print('', flush=True); " \
    "signal.pause()"


@contextlib.contextmanager
def waiting_process(uid, namespaces):
    """A process such as an engine has in a container that is not started yet, so many namespaces of processes below this one."""
    tree = pathlib.Path("/sys/fs/cgroup")
    cgroup = (tree if (tree / "cgroup.controllers").exists() else tree / "systemd") / secrets.token_hex(32)
    cgroup.mkdir()
    below = ["unshare", "--pid", "--fork", "--kill-child"] * namespaces
    process = subprocess.Popen(["sh", "-c", f'echo $$ >{cgroup}/cgroup.procs; exec "$@"', "sh", *below, "/usr/bin/python3", "-c",
                                WAITING.format(uid=uid)], stdout=subprocess.PIPE)
    try:
        process.stdout.read(1)
        yield process
    finally:
        process.kill()
        process.communicate()
        wait_for(lambda: not (cgroup / "cgroup.procs").read_text(), f"{cgroup} is empty")
        cgroup.rmdir()


def test_process_that_no_engine_knows_goes_but_not_that_of_an_engine_in_a_container(stack):
    """That one is passed first, since it is older."""
    uid = stack.options["uid_max"]

    with waiting_process(uid, 2) as of_another, waiting_process(uid, 1) as stray:
        wait_for(lambda: stray.poll() is not None, "the stray process is gone", 90)
        assert of_another.poll() is None
