"""What a server was granted stays its own when the configuration grants less, or the host has less: its major, port and limits."""
import os

import pytest

from lib.client import assert_error, ok
from lib.settings import Settings
from lib.stack import MAJORS, Stack, copy_template

# The fields whose range or choice the configuration or the host decides, and a value that neither grants any more.
REFUSED = {"version": 16, "port": 6000, "memory_mb": 64 << 20, "cpus": 4096}
CHANGEABLE = [field for field in REFUSED if field != "version"]


@pytest.fixture(scope="module")
def kept():
    """A server beyond what its pgberth grants to new ones, in every such field."""
    host_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    with Stack() as stack:
        copy_template(Settings().root / f"templates/{MAJORS[-1]}", stack.root / "templates")
        kept = stack.make(version=MAJORS[-1], port=stack.options["port_max"])
        kept.keep_row("precious")
        ok(stack.api.stop(kept.name))
        stack.kill()
        kept.write_record(memory_mb=host_mb + 1024, cpus=os.cpu_count() + 1.5)
        stack.write_configuration(versions=" ".join(map(str, MAJORS[:-1])), port_max=kept.port - 1)
        stack.start()
        kept.stack = stack
        yield kept


@pytest.fixture
def running(kept):
    kept.create(port=None)
    return kept


@pytest.mark.parametrize("field", REFUSED)
def test_same_post_on_what_runs_is_the_same_answer(running, field):
    body = ok(running.post(**{"port": None, field: running.record()[field]}))

    assert body == running.view()


@pytest.mark.parametrize("field", REFUSED)
def test_same_post_brings_back_what_was_stopped(running, field):
    value = running.record()[field]
    ok(running.api.stop(running.name))

    body = running.create(**{"port": None, field: value})

    assert body["state"] == "running"
    assert running.record()[field] == value
    assert running.kept_rows() == ["precious"]


@pytest.mark.parametrize("field", CHANGEABLE)
def test_patch_to_what_it_has_changes_nothing(running, field):
    record = running.record()

    body = ok(running.api.patch(running.name, **{field: record[field]}))

    assert body["restarted"] is False
    assert running.record() == record


def test_start_at_the_port_that_it_has(running):
    assert ok(running.api.start(running.name, port=running.port))["port"] == running.port
    ok(running.api.stop(running.name))

    assert ok(running.api.start(running.name, port=running.port))["port"] == running.port


@pytest.mark.parametrize("state", ["running", "stopped"])
@pytest.mark.parametrize("field", REFUSED)
def test_what_it_has_not_is_refused(running, field, state):
    if state == "stopped":
        ok(running.api.stop(running.name))
    before = running.record()

    assert_error(running.post(**{"port": None, field: REFUSED[field]}), 422, "invalid", field)
    if field in CHANGEABLE:
        assert_error(running.api.patch(running.name, **{field: REFUSED[field]}), 422, "invalid", field)

    assert running.record() == before
    assert running.view()["state"] == state


@pytest.mark.parametrize("field", REFUSED)
def test_what_it_has_is_refused_to_another(running, field):
    other = running.stack.new()

    assert_error(other.post(**{field: running.record()[field]}), 422, "invalid", field)

    assert running.api.get(other.name).status_code == 404
    assert not other.directory.exists()


def test_it_comes_back_from_the_trash_but_for_its_port(running):
    api, port = running.api, running.port
    ok(api.delete(running.name, purge=True))
    entry, = running.stack.trash()
    ok(api.call("POST", f"/trash/{entry['id']}/restore"))

    assert_error(running.post(port=port), 422, "invalid", "port")
    record = running.record()
    body = running.create(port=None, **{field: record[field] for field in REFUSED if field != "port"})

    assert (body["version"], body["state"]) == (MAJORS[-1], "running")
    assert running.kept_rows() == ["precious"]
