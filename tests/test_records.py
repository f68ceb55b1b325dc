"""What a record says gets the checks that a request gets: nonsense is refused by its name and brings nothing down, and what
another host, another configuration or an older version left there takes no server away."""
import json
import os
import subprocess

import pytest

from lib.client import assert_error, ok
from lib.engine import Engine
from lib.recorder import new_name


@pytest.fixture(scope="module")
def stopped(stack):
    """A stopped instance, whose record is put back to what it was."""
    instance = stack.make(labels={"a": "1"})
    instance.keep_row("precious")
    ok(stack.api.stop(instance.name))
    return instance


def record_of(instance):
    return json.loads((instance.directory / "instance.json").read_text())


def write_record(instance, record):
    (instance.directory / "instance.json").write_text(json.dumps(record))


@pytest.fixture
def read_again(stack, stopped):
    """A function giving how the instance is seen once pgberthd has started with its record changed like that; None: no member."""
    before, options = record_of(stopped), {"versions": None, **stack.options}

    def change(**changes):
        stack.stop()
        write_record(stopped, {key: value for key, value in {**before, **changes}.items() if value is not None})
        stack.start()
        return stopped.view()

    yield change
    stack.stop()
    stack.write_configuration(**options)
    write_record(stopped, before)
    stack.start()


# Member: texts that are its value in the JSON; "": it is missing.
NONSENSE = {
    "format": ["", "0", "2", '"1"'],
    "storage_dir": ["", "1", '"../etc"', '""'],
    "wanted": ["", '"asleep"', "0"],
    "acknowledged": ["", "1", '"true"'],
    "owner": ["1", '"a b"', '"%s"' % ("x" * 64)],
    "owner_id": ["1", '"%s"' % ("0" * 17)],
    "port": ["", "-1", "1", "1023", "65536", "4294973419", '"6123"', "6123.5", "null"],
    "version": ["", "0", "-15", "1", "100", "15.0", '"15"'],
    "uid": ["", "0", "-1", "4294967297", '"400000"'],
    "uid_was": ["-1", "4294967297", '"400000"', "null"],
    "memory_mb": ["", "0", "-512", "127", "67108865", "4294967808", "512.5", '"512"'],
    "cpus": ["", "0", "0.05", "-1", "4097", "1e300", '"1"', "true"],
    "disk_mb": ["-512", "1", "511", "4294967808", "true"],
    "labels": ["", '{"a": 1}', '{"a": null}', '{"A": "x"}', '{"pgberth": "x"}', "[]", '"a=1"', '{"a": "%s"}' % ("v" * 256)],
    "created_at": ["", "1", '"%s"' % ("2" * 32)],
    "image_id": ["", '"%s"' % ("x" * 80)],
    "libc": ["", '"%s"' % ("2" * 16)],
    "icu": ["72", '"%s"' % ("7" * 16)],
    "reason": ["", "null", '"%s"' % ("x" * 400)],
    "outside_since_ms": ["", "-1", '"0"', "9223372036854775807"],
    "expires_at": ["-1", "1.5", "9223372036854775807", '"never"'],
    "expire_purge": ["1", '"true"'],
    "stopped_at": ["-1", "253402300800"],
    "allow": ['"all"', "[1]", '["10.0.0.1/8"]', "{}"],
    "tls": ['"off"', "0", "null"],
}


@pytest.fixture(scope="module")
def planted(stack, stopped):
    """Directories whose record has one member that makes no sense: the member, by the directory's name."""
    good, made = record_of(stopped), {}
    for member, texts in NONSENSE.items():
        for text in texts:
            name = new_name()
            record = {**good, "storage_dir": name, "uid": good["uid"] + 500, member: "@@@@"}
            if not text:
                del record[member]
            directory = stack.settings.instances / name
            directory.mkdir(mode=0o700)
            (directory / "instance.json").write_text(json.dumps(record).replace('"@@@@"', text))
            made[name] = member
    return made


def test_record_that_makes_no_sense_is_not_adopted_and_its_member_is_named(stack, planted):
    for name, member in planted.items():
        before = (stack.settings.instances / name / "instance.json").read_bytes()

        message = assert_error(stack.api.adopt(name), 409, "foreign_data", "storage_dir")

        assert message.startswith(f"{name} is left as it is: its record cannot be understood: {member} "), message
        assert (stack.settings.instances / name / "instance.json").read_bytes() == before


def test_records_that_make_no_sense_are_shown_with_the_reason_and_bring_nothing_down(stack, stopped, planted):
    stack.restart()

    listed = stack.api.listed(state="failed")
    for name, member in planted.items():
        view = listed[name]
        assert (view["state"], view["foreign"]) == ("failed", True)
        assert f"its record cannot be understood: {member} " in view["reason"]
    assert set(stack.api.listed(label="a=1")) == {stopped.name}
    assert "foreign" not in stopped.view()


def test_labels_that_are_no_texts_do_not_crash_a_list_by_label(stack, stopped, read_again):
    pid = stack.process.pid
    view = read_again(labels={"a": 1})

    assert ok(stack.api.list(label="a=1"))["containers"] == []
    assert (view["state"], view["foreign"]) == ("failed", True)
    assert "labels must have values that are strings" in view["reason"]
    assert not stack.is_dead() and stack.process.pid != pid


# ---- what must stay readable -------------------------------------------------------------------

LATER = ("icu", "expires_at", "expire_purge", "stopped_at", "owner", "owner_id", "allow", "tls", "disk_mb", "uid_was")


def assert_is_served(stack, instance, view):
    assert (view["state"], "foreign" in view) == ("stopped", False), view
    instance.port = ok(stack.api.start(instance.name))["port"]
    assert instance.kept_rows() == ["precious"]
    ok(stack.api.stop(instance.name))


def test_record_of_the_first_version_moves_forward_by_itself(stack, stopped, read_again):
    view = read_again(**dict.fromkeys(LATER))

    assert (view["expires_at"], view["expire_purge"], view["tls"]) == (None, False, "offered")
    assert view["allow"] == ["0.0.0.0/0", "::/0"] and "disk_mb" not in view["limits"]
    assert_is_served(stack, stopped, view)
    assert set(LATER) <= set(record_of(stopped))


def test_limits_that_a_smaller_host_has_not_take_no_server_away(stack, stopped, read_again):
    view = read_again(memory_mb=1_000_000, cpus=64)

    assert view["limits"] == {"memory_mb": 1_000_000, "cpus": 64}
    stopped.port = ok(stack.api.start(stopped.name))["port"]
    host = Engine().inspect(stopped.name)["HostConfig"]
    assert host["NanoCpus"] == os.cpu_count() * 10**9
    assert host["Memory"] == host["MemorySwap"] <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert stopped.kept_rows() == ["precious"]
    ok(stack.api.patch(stopped.name, labels={"a": "2"}))
    # They are its own again on a host that has them.
    assert (record_of(stopped)["memory_mb"], record_of(stopped)["cpus"]) == (1_000_000, 64)
    ok(stack.api.stop(stopped.name))


def test_port_beyond_a_range_that_was_narrowed_takes_no_server_away(stack, stopped, read_again):
    port = record_of(stopped)["port"]
    narrowed = {"port_min": port + 1} if port < stack.options["port_max"] else {"port_max": port - 1}
    stack.write_configuration(**narrowed)

    view = read_again()

    assert view["port"] == port
    assert_is_served(stack, stopped, view)


def test_version_that_is_not_on_offer_any_more_takes_no_server_away(stack, stopped, read_again):
    stack.write_configuration(versions="17 18")

    assert_is_served(stack, stopped, read_again())


def test_adopted_limits_are_lowered_to_what_this_host_has(stack, stopped):
    copy = stack.new()
    subprocess.run(["cp", "-a", stopped.directory, copy.directory], check=True)
    write_record(copy, {**record_of(copy), "memory_mb": 1_000_000, "cpus": 64})

    body = ok(stack.api.adopt(copy.name))

    assert body["limits"]["cpus"] == os.cpu_count()
    assert body["limits"]["memory_mb"] < 1_000_000
    assert f"its cpus is {os.cpu_count()} here" in body["reason"]
    assert f"its memory_mb is {body['limits']['memory_mb']} here" in body["reason"]
    ok(stack.api.delete(copy.name, purge=True))
