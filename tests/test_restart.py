"""pgberthd goes and comes: killed, stopped, restarted. Tenants do not notice, and nothing is lost."""
import contextlib
import random
import subprocess
import threading

import pytest
import requests

from lib.client import assert_error, ok
from lib.concurrency import at_once
from lib.engine import Engine
from lib.leftovers import Leftovers
from lib.recorder import new_name
from lib.stack import Stack
from lib.waiting import wait_for


def restart(stack):
    stack.stop()
    stack.start()


WAYS = {"killed": Stack.restart, "restarted": restart}


@pytest.fixture(scope="module")
def leftovers(stack):
    return Leftovers(stack.api, Engine(), stack.settings)


@pytest.fixture(scope="module")
def made(stack):
    """Four servers of one label: two that run, one that is stopped, one that is stored."""
    label = new_name()
    made = [stack.make(labels={"made": label}) for _ in range(4)]
    ok(stack.api.stop(made[2].name))
    ok(stack.api.delete(made[3].name))
    return label, made


@pytest.fixture
def instance(made):
    """One that runs, with a row in it, whatever the test before did to it."""
    _, (instance, *_) = made
    instance.create()
    instance.sql("DROP TABLE IF EXISTS kept")
    instance.keep_row("precious")
    return instance


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_servers_made_before_are_as_they_were(stack, made, way):
    label, (*running, _, _) = made
    before = stack.api.listed(label=f"made={label}")
    assert sorted(view["state"] for view in before.values()) == ["running", "running", "stopped", "stored"]
    identities = [Engine().identity(instance.name) for instance in running]

    way(stack)

    assert set(stack.api.listed(label=f"made={label}")) == set(before)
    wait_for(lambda: stack.api.listed(label=f"made={label}") == before, "all is known as it was")
    assert [Engine().identity(instance.name) for instance in running] == identities
    for instance in running:
        assert instance.value("SELECT 1") == 1


def kill(pgberthd):
    pgberthd.kill()
    pgberthd.start()


@pytest.mark.serial  # it is the service of this host
@pytest.mark.parametrize("way", [kill, lambda pgberthd: pgberthd.restart()], ids=["killed", "restarted"])
def test_open_sessions_go_on(shared, pgberthd, way):
    with contextlib.closing(shared.connect()) as connection, connection.cursor() as cursor:
        way(pgberthd)

        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_servers_made_before_a_kill_take_every_call(stack):
    api, instance, other = stack.api, stack.make(), stack.make()
    instance.keep_row("precious")
    stack.restart()

    ok(instance.post())
    ok(api.put_password(instance.name, "changed after the kill"))
    instance.password = "changed after the kill"
    instance.port = ok(api.patch(instance.name, port=stack.free_port(), memory_mb=300))["port"]
    assert instance.kept_rows() == ["precious"]
    ok(api.restart(instance.name))
    ok(api.stop(instance.name))
    ok(api.start(instance.name))
    assert instance.kept_rows() == ["precious"]
    ok(api.delete(instance.name))
    ok(api.delete(other.name, purge=True))
    assert api.get(other.name).status_code == 404


def test_ports_names_and_uids_made_before_a_kill_are_still_held(stack, made):
    _, (_, running, stopped, _) = made
    stack.restart()

    for holder in (running, stopped):
        message = assert_error(stack.new().post(port=holder.port), 409, "port_in_use", "port")
        assert holder.name in message
    assert_error(running.post(admin_password="another"), 409, "already_exists", "admin_password")
    after = stack.make()
    users = [Engine().inspect(each.name)["Config"]["User"] for each in (running, after)]
    assert users[0] != users[1]
    ok(stack.api.delete(after.name))


@pytest.mark.parametrize("end", ["kill", "stop", "remove"])
def test_server_ended_while_pgberthd_was_away_is_started(stack, instance, end):
    stack.stop()
    container = Engine().container(instance.name)
    {"kill": container.kill, "stop": container.stop, "remove": lambda: container.remove(force=True)}[end]()

    stack.start()

    wait_for(lambda: instance.view()["state"] == "running", "it runs again", 60)
    assert instance.kept_rows() == ["precious"]


def test_server_stopped_by_the_api_stays_stopped(stack, made):
    _, (_, _, stopped, _) = made
    restart(stack)

    assert stopped.view()["state"] == "stopped"
    assert "refused" in stopped.refusal()


def test_answers_during_restarts_are_json_and_end_in_success(stack):
    done = threading.Event()

    def ask():
        statuses = set()
        while not done.is_set():
            response = stack.api.list()
            response.json()
            statuses.add(response.status_code)
        return statuses

    def restart_thrice():
        for _ in range(3):
            restart(stack)
        done.set()

    seen = set().union(*at_once([ask] * 4 + [lambda: restart_thrice() or set()]))

    assert seen <= {200, 502, 503, 504}
    assert stack.api.list().status_code == 200


def test_stop_lets_a_create_end_well(stack, leftovers):
    instances = [stack.new() for _ in range(4)]

    def restart_amid():
        threading.Event().wait(0.3)
        restart(stack)

    responses = at_once([lambda instance=instance: answer_of(instance) for instance in instances] + [restart_amid])

    assert_settled_all(instances, responses, stack.api, leftovers)


def assert_settled_all(instances, responses, api, leftovers):
    for instance, response in zip(instances, responses):
        assert_settled(instance, response, api, leftovers)
    at_once([lambda instance=instance: api.delete(instance.name) for instance in instances])


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
        instance.port = instance.view()["port"]
        assert instance.value("SHOW cluster_name") == instance.name
    else:
        assert response is None or response.status_code != 200, "an acknowledged create is lost"
        wait_for(lambda: leftovers.of(instance.name) == [], f"nothing is left of {instance.name}", 60)


@pytest.mark.parametrize("turn", range(10))
def test_kill_amid_creates_leaves_each_whole_or_not_at_all(stack, leftovers, turn):
    instances = [stack.new() for _ in range(3)]

    def kill_amid():
        # A tenth of a create further each time, and not always at the same step.
        threading.Event().wait(random.uniform(turn / 10, (turn + 1) / 10))
        stack.kill()

    responses = at_once([lambda instance=instance: answer_of(instance) for instance in instances] + [kill_amid])
    stack.start()

    assert_settled_all(instances, responses, stack.api, leftovers)
    assert not [path for path in stack.settings.staging.iterdir()
                if any(instance.name in path.name for instance in instances)]


@pytest.mark.parametrize("verb", ["stop", "restart", "delete", "purge"])
def test_kill_amid_a_change_loses_no_data(stack, instance, verb):
    api = stack.api
    call = {"delete": lambda: api.delete(instance.name), "purge": lambda: api.delete(instance.name, purge=True)}.get(
        verb, lambda: api.on("POST", instance.name, verb))

    def change():
        with contextlib.suppress(requests.ConnectionError):
            call()

    def kill_amid():
        threading.Event().wait(random.uniform(0, 0.3))
        stack.kill()

    at_once([change, kill_amid])
    stack.start()

    if verb == "purge" and api.get(instance.name).status_code == 404:
        entry, = instance.trashed()
        ok(api.call("POST", f"/trash/{entry.name}/restore"))
    wait_for(lambda: instance.view()["state"] not in ("starting", "stopping"), "it is settled", 60)
    instance.create()
    assert instance.kept_rows() == ["precious"]


def test_second_pgberthd_beside_it_refuses_to_run(shared, pgberthd):
    pid = pgberthd.pid()

    second = subprocess.run(["/usr/local/sbin/pgberthd", "-c", "/etc/pgberth/pgberth.conf"],
                            stdin=subprocess.DEVNULL, capture_output=True, timeout=60)

    assert second.returncode != 0
    assert pgberthd.pid() == pid
    assert shared.view()["state"] == "running"


def test_hundred_requests_leak_neither_files_nor_threads():
    """Of so few workers each has had its turn before it is counted what they keep."""
    with Stack(workers=4, changes=3) as stack:
        def use():
            for _ in range(100):
                stack.api.get("nobody")
                stack.api.create(storage_dir="bad name", admin_password="x")
            instance = stack.make()
            instance.post(admin_password="another")
            ok(stack.api.delete(instance.name, purge=True))

        def size():
            return stack.proc().open_files(), int(stack.proc().status()["Threads"])

        at_once([use] * 3)
        before = size()
        for _ in range(3):
            use()

        wait_for(lambda: size()[0] <= before[0] + 5 and size()[1] <= before[1], f"as many as before: {before}", 20)
