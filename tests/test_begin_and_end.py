"""pgberthd begins and ends: what it finds missing or taken is said and waited for, and what is under way ends well."""
import json
import socket
import subprocess

import pytest

from lib.client import assert_error
from lib.concurrency import at_once
from lib.engine import Engine
from lib.stack import MAJORS, Stack, remove_containers
from lib.waiting import wait_for


@pytest.fixture
def instance(precious):
    return precious


def test_port_that_a_process_took_meanwhile_is_waited_for(stack, instance):
    stack.kill()
    remove_containers(stack.root)
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", instance.port))
        thief.listen()
        stack.start()
        view = instance.becomes("failed")
        assert str(instance.port) in view["reason"]
        assert view["port"] == instance.port

    instance.becomes("running", 120)
    assert instance.kept_rows() == ["precious"]


def test_port_that_a_container_took_meanwhile_is_waited_for(stack, instance):
    stack.kill()
    remove_containers(stack.root)
    thief = Engine().run_stranger(f"{instance.name}-thief", ports={"80/tcp": ("127.0.0.1", instance.port)})
    try:
        stack.start()
        assert str(instance.port) in instance.becomes("failed")["reason"]
    finally:
        thief.remove(force=True)

    instance.becomes("running", 120)


def test_image_that_is_missing_is_said(stack):
    manifest = stack.root / "templates/17/manifest.json"
    good = manifest.read_text()
    manifest.unlink()
    manifest.write_text(json.dumps({**json.loads(good), "image_id": "sha256:" + "0" * 64}))
    try:
        answer = stack.new().post()
        assert_error(answer, 503, "image_missing")
        assert "Retry-After" not in answer.headers, "waiting makes no image"
        assert list(stack.settings.instances.iterdir()) == []
    finally:
        manifest.write_text(good)


def test_spares_of_a_major_without_an_image_hold_up_no_other():
    with Stack(spares=2, versions=f"{MAJORS[1]} {MAJORS[0]}") as stack:  # which has the image of the latter
        def are_ready():
            return len(list(stack.settings.staging.iterdir())) == 2

        wait_for(are_ready, "there are spares of the other")
        stack.make(version=MAJORS[0])
        wait_for(are_ready, "there is another one soon", 30)

        assert f"spare not made version={MAJORS[1]}" in stack.log_text()


def test_second_pgberthd_on_one_root_ends(stack):
    second = subprocess.run([stack.binary, "-c", stack.run / "pgberth.conf"], capture_output=True, timeout=60,
                            stdin=subprocess.DEVNULL)

    assert second.returncode != 0
    assert not stack.is_dead()


def test_sigterm_amid_creates_ends_them_well_and_in_time(stack):
    instances = [stack.new() for _ in range(4)]
    answers = at_once([lambda instance=instance: instance.post() for instance in instances] +
                      [lambda: wait_for(lambda: any(stack.settings.instances.glob("*")), "one is under way") and
                       stack.stop()])
    assert answers[-1] == 0

    stack.start()

    for instance, answer in zip(instances, answers):
        if answer.status_code == 200:
            instance.becomes("running")
        else:
            wait_for(lambda name=instance.name: stack.api.get(name).status_code == 404, "nothing is left", 60)
        stack.api.delete(instance.name, purge=True)
