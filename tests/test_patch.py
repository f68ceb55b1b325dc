"""PATCH: the port restarts, limits and labels do not. On one server of the file, whose labels and limits each test sets first."""
import pytest

from lib.client import assert_error, ok
from lib.engine import Process
from lib.ports import Listener
from lib.recorder import new_name


def test_patch_port_restarts_and_the_server_is_at_the_new_port_only(changeable, api, ports, new_instance):
    changeable.keep_row("precious")
    old, changeable.port = changeable.port, ports.take()

    body = ok(api.patch(changeable.name, port=changeable.port))

    assert (body["restarted"], body["port"], body["state"]) == (True, changeable.port, "running")
    assert "refused" in changeable.refusal(port=old)
    assert changeable.kept_rows() == ["precious"]
    # The old one is anybody's.
    other = new_instance()
    other.create(port=old)
    assert other.value("SHOW cluster_name") == other.name


def test_patch_port_to_its_own_does_not_restart(shared, api, engine):
    before = engine.identity(shared.name)

    assert ok(api.patch(shared.name, port=shared.port))["restarted"] is False
    assert engine.identity(shared.name) == before


@pytest.mark.parametrize("holder", ["instance", "host process"])
def test_patch_port_in_use_is_409_and_the_server_stays_where_it_was(changeable, shared, api, ports, holder):
    port = shared.port if holder == "instance" else ports.take()

    if holder == "instance":
        response = api.patch(changeable.name, port=port)
    else:
        with Listener(port):
            response = api.patch(changeable.name, port=port)

    assert_error(response, 409, "port_in_use", "port")
    assert changeable.view()["port"] == changeable.port
    assert changeable.value("SHOW cluster_name") == changeable.name


def test_patch_limits_changes_the_engine_and_the_kernel_without_restart(changeable, api, engine):
    ok(api.patch(changeable.name, memory_mb=512, cpus=1))
    before, started = engine.identity(changeable.name), changeable.postmaster_started()

    body = ok(api.patch(changeable.name, memory_mb=700, cpus=0.5))

    assert body["restarted"] is False
    assert body["limits"] == {"memory_mb": 700, "cpus": 0.5}
    host = engine.inspect(changeable.name)["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == 700 * 2**20
    assert host["NanoCpus"] == 500_000_000
    process = Process(engine.host_pid(changeable.name))
    assert process.memory_limit() == 700 * 2**20
    assert process.cpu_limit() == 0.5
    # And downwards.
    ok(api.patch(changeable.name, memory_mb=256))
    assert process.memory_limit() == 256 * 2**20
    assert engine.identity(changeable.name) == before
    assert changeable.postmaster_started() == started


def test_patched_limits_outlive_the_container(changeable, api, engine):
    ok(api.patch(changeable.name, memory_mb=300, cpus=0.7))
    engine.container(changeable.name).remove(force=True)

    body = changeable.create()

    assert body["limits"] == {"memory_mb": 300, "cpus": 0.7}
    assert Process(engine.host_pid(changeable.name)).memory_limit() == 300 * 2**20


def test_patch_labels_replaces_the_whole_set_without_restart(changeable, api, engine):
    label = new_name()
    ok(api.patch(changeable.name, labels={"old": label, "both": "1"}))
    before = engine.identity(changeable.name)
    assert list(api.listed(label=f"old={label}")) == [changeable.name]

    body = ok(api.patch(changeable.name, labels={"both": "2", "new": label}))

    assert body["restarted"] is False
    assert body["labels"] == changeable.view()["labels"] == {"both": "2", "new": label}
    assert engine.identity(changeable.name) == before
    assert api.listed(label=f"old={label}") == {}
    assert list(api.listed(label=f"new={label}")) == [changeable.name]


def test_patch_labels_by_form(changeable, api):
    ok(api.patch(changeable.name, labels={"old": "1"}))

    body = ok(api.on("PATCH", changeable.name, data={"labels.new": "2"}))

    assert body["labels"] == {"new": "2"}


def test_patch_of_nothing_is_200_and_changes_nothing(shared, api, engine):
    view, before = shared.view(), engine.identity(shared.name)

    body = ok(api.on("PATCH", shared.name, json={}))

    assert body == {**view, "restarted": False}
    assert engine.identity(shared.name) == before


def test_patch_of_a_stopped_server_holds_when_it_starts(changeable, api, engine, ports):
    ok(api.patch(changeable.name, memory_mb=512, labels={}))
    ok(api.stop(changeable.name))
    changeable.port = ports.take()

    body = ok(api.patch(changeable.name, port=changeable.port, memory_mb=300, labels={"a": "b"}))
    ok(api.start(changeable.name))

    assert body["state"] == "stopped"
    assert changeable.value("SELECT 1") == 1
    assert Process(engine.host_pid(changeable.name)).memory_limit() == 300 * 2**20
    assert changeable.view()["labels"] == {"a": "b"}


def test_patch_of_unknown_is_404(api):
    assert_error(api.patch(new_name(), labels={}), 404, "not_found")


@pytest.mark.parametrize("fields, field", [
    ({"storage_dir": "other"}, "storage_dir"),
    ({"admin_password": "other"}, "admin_password"),
    ({"version": 15}, "version"),
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
