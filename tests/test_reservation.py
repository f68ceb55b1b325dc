"""The servers' user ids are reserved where pgberth is installed: new users of the host never get them, whatever their name."""
import json
import os
import shutil
import stat

import pytest

from lib.etc import FILES, RESERVER, RESERVER_WAS, Etc
from lib.stack import BINARY, REPOSITORY
from test_user_ids import HARMLESS, NONSENSE, OVERLAPS

MIN, MAX = 1_900_000_000, 1_900_065_535
RESERVE = REPOSITORY / "app/host/reserve-user-ids"
RANGE = f"{MIN}:65536"
LINE, LINE_WAS = f"{RESERVER}:{RANGE}\n", f"{RESERVER_WAS}:{RANGE}\n"
OLD_LINE = f"{RESERVER}:300000:65536\n"


@pytest.fixture(scope="module")
def etc(tmp_path_factory):
    return Etc(tmp_path_factory.mktemp("host"))


@pytest.fixture
def own_etc(tmp_path):
    return Etc(tmp_path)


@pytest.fixture
def conf(tmp_path):
    """A function writing a configuration of these lines, which name a root of their own."""
    def write(*lines, root="root = {}"):
        path = tmp_path / "pgberth.conf"
        path.write_text("\n".join(["[pgberth]", root.format(tmp_path / "root"), *lines, ""]))
        return path

    return write


@pytest.fixture
def reserve(own_etc, conf):
    """A function running the installer's program with these options; what it says."""
    def run(**options):
        done = own_etc.run(RESERVE, conf(*(f"{key} = {value}" for key, value in options.items())), check=True)
        return done.stdout + done.stderr

    return run


def overlapping(etc, first, last, file="subuid"):
    return [line for line in etc.ranges(file) if line[0] != RESERVER and line[1] <= last and line[2] >= first]


def test_it_is_written_once_into_both_files(own_etc, reserve):
    own_etc.write("subuid", "a:100000:65536")  # without an end of line
    own_etc.write("subgid", None)

    said = reserve()

    assert said.count(f"reserved {RESERVER}:1900000000:65536 in /etc/") == 2
    assert own_etc.read("subuid") == f"a:100000:65536\n{RESERVER}:1900000000:65536\n"
    assert own_etc.read("subgid") == f"{RESERVER}:1900000000:65536\n"
    assert reserve() == ""
    assert own_etc.read("subuid").count("pgberth") == 1


def test_configured_range_is_reserved_and_a_taken_one_is_left(own_etc, reserve):
    own_etc.write("subuid", "a:296608:65536\n")

    assert "user ids 300000 to 300999 are taken already, see /etc/subuid line 1" in reserve(uid_min=300000, uid_max=300999)
    assert own_etc.ranges() == [("a", 296608, 362143)]
    assert own_etc.ranges("subgid") == [(RESERVER, 300000, 300999)]


def test_installed_program_uses_the_service_of_its_install(own_etc, tmp_path):
    for file in (tmp_path / "usr/libexec/pgberth/reserve-user-ids", tmp_path / "usr/sbin/pgberthd"):
        file.parent.mkdir(parents=True)
    shutil.copy(RESERVE, tmp_path / "usr/libexec/pgberth")
    (tmp_path / "usr/sbin/pgberthd").write_text("#!/bin/sh\necho \"$@\"\n")
    (tmp_path / "usr/sbin/pgberthd").chmod(0o755)

    assert own_etc.run(tmp_path / "usr/libexec/pgberth/reserve-user-ids").stdout == "-r -c /etc/pgberth/pgberth.conf\n"


@pytest.mark.parametrize("lines", [
    ["uid_min = 1950000000", "uid_max = 1950000099"], ["uid_min: 1950000000", "uid_max: 1950000099"],
    ["uid_min=+1950000000", "uid_max=+1950000099"], ["uid_min = 1950000000 ; first", "uid_max = 1950000099 ; last"],
    ["uid_min = 1", "  1950000000", "uid_max = 1950000099"], ["uid_max = 1950000099", "uid_min = 2000", "uid_min = 1950000000"]])
def test_configuration_is_read_as_the_service_reads_it(etc, conf, lines):
    etc.write_all("")
    path = conf(*lines)
    fine = etc.run(BINARY, "-t", "-c", path).returncode == 0

    done = etc.run(RESERVE, path)

    assert (done.returncode == 0) == fine, done.stderr
    assert [etc.ranges(file) for file in FILES] == 2 * [[(RESERVER, 1950000000, 1950000099)] if fine else []]


@pytest.mark.parametrize("text", [None, "[pgberth]\nuid_min = many\n", "[pgberth]\nuid_mix = 5000\n", "nonsense\n"])
def test_configuration_that_cannot_be_read_reserves_nothing_and_is_named(etc, tmp_path, text):
    etc.write_all("")
    path = tmp_path / "pgberth.conf"
    if text is not None:
        path.write_text(text)

    done = etc.run(RESERVE, path)

    assert done.returncode == 1 and str(path) in done.stderr and done.stdout == ""
    assert [etc.read(file) for file in FILES] == ["", ""]


# ---- lines of others ---------------------------------------------------------------------------

LINES = {**{name: line + "\n" for name, line in OVERLAPS.items() if RESERVER_WAS not in line},
         **{name: text for name, text in HARMLESS.items() if text is not None and RESERVER not in text and RESERVER_WAS not in text},
         **{f"nonsense {line}": f"{line}\n" for line in NONSENSE if isinstance(line, str)},
         "octal": f"u4:0{MIN:o}:65536\n", "negative": f"u4:{MIN - 2**32}:65536\n", "around the end": "u4:4294967290:1900000010\n",
         "an end of line of Windows": f"u4:{RANGE}\r\n", "a comment without a blank": f"#u4:{RANGE}\n", "blank lines": "\n\n"}


@pytest.mark.parametrize("name", LINES)
def test_range_is_reserved_exactly_where_the_service_would_start(etc, conf, name):
    etc.write_all(LINES[name])
    path = conf()
    starts = etc.run(BINARY, "-t", "-c", path).returncode == 0

    done = etc.run(RESERVE, path)

    assert done.returncode == 0
    assert (f"user ids {MIN} to {MAX} are taken already, see /etc/subgid line " in done.stderr) == (not starts)
    for file in FILES:
        assert etc.read(file) == LINES[name] + (LINE if starts else "")
    assert (etc.run(BINARY, "-t", "-c", path).returncode == 0) == starts


# ---- the name ----------------------------------------------------------------------------------

def test_name_of_the_reservation_is_one_that_no_user_is_given(own_etc):
    assert own_etc.run("useradd", RESERVER).returncode != 0
    assert own_etc.run("useradd", "--system", RESERVER).returncode != 0
    assert own_etc.run("groupadd", RESERVER).returncode != 0


@pytest.mark.parametrize("options", [[], ["--system"]], ids=["person", "system"])
@pytest.mark.parametrize("when", ["before", "later"])
def test_user_of_the_services_name_gets_none_of_the_ids_and_takes_none_away(own_etc, reserve, conf, when, options):
    """Whichever was there first: and with the user the reservation does not go."""
    if when == "later":
        reserve()
    assert own_etc.run("useradd", *options, "pgberth").returncode == 0
    reserve()

    for file in FILES:
        assert own_etc.read(file).count(LINE) == 1
        assert overlapping(own_etc, MIN, MAX, file) == []
    assert own_etc.run(BINARY, "-t", "-c", conf()).returncode == 0
    assert own_etc.run("userdel", "pgberth").returncode == 0
    for file in FILES:
        assert own_etc.read(file) == LINE


# The files' text before, and then: where nobody has the name of before, and where a user has it.
OF_BEFORE = {
    "the range": (LINE_WAS, LINE, LINE),
    "the range among others": (f"a:1:1\n{LINE_WAS}\nb:5:5\n", f"a:1:1\n{LINE}\nb:5:5\n", f"a:1:1\n{LINE}\nb:5:5\n"),
    "the range twice": (2 * LINE_WAS, LINE, LINE),
    "the range beside a new line": (LINE_WAS + LINE, LINE, LINE),
    "the range behind a new line": (LINE + LINE_WAS, LINE, LINE),
    "hexadecimal": (f"{RESERVER_WAS}:{MIN:#x}:0x10000\n", f"{RESERVER}:{MIN:#x}:0x10000\n", f"{RESERVER}:{MIN:#x}:0x10000\n"),
    "a user's own ids": (f"{RESERVER_WAS}:100000:65536\n", f"{RESERVER}:100000:65536\n{LINE}", f"{RESERVER_WAS}:100000:65536\n{LINE}"),
    "a part of the range": (f"{RESERVER_WAS}:{MIN}:9\n", f"{RESERVER}:{MIN}:9\n{LINE}", f"{RESERVER_WAS}:{MIN}:9\n"),
    "a comment": (f"# {LINE_WAS}", f"# {LINE_WAS}{LINE}", f"# {LINE_WAS}{LINE}"),
    "a longer name": (f"{RESERVER_WAS}2:100000:65536\n", f"{RESERVER_WAS}2:100000:65536\n{LINE}", f"{RESERVER_WAS}2:100000:65536\n{LINE}"),
}


@pytest.mark.parametrize("has_user", [False, True], ids=["nobody", "a user"])
@pytest.mark.parametrize("name", OF_BEFORE)
def test_line_of_before_gets_the_new_name_where_it_is_ours(etc, conf, name, has_user):
    before, *then = OF_BEFORE[name]
    etc.write_all(before)
    users = etc.read("passwd")
    if has_user:
        etc.append("passwd", "pgberth:x:1500:1500::/:/bin/sh\n")
    try:
        done = etc.run(RESERVE, conf(), check=True)
        again = etc.run(RESERVE, conf(), check=True)
    finally:
        etc.write("passwd", users)

    assert [etc.read(file) for file in FILES] == 2 * [then[has_user]]
    assert ("are taken already" in done.stderr) == (LINE not in then[has_user] and f"{MIN:#x}" not in before)
    assert again.stdout == "", "nothing is left to change"


def test_range_of_before_is_reserved_under_the_new_name_too(own_etc, reserve, tmp_path):
    own_etc.write_all(f"{RESERVER_WAS}:300000:65536\n")
    own_etc.append("passwd", "pgberth:x:1500:1500::/:/bin/sh\n")
    (tmp_path / "root/instances/demo").mkdir(parents=True)
    (tmp_path / "root/instances/demo/instance.json").write_text('{"uid": 300000}')

    reserve()

    assert own_etc.read("subuid") == OLD_LINE + LINE


# ---- the range of version 0.2 ------------------------------------------------------------------

@pytest.mark.parametrize("uid, is_reserved", [(300000, True), (300005, True), (365535, True), (MIN, False), (366000, False), (3000050, False)])
def test_old_range_is_reserved_as_long_as_a_server_has_it(own_etc, reserve, tmp_path, uid, is_reserved):
    directory = tmp_path / "root/instances/demo"
    directory.mkdir(parents=True)
    (directory / "instance.json").write_text(json.dumps({"uid": uid, "memory_mb": 512}, indent=1))

    reserve()

    assert ((RESERVER, 300000, 365535) in own_etc.ranges()) == is_reserved


RECORDS = {"compact": '{"uid":300007,"x":1}', "amid a move": json.dumps({"uid": MIN, "uid_was": 300007}, indent=4),
           "of one line": '{"x": 1, "uid": 300007}', "behind a blank": '{\n\t"uid" : 300007\n}', "of files alone": None}


@pytest.mark.parametrize("root", ["root = {}", "root: {}", "root={} ; data"])
@pytest.mark.parametrize("place", ["instances", "trash"])
@pytest.mark.parametrize("record", RECORDS)
def test_old_id_is_found_wherever_it_is(etc, conf, tmp_path, record, place, root):
    etc.write_all("")
    directory = tmp_path / "root" / place / "demo"
    (directory / "pg").mkdir(parents=True)
    if RECORDS[record] is None:
        os.chown(directory / "pg", 0, 300007)
    else:
        (directory / "instance.json").write_text(RECORDS[record])

    etc.run(RESERVE, conf(root=root), check=True)

    assert [etc.read(file) for file in FILES] == 2 * [LINE + OLD_LINE]


# ---- the files ---------------------------------------------------------------------------------

def test_file_keeps_its_mode_its_owner_and_its_place(own_etc, reserve):
    path, other = own_etc.place / "subuid", own_etc.place / "elsewhere"
    other.write_text("a:1:1\n")
    other.chmod(0o640)
    os.chown(other, 0, 42)
    path.unlink()
    path.symlink_to("elsewhere")

    reserve()

    assert path.is_symlink() and other.read_text() == "a:1:1\n" + LINE
    assert (stat.S_IMODE(other.stat().st_mode), other.stat().st_gid) == (0o640, 42)
    assert not list(own_etc.place.glob("*.tmp"))


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("subuid", path),
                                  lambda path: path.write_bytes(b"a:1:1\n\0b:5:5\n")], ids=["directory", "pipe", "loop", "zeros"])
def test_file_that_cannot_be_changed_is_named_and_left(own_etc, conf, make):
    own_etc.write("subuid", None)
    make(own_etc.place / "subuid")
    def found():
        status = os.lstat(own_etc.place / "subuid")
        return status.st_ino, status.st_mode, status.st_mtime_ns

    before = found()

    done = own_etc.run(RESERVE, conf())

    assert done.returncode == 1 and "subuid" in done.stderr
    assert found() == before


# ---- useradd -----------------------------------------------------------------------------------

@pytest.mark.parametrize("first, last", [(MIN, MAX), (300000, 365535)])
def test_new_users_never_get_what_is_reserved(own_etc, reserve, first, last):
    reserve(uid_min=first, uid_max=last)
    # As if SUB_UID_MAX reached beyond, and where the next free ids are the servers' own.
    defs = own_etc.read("login.defs")
    own_etc.write("login.defs", defs + f"\nSUB_UID_MIN {first - 70000}\nSUB_UID_MAX {last + 400000}\n"
                                       f"SUB_GID_MIN {first - 70000}\nSUB_GID_MAX {last + 400000}\n")

    for number in range(4):
        done = own_etc.run("useradd", f"pgberth-try-{number}")
        assert done.returncode == 0, done.stderr

    for file in FILES:
        assert len(own_etc.ranges(file)) == 5
        assert overlapping(own_etc, first, last, file) == []


def test_new_users_got_the_old_range_without_it(own_etc):
    """The control: it is the reservation that keeps them off."""
    for number in range(4):
        own_etc.run("useradd", f"pgberth-try-{number}", check=True)

    assert overlapping(own_etc, 300000, 365535)
