"""The engine answers nonsense, too late, too much or not at all, call by call: a real one behind a proxy that lies."""
import contextlib
import itertools
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading

import psycopg2
import pytest
import requests

from lib import engine_proxy
from lib.client import assert_error, ok
from lib.concurrency import at_once
from lib.engine import Engine
from lib.engine_proxy import CALLS, EngineProxy, answer, endless, html
from lib.ports import Listener, is_free
from lib.stack import FIRST_SLICE, Stack
from lib.leftovers import Leftovers, discard
from lib.waiting import wait_for


# Every fault on every call takes half an hour; without this, those that tell most.
FULL = os.environ.get("PGBERTH_TORTURE") == "full"
BOUNDED = 100  # seconds; the longest deadline of a call of ours to the engine is 60
ENDS = 60  # seconds, in which what was refused is undone

FAULTS = {
    "500": answer(500, {"message": "scripted"}),
    "404 of something else": answer(404, {"message": "page not found"}),
    "404 in HTML": html(404),
    "429": answer(429, {"message": "scripted"}),
    "200 in HTML": html(200),
    "empty list": answer(200, []),
    "empty object": answer(200, {}),
    "null": answer(200, None),
    "Id is a number": answer(201, {"Id": 5}),
    "Id is short": answer(201, {"Id": "x", "State": {}}),
    "Id alone": answer(200, {"Id": "f" * 64}),
    "list of wrong types": answer(200, [5, {"Id": []}, None]),
    "noise": engine_proxy.noise,
    "cut chunk": engine_proxy.cut_chunk,
    "closed": engine_proxy.close,
}
# These let the real engine carry the call out.
CARRIED_OUT = {"truncated": engine_proxy.truncate, "reply lost": engine_proxy.drop_reply}
EVERY_FAULT = {**FAULTS, **CARRIED_OUT, "409": answer(409, {"message": "scripted"})}


class Behind:
    """A pgberth of its own, and the lying proxy between it and the engine."""

    def __init__(self, proxy, stack):
        self.proxy, self.stack, self.api = proxy, stack, stack.api
        self.engine = Engine()
        self.leftovers = Leftovers(stack.api, self.engine, stack.settings)
        self.ports = itertools.count(stack.settings.port_min)

    def new(self):
        """An instance not asked for yet, at a port that nobody has had."""
        return self.stack.new(port=next(port for port in self.ports if is_free(port)))

    def make(self):
        instance = self.new()
        instance.create()
        return instance

    def post(self, instance, timeout):
        """The answer must be there in so many seconds."""
        return self.api.call("POST", "/containers/", json=instance.fields(), timeout=timeout)

    def fault(self, call, fault, times=None):
        return self.proxy.fault(*CALLS[call], fault, times)

    def containers(self, instance=None):
        """Those that carry this pgberth's label, or one instance's."""
        labels = [f"pgberth.root={self.stack.root}"]
        if instance:
            labels.append(f"pgberth.storage_dir={instance.name}")
        return self.engine.client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)

    def nothing_is_left(self, instance):
        wait_for(lambda: not (self.leftovers.of(instance.name) or self.containers(instance)),
                 f"nothing is left of {instance.name}", ENDS)
        assert is_free(instance.port)

    def purge(self, instance):
        ok(self.api.delete(instance.name, purge=True))
        for path in instance.trashed():
            discard(path)

    def works_as_ever(self, instance):
        """The same name and port can be had again, by one container."""
        instance.create()
        assert instance.value("SELECT 1") == 1
        assert len(self.containers(instance)) == 1
        self.purge(instance)

    def is_well(self):
        assert self.stack.process.poll() is None, self.stack.log_text()[-4000:]
        return self.api.call("GET", "/health").status_code == 200


@pytest.fixture(scope="module")
def behind():
    ports = 30000 + 20 * FIRST_SLICE  # of this worker alone, and more of them than a slice has
    with EngineProxy() as proxy, Stack(engine_socket=proxy.path, port_min=ports, port_max=ports + 499) as stack:
        yield Behind(proxy, stack)


@pytest.fixture(autouse=True)
def settled(behind):
    """Each begins and ends with an engine that is up and a pgberthd that lives."""
    wait_for(behind.is_well, "the engine is up", ENDS)
    yield
    wait_for(behind.is_well, "the engine is up again", ENDS)


@pytest.fixture(scope="module")
def resident(behind):
    """A server that is there all the time, with a row that must stay."""
    instance = behind.make()
    instance.keep_row("resident")
    yield instance
    behind.purge(instance)


def assert_refused(response, *others):
    """As the engine's fault, with the word when to try again; or as one of the others."""
    assert response.headers["Content-Type"].startswith("application/json"), response.text
    got = response.status_code, response.json().get("error", {}).get("code")
    assert got in [(503, "engine_unavailable"), *others], response.text
    if got[0] == 503:
        assert int(response.headers["Retry-After"]) > 0


def assert_as_before(behind, instance):
    """It runs, once, on its own data, at its own port."""
    def serves():
        with contextlib.suppress(psycopg2.OperationalError):
            return instance.view()["state"] == "running" and instance.kept_rows() == ["resident"]

    if not serves():
        behind.proxy.renew()
    wait_for(serves, f"{instance.name} runs as before", ENDS)
    assert len(behind.containers(instance)) == 1
    assert behind.containers(instance)[0].id == instance.view()["container_id"]


# ---- create ----------------------------------------------------------------------------------

def test_words_of_the_engine_are_shown_without_what_is_not_seen(behind):
    instance = behind.new()
    with behind.fault("create", engine_proxy.answer(500, {"message": "no \u202e way\nout\x1b[2J\u2028x"})):
        response = instance.post()

    assert_refused(response)
    assert "no   way out [2J x" in response.json()["error"]["message"]
    behind.nothing_is_left(instance)


# Creates that go as far as these cost a second each.
COSTLY = () if FULL else ("create", "start", "remove")
FEW = ("500", "404 in HTML", "429", "409", "Id is short", "cut chunk", "truncated", "reply lost")


@pytest.mark.parametrize("call", [pytest.param("list", marks=pytest.mark.slow), "inspect", "create", "start", "remove"])
def test_create_is_refused_and_undone(behind, resident, call):
    """Every fault in turn; what one leaves to be undone is still to be undone when the next comes."""
    tried = {}
    # What a create removes is what it could not start.
    with behind.fault("start", FAULTS["500"]) if call == "remove" else contextlib.nullcontext():
        for name, fault in EVERY_FAULT.items():
            if (call, name) == ("list", "empty list"):
                continue  # which is the truth
            if call in COSTLY and name not in FEW:
                continue
            with behind.fault(call, fault) as rule:
                instance = behind.new()
                tried[name] = instance, instance.post(), len(rule.seen)
                assert resident.view()["state"] == "running"

    for name, (instance, response, seen) in tried.items():
        assert seen
        # A name that is taken is a container that is not pgberth's.
        assert_refused(response, *[(409, "foreign_data")] * ((call, name) == ("create", "409")))
    behind.proxy.renew()
    for instance, *_ in tried.values():
        behind.nothing_is_left(instance)
    behind.works_as_ever(instance)


def test_server_that_expires_while_the_engine_refuses_goes_when_it_does_not(behind):
    instance = behind.new()
    instance.create(expires_in=3, expire_purge=True)

    with behind.fault("remove", FAULTS["500"]) as rule:
        wait_for(lambda: rule.seen, "it was tried", ENDS)

    wait_for(lambda: behind.api.get(instance.name).status_code == 404, "it is gone", 2 * ENDS)
    assert len(instance.trashed()) == 1


def test_create_says_that_the_image_is_missing(behind):
    instance = behind.new()

    with behind.fault("create", answer(404, {"message": "No such image: sha256:0"})):
        response = instance.post()

    assert_error(response, 503, "image_missing")
    behind.nothing_is_left(instance)


def test_creates_that_get_no_answer_are_refused_in_bounded_time(behind, resident):
    """Each of them waits for another call; all of them at once, since the deadlines are long."""
    hang, slow = engine_proxy.hang, engine_proxy.slow
    listed, slowly_listed, removed = behind.new(), behind.new(), behind.make()
    refused = [listed, slowly_listed, *(behind.new() for _ in range(4))]
    bystander = behind.new()

    def create_another():
        wait_for(lambda: all(rule.seen for rule in rules), "every fault is met", ENDS)
        assert resident.view()["state"] == "running"
        assert resident.name in behind.api.listed()
        behind.api.call("GET", "/health", timeout=BOUNDED)
        assert resident.kept_rows() == ["resident"]
        return bystander.post()

    with contextlib.ExitStack() as stack:
        rules = [stack.enter_context(rule) for rule in (
            behind.proxy.fault("GET", rf"/containers/json\?.*{listed.name}", hang),
            behind.proxy.fault("GET", rf"/containers/json\?.*{slowly_listed.name}", slow),
            behind.fault("create", hang, 1), behind.fault("create", slow, 1),
            behind.fault("start", hang, 1), behind.fault("start", slow, 1),
            behind.fault("remove", hang, 1))]
        *answers, deleted, made = at_once([
            *(lambda instance=instance: behind.post(instance, BOUNDED) for instance in refused),
            lambda: behind.api.on("DELETE", removed.name, timeout=BOUNDED), create_another])

    ok(made)
    for response in answers:
        assert_refused(response)
    assert_refused(deleted)
    for instance in refused:
        behind.nothing_is_left(instance)
    wait_for(lambda: removed.view()["state"] == "running", "it is back", ENDS)
    at_once([lambda instance=instance: behind.purge(instance) for instance in (removed, bystander)])


@pytest.mark.slow
@pytest.mark.parametrize("call", ["create", "start"])
def test_what_the_engine_carries_out_long_after_leaves_nothing(behind, call):
    instance = behind.new()

    with behind.fault(call, engine_proxy.late, 1) as rule:
        assert_refused(instance.post())
        behind.nothing_is_left(instance)
    wait_for(lambda: rule.finished, "it is carried out", ENDS)

    behind.nothing_is_left(instance)


@pytest.mark.parametrize("call", ["create", "start"])
def test_create_tried_again_after_a_lost_reply_has_one_container(behind, call):
    instance = behind.new()

    with behind.fault(call, engine_proxy.drop_reply, 1):
        assert_refused(instance.post())
        instance.create()

    assert len(behind.containers(instance)) == 1
    assert instance.value("SELECT 1") == 1
    behind.purge(instance)


@pytest.mark.parametrize("fault", [engine_proxy.hang, engine_proxy.hold], ids=["refused", "carried out"])
@pytest.mark.parametrize("call", ["create", "start"])
def test_create_whose_client_has_gone_is_finished_or_undone(behind, call, fault):
    instance = behind.new()

    with behind.fault(call, fault, 1) as rule:
        with pytest.raises(requests.Timeout):
            behind.post(instance, 2)
        wait_for(lambda: rule.seen, "it has come so far", ENDS)

    def is_settled():
        known = behind.api.get(instance.name)
        return known.status_code == 404 or known.json()["state"] == "running"

    wait_for(is_settled, "it is finished or undone", ENDS)
    if behind.api.get(instance.name).status_code == 404:
        behind.nothing_is_left(instance)
    else:
        assert instance.value("SELECT 1") == 1
        behind.purge(instance)


def test_create_that_is_undone_leaves_no_process_of_its_uid(behind):
    """An engine that is killed amid a start can forget a server that runs, whose address it gives to the next one."""
    instance, forgotten = behind.new(), []

    def forget(exchange):
        uid = instance.pgdata.stat().st_uid
        forgotten.append(subprocess.Popen(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "sleep", "600"]))
        FAULTS["500"](exchange)

    try:
        with behind.fault("start", forget, 1):
            assert_error(instance.post(), 503, "engine_unavailable")
        behind.nothing_is_left(instance)
        assert [each.wait(10) for each in forgotten] == [-signal.SIGKILL]
    finally:
        for each in forgotten:
            each.kill()


# ---- the port is taken between the look and the start -----------------------------------------

class Thief:
    """A fault that takes the port of the container that is being started, and then lets it start."""

    def __init__(self, behind, take):
        self.behind, self.take, self.loot = behind, take, contextlib.ExitStack()

    def __call__(self, exchange):
        container = self.behind.engine.client.containers.get(exchange.path.split("/")[-2])
        bindings = container.attrs["HostConfig"]["PortBindings"]["5432/tcp"]
        self.loot.enter_context(self.take(self.behind, int(bindings[0]["HostPort"])))
        exchange.pass_on()


def by_process(_, port):
    return Listener(port)


@contextlib.contextmanager
def by_container(behind, port):
    stranger = behind.engine.run_stranger(f"{behind.stack.name}-{port}", ports={"5432/tcp": ("127.0.0.1", port)})
    try:
        yield
    finally:
        stranger.remove(force=True)


@pytest.mark.parametrize("take", [by_process, by_container])
def test_port_taken_just_before_the_start_is_refused(behind, take):
    instance, thief = behind.new(), Thief(behind, take)

    with thief.loot, behind.fault("start", thief):
        assert_error(instance.post(), 409, "port_in_use", "port")

    behind.nothing_is_left(instance)
    behind.works_as_ever(instance)


def test_allocated_port_taken_just_before_the_start_is_another_one(behind):
    instance, thief = behind.stack.new(), Thief(behind, by_process)

    with thief.loot, behind.fault("start", thief, 1):
        instance.create()
        assert instance.value("SELECT 1") == 1

    behind.purge(instance)


# ---- calls on a server that runs --------------------------------------------------------------

CHANGES = {
    "stop": lambda api, name: api.stop(name),
    "restart": lambda api, name: api.restart(name),
    "delete": lambda api, name: api.delete(name),
    "change": lambda api, name: api.patch(name, cpus=0.5),
    "start": lambda api, name: api.start(name),
}
USED = {
    "stop": ("list", "inspect", "stop"),
    "restart": ("list", "inspect", "stop", "remove", "create", "start"),
    "delete": ("list", "inspect", "stop", "remove"),
    "change": ("list", "inspect", "update"),
    "start": ("list", "inspect"),
}
TELLING = list(EVERY_FAULT) if FULL else ["404 in HTML", "reply lost"]


@pytest.mark.parametrize("name", TELLING)
@pytest.mark.parametrize("change, call", [(change, call) for change, calls in USED.items() for call in calls])
def test_change_is_refused_and_the_server_is_as_before(behind, resident, change, call, name):
    with behind.fault(call, EVERY_FAULT[name]) as rule:
        response = CHANGES[change](behind.api, resident.name)

    assert rule.seen
    assert_refused(response)
    assert_as_before(behind, resident)


def test_start_is_undone_when_the_engine_is_back_that_went_amid_it(behind):
    instance = behind.make()
    instance.keep_row("precious")
    ok(behind.api.stop(instance.name))
    went = threading.Event()

    def go_at_start(exchange):
        if went.is_set():
            return
        if re.search(CALLS["start"][1], exchange.path):
            went.set()
            exchange.reply()
        else:
            exchange.pass_on()

    with behind.proxy.fault("*", "", go_at_start):
        assert_refused(behind.api.start(instance.name))
        assert [container.status for container in behind.containers(instance)] == ["running"]

    wait_for(lambda: not behind.containers(instance), "what it left is removed", ENDS)
    assert instance.view()["state"] == "stopped"
    ok(behind.api.start(instance.name))
    assert instance.kept_rows() == ["precious"]
    behind.purge(instance)


@pytest.mark.parametrize("call", ["list", "inspect"])
def test_server_that_runs_is_not_taken_for_anything_else(behind, resident, call):
    identity, passed = behind.engine.identity(resident.name), len(behind.proxy.passed)
    lies = {name: fault for name, fault in EVERY_FAULT.items() if (call, name) != ("list", "empty list")}

    for name, fault in lies.items():
        with behind.fault(call, fault):
            assert_refused(resident.post())
            assert_refused(behind.api.start(resident.name))
    turns = itertools.cycle(lies.values())
    with behind.fault(call, lambda exchange: next(turns)(exchange)) as rule:
        for _ in range(3):
            looks = len(rule.seen)
            behind.proxy.renew()
            wait_for(lambda: len(rule.seen) >= looks + 3, "it has looked", ENDS)
        assert resident.view()["state"] == "running"

    assert_as_before(behind, resident)
    changes = [(method, path) for method, path in behind.proxy.passed[passed:] if method != "GET"]
    assert changes == []
    assert behind.engine.identity(resident.name) == identity


def test_empty_list_is_not_believed(behind, resident):
    """Whoever renames a container keeps its labels; the name is what is asked when there are none."""
    identity = behind.engine.identity(resident.name)

    with behind.fault("list", answer(200, [])) as rule:
        behind.proxy.renew()
        wait_for(lambda: len(rule.seen) >= 2, "it has looked", ENDS)
        ok(resident.post())

    assert_as_before(behind, resident)
    assert behind.engine.identity(resident.name) == identity


# ---- the stream of events ----------------------------------------------------------------------

@pytest.mark.parametrize("fault", [FAULTS["500"], FAULTS["noise"], engine_proxy.close, endless(b"x"),
                                   answer(200, '{"Actor": 5}\n[]\n{"Actor": {"Attributes": []}}\n')],
                         ids=["500", "noise", "closed", "endless line", "wrong types"])
def test_server_that_ends_is_noticed_without_the_stream_of_events(behind, fault):
    instance = behind.make()

    with behind.proxy.fault("GET", "/events", fault) as rule:
        behind.proxy.cut()
        wait_for(lambda: len(rule.seen) >= 2, "the stream was asked for again", ENDS)
        behind.containers(instance)[0].kill()
        wait_for(lambda: instance.view()["state"] == "stopped", "it is seen as stopped", ENDS)
        instance.create()  # the engine does as it is told all the same

    behind.purge(instance)


def test_exit_code_that_comes_late_is_told_all_the_same(behind):
    """It is in an event alone, once the engine has started the container again."""
    instance, is_told = behind.make(), threading.Event()

    def held_back(piece):
        if b'"die"' in piece:
            is_told.wait(ENDS)
        return piece

    with behind.proxy.fault("GET", "/events", lambda exchange: exchange.pass_on(held_back)):
        behind.proxy.renew()
        os.kill(behind.engine.postmaster_pid(instance.name), signal.SIGKILL)
        wait_for(lambda: "an unknown exit code" in (instance.view()["reason"] or ""), "it is seen to have restarted", ENDS)
        is_told.set()
        wait_for(lambda: "exit code 137, by signal 9" in instance.view()["reason"], "the code is known", ENDS)

    behind.purge(instance)


# ---- bounds ------------------------------------------------------------------------------------

@pytest.mark.parametrize("piece, size", [(b"x", 100 << 20), (b"{},", 100 << 20), (b"{},", 15 << 20)],
                         ids=["100 MB of one word", "100 MB of objects", "15 MB of objects"])
@pytest.mark.parametrize("call", [pytest.param("list", marks=pytest.mark.slow),
                                  pytest.param("inspect", marks=pytest.mark.slow), "create"])
def test_huge_answer_does_not_fill_the_memory(behind, call, piece, size):
    behind.stack.restart()
    process, instance = behind.stack.proc(), behind.new()
    before = peak_mb(process)

    # A list is of one instance's containers here: that of all may well be long.
    method, path = CALLS[call]
    with behind.proxy.fault(method, path + f".*{instance.name}" * (call == "list"), endless(piece, size)) as rule:
        assert_refused(behind.post(instance, BOUNDED))

    assert rule.seen
    assert peak_mb(process) - before < 64
    behind.proxy.renew()
    behind.nothing_is_left(instance)


def peak_mb(process):
    return int(process.status()["VmHWM"].split()[0]) >> 10


def test_workers_are_free_again_after_an_engine_that_was_silent(behind, resident):
    instances = [behind.new() for _ in range(20)]

    with behind.proxy.fault("*", "", engine_proxy.hang):
        behind.proxy.cut()
        responses = at_once(lambda instance=instance: behind.post(instance, BOUNDED) for instance in instances)
        assert resident.view()["state"] == "running"

    for response in responses:
        assert_refused(response)
    views = at_once([lambda: behind.api.on("GET", resident.name, timeout=20)] * 64)
    assert {ok(view)["state"] for view in views} == {"running"}
    for instance in instances:
        behind.nothing_is_left(instance)
    behind.works_as_ever(instances[0])


# ---- the socket --------------------------------------------------------------------------------

def leave_dead(path):
    """A socket that nobody listens on any more."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


SOCKETS = {"absent": None, "a file": pathlib.Path.touch, "a directory": pathlib.Path.mkdir,
           "nobody's": leave_dead}


@pytest.mark.parametrize("instead", SOCKETS.values(), ids=SOCKETS.keys())
def test_create_without_the_engine_is_refused_and_undone(behind, resident, instead):
    instance = behind.new()

    with behind.proxy.absent(instead):
        assert_refused(instance.post())
        wait_for(lambda: not behind.is_well(), "health says so", ENDS)
        assert resident.view()["state"] == "running"
        assert resident.kept_rows() == ["resident"]

    behind.nothing_is_left(instance)
    wait_for(behind.is_well, "health is back", ENDS)
    behind.works_as_ever(instance)


def test_pgberthd_starts_without_the_engine_and_recovers_alone(behind, resident):
    stopped = behind.make()
    ok(behind.api.stop(stopped.name))

    with behind.proxy.absent():
        behind.stack.restart()
        assert behind.api.call("GET", "/health").status_code == 503
        assert set(behind.api.listed()) >= {resident.name, stopped.name}
        assert resident.view()["port"] == resident.port
        assert resident.view()["state"] in ("starting", "running")
        assert stopped.view()["state"] == "stopped"
        assert_refused(behind.new().post())
        assert_refused(behind.api.start(stopped.name))
        assert resident.kept_rows() == ["resident"]

    wait_for(behind.is_well, "health is back", ENDS)
    assert_as_before(behind, resident)
    behind.purge(stopped)


def test_pgberthd_killed_while_the_engine_is_silent_undoes_what_it_began(behind, resident):
    instance = behind.new()

    with behind.fault("start", engine_proxy.hang) as rule:
        with pytest.raises(requests.Timeout):
            behind.post(instance, 2)
        wait_for(lambda: rule.seen, "it has come so far", ENDS)
        behind.stack.restart()

    behind.nothing_is_left(instance)
    behind.works_as_ever(instance)
    assert_as_before(behind, resident)


def test_create_that_was_cut_off_is_undone_before_another_of_its_name(behind):
    """pgberthd dies just before it says yes, and cannot undo it at once; then somebody tries again."""
    instance = behind.new()
    behind.stack.die_at("start.proven")
    instance.post()
    wait_for(behind.stack.is_dead, "it is dead", ENDS)

    with behind.fault("list", FAULTS["500"]) as rule:
        behind.stack.start()
        wait_for(lambda: len(rule.seen) >= 6, "it cannot undo it", ENDS)
        assert instance.view()["state"] == "stopping"
        assert_refused(instance.post())
    instance.create()
    behind.proxy.renew()
    behind.stack.restart()

    wait_for(lambda: instance.view()["state"] == "running", "it is there to stay", ENDS)
    assert instance.value("SELECT 1") == 1
    behind.purge(instance)


# ---- races -------------------------------------------------------------------------------------

def test_removal_whose_end_the_engine_missed_is_tried_again(behind):
    """It kills the container, and on a busy host gives up waiting for the end that comes a moment later."""
    instance = behind.new()
    instance.create()
    message = "Could not kill running container x, cannot remove - tried to kill container, but did not receive an exit event"

    with behind.proxy.fault(*CALLS["remove"], answer(500, {"message": message}), times=2) as rule:
        ok(behind.api.delete(instance.name))

    assert rule.left == 0
    assert behind.containers(instance) == []


def test_delete_beside_create_and_start_never_leaves_half_a_server(behind):
    """Fault 31: they queue; whichever is last, there is all of a server or none of it."""
    instance = behind.new()
    instance.create()

    for _ in range(20 if FULL else 8):
        deleted, created, started = at_once([lambda: behind.api.delete(instance.name), lambda: instance.post(port=None),
                                             lambda: behind.api.start(instance.name)])
        assert deleted.status_code == 200, deleted.text
        assert created.status_code == 200, created.text
        assert started.status_code == 200, started.text
        view, containers = instance.view(), behind.containers(instance)
        if view["state"] == "stored":
            assert view["port"] is None
            assert containers == []
            assert is_free(instance.port)
        else:
            instance.port = view["port"]
            assert view["state"] == "running"
            assert [container.id for container in containers] == [view["container_id"]]
            assert instance.value("SELECT 1") == 1

    behind.purge(instance)


@pytest.mark.slow
def test_purge_beside_create_and_start_never_leaves_half_a_server(behind):
    instance = behind.new()
    instance.create()

    for _ in range(20 if FULL else 5):
        purged, created, started = at_once([lambda: behind.api.delete(instance.name, purge=True),
                                            lambda: instance.post(port=None), lambda: behind.api.start(instance.name)])
        assert purged.status_code == 200, purged.text
        assert created.status_code == 200, created.text
        assert started.status_code in (200, 404), started.text
        known, containers = behind.api.get(instance.name), behind.containers(instance)
        if known.status_code == 404:
            assert containers == []
            assert not instance.directory.exists()
            instance.create()
        else:
            assert known.json()["state"] == "running"
            assert len(containers) == 1
            instance.port = known.json()["port"]
            assert instance.value("SELECT 1") == 1
        for path in instance.trashed():
            discard(path)

    behind.purge(instance)
