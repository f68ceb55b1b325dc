"""The contract with a data directory: what is not whole, not ours or not for this image is refused, and left as it is."""
import os
import shutil
import socket
import subprocess

import pytest

from lib.client import assert_error, ok
from lib.leftovers import discard
from lib.makers import Makers


def bytes_of(directory):
    """Every path below, with its mode, owner and bytes."""
    return {str(path): (path.lstat().st_mode, path.lstat().st_uid,
                        path.read_bytes() if path.is_file() and not path.is_symlink() else None)
            for path in [directory, *directory.rglob("*")]}


def lose_version(data):
    (data / "PG_VERSION").unlink()


def be_of_another_major(data):
    (data / "PG_VERSION").write_text("13\n")


def lose_control(data):
    (data / "global/pg_control").unlink()


def tear_control(data):
    with (data / "global/pg_control").open("r+b") as file:
        file.seek(100)
        file.write(b"\xff\xff\xff\xff")


def be_of_other_catalogs(data):
    """A pg_control with a right checksum, of catalogs that this PostgreSQL does not know."""
    path = data / "global/pg_control"
    control = bytearray(path.read_bytes())
    at = next(at for at in range(64, 508, 4) if control[at:at + 4] == crc32c(control[:at]))
    control[12:16] = (1).to_bytes(4, "little")
    control[at:at + 4] = crc32c(control[:at])
    path.write_bytes(control)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return (crc ^ 0xffffffff).to_bytes(4, "little")


def lose_wal(data):
    shutil.rmtree(data / "pg_wal")


def link_wal_away(data):
    (data / "pg_wal").rename(data / "elsewhere")
    (data / "pg_wal").symlink_to("/etc")


def open_to_all(data):
    data.chmod(0o755)


def be_roots(data):
    os.chown(data, 0, 0)


def put_a_fifo(data):
    (data / "PG_VERSION").unlink()
    os.mkfifo(data / "PG_VERSION")


def be_empty(data):
    shutil.rmtree(data)
    data.mkdir(mode=0o700)
    os.chown(data, data.parent.stat().st_gid, data.parent.stat().st_gid)


def lose_all(data):
    shutil.rmtree(data)


def be_standby(data):
    (data / "standby.signal").touch()


DAMAGES = [lose_version, be_of_another_major, lose_control, tear_control, be_of_other_catalogs, lose_wal,
           link_wal_away, open_to_all, be_roots, put_a_fifo, be_empty, lose_all, be_standby]


@pytest.fixture(scope="module")
def whole(api, settings, ports, tmp_path_factory):
    """A stored server, whose port may be another's by now, and a copy of its data."""
    makers = Makers(api, settings, ports)
    instance = makers.make()
    ok(api.delete(instance.name))
    copy = tmp_path_factory.mktemp("whole") / "data"
    subprocess.run(["cp", "-a", instance.pgdata, copy], check=True)
    yield instance, copy
    makers.purge()


@pytest.fixture
def stored(whole):
    """That server, with its data as they were."""
    instance, copy = whole
    discard(instance.pgdata)
    subprocess.run(["cp", "-a", copy, instance.pgdata], check=True)
    return instance


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_data_that_are_not_as_they_should_be_are_refused_and_unchanged(stored, engine, damage):
    damage(stored.pgdata)
    before = bytes_of(stored.directory / "pg")

    message = assert_error(stored.post(port=None), 409, "foreign_data", "storage_dir")

    assert stored.name in message
    assert bytes_of(stored.directory / "pg") == before
    assert stored.view()["state"] == "stored"
    assert engine.container(stored.name) is None


def test_data_that_are_as_they_should_be_are_taken(stored, api):
    """The control of the damages."""
    stored.create(port=None)

    assert stored.value("SELECT 1") == 1
    ok(api.delete(stored.name))


def test_restart_of_a_server_whose_data_broke_leaves_it_running(changeable, api):
    changeable.pgdata.chmod(0o755)

    assert_error(api.restart(changeable.name), 409, "foreign_data", "storage_dir")

    assert changeable.value("SELECT 1") == 1
    assert changeable.view()["state"] == "running"
    changeable.pgdata.chmod(0o700)
    ok(api.restart(changeable.name))


def test_data_in_use_by_a_process_outside_are_refused(stored, api, stranger):
    uid = stored.pgdata.stat().st_uid
    user = stranger(f"{stored.name}-user", user=f"{uid}:{uid}")

    message = assert_error(stored.post(port=None), 409, "foreign_data", "storage_dir")

    assert str(uid) in message
    user.kill()
    stored.create(port=None)
    ok(api.delete(stored.name))


def test_standby_starts_where_no_password_is_to_be_set(stored, api):
    be_standby(stored.pgdata)

    view = ok(api.start(stored.name))

    assert stored.value("SELECT pg_is_in_recovery()", port=view["port"]) is True
    ok(api.delete(stored.name))


# ---- safe start ------------------------------------------------------------------------------

@pytest.mark.parametrize("setting", [
    "shared_buffers = '400GB'", "shared_preload_libraries = 'nonexistent'", "this is no setting at all",
    "max_connections = 'many'"])
def test_bad_settings_do_not_lock_their_owner_out(changeable, api, setting):
    instance = changeable
    instance.sql("DROP TABLE IF EXISTS kept")
    instance.keep_row("precious")
    ok(api.stop(instance.name))
    settings = instance.pgdata / "postgresql.auto.conf"
    settings.write_text(f"# mine\n{setting}\n")

    assert_error(api.start(instance.name), 503, "server_unavailable")
    failed = instance.view()
    assert failed["state"] == "failed"
    assert '"safe": true' in failed["reason"]

    body = ok(api.start(instance.name, safe=True))

    assert body["state"] == "running"
    aside = body["reason"].split()[-1]
    assert setting in (instance.pgdata / aside).read_text()
    assert instance.kept_rows() == ["precious"]
    instance.sql("ALTER SYSTEM SET work_mem = '5MB'")
    ok(api.restart(instance.name))
    assert instance.value("SHOW work_mem") == "5MB"
    assert instance.view()["reason"] is None


def test_safe_start_that_fails_puts_the_settings_back(instance, api):
    ok(api.stop(instance.name))
    settings = instance.pgdata / "postgresql.auto.conf"
    settings.write_text("work_mem = '6MB'\n")
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", instance.port))
        thief.listen()
        assert_error(api.start(instance.name, safe=True), 409, "port_in_use", "port")

    assert settings.read_text() == "work_mem = '6MB'\n"
    assert list(instance.pgdata.glob("postgresql.auto.conf.*")) == []


def test_safe_start_of_a_running_server_changes_nothing(changeable, api):
    changeable.sql("ALTER SYSTEM SET work_mem = '5MB'")
    before = sorted(changeable.pgdata.glob("postgresql.auto.conf*"))

    ok(api.start(changeable.name, safe=True))

    assert sorted(changeable.pgdata.glob("postgresql.auto.conf*")) == before


@pytest.mark.parametrize("value", ["yes", 1, "true", None, []])
def test_safe_is_true_or_false(shared, api, value):
    assert_error(api.on("POST", shared.name, "start", json={"safe": value}), 422, "invalid", "safe")
