"""Many at once: each gets the answer that it would have got alone, in some order."""
import pytest

from lib.client import assert_error, ok
from lib.concurrency import at_once

# One worker's: three of these side by side would take every change that pgberthd makes at once, and others' would be 429.
pytestmark = pytest.mark.xdist_group("test_concurrency")


def split(responses):
    """Those that were granted, and those that were not."""
    granted = [response for response in responses if response.status_code == 200]
    return granted, [response for response in responses if response.status_code != 200]


def test_20_different_names_are_20_servers_and_reads_get_through_meanwhile(new_instance, shared, api, settings):
    """Half of them name a port, the others are given one."""
    instances = [new_instance() for _ in range(20)]
    for instance in instances[10:]:
        instance.port = None
    reads = [lambda: api.get(shared.name), api.list, lambda: api.call("GET", "/health")] * 7

    responses = at_once([instance.post for instance in instances] + reads)

    assert [response.status_code for response in responses] == [200] * len(responses)
    ports = [ok(response)["port"] for response in responses[:20]]
    assert ports[:10] == [instance.port for instance in instances[:10]]
    assert len(set(ports)) == 20
    for instance, port in zip(instances, ports):
        assert settings.port_min <= port <= settings.port_max
        assert instance.value("SHOW cluster_name", port=port) == instance.name


def test_20_of_one_name_with_different_ports_are_one_server(new_instance, ports):
    instance = new_instance()
    asked = [ports.take() for _ in range(20)]

    granted, refused = split(at_once(lambda port=port: instance.post(port=port) for port in asked))

    assert len(granted) == 1
    for response in refused:
        assert_error(response, 409, "already_exists", "port")
    port = granted[0].json()["port"]
    assert instance.view()["port"] == port
    assert instance.value("SHOW cluster_name", port=port) == instance.name


def test_20_with_one_port_are_one_server_and_nothing_else(new_instance, leftovers):
    instances = [new_instance() for _ in range(20)]
    port = instances[0].port

    responses = at_once(lambda instance=instance: instance.post(port=port) for instance in instances)

    granted, refused = split(responses)
    assert len(granted) == 1
    for response in refused:
        assert_error(response, 409, "port_in_use", "port")
    for instance, response in zip(instances, responses):
        if response.status_code == 200:
            assert instance.value("SHOW cluster_name", port=port) == instance.name
        else:
            assert leftovers.of(instance.name) == []


def test_same_post_many_times_at_once_is_200_for_all(new_instance):
    instance = new_instance()

    bodies = [ok(response) for response in at_once([instance.post] * 10)]

    assert all(body == bodies[0] for body in bodies)
    assert instance.value("SELECT 1") == 1


def test_different_passwords_at_once_leave_the_one_that_was_granted(new_instance):
    instance = new_instance()
    passwords = [f"password {number}" for number in range(8)]

    responses = at_once(
        lambda password=password: instance.post(admin_password=password) for password in passwords)

    granted, refused = split(responses)
    assert len(granted) == 1
    for response in refused:
        assert_error(response, 409, "already_exists", "admin_password")
    for password, response in zip(passwords, responses):
        if response.status_code == 200:
            assert instance.value("SELECT 1", password=password) == 1
        else:
            assert "authentication failed" in instance.refusal(password=password)


@pytest.mark.parametrize("purge", [False, True], ids=["delete", "purge"])
def test_creates_and_deletes_of_one_name_end_in_one_state(new_instance, api, leftovers, purge):
    instance = new_instance()
    calls = [instance.post, lambda: api.delete(instance.name, purge=purge)] * 4

    responses = at_once(calls)

    assert {response.status_code for response in responses} <= {200, 404}, [
        response.text for response in responses]
    end = api.get(instance.name)
    if end.status_code == 404:
        assert leftovers.in_engine(instance.name) == []
        assert not instance.directory.exists()
    elif end.json()["state"] == "running":
        assert instance.value("SELECT 1") == 1
    else:
        assert end.json()["state"] == "stored"
        assert leftovers.in_engine(instance.name) == []


def test_stops_starts_and_restarts_at_once_leave_it_whole(instance, api):
    calls = [lambda verb=verb: api.on("POST", instance.name, verb)
             for verb in ("start", "stop", "restart", "start", "stop")]

    for response in at_once(calls):
        assert response.status_code in (200, 409), response.text

    ok(api.start(instance.name))
    assert instance.value("SELECT 1") == 1
