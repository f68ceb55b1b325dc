"""pgberthd goes and comes: killed, stopped, restarted. Tenants do not notice, and nothing is lost."""
import contextlib
import random
import subprocess
import threading

import pytest
import requests

from lib.client import assert_error, ok
from lib.concurrency import at_once
from lib.recorder import new_name
from lib.waiting import wait_for

pytestmark = pytest.mark.serial


def kill(pgberthd):
    pgberthd.kill()
    pgberthd.start()


WAYS = {"killed": kill, "restarted": lambda pgberthd: pgberthd.restart()}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_servers_made_before_are_as_they_were(make_instance, api, engine, pgberthd, way):
    label = new_name()
    made = [make_instance(labels={"made": label}) for _ in range(4)]
    running, (stopped, stored) = made[:2], made[2:]
    ok(api.stop(stopped.name))
    ok(api.delete(stored.name))
    before = api.listed(label=f"made={label}")
    identities = [engine.identity(instance.name) for instance in running]

    way(pgberthd)

    assert set(api.listed(label=f"made={label}")) == set(before)
    wait_for(lambda: api.listed(label=f"made={label}") == before, "all is known as it was")
    assert [engine.identity(instance.name) for instance in running] == identities
    for instance in running:
        assert instance.value("SELECT 1") == 1


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_open_sessions_go_on(instance, pgberthd, way):
    with contextlib.closing(instance.connect()) as connection, connection.cursor() as cursor:
        way(pgberthd)

        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_servers_made_before_a_kill_take_every_call(make_instance, api, pgberthd, ports):
    instance, other = make_instance(), make_instance()
    instance.keep_row("precious")
    kill(pgberthd)

    ok(instance.post())
    ok(api.put_password(instance.name, "changed after the kill"))
    instance.password = "changed after the kill"
    instance.port = ok(api.patch(instance.name, port=ports.take(), memory_mb=300))["port"]
    assert instance.kept_rows() == ["precious"]
    ok(api.restart(instance.name))
    ok(api.stop(instance.name))
    ok(api.start(instance.name))
    assert instance.kept_rows() == ["precious"]
    ok(api.delete(instance.name))
    ok(api.delete(other.name, purge=True))
    assert api.get(other.name).status_code == 404


def test_ports_and_names_made_before_a_kill_are_still_held(make_instance, new_instance, api, pgberthd):
    running, stopped = make_instance(), make_instance()
    ok(api.stop(stopped.name))
    kill(pgberthd)

    for holder in (running, stopped):
        message = assert_error(new_instance().post(port=holder.port), 409, "port_in_use", "port")
        assert holder.name in message
    assert_error(running.post(admin_password="another"), 409, "already_exists", "admin_password")


def test_uids_made_before_a_kill_are_not_given_again(make_instance, engine, pgberthd):
    before = make_instance()
    kill(pgberthd)

    after = make_instance()

    assert engine.inspect(after.name)["Config"]["User"] != engine.inspect(before.name)["Config"]["User"]


@pytest.mark.parametrize("end", ["kill", "stop", "remove"])
def test_server_ended_while_pgberthd_was_away_is_started(instance, engine, pgberthd, end):
    instance.keep_row("precious")
    pgberthd.stop()
    container = engine.container(instance.name)
    {"kill": container.kill, "stop": container.stop, "remove": lambda: container.remove(force=True)}[end]()

    pgberthd.start()

    wait_for(lambda: instance.view()["state"] == "running", "it runs again", 60)
    assert instance.kept_rows() == ["precious"]


def test_server_stopped_by_the_api_stays_stopped(instance, api, engine, pgberthd):
    ok(api.stop(instance.name))
    pgberthd.restart()

    assert instance.view()["state"] == "stopped"
    assert "refused" in instance.refusal()


def test_answers_during_restarts_are_json_and_end_in_success(api, pgberthd):
    done = threading.Event()

    def ask():
        statuses = set()
        while not done.is_set():
            response = api.list()
            response.json()
            statuses.add(response.status_code)
        return statuses

    def restart():
        for _ in range(3):
            pgberthd.restart()
        done.set()

    seen = set().union(*at_once([ask] * 4 + [lambda: restart() or set()]))

    assert seen <= {200, 502, 503, 504}
    assert api.list().status_code == 200


def test_stop_lets_a_create_end_well(new_instance, api, pgberthd, leftovers):
    instances = [new_instance() for _ in range(4)]

    def restart_amid():
        threading.Event().wait(0.3)
        pgberthd.restart()

    responses = at_once([lambda instance=instance: answer_of(instance) for instance in instances] + [restart_amid])

    for instance, response in zip(instances, responses):
        assert_settled(instance, response, api, leftovers)


def answer_of(instance):
    """What the POST said, or None where the connection broke."""
    try:
        return instance.post()
    except requests.ConnectionError:
        return None


def assert_settled(instance, response, api, leftovers):
    """An acknowledged create works; any other works as well, or has left nothing."""
    def end():
        seen = api.get(instance.name)
        if seen.status_code == 404:
            return "nothing"
        return seen.json().get("state") in ("running", "failed", "stopped", "stored") and "there"

    if wait_for(end, f"{instance.name} is finished or undone", 60) == "there":
        assert instance.view()["state"] == "running", instance.view()
        assert instance.value("SHOW cluster_name") == instance.name
    else:
        assert response is None or response.status_code != 200, "an acknowledged create is lost"
        wait_for(lambda: leftovers.of(instance.name) == [], f"nothing is left of {instance.name}", 60)


@pytest.mark.parametrize("turn", range(10))
def test_kill_amid_creates_leaves_each_whole_or_not_at_all(new_instance, api, pgberthd, leftovers, settings, turn):
    instances = [new_instance() for _ in range(3)]

    def kill_amid():
        # A tenth of a create further each time, and not always at the same step.
        threading.Event().wait(random.uniform(turn / 10, (turn + 1) / 10))
        pgberthd.kill()

    responses = at_once([lambda instance=instance: answer_of(instance) for instance in instances] + [kill_amid])
    pgberthd.start()

    for instance, response in zip(instances, responses):
        assert_settled(instance, response, api, leftovers)
    assert not [path for path in settings.staging.iterdir()
                if any(instance.name in path.name for instance in instances)]


@pytest.mark.parametrize("verb", ["stop", "restart", "delete", "purge"])
def test_kill_amid_a_change_loses_no_data(instance, api, pgberthd, verb):
    instance.keep_row("precious")
    call = {"delete": lambda: api.delete(instance.name), "purge": lambda: api.delete(instance.name, purge=True)}.get(
        verb, lambda: api.on("POST", instance.name, verb))

    def change():
        with contextlib.suppress(requests.ConnectionError):
            call()

    def kill_amid():
        threading.Event().wait(random.uniform(0, 0.3))
        pgberthd.kill()

    at_once([change, kill_amid])
    pgberthd.start()

    if verb == "purge" and api.get(instance.name).status_code == 404:
        assert instance.trashed()
    else:
        wait_for(lambda: instance.view()["state"] not in ("starting", "stopping"), "it is settled", 60)
        instance.create()
        assert instance.kept_rows() == ["precious"]


def test_second_pgberthd_beside_it_refuses_to_run(instance, pgberthd):
    pid = pgberthd.pid()

    second = subprocess.run(["/usr/local/sbin/pgberthd", "-c", "/etc/pgberth/pgberth.conf"],
                            stdin=subprocess.DEVNULL, capture_output=True, timeout=60)

    assert second.returncode != 0
    assert pgberthd.pid() == pid
    assert instance.view()["state"] == "running"


def test_hundred_requests_leak_neither_files_nor_threads(new_instance, api, pgberthd):
    def use():
        for _ in range(100):
            api.get("nobody")
            api.create(storage_dir="bad name", admin_password="x")
        instance = new_instance()
        instance.create()
        instance.post(admin_password="another")
        ok(api.delete(instance.name, purge=True))

    def size():
        process = pgberthd.process()
        return process.open_files(), int(process.status()["Threads"])

    use()
    before = size()
    for _ in range(3):
        use()

    wait_for(lambda: size()[0] <= before[0] + 5 and size()[1] <= before[1], f"as many as before: {before}", 20)
