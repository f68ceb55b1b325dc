"""What pgberth makes on a host is nobody else's to read or to write: every file of it, by its mode."""
import fnmatch
import os
import pathlib
import re
import stat
import subprocess

import pytest

from lib.client import ok
from lib.stack import REPOSITORY

# They hold no secret, and others read them.
PUBLIC = ["/etc/pgberth/seccomp.json", "/etc/pgberth/*.nft", "/etc/pgberth/tls/nginx.crt", "/run/pgberth/pgberthd.pid"]
LOGS = ["/var/log/nginx/pgberth.access.log", "/var/log/nginx/pgberth.error.log", "/var/log/pgberth/pgberthd.log"]
PROGRAMS = ["/usr/local/sbin/pgberthd", "/usr/local/bin/pgberth", "/usr/local/sbin/pgberth-service",
            "/usr/local/sbin/pgberth-firewall", "/usr/sbin/pgberthd", "/usr/bin/pgberth"]
EXAMPLES = {
    "public": ("seccomp.json", 0o644, True), "kept": ("tokens", 0o600, True), "given to a group": ("pgberth.conf", 0o640, True),
    "secret": ("tokens", 0o644, False), "written by others": ("seccomp.json", 0o646, False),
    "run by others": ("tokens", 0o601, False)}


def walked(top):
    """Every path below, and the top itself."""
    yield pathlib.Path(top)
    for directory, directories, files in os.walk(top):
        yield from (pathlib.Path(directory) / name for name in directories + files)


def modes(*tops):
    """The modes of all that has one of its own, by path; what goes meanwhile is left out."""
    found = {}
    for path in (path for top in tops for path in walked(top)):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISLNK(mode):
            found[path] = mode
    return found


def forbidden(path, mode):
    """The bits that others have and should not."""
    is_open = stat.S_ISDIR(mode) or any(fnmatch.fnmatch(str(path), pattern) for pattern in PUBLIC)
    return mode & (0o002 if is_open else 0o007)


def exposed(found):
    return [f"{stat.filemode(mode)} {path}" for path, mode in found.items() if forbidden(path, mode)]


@pytest.mark.parametrize("name, mode, is_fine", EXAMPLES.values(), ids=EXAMPLES)
def test_what_is_exposed_is_seen(name, mode, is_fine):
    assert (not exposed({pathlib.Path("/etc/pgberth") / name: stat.S_IFREG | mode})) == is_fine


def test_configuration_socket_and_tokens_are_nobody_elses():
    found = modes("/etc/pgberth", "/run/pgberth")

    assert exposed(found) == []
    assert stat.filemode(found[pathlib.Path("/run/pgberth/pgberthd.sock")]) == "srw-rw----"
    assert stat.filemode(found[pathlib.Path("/etc/pgberth/tls/nginx.key")]) == "-rw-------"


def test_logs_are_nobody_elses():
    found = {str(path): mode for path, mode in modes(*filter(os.path.exists, LOGS)).items()}

    assert {path: stat.filemode(mode) for path, mode in found.items()} == dict.fromkeys(found, "-rw-r-----")
    assert found.keys() >= set(LOGS[:2])


def test_log_that_is_rotated_stays_so():
    """Rotation makes a file of its own; nginx's package has a rule that says as much."""
    ours, nginx = (REPOSITORY / "app/host/logrotate").read_text(), pathlib.Path("/etc/logrotate.d/nginx").read_text()

    for text in (ours, nginx):
        assert re.search(r"^\s*create 0?640 ", text, re.MULTILINE)


def test_log_that_nginx_makes_anew_stays_so(tmp_path):
    """It asks for 0644, at each start and whenever it is told to open its logs again."""
    log = pathlib.Path("/var/log/nginx") / f"{tmp_path.name}.error.log"
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/nginx.pid;\nerror_log {log};\nevents {{ }}\n")
    try:
        subprocess.run(["nginx", "-t", "-c", tmp_path / "nginx.conf"], check=True, capture_output=True, umask=0)
        assert stat.filemode(log.stat().st_mode) == "-rw-r-----"
    finally:
        log.unlink(missing_ok=True)


def test_servers_records_and_trash_are_nobody_elses(api, settings, group, make_instance):
    trashed = make_instance()
    ok(api.delete(trashed.name, purge=True))

    # What a tenant makes in its data is as it wants it, behind a door that is closed to others.
    found = {path: mode for path, mode in modes(settings.instances, settings.staging, settings.trash).items()
             if "/pg/data/" not in str(path)}

    assert exposed(found) == []
    assert {path.name for path in found} >= {"instance.json", "server.key", "postgresql.conf"}
    assert {stat.filemode(mode) for path, mode in found.items() if path.name in ("data", "log", "run")} == {"drwx------"}
    # Nobody gets to the templates, which are as the image made them.
    for directory in (settings.root, settings.instances, settings.staging, settings.trash):
        assert stat.filemode(directory.stat().st_mode) == "drwx------"
    assert [stat.filemode(mode) for path, mode in modes(settings.root).items()
            if path.parent == settings.root and stat.S_ISREG(mode) and mode & 0o077] == []


def test_programs_are_roots_to_change():
    found = modes(*filter(os.path.exists, PROGRAMS))

    assert found and all(not mode & 0o022 for mode in found.values())
    assert all(path.stat().st_uid == 0 for path in found)


def test_what_pgberthd_makes_is_its_own_from_the_beginning(pgberthd):
    assert pgberthd.process().status()["Umask"] == "0077"
