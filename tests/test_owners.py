"""Whose a server is, and what one token learns of the servers of another: by names, in any text."""
import contextlib
import json
import re
import secrets
import shutil
import subprocess

import pytest

from lib.client import assert_error, ok
from lib.guarded import Guarded
from lib.ports import Listener

MINE, HIDDEN = (f"{whose}-{secrets.token_hex(3)}-" for whose in ("mine", "hidden"))


@pytest.fixture(scope="module")
def stack():
    with Guarded() as stack:
        stack.api = stack.caller(stack.token("add", "root", "--scope", "admin"))
        yield stack


@pytest.fixture(scope="module")
def mine(stack):
    """A token that sees MINE names alone, and may all."""
    return stack.caller(stack.token("add", "mine", "--scope", "admin", "--prefix", MINE))


@pytest.fixture(scope="module")
def hidden(stack):
    """A server of root's that `mine` does not see."""
    return made(stack, stack.api, f"{HIDDEN}x")


@pytest.fixture(scope="module")
def shown(stack):
    """One that it sees, of root's too."""
    return made(stack, stack.api, f"{MINE}x")


@pytest.fixture(scope="module")
def own(stack, mine):
    return made(stack, mine, f"{MINE}own")


def made(stack, api, name, **fields):
    instance = stack.new(name)
    instance.port = ok(api.create(**instance.fields(**fields)))["port"]
    return instance


def end_by_hand(instance):
    """From now on its port may be had by another server of its owner."""
    for command in ("kill", "wait"):  # a kill does not wait for the end
        subprocess.run(["/usr/bin/docker", command, f"pgberth-{instance.name}"], check=True, capture_output=True, timeout=60)


def record_path(instance):
    return instance.directory / "instance.json"


def record_of(instance):
    return json.loads(record_path(instance).read_text())


def change_record(stack, instance, without=(), **changes):
    """Its record, changed while pgberthd does not run."""
    stack.kill()
    record = {**record_of(instance), **changes}
    record_path(instance).write_text(json.dumps({key: value for key, value in record.items() if key not in without}))
    stack.start()


def ids(stack):
    """Ids of tokens by name."""
    return dict(re.findall(r"^(\S+) .* ([0-9a-f]{16}) +20\d\d-", stack.token("ls"), re.M))


# ---- ids ---------------------------------------------------------------------------------------

def test_every_token_has_an_id_that_none_has_again(stack):
    seen = set()
    for _ in range(3):
        stack.token("add", "again", "--scope", "read", "--prefix", MINE)
        seen.add(ids(stack)["again"])
        stack.token("revoke", "again")

    assert len(seen) == 3
    assert not seen & set(ids(stack).values())


@pytest.fixture(scope="module")
def orphan(stack):
    """A server of a token `ci` that was revoked since, ended by hand."""
    name = f"o-{secrets.token_hex(3)}"
    orphan = made(stack, stack.caller(stack.token("add", "ci", "--scope", "write", "--prefix", "o-")), name)
    stack.token("revoke", "ci")
    end_by_hand(orphan)
    return orphan


@pytest.mark.parametrize("prefix", [HIDDEN, "o", ""], ids=["another prefix", "a prefix of both", "no prefix"])
def test_token_of_the_same_name_is_another_owner(stack, orphan, prefix):
    """What was the old one's is not yielded to it, and named only where it sees it."""
    again = stack.caller(stack.token("add", "ci", "--scope", "write", *(["--prefix", prefix] if prefix else [])))

    message = assert_error(again.create(storage_dir=f"{prefix or 'o-'}new", admin_password="x", port=orphan.port), 409,
                           "port_in_use", "port")

    stack.token("revoke", "ci")
    assert (orphan.name in message) == orphan.name.startswith(prefix), message
    assert orphan.view()["port"] == orphan.port


def test_record_that_only_names_its_owner_belongs_to_an_older_token_of_that_name(stack, mine, own):
    other = stack.new(f"{MINE}other")
    for created_at, is_older in ("2020-01-01T00:00:00Z", False), ("2038-01-01T00:00:00Z", True):
        change_record(stack, own, without=["owner_id"], created_at=created_at)
        ok(mine.restart(own.name))
        assert record_of(own)["owner_id"] == (ids(stack)["mine"] if is_older else "")
        end_by_hand(own)
        answer = mine.create(**other.fields(port=own.port))
        if not is_older:
            assert own.name in assert_error(answer, 409, "port_in_use", "port")
            change_record(stack, own, owner="mine")
    assert ok(answer)["port"] == own.port
    stack.purge(other)


def test_restored_server_keeps_an_owner_that_has_an_id(stack, mine, own):
    """The trash may be another host's: a name says nothing here."""
    for without, owner in ([], ["mine", ids(stack)["mine"]]), (["owner_id"], ["", ""]):
        ok(mine.delete(own.name, purge=True))
        [entry] = [entry["id"] for entry in stack.trash() if entry["storage_dir"] == own.name]
        record = own.trash / entry / "instance.json"
        record.write_text(json.dumps({key: value for key, value in json.loads(record.read_text()).items() if key not in without}))

        ok(mine.call("POST", f"/trash/{entry}/restore"))

        assert [record_of(own)[member] for member in ("owner", "owner_id")] == owner


# ---- a port's holder ---------------------------------------------------------------------------

def asks_for(port, instance):
    """Each call that takes a port, as a function of the API: for a server that runs, and for one that does not."""
    return ([lambda api: api.create(storage_dir=f"{MINE}new", admin_password="x", port=port),
             lambda api: api.patch(instance.name, port=port)],
            [lambda api: api.create(**instance.fields(port=port)), lambda api: api.start(instance.name, port=port)])


@pytest.mark.parametrize("state", ["running", "stopped", "ended by hand"])
def test_holder_of_a_port_is_named_to_those_who_see_it_and_yields_to_no_one_else(stack, mine, hidden, shown, state):
    """Both servers are root's: only what the caller sees makes the difference."""
    if state == "stopped":
        ok(stack.api.stop(hidden.name))
    elif state == "ended by hand":
        ok(stack.api.start(hidden.name))
        end_by_hand(hidden)
    running, stopped = asks_for(hidden.port, shown)
    for asks in running, stopped:
        if asks is stopped:
            ok(stack.api.stop(shown.name))
        for ask in asks:
            assert HIDDEN not in assert_error(ask(mine), 409, "port_in_use", "port")
            if state != "ended by hand":  # root would get it
                assert hidden.name in assert_error(ask(stack.api), 409, "port_in_use", "port")
    ok(stack.api.start(shown.name))


def test_any_port_is_none_of_a_server_that_the_caller_does_not_see(stack, mine, hidden, shown):
    ok(stack.api.start(hidden.name))
    ok(stack.api.delete(shown.name))
    end_by_hand(hidden)
    with contextlib.ExitStack() as others:
        for port in range(stack.options["port_min"], stack.options["port_max"] + 1):
            if port != hidden.port:
                others.enter_context(Listener(port))
        assert_error(mine.start(shown.name), 507, "no_free_port")
        assert ok(stack.api.start(shown.name))["port"] == hidden.port
    shown.port, hidden.port = hidden.port, ok(stack.api.start(hidden.name))["port"]


# ---- reasons -----------------------------------------------------------------------------------

def yielded(stack, shown, hidden):
    """Another one took its port."""
    ok(stack.api.stop(hidden.name))
    end_by_hand(shown)
    hidden.port = ok(stack.api.start(hidden.name, port=shown.port))["port"]
    return shown


def lost(stack, shown, hidden):
    """Another one has its port after a start."""
    ok(stack.api.stop(shown.name))
    change_record(stack, shown, port=hidden.port)
    return shown


def old(stack, shown, hidden):
    """The version before wrote the reason, and marked no names."""
    ok(stack.api.stop(shown.name))
    change_record(stack, shown, without=["owner_id"],
                  reason=f"adopted; it was {hidden.name}; its uid is 7 now; its port 6000 is held by {hidden.name}")
    return shown


def foreign(stack, shown, hidden):
    """It is a copy of another's directory."""
    copy = stack.new(f"{MINE}copy")
    ok(stack.api.stop(hidden.name))
    stack.kill()
    shutil.rmtree(copy.directory, ignore_errors=True)
    subprocess.run(["cp", "-a", hidden.directory, copy.directory], check=True)
    stack.start()
    return copy


def adopted(stack, shown, hidden):
    """It was such a copy, and lost its port to the original."""
    copy = foreign(stack, shown, hidden)
    ok(stack.api.adopt(copy.name))
    assert [record_of(copy)[member] for member in ("owner", "owner_id")] == ["", ""]
    return copy


@pytest.mark.parametrize("make", [yielded, lost, old, foreign, adopted])
def test_text_about_a_server_names_another_only_to_those_who_see_it(stack, mine, shown, hidden, make):
    ok(stack.api.start(shown.name))
    ok(stack.api.start(hidden.name))
    instance = make(stack, shown, hidden)
    for restarted in (False, True):
        if restarted:
            stack.restart()
        reason = ok(stack.api.get(instance.name))["reason"]
        assert hidden.name in reason and "\x01" not in reason
        refusal = ["PATCH", f"/containers/{instance.name}/"] if make is foreign else ["GET", "/containers/"]
        for call in (["GET", f"/containers/{instance.name}/"], ["GET", "/containers/"], refusal):
            texts = [api.call(*call, **({"json": {"memory_mb": 256}} if call[0] == "PATCH" else {})).text for api in (stack.api, mine)]
            assert hidden.name in texts[0] and instance.name in texts[1]
            assert HIDDEN not in texts[1] and "u0001" not in "".join(texts), texts
        assert ok(mine.get(instance.name))["reason"] == reason.replace(hidden.name, "another instance")
    assert not [line for line in stack.log_text().splitlines() if f"?{HIDDEN}" in line]


# ---- the trash ---------------------------------------------------------------------------------

def test_trash_entry_is_of_both_its_names(stack, mine, hidden):
    """An operator moved a server of one token's into the trash below a name of another's."""
    ok(stack.api.delete(hidden.name, purge=True))
    [entry] = [entry["id"] for entry in stack.trash() if entry["storage_dir"] == hidden.name]
    moved = entry.replace(HIDDEN, MINE)
    (hidden.trash / entry).rename(hidden.trash / moved)

    listed = mine.call("GET", "/trash").text
    assert HIDDEN not in listed and moved not in listed
    for method, rest in (("POST", "/restore"), ("DELETE", "")):
        assert_error(mine.call(method, f"/trash/{moved}{rest}"), 404, "not_found")
    assert [each["id"] for each in stack.trash() if each["storage_dir"] == hidden.name] == [moved]
