"""dockerd accepts calls and never answers: reads do not notice, changes are refused in bounded time."""
import pytest

from lib.client import assert_error, ok
from lib.waiting import wait_for

pytestmark = pytest.mark.serial


def test_reads_do_not_wait_for_a_silent_engine(instance, api, engine):
    with engine.frozen():
        assert instance.view()["state"] == "running"
        assert instance.name in api.listed()
        assert instance.value("SELECT 1") == 1


def test_health_says_that_the_engine_is_silent(api, engine):
    def unhealthy():
        # Not the response itself, which counts as false where its status is an error.
        response = api.call("GET", "/health")
        return response.json() if response.status_code == 503 else None

    with engine.frozen():
        body = wait_for(unhealthy, "health is 503", 60)

    assert body["status"] == "ERROR"
    assert body["engine"]["ok"] is False
    assert body["process"]
    assert body["storage"]["ok"] is True
    wait_for(lambda: api.call("GET", "/health").status_code == 200, "health is back", 60)


def test_create_is_503_with_retry_after_and_leaves_nothing(new_instance, api, engine, leftovers):
    instance = new_instance()

    with engine.frozen():
        response = instance.post()
        assert api.get(instance.name).status_code == 404
        assert not instance.directory.exists()

    assert_error(response, 503, "engine_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    wait_for(lambda: leftovers.of(instance.name) == [], "nothing is left", 60)


def test_server_is_as_good_as_before_when_the_engine_speaks_again(instance, api, engine):
    with engine.frozen():
        for change in api.stop, api.restart, api.delete:
            assert_error(change(instance.name), 503, "engine_unavailable")
            assert instance.view()["state"] == "running"

    ok(api.start(instance.name))
    assert instance.value("SELECT 1") == 1
