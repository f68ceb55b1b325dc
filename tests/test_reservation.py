"""The servers' user ids are reserved where pgberth is installed: new users of the host never get them."""
import json

import pytest

from lib.etc import FILES, Etc
from lib.stack import REPOSITORY

MIN, MAX = 1_900_000_000, 1_900_065_535
RESERVE = REPOSITORY / "app/host/reserve-user-ids"


@pytest.fixture
def own_etc(tmp_path):
    return Etc(tmp_path)


@pytest.fixture
def reserve(own_etc, tmp_path):
    """A function running the installer's program with these options; what it says."""
    def run(**options):
        conf = tmp_path / "pgberth.conf"
        conf.write_text("[pgberth]\n" + "".join(f"{key} = {value}\n" for key, value in {"root": tmp_path / "root", **options}.items()))
        done = own_etc.run(RESERVE, conf, check=True)
        return done.stdout + done.stderr

    return run


def overlapping(etc, first, last, file="subuid"):
    return [line for line in etc.ranges(file) if line[0] != "pgberth" and line[1] <= last and line[2] >= first]


def test_it_is_written_once_into_both_files(own_etc, reserve):
    own_etc.write("subuid", "a:100000:65536")  # without an end of line
    own_etc.write("subgid", None)

    said = reserve()

    assert said.count("reserved pgberth:1900000000:65536 in /etc/") == 2
    assert own_etc.read("subuid") == "a:100000:65536\npgberth:1900000000:65536\n"
    assert own_etc.read("subgid") == "pgberth:1900000000:65536\n"
    assert reserve() == ""
    assert own_etc.read("subuid").count("pgberth") == 1


def test_configured_range_is_reserved_and_a_taken_one_is_left(own_etc, reserve):
    own_etc.write("subuid", "a:296608:65536\n")

    assert "user ids 300000 to 300999 are taken already, see /etc/subuid" in reserve(uid_min=300000, uid_max=300999)
    assert own_etc.ranges() == [("a", 296608, 362143)]
    assert own_etc.ranges("subgid") == [("pgberth", 300000, 300999)]


@pytest.mark.parametrize("uid, is_reserved", [(300000, True), (300005, True), (365535, True), (MIN, False), (366000, False), (3000050, False)])
def test_old_range_is_reserved_as_long_as_a_server_has_it(own_etc, reserve, tmp_path, uid, is_reserved):
    directory = tmp_path / "root/instances/demo"
    directory.mkdir(parents=True)
    (directory / "instance.json").write_text(json.dumps({"uid": uid, "memory_mb": 512}, indent=1))

    reserve()

    assert (("pgberth", 300000, 365535) in own_etc.ranges()) == is_reserved


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
