"""PATCH: the port restarts, limits and labels do not."""
import pytest

from lib.client import assert_error, ok
from lib.engine import Process
from lib.ports import Listener
from lib.recorder import new_name


def test_patch_port_restarts_and_the_server_is_at_the_new_port_only(instance, api, ports):
    instance.keep_row("precious")
    old, new = instance.port, ports.take()

    body = ok(api.patch(instance.name, port=new))

    assert (body["restarted"], body["port"], body["state"]) == (True, new, "running")
    assert "refused" in instance.refusal(port=old)
    instance.port = new
    assert instance.kept_rows() == ["precious"]


def test_patch_port_frees_the_old_one(instance, api, ports, new_instance):
    ok(api.patch(instance.name, port=ports.take()))
    other = new_instance()

    other.create(port=instance.port)

    assert other.value("SHOW cluster_name") == other.name


def test_patch_port_to_its_own_does_not_restart(shared, api, engine):
    before = engine.identity(shared.name)

    assert ok(api.patch(shared.name, port=shared.port))["restarted"] is False
    assert engine.identity(shared.name) == before


@pytest.mark.parametrize("holder", ["instance", "host process"])
def test_patch_port_in_use_is_409_and_the_server_stays_where_it_was(
        instance, shared, api, ports, holder):
    port = shared.port if holder == "instance" else ports.take()

    if holder == "instance":
        response = api.patch(instance.name, port=port)
    else:
        with Listener(port):
            response = api.patch(instance.name, port=port)

    assert_error(response, 409, "port_in_use", "port")
    assert instance.view()["port"] == instance.port
    assert instance.value("SHOW cluster_name") == instance.name


def test_patch_limits_changes_the_engine_and_the_kernel_without_restart(instance, api, engine):
    before, started = engine.identity(instance.name), instance.postmaster_started()

    body = ok(api.patch(instance.name, memory_mb=700, cpus=0.5))

    assert body["restarted"] is False
    assert body["limits"] == {"memory_mb": 700, "cpus": 0.5}
    host = engine.inspect(instance.name)["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == 700 * 2**20
    assert host["NanoCpus"] == 500_000_000
    process = Process(engine.host_pid(instance.name))
    assert process.memory_limit() == 700 * 2**20
    assert process.cpu_limit() == 0.5
    assert engine.identity(instance.name) == before
    assert instance.postmaster_started() == started


def test_patch_limits_downwards(instance, api, engine):
    ok(api.patch(instance.name, memory_mb=256))

    assert Process(engine.host_pid(instance.name)).memory_limit() == 256 * 2**20


def test_patched_limits_outlive_the_container(instance, api, engine):
    ok(api.patch(instance.name, memory_mb=300, cpus=0.7))
    engine.container(instance.name).remove(force=True)

    body = instance.create()

    assert body["limits"] == {"memory_mb": 300, "cpus": 0.7}
    assert Process(engine.host_pid(instance.name)).memory_limit() == 300 * 2**20


def test_patch_labels_replaces_the_whole_set_without_restart(make_instance, api, engine):
    instance = make_instance(labels={"old": "1", "both": "1"})
    before = engine.identity(instance.name)

    body = ok(api.patch(instance.name, labels={"both": "2", "new": "3"}))

    assert body["restarted"] is False
    assert body["labels"] == instance.view()["labels"] == {"both": "2", "new": "3"}
    assert engine.identity(instance.name) == before


def test_patch_labels_by_form(make_instance, api):
    instance = make_instance(labels={"old": "1"})

    body = ok(api.on("PATCH", instance.name, data={"labels.new": "2"}))

    assert body["labels"] == {"new": "2"}


def test_list_filters_by_patched_labels(make_instance, api):
    label = new_name()
    instance = make_instance(labels={"colour": label})
    ok(api.patch(instance.name, labels={"shade": label}))

    assert instance.name not in api.listed(label=f"colour={label}")
    assert list(api.listed(label=f"shade={label}")) == [instance.name]


def test_patch_of_nothing_is_200_and_changes_nothing(shared, api, engine):
    view, before = shared.view(), engine.identity(shared.name)

    body = ok(api.on("PATCH", shared.name, json={}))

    assert body == {**view, "restarted": False}
    assert engine.identity(shared.name) == before


def test_patch_of_a_stopped_server_holds_when_it_starts(instance, api, engine, ports):
    ok(api.stop(instance.name))
    port = ports.take()

    body = ok(api.patch(instance.name, port=port, memory_mb=300, labels={"a": "b"}))
    ok(api.start(instance.name))

    assert body["state"] == "stopped"
    assert instance.value("SELECT 1", port=port) == 1
    assert Process(engine.host_pid(instance.name)).memory_limit() == 300 * 2**20
    assert instance.view()["labels"] == {"a": "b"}


def test_patch_of_unknown_is_404(api):
    assert_error(api.patch(new_name(), labels={}), 404, "not_found")


@pytest.mark.parametrize("fields, field", [
    ({"storage_dir": "other"}, "storage_dir"),
    ({"admin_password": "other"}, "admin_password"),
    ({"version": 17}, "version"),
    ({"state": "stopped"}, "state"),
    ({"port": 80}, "port"),
    ({"port": "6200"}, "port"),
    ({"port": None}, "port"),
    ({"memory_mb": 127}, "memory_mb"),
    ({"memory_mb": 2**31}, "memory_mb"),
    ({"cpus": 0}, "cpus"),
    ({"cpus": 4096}, "cpus"),
    ({"labels": []}, "labels"),
    ({"memory_mb": 256, "port": 80}, "port"),
])
def test_patch_of_a_wrong_field_is_422_and_changes_nothing(shared, api, fields, field):
    view = shared.view()

    assert_error(api.on("PATCH", shared.name, json=fields), 422, "invalid", field)
    assert shared.view() == view


def test_patch_without_a_body_is_400(shared, api):
    response = api.on("PATCH", shared.name, headers={"Content-Type": "application/json"})

    assert_error(response, 400, "unreadable")
