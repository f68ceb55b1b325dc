"""Who holds a port, who yields it, and which one is given where none was asked for."""
import pytest

from lib.client import assert_error, ok
from lib.ports import Listener
from lib.stack import Stack


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_port_of_a_host_process_is_409_and_leaves_nothing(new_instance, leftovers, address):
    instance = new_instance()

    with Listener(instance.port, address):
        assert_error(instance.post(), 409, "port_in_use", "port")

    assert leftovers.of(instance.name) == []


def test_port_of_somebody_elses_container_is_409_and_leaves_nothing(
        new_instance, stranger, leftovers):
    instance, other = new_instance(), new_instance()
    stranger(f"{other.name}-stranger", ports={"5432/tcp": ("127.0.0.1", instance.port)})

    assert_error(instance.post(), 409, "port_in_use", "port")
    assert leftovers.of(instance.name) == []


def test_port_of_a_running_instance_is_409_naming_it(shared, new_instance, leftovers):
    instance = new_instance()

    message = assert_error(instance.post(port=shared.port), 409, "port_in_use", "port")

    assert shared.name in message
    assert leftovers.of(instance.name) == []
    assert shared.value("SELECT 1") == 1


def test_port_of_a_stopped_instance_is_its_own_unless_a_process_takes_it(instance, api, new_instance, leftovers):
    ok(api.stop(instance.name))
    other = new_instance()

    message = assert_error(other.post(port=instance.port), 409, "port_in_use", "port")

    assert instance.name in message
    assert leftovers.of(other.name) == []
    with Listener(instance.port):
        assert_error(api.start(instance.name), 409, "port_in_use", "port")
    assert ok(api.start(instance.name))["port"] == instance.port
    assert instance.value("SELECT 1") == 1


def test_refused_port_may_be_had_by_the_same_name_later(new_instance):
    instance = new_instance()
    with Listener(instance.port):
        assert_error(instance.post(), 409, "port_in_use", "port")

    instance.create()

    assert instance.value("SELECT 1") == 1


def test_instance_ended_behind_our_back_yields_its_port_and_starts_on_another(yielded, api):
    instance, other = yielded

    view = instance.view()
    assert other.value("SHOW cluster_name") == other.name
    assert (view["state"], view["port"]) == ("stopped", None)
    assert other.name in view["reason"]
    # Asking does not get it back.
    assert other.name in assert_error(instance.post(port=other.port), 409, "port_in_use", "port")

    port = ok(api.start(instance.name))["port"]

    assert port not in (None, other.port)
    assert instance.value("SHOW cluster_name", port=port) == instance.name


def test_instance_that_yielded_comes_back_on_the_port_it_is_given(yielded, ports):
    instance, other = yielded

    instance.create(port=ports.take())

    assert instance.value("SHOW cluster_name") == instance.name
    assert other.value("SHOW cluster_name") == other.name


def test_ports_are_allocated_from_the_range_and_are_distinct(new_instance, settings):
    instances = [new_instance() for _ in range(3)]

    given = [instance.create(port=None)["port"] for instance in instances]

    assert len(set(given)) == 3
    assert all(settings.port_min <= port <= settings.port_max for port in given)
    assert [instance.value("SHOW cluster_name") for instance in instances] == [
        instance.name for instance in instances]


def test_port_of_the_range_ends_is_accepted():
    with Stack() as stack:
        for port in (stack.options["port_min"], stack.options["port_max"]):
            assert stack.make(port=port).port == port


def test_port_is_free_after_a_purge(instance, api, new_instance):
    ok(api.delete(instance.name, purge=True))

    assert new_instance().create(port=instance.port)["port"] == instance.port
