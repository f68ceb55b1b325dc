"""dockerd accepts calls and never answers: reads do not notice, changes are refused in bounded time."""
import pytest

from lib.client import assert_error, ok
from lib.engine_proxy import EngineProxy, hold
from lib.leftovers import Leftovers
from lib.stack import Stack
from lib.waiting import wait_for


@pytest.fixture(scope="module")
def proxy():
    with EngineProxy() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def stack(proxy):
    with Stack(engine_socket=proxy.path) as stack:
        yield stack


@pytest.fixture
def silent(proxy):
    """A context in which the engine takes every call; afterwards it carries them out, wanted or not, as one that was stopped."""
    return lambda: proxy.fault("*", "", hold)


@pytest.fixture(scope="module")
def instance(stack):
    return stack.make()


def health(stack):
    return stack.api.call("GET", "/health")


def assert_create_leaves_nothing(stack, engine, silence):
    instance = stack.new()
    leftovers = Leftovers(stack.api, engine, stack.settings)

    with silence:
        response = instance.post()
        assert stack.api.get(instance.name).status_code == 404
        assert not instance.directory.exists()

    assert_error(response, 503, "engine_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    wait_for(lambda: leftovers.of(instance.name) == [], "nothing is left", 60)


def test_reads_do_not_wait_for_a_silent_engine(stack, instance, silent):
    with silent():
        assert instance.view()["state"] == "running"
        assert instance.name in stack.api.listed()
        assert instance.value("SELECT 1") == 1


def test_health_says_that_the_engine_is_silent(stack, silent):
    def unhealthy():
        # Not the response itself, which counts as false where its status is an error.
        response = health(stack)
        return response.json() if response.status_code == 503 else None

    with silent():
        body = wait_for(unhealthy, "health is 503", 60)

    assert body["status"] == "ERROR"
    assert body["engine"]["ok"] is False
    assert body["process"]
    assert body["storage"]["ok"] is True
    wait_for(lambda: health(stack).status_code == 200, "health is back", 60)


def test_create_is_503_with_retry_after_and_leaves_nothing(stack, engine, silent):
    assert_create_leaves_nothing(stack, engine, silent())


@pytest.mark.serial
def test_create_beside_an_engine_that_is_truly_stopped_is_503_and_leaves_nothing(stack, instance, engine):
    """The control of the others: dockerd itself, by SIGSTOP."""
    assert_create_leaves_nothing(stack, engine, engine.frozen())
    assert instance.view()["state"] == "running"


def test_server_is_as_good_as_before_when_the_engine_speaks_again(stack, instance, silent):
    with silent():
        for change in stack.api.stop, stack.api.restart, stack.api.delete:
            assert_error(change(instance.name), 503, "engine_unavailable")
            assert instance.view()["state"] == "running"

    ok(stack.api.start(instance.name))
    assert instance.value("SELECT 1") == 1
