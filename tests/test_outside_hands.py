"""What others do to the engine and the disk while pgberthd watches, and what a crash does."""
import os
import signal
import subprocess

import pytest

from lib.client import assert_error, ok
from lib.engine import pause
from lib.waiting import wait_for


def assert_serves_again(instance, engine, before):
    """Healed by the engine, and known to run."""
    wait_for(lambda: engine.identity(instance.name) != before and
             engine.inspect(instance.name)["State"]["Running"], "the engine started it again", 60)
    wait_for(lambda: is_up(instance), "it accepts logins again", 60)
    wait_for(lambda: instance.view()["state"] == "running", "its state is running", 60)


def is_up(instance):
    try:
        return instance.value("SELECT 1") == 1
    except Exception:  # whatever a server says that is not up yet
        return False


HANDS = {
    "kill": lambda container: container.kill(),
    "stop": lambda container: container.stop(),
    "remove": lambda container: container.remove(force=True),
}


@pytest.mark.parametrize("hand", HANDS.values(), ids=HANDS)
def test_post_after_a_hand_works_without_waiting_for_the_news_and_the_news_are_respected(instance, engine, hand):
    instance.keep_row("precious")
    hand(engine.container(instance.name))

    instance.create()

    assert instance.kept_rows() == ["precious"]
    assert instance.view()["reason"] is None

    hand(engine.container(instance.name))

    view = instance.becomes("stopped", 30)
    assert "outside" in view["reason"]
    assert view["port"] == instance.port


def test_starting_it_by_hand_is_seen_too(instance, api, engine):
    ok(api.stop(instance.name))
    container = engine.container(instance.name)
    if container is None:
        pytest.skip("a stopped server has no container to start")

    container.start()

    body = instance.create()
    assert body["state"] == "running"
    assert instance.value("SELECT 1") == 1


def test_postmaster_killed_from_the_host_comes_back_with_what_was_committed(instance, engine):
    instance.keep_row("precious")
    before = engine.identity(instance.name)

    os.kill(engine.postmaster_pid(instance.name), signal.SIGKILL)

    assert_serves_again(instance, engine, before)
    assert instance.kept_rows() == ["precious"]


def test_init_killed_from_the_host_comes_back(instance, engine):
    instance.keep_row("precious")
    before = engine.identity(instance.name)

    os.kill(engine.host_pid(instance.name), signal.SIGKILL)

    assert_serves_again(instance, engine, before)
    assert instance.kept_rows() == ["precious"]


def test_backend_killed_from_the_host_is_recovered_without_a_new_container(instance, engine):
    instance.keep_row("precious")
    before = engine.identity(instance.name)
    top = engine.container(instance.name).top()
    pid, command = top["Titles"].index("PID"), top["Titles"].index("CMD")
    checkpointer = next(int(row[pid]) for row in top["Processes"] if "checkpointer" in row[command])

    os.kill(checkpointer, signal.SIGKILL)

    wait_for(lambda: is_up(instance), "it accepts logins again")
    assert instance.kept_rows() == ["precious"]
    assert engine.identity(instance.name) == before


def test_server_out_of_memory_comes_back(make_instance):
    instance = make_instance(memory_mb=128)
    instance.keep_row("precious")

    with pytest.raises(Exception):
        instance.sql("SELECT length(string_agg(repeat('x', 1000000), '')) FROM generate_series(1, 400)")

    wait_for(lambda: is_up(instance), "it accepts logins again", 60)
    assert instance.kept_rows() == ["precious"]


def test_paused_server_is_said_and_runs_on_when_unpaused(instance, engine):
    instance.keep_row("precious")
    container = engine.container(instance.name)
    pause(container)

    view = instance.becomes("stopped")
    assert "paused" in view["reason"]
    container.unpause()

    assert instance.becomes("running")["reason"] is None
    assert instance.kept_rows() == ["precious"]


def test_paused_server_comes_back_by_post(instance, engine):
    instance.keep_row("precious")
    pause(engine.container(instance.name))

    instance.create()

    assert instance.kept_rows() == ["precious"]


def test_flushed_firewall_rule_is_told_and_mended_by_restart(instance, api):
    """Without the rule nobody reaches the port; a firewall that reloads does that."""
    rules = subprocess.run(["iptables", "-w", "-t", "nat", "-S", "DOCKER"], capture_output=True, text=True).stdout
    rule = next(line for line in rules.splitlines() if f"--dport {instance.port} " in line)
    subprocess.run(["iptables", "-w", "-t", "nat", *rule.replace("-A", "-D", 1).split()], check=True)

    view = wait_for(lambda: (view := instance.view())["state"] == "failed" and view, "it is told", 180)
    assert "firewall" in view["reason"]

    ok(api.restart(instance.name))
    assert is_up(instance)
    assert instance.view()["state"] == "running"


def test_foreign_container_with_our_name_is_409_and_untouched(new_instance, stranger, api, settings):
    instance = new_instance()
    container = stranger(f"pgberth-{instance.name}")

    response = instance.post()

    assert response.status_code == 409, response.text
    assert response.json()["error"]["code"] in ("foreign_data", "already_exists")
    container.reload()
    assert container.status == "running"
    assert not instance.directory.exists()
    assert api.get(instance.name).status_code == 404


def test_delete_does_not_remove_a_foreign_container(new_instance, stranger, api):
    instance = new_instance()
    container = stranger(f"pgberth-{instance.name}")

    assert_error(api.delete(instance.name, purge=True), 404, "not_found")

    container.reload()
    assert container.status == "running"


# ---- what somebody put among the instances ---------------------------------------------------

def tree(path):
    """Every path below, with its bytes, mode, owner and time."""
    return {str(each): (each.lstat().st_mode, each.lstat().st_uid, each.lstat().st_mtime_ns,
                        each.read_bytes() if each.is_file() else None)
            for each in [path, *path.rglob("*")]}


def plant_directory(path, elsewhere):
    path.mkdir()
    (path / "file").write_text("somebody's")


def plant_data(path, elsewhere):
    (path / "pg" / "data").mkdir(parents=True)
    (path / "pg" / "data" / "PG_VERSION").write_text("15\n")


def plant_torn_record(path, elsewhere):
    path.mkdir()
    (path / "instance.json").write_text('{"storage_dir": "')


def plant_empty_directory(path, elsewhere):
    path.mkdir()


def plant_file(path, elsewhere):
    path.write_text("somebody's")


def plant_link(path, elsewhere):
    (elsewhere / "file").write_text("somebody's")
    path.symlink_to(elsewhere)


def plant_dangling_link(path, elsewhere):
    path.symlink_to(elsewhere / "nothing")


def plant_fifo(path, elsewhere):
    os.mkfifo(path)


PLANTS = [plant_directory, plant_data, plant_torn_record, plant_empty_directory, plant_file, plant_link,
          plant_dangling_link, plant_fifo]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__.removeprefix("plant_"))
@pytest.mark.parametrize("call", ["post", "purge"])
def test_what_pgberth_does_not_recognise_is_refused_and_untouched(
        new_instance, planted, api, engine, tmp_path, plant, call):
    instance = new_instance()
    path = planted(instance.name)
    plant(path, tmp_path)
    before, elsewhere = tree(path), tree(tmp_path)

    if call == "post":
        assert_error(instance.post(), 409, "foreign_data", ...)
    else:
        assert api.delete(instance.name, purge=True).status_code in (404, 409)

    assert tree(path) == before
    assert tree(tmp_path) == elsewhere
    assert engine.container(instance.name) is None


def test_copy_of_an_instance_under_another_name_is_refused_and_untouched(
        instance, api, new_instance, planted):
    ok(api.delete(instance.name))
    other = new_instance()
    path = planted(other.name)
    subprocess.run(["cp", "-a", instance.directory, path], check=True)
    before = tree(path)

    assert_error(other.post(), 409, "foreign_data", ...)

    assert tree(path) == before
