"""What pgberth.conf may say: a bad one is told of in a line that names the file and the option, and nothing is started."""
import os
import subprocess

import psycopg2
import pytest

from lib.stack import BINARY

BAD = {
    "not a number": ("port_min = many", "port_min must be a whole number from 1024 to 65535"),
    "out of range": ("workers = 3", "workers must be a whole number from 4 to 1024"),
    "beyond a long": ("log_mb = 99999999999999999999", "log_mb must be a whole number"),
    "no switch": ("heal = yes", "heal must be on or off"),
    "empty": ("root =", "root must not be empty"),
    "unknown option": ("prot_min = 6000", "unknown key prot_min"),
    "unknown section": ("[postgres]\nport_min = 6000", "unknown section [postgres]"),
    "no option at all": ("what is this", "line 2 is neither a section nor key = value"),
    "ports the wrong way round": ("port_min = 7000\nport_max = 6000", "port_min must not be above port_max"),
    "uids the wrong way round": ("uid_min = 9000\nuid_max = 8000", "uid_min must not be above uid_max"),
    "more changes than workers": ("workers = 8\nchanges = 8", "changes must be below workers"),
    "a name as an address": ("publish_address = localhost", "publish_address must be an IPv4 address"),
    "certificate without key": ("tls_certificate = /x", "tls_certificate and tls_key go together"),
    "admin of PostgreSQL's own": ("admin_user = pg_admin", "admin_user must be up to 63 characters"),
    "admin that is everybody": ("admin_user = public", "admin_user must not be public"),
    "admin that is nobody": ("admin_user = none", "admin_user must not be none"),
    "long admin": (f"admin_user = {'a' * 64}", "admin_user must be up to 63 characters"),
    "admin in capitals": ("admin_user = Public", "admin_user must be up to 63 characters of a-z"),
    "the host's network": ("network = host", "network must not be host"),
    "a long bridge": ("network = sixteen-letters-", "network must be up to 15 characters"),
    "some egress": ("egress = some", "egress must be none or open"),
    "a version of old": ("versions = 9.6", "versions must be up to 7 majors"),
    "a small quota": ("disk_mb = 100", "disk_mb must be 0, or from 512"),
}


def told(path):
    done = subprocess.run([BINARY, "-t", "-c", path], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("bad", BAD)
def test_bad_one_is_told_of(tmp_path, bad):
    lines, message = BAD[bad]
    path = tmp_path / "pgberth.conf"
    path.write_text(f"[pgberth]\n{lines}\n")

    status, out, err = told(path)

    assert (status, out) == (1, "")
    assert err.startswith(f"pgberthd: {path}") and message in err and err.count("\n") == 1


def test_missing_one_is_told_of(tmp_path):
    assert told(tmp_path / "none") == (1, "", f"pgberthd: {tmp_path}/none cannot be read\n")


def test_good_one_is_fine_and_starts_nothing(tmp_path):
    path = tmp_path / "pgberth.conf"
    path.write_text(f"[pgberth]\nroot = {tmp_path}/root\nlog = {tmp_path}/log\nsocket = {tmp_path}/socket\n")

    assert told(path) == (0, f"{path} is fine\n", "")
    assert list(tmp_path.iterdir()) == [path]


ADMINS = ["public", "none", "pg_", "pg_x", "pg", "pgx", "a" * 63, "publi", "public_", "nobody", "all", "replication", "current_user", "user",
          "session_user", "current_role", "select", "default", "null", "1st", "_"]


@pytest.mark.parametrize("name", ADMINS)
def test_admin_is_refused_where_postgresql_refuses_the_role(tmp_path, shared, name):
    path = tmp_path / "pgberth.conf"
    path.write_text(f"[pgberth]\nadmin_user = {name}\n")
    try:
        shared.sql(f'BEGIN; CREATE ROLE "{name}"; ROLLBACK')
        is_possible = True
    except psycopg2.Error as error:
        assert "reserved" in str(error)
        is_possible = False

    assert told(path)[0] == (0 if is_possible else 1)


UNIT = {"INVOCATION_ID": "0" * 32, "NOTIFY_SOCKET": "/nowhere"}
READ_ONLY = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o ro none "$0"; exec "$@"']


@pytest.mark.parametrize("root, words", [
    ("/home/nobody-has-it", "ProtectHome="), ("/root/nobody-has-it", "ProtectHome="),
    ("/tmp/nobody-has-it", "PrivateTmp="), ("read-only", "ReadWritePaths="),
])
def test_root_that_its_unit_hides_is_not_blamed_on_the_host(tmp_path, root, words):
    """As under systemd, which gives a unit these variables; a person who starts pgberthd has no unit."""
    path, place = tmp_path / "pgberth.conf", tmp_path / "root"
    place.mkdir()
    wrapper = [*READ_ONLY, place] if root == "read-only" else []
    path.write_text(f"[pgberth]\nroot = {place if wrapper else root}\nsocket = {tmp_path}/socket\ntokens = {tmp_path}/tokens\n")

    said = [subprocess.run([*wrapper, BINARY, "-c", path], env={**os.environ, **unit}, capture_output=True, text=True, timeout=30)
            for unit in (UNIT, {})]

    assert [each.returncode for each in said] == [1, 1]
    assert words in said[0].stderr and "pgberthd(8)" in said[0].stderr
    assert words not in said[1].stderr
