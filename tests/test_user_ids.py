"""User ids of servers are nobody else's on the host: what users have (subuid(5), the name service) is refused or
skipped, and a server of another range moves at a start of its own."""
import functools
import os
import shutil
import subprocess

import pytest

from lib.client import ok
from lib.concurrency import at_once
from lib.engine import Engine
from lib.etc import FILES, RESERVER, RESERVER_WAS, Etc
from lib.stack import BINARY, Stack
from lib.waiting import wait_for
from test_adopt import assert_is_of, owners, record_of
from test_strays import runc_create

MIN, MAX = 1_900_000_000, 1_900_065_535


@pytest.fixture(scope="module")
def etc(tmp_path_factory):
    return Etc(tmp_path_factory.mktemp("host"))


@pytest.fixture
def conf(tmp_path):
    """A function giving pgberth.conf with these options."""
    def write(**options):
        path = tmp_path / "pgberth.conf"
        path.write_text("[pgberth]\n" + "".join(f"{key} = {value}\n" for key, value in options.items()))
        return path

    return write


def told(etc, path):
    done = etc.run(BINARY, "-t", "-c", path)
    return done.returncode, done.stderr


# ---- what the files say ------------------------------------------------------------------------

OVERLAPS = {
    "the same range": f"u4:{MIN}:65536",
    "its first id": f"u4:{MIN - 65535}:65536",
    "its last id": f"u4:{MAX}:1",
    "in its middle": f"u4:{MIN + 1000}:10",
    "around it": "u4:100000:2000000000",
    "a count beyond everything": "u4:100000:99999999999999999999999",
    "a start beyond 32 bits, which the kernel cuts off": f"u4:{2**32 + MIN}:65536",
    "a numeric owner": f"u4\n1004:{MIN}:65536",
    "root": f"root:{MIN}:65536",
    "hexadecimal": f"u4:{MIN:#x}:0x10000",
    "behind others, a comment and nonsense": f"u1:100000:65536\n# u2\n\nu3\nu4:{MIN}:65536",
    "without an end of line, behind a long one": f"{'x' * 5000}:1:1\nu4:{MIN}:65536",
    "behind the reservation": f"{RESERVER}:{MIN}:65536\nu4:{MAX}:2",
    "behind a reservation of before": f"{RESERVER_WAS}:{MIN}:65536\nu4:{MAX}:2",
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("overlap", OVERLAPS)
def test_overlap_is_refused_and_named(etc, conf, overlap, file):
    text = OVERLAPS[overlap]
    etc.write(file, text if text.endswith("6") else text + "\n")
    path = conf()
    try:
        status, err = told(etc, path)
    finally:
        etc.write(file, "")

    owner = "1004" if "1004:" in text else "root" if "root:" in text else "u4"
    assert status == 1
    assert f"pgberthd: {path}: /etc/{file} line {len(text.splitlines())} gives the user ids " in err
    assert f" to {owner}, who could become a server's: set uid_min and uid_max ({MIN} to {MAX})" in err


HARMLESS = {
    "nothing": "",
    "no file": None,
    "just below and just above": f"a:{MIN - 65536}:65536\nb:{MAX + 1}:65536\n",
    "the reservation": f"{RESERVER}:{MIN}:65536\n{RESERVER}:300000:65536\n",
    "a reservation of before": f"{RESERVER_WAS}:{MIN}:65536\n{RESERVER_WAS}:300000:65536\n",
    "no ids": f"u4:{MIN}:0\n",
    "comments": f"# u4:{MIN}:65536\n   \n",
    "what users have": "".join(f"u{i}:{100000 + 65536 * i}:65536\n" for i in range(5)),
}


@pytest.mark.parametrize("harmless", HARMLESS)
def test_lines_of_others_are_no_obstacle(etc, conf, harmless):
    for file in FILES:
        etc.write(file, HARMLESS[harmless])
    try:
        assert told(etc, conf()) == (0, "")
    finally:
        for file in FILES:
            etc.write(file, "")


NONSENSE = [f"u4:{MIN}", f"u4:{MIN}:", f":{MIN}:65536", f"u4:{MIN}:65536:1", "u4:many:65536", f"u4:{MIN}:6553 6", "u4", b"\xff\xfe", "::"]


@pytest.mark.parametrize("line", NONSENSE)
def test_line_that_nobody_can_read_is_ignored_with_a_warning(etc, conf, line):
    line = line if isinstance(line, bytes) else line.encode()
    etc.write("subuid", b"a:100000:65536\n" + line + b"\n")
    try:
        status, err = told(etc, conf())
    finally:
        etc.write("subuid", "")

    assert status == 0
    assert "line ignored file=/etc/subuid line=2" in err and err.count("\n") == 1


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("subuid", path)], ids=["directory", "pipe", "loop"])
def test_file_that_nobody_can_read_keeps_no_server_down(etc, conf, make):
    etc.write("subuid", None)
    make(etc.place / "subuid")
    try:
        status, err = told(etc, conf())
    finally:
        etc.write("subuid", None)
        etc.write("subuid", "")

    assert status == 0
    assert "file not read file=/etc/subuid" in err


@pytest.mark.parametrize("name", [RESERVER, RESERVER_WAS])
def test_reservation_counts_as_anybodys_where_a_user_has_its_name(etc, conf, name):
    before = etc.read("passwd")
    etc.append("passwd", f"{name}:x:1500:1500::/:/bin/sh\n")
    etc.write("subuid", f"{name}:{MIN}:65536\n")
    try:
        status, err = told(etc, conf())
    finally:
        etc.write("subuid", "")
        etc.write("passwd", before)

    assert status == 1 and f"to {name}, who could become a server's" in err
    assert ("pgberthd -r" in err) == (name == RESERVER_WAS)


@pytest.mark.parametrize("first, last, said", [
    (MIN, MAX, None), (300000, 365535, None), (60000, 60100, "systemd-homed"), (62000, 62100, "DynamicUser"),
    (500000, 600000, "systemd-nspawn")])
def test_range_that_other_programs_use_is_warned_of(etc, conf, first, last, said):
    status, err = told(etc, conf(uid_min=first, uid_max=last))

    assert status == 0
    assert said in err and "user ids shared" in err if said else err == ""


@pytest.mark.parametrize("first, last", [(65000, 66000), (65534, 65534), (65535, 65535)])
def test_range_with_nobody_in_it_is_refused(etc, conf, first, last):
    status, err = told(etc, conf(uid_min=first, uid_max=last))

    assert status == 1 and "uid_min to uid_max must not include 65534 (nobody) and 65535" in err


# ---- what is skipped ---------------------------------------------------------------------------

class EtcStack(Stack):
    """Its pgberthd has an /etc of its own, and serves from the beginning of its range."""

    def __init__(self, etc, **options):
        super().__init__(**options)
        self.etc = etc
        self.command = etc.within(*self.command)

    @property
    def uid_min(self):
        return int(self.options["uid_min"])


@pytest.fixture
def own_etc(tmp_path):
    return Etc(tmp_path)


@pytest.fixture
def on_host(own_etc):
    with EtcStack(own_etc) as stack:
        yield stack


def new_uids(stack, count):
    """User ids of as many servers that are made now."""
    return [record_of(stack.make())["uid"] for _ in range(count)]


def test_ids_that_users_and_groups_have_are_skipped(on_host):
    first = on_host.uid_min
    on_host.etc.append("passwd", f"taken:x:{first}:100::/:/bin/sh\n")
    on_host.etc.append("group", f"taken:x:{first + 1}:{','.join('member%d' % i for i in range(3000))}\n")
    on_host.etc.append("subgid", f"u4:{first + 3}:600\n")

    assert new_uids(on_host, 2) == [first + 2, first + 603]

    log = on_host.log_text()
    assert f'uid skipped uid={first} of="the name service"' in log
    assert f'uid skipped uid={first + 1} of="the name service"' in log
    assert f"uid skipped uid={first + 3} of=u4" in log


def of_three(etc):
    """A pgberthd with a range of three ids."""
    stack = EtcStack(etc)
    stack.options["uid_max"] = stack.uid_min + 2
    return stack


# Of the ids from 0 to 2 of the range, a line that takes the middle one alone.
ONE_OF_THREE = {
    "one id": lambda first: f"u9:{first + 1}:1",
    "one beyond 32 bits, which the kernel cuts off": lambda first: f"u9:{2**32 + first + 1}:1",
}


@pytest.mark.parametrize("line", ONE_OF_THREE)
def test_line_of_one_id_takes_one_and_gives_it_back(own_etc, line):
    with of_three(own_etc) as stack:
        first = stack.uid_min
        own_etc.write("subgid", ONE_OF_THREE[line](first) + "\n")
        assert new_uids(stack, 2) == [first, first + 2]

        full = stack.new().post()

        assert full.status_code == 507
        assert "all 3 uids are taken, 1 by others on this host (/etc/subgid line 1); empty the trash" in full.json()["error"]["message"]
        assert "u9" not in full.text
        own_etc.write("subgid", "")
        assert new_uids(stack, 1) == [first + 1]
        full = stack.new().post()
        assert full.status_code == 507 and "all 3 uids are taken; empty the trash" in full.json()["error"]["message"]


@pytest.mark.parametrize("lines", [
    {"subuid": lambda first: f"u9:4294967290:{first + 2 + 6}\n"},  # leads past the last number there is
    {"passwd": lambda first: f"a:x:{first}:5::/:\nb:x:1000:{first + 1}::/:\n"}, {"subuid": lambda first: f"u9:{first}:1\nu8:{first + 1}:1\n"}],
    ids=["around the end", "users", "two lines"])
def test_ids_beside_those_of_others_stay_to_be_had(own_etc, lines):
    with of_three(own_etc) as stack:
        for file, text in lines.items():
            own_etc.append(file, text(stack.uid_min))

        assert new_uids(stack, 1) == [stack.uid_min + 2]

        full = stack.new().post().json()["error"]
        assert "all 3 uids are taken, 2 by others on this host (/etc/" in full["message"] and "trash" not in full["message"]
        assert full["code"] == "no_space" and "set uid_min and uid_max" in full["message"]


def test_spare_whose_id_somebody_was_given_is_not_taken(own_etc):
    with EtcStack(own_etc, spares=1, versions="17") as stack:
        wait_for(lambda: os.listdir(stack.root / "staging"), "a spare is ready")
        own_etc.append("passwd", f"bob:x:{stack.uid_min}:100::/:/bin/sh\n")

        assert stack.uid_min not in new_uids(stack, 1)


def test_reservation_that_goes_is_missed(own_etc):
    with EtcStack(own_etc) as stack:
        assert "user ids not reserved file=/etc/subuid" in stack.log_text()
        line = f"{RESERVER}:{stack.uid_min}:1000\n"
        own_etc.write_all(line)
        stack.restart()
        wait_for(lambda: stack.api.call("GET", "/health").status_code == 200, "it is well")
        assert stack.health()["user_ids"] == {"ok": True, "exposed": 0}

        for file in FILES:
            own_etc.write(file, "u1:100000:65536\n")
            answer = stack.api.call("GET", "/health")
            assert answer.status_code == 200 and answer.json()["user_ids"]["ok"] is True
            assert f"/etc/{file} no longer reserves uid_min to uid_max" in answer.json()["user_ids"]["reason"]
            assert "pgberthd -r" in answer.json()["user_ids"]["reason"]
            own_etc.write(file, line)
        assert stack.health()["user_ids"] == {"ok": True, "exposed": 0}


def test_user_who_gets_the_name_of_an_old_reservation_later_is_noticed(own_etc):
    with EtcStack(own_etc) as stack:
        own_etc.write_all(f"{RESERVER_WAS}:{stack.uid_min}:1000\n")
        wait_for(lambda: stack.api.call("GET", "/health").status_code == 200, "it is well")
        assert stack.health()["user_ids"] == {"ok": True, "exposed": 0}
        assert own_etc.run("useradd", RESERVER_WAS).returncode == 0

        answer = stack.api.call("GET", "/health")

        assert answer.status_code == 503
        assert "/etc/subuid line 1 gives user ids of uid_min to uid_max to a user" in answer.json()["user_ids"]["reason"]
        assert own_etc.run(BINARY, "-r", "-c", stack.run / "pgberth.conf").returncode == 0
        assert stack.api.call("GET", "/health").status_code == 200


def test_overlap_that_appears_later_is_told_and_gives_away_nothing(on_host):
    server = on_host.make()
    uid = record_of(server)["uid"]
    assert on_host.health()["user_ids"] == {"ok": True, "exposed": 0}
    on_host.etc.append("subuid", f"u4:{uid - 10}:20\n")

    answer = on_host.api.call("GET", "/health")

    assert answer.status_code == 503
    user_ids = answer.json()["user_ids"]
    assert (user_ids["ok"], user_ids["exposed"]) == (False, 1)
    assert "/etc/subuid line 1 gives user ids of uid_min to uid_max to a user" in user_ids["reason"]
    assert "u4" not in answer.text
    assert new_uids(on_host, 1)[0] >= uid + 10
    # It leaves at its own start, and at no other time.
    ok(on_host.api.restart(server.name))
    assert record_of(server)["uid"] >= uid + 10
    assert on_host.health()["user_ids"]["exposed"] == 0

    on_host.stop()
    on_host.spawn()
    assert on_host.process.wait(30) == 1
    assert "start failed" in on_host.log_text() and "/etc/subuid line 1 gives the user ids" in on_host.log_text()
    assert Engine().container(server.name).status == "running"
    on_host.etc.write("subuid", "")
    on_host.start()
    wait_for(lambda: server.view()["state"] == "running", "it is as it was")


# How somebody gets the id of a running server: a command or a line, and where that is then.
GIVEN = {
    "user": (lambda etc, uid: etc.run("useradd", "-M", "-u", str(uid), "bob", check=True), "a user of the host, too (/etc/passwd line "),
    "group": (lambda etc, uid: etc.run("groupadd", "-g", str(uid), "bobs", check=True), "a group of the host, too (/etc/group line "),
    "user's group": (lambda etc, uid: etc.append("passwd", f"bob:x:1500:{uid}::/:/bin/sh\n"), "a user of the host, too (/etc/passwd line "),
    "line": (lambda etc, uid: etc.append("subgid", f"bob:{uid}:1\n"), "a user of the host, too (/etc/subgid line 1)"),
}


@pytest.fixture(scope="module")
def server_of_many(etc):
    """A server that each of the tests below has to itself."""
    with EtcStack(etc) as stack:
        yield stack, stack.make()


@pytest.mark.parametrize("what", GIVEN)
def test_id_of_a_running_server_that_somebody_gets_later_is_told_and_left(server_of_many, etc, what):
    stack, server = server_of_many
    give, said = GIVEN[what]
    uid = record_of(server)["uid"]
    before = {file: etc.read(file) for file in ("passwd", "group", "shadow", "gshadow", *FILES)}
    etc.write_all("")
    assert stack.health()["user_ids"] == {"ok": True, "exposed": 0}
    give(etc, uid)
    try:
        found = stack.health()["user_ids"]
        assert found["exposed"] == 1 and "restart" in found["reason"]
        assert found["ok"] == (what != "line") and "bob" not in found["reason"]
        ok(stack.api.restart(server.name))
        assert record_of(server)["uid"] != uid and server.view()["reason"] is None
        assert stack.health()["user_ids"]["exposed"] == 0
    finally:
        for file, text in before.items():
            etc.write(file, text)


@pytest.mark.parametrize("what", ["user", "group"])
def test_server_with_somebodys_id_says_so(server_of_many, etc, what):
    stack, server = server_of_many
    give, said = GIVEN[what]
    before = {file: etc.read(file) for file in ("passwd", "group", "shadow", "gshadow", *FILES)}
    give(etc, record_of(server)["uid"])
    try:
        stack.restart()

        view = wait_for(lambda: (view := server.view())["state"] == "running" and said in (view["reason"] or "") and view, "it is told of")
        assert "bob" not in view["reason"]
        assert f"server exposed name={server.name}" in stack.log_text()
    finally:
        for file, text in before.items():
            etc.write(file, text)


# ---- a server of another range -----------------------------------------------------------------

class Upgrade:
    """A pgberthd whose range changes under running servers, as that of version 0.2 did."""

    def __init__(self, stack, count, **fields):
        self.stack, self.api = stack, stack.api
        self.new = int(stack.options["uid_min"])
        self.old = self.new + 500
        self._range(self.old, self.new + 999)
        self.servers = [stack.new() for _ in range(count)]
        at_once(functools.partial(server.create, **fields) for server in self.servers)
        for server in self.servers:
            server.keep_row("precious")
        self.containers = {server.name: Engine().container(server.name).id for server in self.servers}
        self._range(self.new, self.old - 1)

    def is_old(self, uid):
        return self.old <= uid < self.new + 1000

    def _range(self, first, last):
        self.stack.stop()
        self.stack.write_configuration(uid_min=first, uid_max=last)
        self.stack.start()

    def take(self):
        """One that still is as it was, and goes on running."""
        server = self.servers.pop()
        view = server.becomes("running")
        assert view["reason"] is None and self.is_old(record_of(server)["uid"])
        assert Engine().container(server.name).id == self.containers[server.name]
        return server

    def assert_moved(self, server, old):
        uid = record_of(server)["uid"]
        assert self.new <= uid < self.old
        assert "uid_was" not in {key for key, value in record_of(server).items() if value}
        assert old not in {each for pair in owners(server.directory) for each in pair}
        assert (server.directory / "pg").stat().st_gid == uid
        assert server.kept_rows() == ["precious"]
        assert server.value("SELECT pg_read_file('/proc/self/status')").split("Uid:")[1].split()[0] == str(uid)


@pytest.fixture(scope="module")
def upgrade(etc):
    with EtcStack(etc) as stack:
        yield Upgrade(stack, 14)


@pytest.fixture
def server(upgrade):
    """A running server of the old range, under a pgberthd of the new."""
    server = upgrade.take()
    yield server
    upgrade.api.delete(server.name, purge=True)


def restart(upgrade, server):
    ok(upgrade.api.restart(server.name))


def stop_and_start(upgrade, server):
    """Nor does pgberthd's own start move one."""
    old = record_of(server)["uid"]
    ok(upgrade.api.stop(server.name))
    upgrade.stack.restart()
    assert (record_of(server)["uid"], server.view()["state"]) == (old, "stopped")
    ok(upgrade.api.start(server.name))


def delete_and_create(upgrade, server):
    ok(upgrade.api.delete(server.name))
    server.create()


def trash_and_restore(upgrade, server):
    api = upgrade.api
    ok(api.delete(server.name, purge=True))
    found = ok(api.call("GET", "/trash/"))["trash"]
    identity = next(entry["id"] for entry in found if entry["storage_dir"] == server.name)
    assert ok(api.call("POST", f"/trash/{identity}/restore"))["state"] == "stored"
    server.port = ok(api.start(server.name))["port"]


def change_port(upgrade, server):
    taken = {view["port"] for view in upgrade.api.listed().values()}
    free = next(port for port in range(upgrade.stack.settings.port_max, 0, -1) if port not in taken)
    server.port = ok(upgrade.api.patch(server.name, port=free))["port"]


def removed_by_hand(upgrade, server):
    Engine().container(server.name).remove(force=True)
    ok(upgrade.api.start(server.name))


WAYS = [restart, stop_and_start, delete_and_create, trash_and_restore, change_port, removed_by_hand]


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_server_of_the_old_range_goes_on_and_moves_at_a_start_of_its_own(upgrade, server, way):
    old = record_of(server)["uid"]
    assert server.kept_rows() == ["precious"]
    before = len(server.api.logs(server.name, tail=10000).text)

    way(upgrade, server)

    upgrade.assert_moved(server, old)
    assert server.view()["reason"] is None
    if way is not removed_by_hand:
        said = server.api.logs(server.name, tail=10000).text[before:]
        assert "was interrupted" not in said and "not properly shut down" not in said, said
    assert f"uid changed name={server.name}" in upgrade.stack.log_text()
    assert f"action=move_uid fields=uid name={server.name} result=ok" in upgrade.stack.log_text()


def test_server_with_a_quota_moves_and_the_directory_below_its_disk_too(stack):
    upgrade = Upgrade(stack, 1, disk_mb=512)
    server = upgrade.take()
    old = record_of(server)["uid"]

    restart(upgrade, server)

    upgrade.assert_moved(server, old)
    ok(upgrade.api.delete(server.name))
    wait_for(lambda: not upgrade.stack.mounts(), "its disk is not mounted")
    assert (server.directory / "pg").stat().st_gid == record_of(server)["uid"]
    upgrade.stack.restart()
    assert "foreign" not in server.view()
    server.port = ok(upgrade.api.start(server.name))["port"]
    assert server.kept_rows() == ["precious"]


def test_nothing_but_the_tenants_own_is_given_away(upgrade, server, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("somebody's")
    old = record_of(server)["uid"]
    os.chown(outside, old, old)
    pgdata, odd = server.pgdata, server.pgdata / "odd"
    odd.mkdir()
    (odd / "link").symlink_to(outside)
    (odd / "away").symlink_to(tmp_path)
    (odd / "first").write_text("two names")
    os.link(odd / "first", odd / "second")
    os.mkfifo(odd / "pipe")
    os.mknod(odd / "device", 0o600 | 0o020000, os.makedev(1, 3))
    (odd / "setuid").write_text("#!/bin/sh\n")
    (odd / "closed").mkdir(mode=0o000)
    (odd / "of others").write_text("root's")
    for path in [odd, *odd.iterdir()]:
        if path.name != "of others":
            os.chown(path, old, old, follow_symlinks=False)
    (odd / "setuid").chmod(0o6755)

    restart(upgrade, server)

    uid = record_of(server)["uid"]
    assert not upgrade.is_old(uid)
    owner = {path.name: (path.lstat().st_uid, path.lstat().st_gid) for path in odd.iterdir()}
    assert owner.pop("of others") == (0, 0) and owner.pop("device") == (old, old)
    assert set(owner.values()) == {(uid, uid)}, owner
    assert outside.stat().st_uid == old and tmp_path.stat().st_uid == 0
    assert (odd / "setuid").stat().st_mode & 0o6000 == 0
    assert server.kept_rows() == ["precious"] and pgdata.stat().st_uid == uid


@pytest.mark.parametrize("obstacle", ["mount", "deep"])
def test_server_whose_files_cannot_be_given_away_starts_as_what_it_was(upgrade, server, obstacle):
    old = record_of(server)["uid"]
    place = server.pgdata / "obstacle"
    place.mkdir()
    if obstacle == "mount":
        subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
        upgrade.stack.restart()  # which has seen the mounts of its start
    else:
        (place / "/".join("d" * 70)).mkdir(parents=True)
    subprocess.run(["chown", "-R", f"{old}:{old}", place], check=True)
    try:
        restart(upgrade, server)

        assert record_of(server)["uid"] == old and server.kept_rows() == ["precious"]
        assert server.view()["reason"].startswith(f"its user id {old} stays: its entry ")
    finally:
        subprocess.run(["umount", place], capture_output=True)
        ok(upgrade.api.stop(server.name))
        shutil.rmtree(place)
    ok(upgrade.api.start(server.name))
    upgrade.assert_moved(server, old)


def test_server_stays_where_no_id_is_left(upgrade, server, etc):
    old = record_of(server)["uid"]
    etc.append("passwd", "".join(f"taken{uid}:x:{uid}:100::/:/bin/sh\n" for uid in range(upgrade.new, upgrade.old)))
    try:
        restart(upgrade, server)
        assert record_of(server)["uid"] == old and server.kept_rows() == ["precious"]
        assert f"its user id {old} stays: all 500 uids are taken" in server.view()["reason"]
    finally:
        kept = [line for line in etc.read("passwd").splitlines(True) if not line.startswith("taken")]
        etc.write("passwd", "".join(kept))
        upgrade.stack.restart()


def test_old_range_that_a_user_was_given_exposes_its_servers_until_then(upgrade, server, etc):
    """The host that this is about: pgberthd starts there, and nothing is taken away."""
    old = record_of(server)["uid"]
    etc.write("subuid", f"u1:100000:65536\nu4:{old}:1\n")
    try:
        upgrade.stack.restart()

        view = wait_for(lambda: (view := server.view())["state"] == "running" and view["reason"] and view, "it runs, and is told of")
        assert view["reason"].startswith(f"its user id {old} is given to a user of the host, too (/etc/subuid line 2)")
        answer = upgrade.api.call("GET", "/health")
        assert answer.status_code == 200 and answer.json()["user_ids"]["ok"] is True
        assert answer.json()["user_ids"]["exposed"] == 1 and "restart" in answer.json()["user_ids"]["reason"]
        assert f"server exposed name={server.name} uid={old} file=/etc/subuid line=2 owner=u4" in upgrade.stack.log_text()

        restart(upgrade, server)

        upgrade.assert_moved(server, old)
        assert server.view()["reason"] is None
        assert upgrade.stack.health()["user_ids"] == {"ok": True, "exposed": 0}
    finally:
        etc.write("subuid", "")


def test_process_of_the_old_range_that_the_engine_forgot_is_ended(upgrade, server, tmp_path):
    ok(upgrade.api.stop(server.name))
    made = [runc_create(tmp_path / str(uid), uid) for uid in (record_of(server)["uid"], upgrade.new + 999)]
    try:
        ours, nobodys = [process for _, process in made]
        wait_for(lambda: not ours.is_alive(), "it is ended", 60)
        assert nobodys.is_alive()
    finally:
        for name, _ in made:
            subprocess.run(["runc", "delete", "--force", name], stderr=subprocess.DEVNULL)


def test_uid_of_the_old_range_is_still_one_servers_alone(upgrade, server):
    """A copy that claims it is foreign, and adopted with an id of the new range."""
    ok(upgrade.api.stop(server.name))
    copy = upgrade.stack.new()
    copy.password = server.password
    subprocess.run(["cp", "-a", server.directory, copy.directory], check=True)
    copy.write_record(storage_dir=copy.name)
    upgrade.stack.restart()

    assert "foreign" not in server.view() and copy.view()["foreign"]
    ok(upgrade.api.adopt(copy.name))

    uid = record_of(copy)["uid"]
    assert upgrade.new <= uid < upgrade.old
    assert_is_of(copy, uid)
    assert upgrade.is_old(record_of(server)["uid"])
    ok(upgrade.api.delete(copy.name, purge=True))


def test_failed_start_keeps_the_new_id(upgrade, server):
    """A record that went back to the old one would make its own files a stranger's."""
    old = record_of(server)["uid"]
    ok(upgrade.api.stop(server.name))
    control = server.pgdata / "postgresql.auto.conf"
    kept = control.read_bytes()
    control.write_text("shared_buffers = '1 TB'\n")

    assert upgrade.api.start(server.name).status_code == 503

    uid = record_of(server)["uid"]
    assert uid != old and server.pgdata.stat().st_uid == uid
    control.write_bytes(kept)
    upgrade.stack.restart()
    assert "foreign" not in server.view()
    server.port = ok(upgrade.api.start(server.name))["port"]
    upgrade.assert_moved(server, old)
