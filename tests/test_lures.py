"""What a hostile tenant puts in its directory for pgberthd to follow, and swaps while it is removed; each with a control."""
import contextlib
import errno
import os
import pathlib
import shutil
import socket
import stat
import struct
import subprocess
import threading
import time

import pytest

from lib.client import ok
from lib.concurrency import at_once
from lib.leftovers import trashed_as
from lib.racer import Racer, make_pairs, naive_removal
from lib.stack import Stack
from lib.waiting import wait_for


class Place:
    """Two tenants of one stack."""

    def __init__(self, stack):
        self.stack = stack
        self.tenant, self.neighbour = stack.make(), stack.make()


@pytest.fixture(scope="module")
def place():
    # A tenant can keep its own server from starting, and from ending: for as long as these allow.
    with Stack(start_timeout=8, stop_timeout=4) as stack:
        yield Place(stack)


# ---- lures -------------------------------------------------------------------------------------

LURES = {"etc": "/etc", "passwd": "/etc/passwd", "engine": "/var/run/docker.sock", "neighbour": None, "fifo": None,
         "device": "/dev/zero", "itself": None}
# Below pg/: all that pgberthd opens there, or could be made to, and the likeliest lures at each.
PLANTED = {
    "run/.s.PGSQL.5432": ["neighbour", "engine"], "run/.s.PGSQL.5432.lock": ["passwd"], "data/postmaster.pid": ["fifo", "device"],
    "data/PG_VERSION": ["device"], "data/global/pg_control": ["fifo"], "data/global": ["etc"], "data/pg_wal": ["etc"],
    "data/base": ["etc"], "data/pg_xact": ["etc"], "data/pg_multixact": ["etc"], "data/pg_tblspc": ["etc"],
    "data/pg_logical": ["etc"],
    "data/standby.signal": ["itself"], "log/postgresql-9.log": ["passwd", "fifo"],
}
SETTINGS = "data/postgresql.auto.conf"
HURRIED = [(where, lure) for where, lures in PLANTED.items() for lure in lures]
PATIENT = [(where, lure) for where, lures in {**PLANTED, SETTINGS: ["passwd", "fifo"]}.items() for lure in LURES if lure not in lures]


def plant(path, lure, place):
    """In the tenant's place: what it could do itself, as its own uid."""
    uid = path.parent.stat().st_uid
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f"{path.name}.aside"))
    path.unlink(missing_ok=True)
    if lure == "fifo":
        os.mkfifo(path)
        os.chown(path, uid, uid)
        return
    target = {"neighbour": place.neighbour.directory / "pg/run/.s.PGSQL.5432", "itself": path}.get(lure, LURES[lure])
    path.symlink_to(target)
    os.chown(path, uid, uid, follow_symlinks=False)


def outside_of(instance):
    """What must not change: the files of the host that lures point at."""
    watched = [pathlib.Path("/etc"), pathlib.Path("/etc/passwd"), pathlib.Path("/var/run/docker.sock"),
               pathlib.Path("/dev/zero"), instance.directory / "pg/run/.s.PGSQL.5432"]
    return [(path, stat.filemode(path.stat().st_mode), path.stat().st_uid, path.stat().st_ino) for path in watched] + \
        [sorted(os.listdir("/etc")), pathlib.Path("/etc/passwd").read_bytes()]


def told_of_the_host(text):
    """What a text has of what the lures point at: lines of the one file, names of the one directory."""
    lines = pathlib.Path("/etc/passwd").read_text().splitlines()
    return [word for word in [*lines, "nsswitch.conf", "ld.so.cache", "login.defs"] if word in text]


def assert_followed_by_no_call(place, where, lure):
    api, instance = place.stack.api, place.stack.make()
    before, started = outside_of(place.neighbour), place.neighbour.postmaster_started()
    plant(instance.directory / "pg" / where, lure, place)
    one, log = instance.name, len(place.stack.log_text())

    answers = [
        api.get(one), api.logs(one), api.list(), api.call("GET", "/health"), api.patch(one, labels={"a": "b"}),
        api.patch(one, allow=["10.0.0.0/8", "127.0.0.0/8"], tls="required"), api.patch(one, memory_mb=256),
        api.patch(one, port=place.stack.options["port_max"]), api.call("POST", "/purge/", json={"stopped_days": 0}),
        api.put_password(one, "another"), instance.post(), api.restart(one), api.stop(one), api.logs(one),
        api.start(one), instance.post(), api.start(one, safe=True), api.delete(one), instance.post(),
        api.delete(one, purge=True)]
    answers += [api.call("POST", f"/trash/{trashed_as(api, one)}/restore"), api.delete(one, purge=True)]
    answers += [api.call("DELETE", f"/trash/{trashed_as(api, one)}")]

    told = told_of_the_host("".join(answer.text for answer in answers) + place.stack.log_text()[log:])
    # What its server is to read as settings it reads in its own container, and complains of in its own log.
    own = place.tenant.shell("cat /etc/passwd") if where == SETTINGS else []
    assert [word for word in told if word not in own] == []
    assert {answer.status_code for answer in answers} <= {200, 409, 503}, [answer.text for answer in answers]
    assert {answer.status_code for answer in answers[-4:]} == {200}, [answer.text for answer in answers[-4:]]
    assert outside_of(place.neighbour) == before
    assert place.neighbour.postmaster_started() == started


@pytest.mark.parametrize("where, lure", [*HURRIED, *(pytest.param(*pair, marks=pytest.mark.slow) for pair in PATIENT)])
def test_lures_are_followed_by_no_call(place, where, lure):
    assert_followed_by_no_call(place, where, lure)


def test_lures_in_place_of_its_settings_are_followed_by_no_call(place):
    """At once, since a server that cannot read its settings again is waited for by each call that tells it to."""
    at_once([lambda lure=lure: assert_followed_by_no_call(place, SETTINGS, lure) for lure in ("passwd", "fifo")])


def connected_to(path):
    """The uid of whoever listens there, by a connection that asks nobody whether the path is a link."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]


def is_waited_for(path):
    """Nobody who opens it gets anywhere."""
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(["cat", path], timeout=1)
    return True


def names_itself(path):
    with pytest.raises(OSError) as caught:
        path.read_bytes()
    return caught.value.errno == errno.ELOOP


# What happens to one that follows it.
FOLLOWED = {
    "etc": lambda path, _: len(told_of_the_host("\n".join(os.listdir(path)))) == 3,
    "passwd": lambda path, _: told_of_the_host(path.read_text()) == pathlib.Path("/etc/passwd").read_text().splitlines(),
    "engine": lambda path, _: connected_to(path) == 0,
    "neighbour": lambda path, place: connected_to(path) == place.neighbour.directory.joinpath("pg/data").stat().st_uid,
    "fifo": lambda path, _: is_waited_for(path),
    "device": lambda path, _: len(path.open("rb").read(100 << 20)) == 100 << 20,
    "itself": lambda path, _: names_itself(path),
}


@pytest.mark.parametrize("lure", LURES)
def test_lures_work_on_who_follows_them(place, tmp_path, lure):
    """The control: the same things, opened or connected to by their path."""
    plant(tmp_path / "planted", lure, place)

    assert FOLLOWED[lure](tmp_path / "planted", place)


PID_FILE = "999999\n/pg/data\n1700000000\n5432\n/pg/run\n*\n  5432001         0\nready   \n"


def keep_planted(instance, lure, over):
    """A link to the lure where its socket should be, and word that the server is ready: also where a call cleared them
    away, and where the server made its own."""
    links = {instance.directory / "pg/run/.s.PGSQL.5432": lambda path: path.symlink_to(lure),
             instance.directory / "pg/data/postmaster.pid": lambda path: path.write_text(PID_FILE)}
    uid = instance.pgdata.stat().st_uid
    while not over.wait(0.001):
        for path, make in links.items():
            draft = path.with_name("draft")
            with contextlib.suppress(OSError):  # it is in the trash, or nowhere yet
                make(draft)
                os.chown(draft, uid, uid, follow_symlinks=False)
                draft.replace(path)


def connections_of(listener):
    """How many were made, whether or not they are open still."""
    listener.setblocking(False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            count += 1
    return count


def test_link_in_place_of_its_socket_is_knocked_at_by_no_call(place, tmp_path):
    api, instance = place.stack.api, place.stack.make()
    one, over = instance.name, threading.Event()
    with socket.socket(socket.AF_UNIX) as lure:
        lure.bind(str(tmp_path / "lure"))
        lure.listen(4096)
        planter = threading.Thread(target=keep_planted, args=[instance, tmp_path / "lure", over])
        planter.start()
        try:
            link = instance.directory / "pg/run/.s.PGSQL.5432"
            wait_for(link.is_symlink, "it is planted")
            connected_to(link)
            assert connections_of(lure) == 1, "the control: who follows it gets there"

            answers = [api.get(one), api.patch(one, allow=["127.0.0.0/8"]), api.put_password(one, "another"), api.stop(one),
                       api.start(one), api.delete(one), api.delete(one, purge=True)]
        finally:
            over.set()
            planter.join()
        assert connections_of(lure) == 0
    assert {answer.status_code for answer in answers} <= {200, 409, 503}, [answer.text for answer in answers]
    assert answers[-1].status_code == 200, answers[-1].text


def test_directories_of_a_tenant_cannot_be_swapped(place):
    for name in ("data", "run", "log"):
        said = "".join(place.tenant.shell(f"mv /pg/{name} /pg/{name}.old 2>&1 || true"))
        assert "Permission denied" in said or "Device or resource busy" in said
    assert "Permission denied" in "".join(place.tenant.shell("ln -s /etc /pg/new 2>&1 || true"))


RACES = 1000


def raced(tree, canary, remove):
    """How many races that makes: one for each pair that was exchanged until it was gone. Of those of a tree a few go
    before the racer has come to them, which count for nothing."""
    make_pairs(tree, RACES // 4, canary)
    with Racer(tree) as racer:
        remove()
    return racer.raced


@pytest.fixture
def canary(tmp_path):
    (tmp_path / "kept").write_text("kept")
    return tmp_path


def test_purge_raced_by_its_tenant_removes_nothing_else(place, canary):
    """Its processes go before its directory does, so the racer is one that has stayed behind. Its time is not over: what is
    old goes by itself at any moment."""
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    api, trash, staging = place.stack.api, place.stack.settings.trash, place.stack.settings.staging
    races = 0
    for number in range(60):
        tree = trash / f"raced-{number}.{now}.0123456789abcdef"
        races += raced(tree, canary, lambda: ok(api.call("DELETE", f"/trash/{tree.name}")))
        assert (canary / "kept").read_text() == "kept"
        assert not tree.exists() and not list(staging.glob("trash.*"))
        if races >= RACES:
            return
    pytest.fail(f"only {races} of {RACES} races were run")


def test_purge_by_one_that_follows_paths_would_lose_the_race(canary):
    """The control: the same racer, and a remover that asks what a path is before it uses it."""
    for number in range(60):
        tree = canary.with_name(f"{canary.name}-raced-{number}")
        with contextlib.suppress(OSError):
            raced(tree, canary, lambda: naive_removal(tree))
        shutil.rmtree(tree, ignore_errors=True)
        if not (canary / "kept").exists():
            return
    pytest.fail("the racer never met the remover")
