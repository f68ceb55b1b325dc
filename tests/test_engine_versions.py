"""Engines of other years, and one that is replaced under pgberthd: which API version is spoken, and what is refused."""

import pytest

from lib.client import assert_error, ok
from lib.engine_era import Era
from lib.engine_proxy import CALLS, EngineProxy, answer, html
from lib.stack import Stack
from lib.waiting import wait_for

OLDEST, NEWEST = 41, 55  # of pgberthd, as app/engine/call.c has them


class Years:
    def __init__(self, proxy, stack, era):
        self.proxy, self.stack, self.era, self.api = proxy, stack, era, stack.api

    def engine(self):
        return self.stack.health()["engine"]

    def become_well(self, oldest=24, newest=OLDEST):
        """An engine that was stopped, and another version started."""
        self.era.become(oldest, newest)
        self.proxy.renew()
        return wait_for(lambda: self.engine()["ok"] and self.engine(), "the engine is up", 60)

    def become_ill(self, oldest, newest, reason):
        self.era.become(oldest, newest)
        self.proxy.cut()
        return wait_for(lambda: reason in self.engine().get("reason", "") and self.engine(), f"it says {reason}", 60)


@pytest.fixture(scope="module")
def years():
    era = Era()
    with EngineProxy() as proxy, proxy.fault("*", "", era), Stack(engine_socket=proxy.path) as stack:
        yield Years(proxy, stack, era)


@pytest.fixture
def instance(years):
    years.become_well()
    instance = years.stack.make()
    instance.keep_row("precious")
    yield instance
    years.become_well()
    years.stack.purge(instance)


# ---- a version in common -----------------------------------------------------------------------

@pytest.mark.parametrize("oldest, newest, spoken", [
    (12, OLDEST, OLDEST), (24, 45, 45), (44, 52, 52), (44, NEWEST + 9, NEWEST), (NEWEST, NEWEST + 1, NEWEST)])
def test_newest_version_of_both_is_spoken_and_a_server_lives_its_life(years, oldest, newest, spoken):
    assert years.become_well(oldest, newest)["api"] == f"1.{spoken}"
    years.era.spoken.clear()  # a call may have been under way while the version was agreed on
    instance = years.stack.make(memory_mb=128)

    ok(years.api.patch(instance.name, memory_mb=192))
    instance.keep_row("precious")
    years.stack.containers()[0].kill()
    instance.becomes("stopped", 20)  # which only an event tells so soon
    ok(years.api.start(instance.name))
    assert instance.kept_rows() == ["precious"]
    assert years.api.logs(instance.name).status_code == 200
    years.stack.purge(instance)
    assert years.era.spoken == {spoken}
    assert years.engine()["version"]


# ---- none in common ----------------------------------------------------------------------------

@pytest.mark.parametrize("oldest, newest, reason", [
    (12, 24, "install Docker 20.10 or later"), (12, OLDEST - 1, f"needs 1.{OLDEST} or later"),
    (NEWEST + 1, NEWEST + 1, "install a later pgberth"), (NEWEST + 1, NEWEST + 40, f"from 1.{OLDEST} to 1.{NEWEST}")])
def test_engine_without_a_version_in_common_is_said_and_its_servers_go_on(years, instance, oldest, newest, reason):
    other = years.stack.new()

    engine = years.become_ill(oldest, newest, reason)

    assert (engine["ok"], engine["api"], engine["version"]) == (False, None, None)
    assert reason in assert_error(other.post(), 503, "engine_unavailable")
    assert years.api.get(other.name).status_code == 404
    assert not other.directory.exists()
    assert instance.view()["state"] == "running"
    assert instance.kept_rows() == ["precious"]
    years.become_well()
    assert years.engine().get("reason") is None
    other.create()
    years.stack.purge(other)


@pytest.mark.parametrize("ping", [answer(200, "OK", "text/plain"), answer(500, {"message": "scripted"})], ids=["bare", "500"])
def test_ping_that_names_no_version_is_said(years, ping):
    years.become_well()
    with years.proxy.fault("GET", "/_ping", ping):
        assert years.become_ill(24, OLDEST, "names no API version")["ok"] is False
    years.become_well()


# ---- how the engine writes it ------------------------------------------------------------------

def ping(header):
    """An engine that answers a ping with this line of a header."""
    def fault(exchange):
        exchange.client.sendall(b"HTTP/1.1 200 OK\r\n" + header + b"\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nOK")
    return fault


WRITTEN = [b"Api-Version:1.41", b"Api-Version:  1.41", b"Api-Version: \t 1.41 \t", b"api-VERSION:1.41 "]


@pytest.mark.parametrize("header", WRITTEN, ids=repr)
def test_version_is_read_with_any_space_around_it(years, header):
    with years.proxy.fault("GET", "/_ping", ping(header)):
        assert years.become_well()["api"] == "1.41"


@pytest.mark.parametrize("version", [b"1.4294967337", b"4294967297.41", b"1." + b"4" * 500], ids=len)
def test_version_beyond_any_number_is_a_new_one(years, version):
    with years.proxy.fault("GET", "/_ping", ping(b"Api-Version: " + version)):
        assert years.become_well(44, NEWEST + 9)["api"] == f"1.{NEWEST}"


@pytest.mark.parametrize("version", [b"1", b"v1.41", b"1.-5", b"1. 41", b"1.41junk"])
def test_what_is_no_version_is_said(years, version):
    years.become_well()
    with years.proxy.fault("GET", "/_ping", ping(b"Api-Version: " + version)):
        assert years.become_ill(24, OLDEST, "names no API version")["ok"] is False
    years.become_well()


UNTOLD = {
    "500": (answer(500, {"message": "scripted"}), "scripted (status 500)"),
    "a page": (html(200), "makes no sense: its version"), "a page of 404": (html(404), "status 404"),
    "a number": (answer(200, {"Version": 28}), "makes no sense: its version")}


@pytest.mark.parametrize("how", UNTOLD)
def test_engine_that_does_not_tell_its_version_serves_and_the_reason_is_said(years, how):
    told, reason = UNTOLD[how]
    with years.proxy.fault("GET", "/version$", told):
        engine = years.become_well()

        assert (engine["api"], engine["version"]) == (f"1.{OLDEST}", None)
        assert reason in engine["reason"]
        assert years.api.call("GET", "/health").status_code == 200
    years.become_well()
    assert years.engine()["version"] and "reason" not in years.engine()


# ---- replaced while a call is under way --------------------------------------------------------

REPLACED = {"by a newer one": ((24, 41), (44, NEWEST + 9), NEWEST), "by an older one": ((24, 51), (12, 41), 41)}


@pytest.mark.parametrize("how", REPLACED)
@pytest.mark.parametrize("call", CALLS)
def test_engine_replaced_amid_a_change_is_spoken_to_under_another_version(years, call, how):
    before, after, spoken = REPLACED[how]
    years.become_well(*before)
    instance = years.stack.new()

    def replace(exchange):
        years.era.become(*after)
        years.era(exchange)

    with years.proxy.fault(*CALLS[call], replace, 1) as rule:
        instance.create()
        ok(years.api.patch(instance.name, cpus=0.5))
        ok(years.api.delete(instance.name))

    assert rule.left == 0
    assert years.era.spoken == {spoken}
    assert years.engine()["api"] == f"1.{spoken}"
    years.stack.purge(instance)


def test_logs_of_a_server_after_the_engine_was_replaced(years, instance):
    years.era.become(44, 51)

    assert years.api.logs(instance.name).status_code == 200


# ---- refusals of networks, at a create as well as at a start -----------------------------------

EXTERNAL = "driver failed programming external connectivity on endpoint pgberth-x (0123456789ab): "
CLASHES = {
    "another container, 20.10": (500, EXTERNAL + "Bind for 127.0.0.1:6100 failed: port is already allocated"),
    "another container, 28": (500, "failed to set up container networking: " + EXTERNAL +
                              "Bind for 127.0.0.1:6100 failed: port is already allocated"),
    "a process, 20.10": (500, EXTERNAL + "listen tcp4 127.0.0.1:6100: bind: address already in use"),
    "a process, 26": (500, EXTERNAL + "Error starting userland proxy: listen tcp4 127.0.0.1:6100: bind: address already in use"),
    "a process, 28": (500, "failed to set up container networking: " + EXTERNAL +
                      "failed to bind host port 127.0.0.1:6100/tcp: address already in use"),
    "a process, as one that is forbidden": (403, EXTERNAL + "failed to bind host port for 127.0.0.1:6100:172.18.0.2:5432/tcp: "
                                            "address already in use"),
}


@pytest.mark.parametrize("call", ["create", "start"])
@pytest.mark.parametrize("clash", CLASHES)
def test_port_clash_is_409_at_the_field_and_leaves_nothing(years, call, clash):
    status, message = CLASHES[clash]
    years.become_well()
    instance = years.stack.new(port=years.stack.options["port_max"])

    with years.proxy.fault(*CALLS[call], answer(status, {"message": message})):
        assert_error(instance.post(), 409, "port_in_use", "port")

    wait_for(lambda: not instance.directory.exists() and instance.name not in years.stack.container_names(), "nothing is left", 60)


MENDED = {
    "network not found": (404, "network pgberth0 not found"),
    "network not found, 28": (404, "failed to set up container networking: network pgberth0 not found"),
    "runtime gone": (500, "failed to start task: cannot start a stopped process: unknown"),
    "runtime gone, runc": (500, "OCI runtime start failed: cannot start a container that has stopped: unknown"),
}


@pytest.mark.parametrize("call", ["create", "start"])
@pytest.mark.parametrize("name", MENDED)
def test_refusal_that_passes_by_a_second_call_is_not_noticed(years, call, name):
    status, message = MENDED[name]
    years.become_well()
    instance = years.stack.new()

    with years.proxy.fault(*CALLS[call], answer(status, {"message": message}), 1) as rule:
        instance.create()

    assert rule.left == 0
    assert instance.value("SELECT 1") == 1
    years.stack.purge(instance)


@pytest.mark.parametrize("name", MENDED)
def test_refusal_that_stays_is_told_after_a_second_call(years, name):
    status, message = MENDED[name]
    years.become_well()
    instance = years.stack.new()

    with years.proxy.fault(*CALLS["start"], answer(status, {"message": message})) as rule:
        assert message[:40] in assert_error(instance.post(), 503, "engine_unavailable")

    assert len(rule.seen) == 2
    wait_for(lambda: not instance.directory.exists() and instance.name not in years.stack.container_names(), "nothing is left", 60)
