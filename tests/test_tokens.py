"""Tokens: who may do what, and what one learns of what is not one's own."""
import contextlib
import json
import os
import re
import secrets
import subprocess
import time

import pytest

from lib.canary_search import new_canary
from lib.client import assert_error, ok
from lib.concurrency import at_once
from lib.daemon import fields
from lib.fcgi import Fcgi
from lib.guarded import PGBERTH, Guarded
from lib.waiting import wait_for

# The engine has one container of a name, whoever's it is: each worker has names of its own.
OURS, THEIRS = (f"{whose}-{secrets.token_hex(3)}-" for whose in ("ours", "theirs"))
DAY_S = 86400


@pytest.fixture(scope="module")
def stack():
    with Guarded() as stack:
        stack.root_token = stack.token("add", "root", "--scope", "admin")
        stack.api = stack.caller(stack.root_token)
        yield stack


@pytest.fixture(scope="module")
def ours(stack):
    """The API of a token for OURS names."""
    return stack.caller(stack.token("add", "ours", "--scope", "write", "--prefix", OURS))


@pytest.fixture(scope="module")
def theirs(stack):
    return stack.caller(stack.token("add", "theirs", "--scope", "admin", "--prefix", THEIRS))


@pytest.fixture(scope="module")
def instance(stack, ours):
    instance = stack.new(f"{OURS}1")
    ok(ours.create(**instance.fields()))
    instance.port = ok(ours.get(f"{OURS}1"))["port"]
    return instance


@pytest.fixture
def trashed(stack, ours):
    """The ids of two things in the trash, both of one name; those that no call has taken out stay for the next test."""
    def ids():
        return [entry["id"] for entry in ok(stack.api.call("GET", "/trash"))["trash"]
                if entry["storage_dir"] == f"{OURS}trashed"]
    while len(ids()) < 2:
        ok(ours.create(**stack.new(f"{OURS}trashed").fields()))
        ok(ours.delete(f"{OURS}trashed", purge=True))
    return ids()[:2]


def calls(instance, trashed):
    """Every call there is: the least scope it needs, what it says of, and itself; a body for each that takes one."""
    one, (first, second) = f"/containers/{instance.name}", trashed
    return [
        ("none", None, "GET", "/health", None),
        ("read", None, "GET", "/containers/", None),
        ("read", "one", "GET", one, None),
        ("read", "one", "GET", f"{one}/logs", None),
        ("read", "one", "GET", f"{one}/certificate", None),
        ("read", None, "GET", "/trash", None),
        ("write", "new", "POST", "/containers/", instance.fields()),
        ("write", "one", "PATCH", one, {"labels": {"a": "b"}}),
        ("write", "one", "POST", f"{one}/stop", None),
        ("write", "one", "POST", f"{one}/start", None),
        ("write", "one", "POST", f"{one}/restart", None),
        ("write", "one", "PUT", f"{one}/password", {"admin_password": instance.password}),
        ("write", "one", "DELETE", one, None),
        ("write", "new", "POST", "/containers/", instance.fields()),
        ("write", "one", "POST", f"/trash/{first}/restore", None),
        ("write", "one", "DELETE", f"/containers/{OURS}trashed?purge=true", None),
        ("admin", "one", "DELETE", f"/trash/{second}", None),
        ("admin", "one", "POST", f"{one}/adopt", None),
        ("admin", None, "POST", "/purge", {"stopped_days": 1}),
    ]


SCOPES = ["none", "read", "write", "admin"]


def asked(api, method, path, body):
    return api.call(method, path, json=body)


# ---- the matrix --------------------------------------------------------------------------------

def test_every_call_without_a_valid_token_is_refused_alike(stack, instance, trashed):
    expired = stack.token("add", "expired", "--scope", "admin", "--expires", "1d")
    stack.edit("expired", expires_at=int(time.time()) - 1)
    revoked = stack.token("add", "revoked", "--scope", "admin")
    stack.token("revoke", "revoked")
    bad = {"none": {}, "wrong": f"Bearer pgb_{'0' * 64}", "expired": f"Bearer {expired}",
           "revoked": f"Bearer {revoked}", "another scheme": f"Basic {stack.root_token}",
           "cut": f"Bearer {stack.root_token[:-1]}", "longer": f"Bearer {stack.root_token}0", "empty": "Bearer ",
           "hash": f"Bearer {json.loads(stack.tokens.read_text())['tokens'][0]['sha256']}"}
    before = instance.view()

    for name, authorization in bad.items():
        api = stack.caller(None)
        for scope, _, method, path, body in calls(instance, trashed):
            # One address each, or there would be too many failures of one.
            status, said = fcgi(stack, method, path, body, authorization, f"127.1.{len(name)}.{len(path)}")
            if scope == "none":
                assert status == 200
                continue
            assert status == 401, (name, method, path, said)
            assert 'WWW-Authenticate: Bearer realm="pgberth"\r\n' in said
            assert said.split("\r\n\r\n")[1] == UNAUTHORIZED, (name, method, path)
        assert_error(api.call("GET", "/nowhere"), 401, "unauthorized")
    assert instance.view() == before


UNAUTHORIZED = ('{"status":"ERROR","error":{"code":"unauthorized","message":"this call needs a valid token: '
                'Authorization: Bearer <token>"},"request_id":"test-fcgi"}')


def fcgi(stack, method, path, body, authorization, address="127.0.0.1"):
    """The answer of pgberthd to what nginx would pass on."""
    path, _, query = path.partition("?")
    text = json.dumps(body).encode() if body else b""
    params = {"REQUEST_METHOD": method, "DOCUMENT_URI": f"/api{path}", "QUERY_STRING": query, "REMOTE_ADDR": address,
              "HTTP_HOST": "localhost", "CONTENT_TYPE": "application/json" if body else "",
              "CONTENT_LENGTH": len(text) or "", "REQUEST_ID": "test-fcgi"}
    if authorization:
        params["HTTP_AUTHORIZATION"] = authorization
    request = Fcgi(stack.options["socket"], **params)
    request.body(text)
    return request.answer()


@pytest.mark.parametrize("scope", ["read", "write", "admin"])
def test_each_scope_may_what_it_says(stack, instance, trashed, scope):
    api = stack.caller(stack.token("add", f"scope-{scope}", "--scope", scope, "--prefix", OURS))

    for needed, _, method, path, body in calls(instance, trashed):
        answer = asked(api, method, path, body)
        if SCOPES.index(needed) <= SCOPES.index(scope):
            assert answer.status_code == 200, (method, path, answer.text)
        else:
            message = assert_error(answer, 403, "forbidden")
            assert message == f"this token's scope is {scope}, this call needs {needed}"


def test_what_is_of_another_prefix_does_not_exist(stack, instance, theirs, trashed):
    before = instance.view()

    for _, what, method, path, body in calls(instance, trashed):
        answer = asked(theirs, method, path, body)
        if what == "one":
            absent = asked(theirs, method, path.replace(OURS, THEIRS), body)
            said = assert_error(answer, 404, "not_found")
            assert said.replace(OURS, THEIRS) == assert_error(absent, 404, "not_found"), (method, path)
        elif what == "new":
            assert_error(answer, 403, "forbidden", "storage_dir")
            taken = assert_error(theirs.create(storage_dir=f"{OURS}absent", admin_password="x"), 403, "forbidden",
                                 "storage_dir")
            assert taken == answer.json()["error"]["message"]
        else:
            assert ok(answer) and OURS not in answer.text, (method, path)
    assert instance.view() == before


def test_prefix_does_not_reach_into_the_stamps_of_the_trash(stack, trashed):
    stamp = trashed[0][len(f"{OURS}trashed."):][:4]
    api = stack.caller(stack.token("add", "stamp", "--scope", "admin", "--prefix", f"{OURS}trashed.{stamp}"))

    assert ok(api.call("GET", "/trash"))["trash"] == []
    assert_error(api.call("DELETE", f"/trash/{trashed[0]}"), 404, "not_found")


def test_purge_of_the_stopped_keeps_to_the_prefix(stack, theirs):
    for api, name in ((stack.api, "other-stopped"), (theirs, f"{THEIRS}stopped")):
        ok(api.create(storage_dir=name, admin_password="x"))
        ok(api.stop(name))
    stack.kill()
    for name in ("other-stopped", f"{THEIRS}stopped"):
        record = stack.settings.instances / name / "instance.json"
        record.write_text(json.dumps({**json.loads(record.read_text()), "stopped_at": 1}))
    stack.start()

    answer = ok(theirs.call("POST", "/purge", json={"stopped_days": 1, "dry_run": False}))

    assert answer["containers"] == [f"{THEIRS}stopped"]
    assert ok(stack.api.get("other-stopped"))["state"] == "stopped"
    ok(stack.api.delete("other-stopped", purge=True))


# ---- ports -------------------------------------------------------------------------------------

def test_port_is_not_given_up_to_another_token(stack, ours, theirs):
    first = stack.new(f"{OURS}port")
    first.port = ok(ours.create(**first.fields()))["port"]
    subprocess.run(["/usr/bin/docker", "kill", f"pgberth-{first.name}"], check=True, capture_output=True)

    message = assert_error(theirs.create(storage_dir=f"{THEIRS}port", admin_password="x", port=first.port), 409,
                           "port_in_use", "port")
    assert "ours" not in message
    second = ok(ours.create(storage_dir=f"{OURS}port-2", admin_password="x", port=first.port))

    assert second["port"] == first.port
    assert f"{OURS}port-2" in ok(ours.get(first.name))["reason"]
    for name in (f"{OURS}port", f"{OURS}port-2"):
        ok(ours.delete(name, purge=True))


# ---- the file ----------------------------------------------------------------------------------

@contextlib.contextmanager
def kept(path):
    """The token file is as before afterwards."""
    text = path.read_bytes()
    yield
    path.unlink(missing_ok=True)
    path.write_bytes(text)
    path.chmod(0o600)


def test_revoked_token_ends_at_once_and_new_ones_work_at_once(stack):
    for number in range(5):
        api = stack.caller(stack.token("add", "brief", "--scope", "read"))
        ok(api.list())
        stack.token("revoke", "brief")
        assert_error(api.list(), 401, "unauthorized")


@pytest.mark.parametrize("spoil", [
    lambda path: path.write_text("{"), lambda path: path.write_text(""), lambda path: path.write_text("[]"),
    lambda path: path.write_text('{"format": 2, "tokens": []}'), lambda path: path.chmod(0o644),
    lambda path: os.chown(path, 65534, 65534), lambda path: (path.unlink(), path.mkdir(mode=0o700)),
    lambda path: (path.rename(path.with_name("real")), path.symlink_to("real"))],
    ids=["cut", "empty", "array", "format", "mode", "owner", "directory", "link"])
def test_token_file_that_cannot_be_read_lets_nobody_in(stack, spoil):
    with kept(stack.tokens):
        spoil(stack.tokens)
        try:
            assert_error(stack.api.list(), 503, "tokens_unreadable")
            assert_error(stack.caller(None).list(), 503, "tokens_unreadable")
            ok(stack.caller(None).call("GET", "/health"))
        finally:
            if stack.tokens.is_dir():
                stack.tokens.rmdir()
    wait_for(lambda: stack.api.list().status_code == 200, "the mended file is read")


def test_many_tokens_made_at_once_are_all_there(stack):
    made = at_once([lambda number=number: stack.token("add", f"crowd-{number}", "--scope", "read")
                    for number in range(20)])

    assert len(set(made)) == 20
    assert all(re.fullmatch("pgb_[0-9a-f]{64}", token) for token in made)
    assert [stack.caller(token).list().status_code for token in made] == [200] * 20
    assert oct(stack.tokens.stat().st_mode & 0o777) == "0o600"
    for number in range(20):
        stack.token("revoke", f"crowd-{number}")


# ---- the way back: version 0.2 refuses a file that has a member which it does not know --------

MEMBERS = {"name": str, "scope": str, "prefix": str, "created_at": int, "expires_at": int, "sha256": str}


def entry(name):
    return {"name": name, "scope": "read", "prefix": "", "created_at": 1, "expires_at": 0, "sha256": secrets.token_hex(32)}


class Files:
    """A file of tokens that no pgberthd reads, and the command line for it."""

    def __init__(self, place):
        self.tokens, self.revoked, self.configuration = place / "tokens", place / "tokens.revoked", place / "pgberth.conf"
        self.configuration.write_text(f"[pgberth]\nroot = {place}\nsocket = {place}/socket\ntokens = {self.tokens}\n")

    def write(self, **table):
        self.tokens.write_text(json.dumps(table))
        self.tokens.chmod(0o600)

    def token(self, *arguments):
        return subprocess.run([PGBERTH, "token", arguments[0], "-c", self.configuration, *arguments[1:]], check=True, capture_output=True,
                              text=True)

    def names(self, path=None):
        """Of a file that version 0.2 can read, as long as the other one is not asked for."""
        table = json.loads((path or self.tokens).read_text())
        assert set(table) == {"format", "tokens"} and table["format"] == 1
        assert oct((path or self.tokens).stat().st_mode) == "0o100600"
        for each in table["tokens"]:
            assert {name: type(value) for name, value in each.items()} == MEMBERS
        return [each["name"] for each in table["tokens"]]


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


@pytest.mark.parametrize("change, names, revoked", [
    (["add", "new", "--scope", "read"], ["kept", "gone", "new"], []), (["revoke", "gone"], ["kept"], ["gone"])], ids=["add", "revoke"])
@pytest.mark.parametrize("before", [{}, {"revoked": []}, {"revoked": [entry("old")]}], ids=["0.2", "none revoked", "revoked"])
def test_token_file_has_what_version_0_2_reads_and_no_more(files, before, change, names, revoked):
    files.write(format=1, tokens=[entry("kept"), entry("gone")], **before)

    files.token(*change)

    assert files.names() == names
    wanted = [each["name"] for each in before.get("revoked", [])] + revoked
    assert (files.names(files.revoked) if wanted else files.revoked.exists()) == (wanted or False)


def test_first_and_last_token_leave_a_file_that_version_0_2_reads(files):
    files.token("add", "only", "--scope", "admin", "--prefix", "ci-", "--expires", "1d")
    assert files.names() == ["only"]
    files.token("revoke", "only")
    assert (files.names(), files.names(files.revoked)) == ([], ["only"])


def test_revoked_tokens_make_room_for_later_ones(files):
    files.write(format=1, tokens=[entry("last")], revoked=[entry(f"old-{number}") for number in range(64)])

    files.token("revoke", "last")

    assert files.names(files.revoked) == [*(f"old-{number}" for number in range(1, 64)), "last"]


@pytest.mark.parametrize("spoil", [
    lambda path: path.write_text("{"), lambda path: path.write_text('{"format": 2, "tokens": []}'), lambda path: path.chmod(0o644),
    lambda path: (path.unlink(), path.mkdir()), lambda path: (path.unlink(), path.symlink_to("/etc/passwd")), lambda path: path.unlink()],
    ids=["cut", "format", "mode", "directory", "link", "missing"])
def test_file_of_revoked_tokens_decides_nothing(stack, spoil):
    beside = stack.tokens.with_name("tokens.revoked")
    for name in ("first", "second"):
        token = stack.token("add", name, "--scope", "read")
    stack.token("revoke", "first")
    spoil(beside)
    try:
        ok(stack.api.list())
        ok(stack.caller(token).list())
        stack.token("revoke", "second")
        assert_error(stack.caller(token).list(), 401, "unauthorized")
        ok(stack.api.list())
    finally:
        if beside.is_dir() and not beside.is_symlink():
            beside.rmdir()


def test_token_that_a_crash_left_in_both_files_is_valid(stack):
    token = stack.token("add", "both", "--scope", "read")
    before = len(stack.log_text())
    [both] = [each for each in json.loads(stack.tokens.read_text())["tokens"] if each["name"] == "both"]
    beside = stack.tokens.with_name("tokens.revoked")
    beside.write_text(json.dumps({"format": 1, "tokens": [both]}))
    beside.chmod(0o600)

    ok(stack.caller(token).list())
    assert "action=token_add" in stack.log_text()[before:]
    assert "action=token_revoke" not in stack.log_text()[before:]
    stack.token("revoke", "both")
    assert_error(stack.caller(token).list(), 401, "unauthorized")
    assert stack.log_text()[before:].count("action=token_revoke") == 1


# ---- who asks ----------------------------------------------------------------------------------

def test_refusal_does_not_wait_for_the_body(stack):
    request = Fcgi(stack.options["socket"], REQUEST_METHOD="POST", DOCUMENT_URI="/api/containers/",
                   REMOTE_ADDR="127.0.0.1", HTTP_HOST="localhost", CONTENT_TYPE="application/json",
                   CONTENT_LENGTH=16000)

    status, _ = request.answer()

    assert status == 401


def test_token_opens_from_afar_and_nothing_else_does(stack):
    far = "192.0.2.7"

    assert fcgi(stack, "GET", "/containers", None, f"Bearer {stack.root_token}", far)[0] == 200
    assert fcgi(stack, "GET", "/containers", None, f"bearer {stack.root_token}", far)[0] == 200
    assert fcgi(stack, "GET", "/containers", None, None, far)[0] == 401
    assert fcgi(stack, "GET", "/health", None, None, far)[0] == 200


def test_guessing_is_slowed_but_shuts_no_one_out(stack):
    def guess(address):
        return fcgi(stack, "GET", "/containers", None, "Bearer pgb_guess", address)

    answers = [guess("192.0.2.8") for _ in range(110)]

    assert {status for status, _ in answers[:100]} == {401}
    assert {status for status, _ in answers[100:]} == {429}
    assert "Retry-After: 60\r\n" in answers[-1][1]
    assert fcgi(stack, "GET", "/containers", None, f"Bearer {stack.root_token}", "192.0.2.8")[0] == 200
    assert guess("192.0.2.9")[0] == 401
    # An IPv6 subscriber has 2^64 addresses.
    assert [guess(f"2001:db8::{number:x}")[0] for number in range(105)][-1] == 429
    assert guess("2001:db8:0:1::1")[0] == 401


def test_without_tokens_only_this_machine_calls():
    with Guarded() as stack:
        ok(stack.api.list())
        assert fcgi(stack, "GET", "/containers", None, None, "192.0.2.7")[0] == 403
        stack.token("add", "only", "--scope", "read")
        assert_error(stack.api.list(), 401, "unauthorized")
        assert "No token is left" in stack.token("revoke", "only")
        ok(stack.api.list())


def test_listening_to_the_world_needs_a_token():
    with Guarded() as stack:
        stack.stop()
        stack.write_configuration(listen="0.0.0.0")
        stack.spawn()
        assert stack.process.wait(60) == 1
        assert "no token is configured" in stack.log_text()
        stack.token("add", "world", "--scope", "read")
        stack.start()


def test_changes_leave_a_line_that_says_who(stack, ours, theirs, instance):
    ok(ours.patch(f"{OURS}1", labels={"x": "y"}))
    theirs.delete(f"{OURS}1")
    stack.caller(None).delete(f"{OURS}1")

    lines = [line for line in stack.log_text().splitlines() if " audit " in line][-3:]

    assert [re.search(f"who=(.*?) from=127.0.0.1 call=\"(.*?) .*name={OURS}1 result=([a-z_]*) id=test-", line).groups()
            for line in lines] == [("ours", "PATCH", "ok"), ("theirs", "DELETE", "not_found"),
                                   ("-", "DELETE", "unauthorized")]


@pytest.mark.parametrize("path", ["/x audit who=root from=1.2.3.4", '/x" audit who=root result=ok call="', "/x\n1999 info audit who=root",
                                  "/x\\", "/x%20\u00e9\x1b[2J", f"/containers/{'x' * 3000}"], ids=ascii)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_path_is_one_value_of_the_line(stack, method, path):
    """Without a token: a change is told of too, whoever wanted it."""
    for path in (path, "/containers" + path):
        before = len(stack.log_text())
        fcgi(stack, method, path, None, None, "127.2.0.1")

        lines = [line for line in stack.log_text()[before:].splitlines() if " tokens read " not in line and " action=token_" not in line]

        assert lines and all(line.endswith(" id=test-fcgi") for line in lines)
        for line in map(fields, lines):
            assert line.get("who", "-") == "-" and "1.2.3.4" not in line.get("from", ""), lines
            if line[""].endswith(" request"):
                assert set(line) == {"", "method", "path", "status", "ms", "code", "error", "id"}, lines
            else:
                assert line[""].endswith(" audit") and line["result"] in ("unauthorized", "too_many_requests"), lines
        assert not any(" audit who=root" in line for line in lines)


def test_token_is_in_no_log_and_no_record(stack, ours, canary_search):
    secret = ours.session.headers["Authorization"].split()[1]

    assert canary_search.places_of(secret, secret[4:]) == []
    assert secret not in stack.log_text()
    assert not any(secret in path.read_text(errors="replace") for path in stack.run.glob("*.log"))
    assert secret not in stack.token("ls")


# ---- the command line --------------------------------------------------------------------------

def test_command_line_makes_lists_and_removes(stack):
    canary = new_canary()
    secret = stack.run / "token"
    secret.write_text(stack.root_token + "\n")
    target = ["--url", stack.api.base.removesuffix("/api"), "--token-file", secret,
              "--cacert", "/etc/pgberth/tls/nginx.crt"]

    dsn = stack.pgberth("create", "by-hand", "--label", "made=by hand", "--memory-mb", "256",
                        "--allow", "10.0.0.0/8", "--allow", "::1", "--tls", "required", *target,
                        given=f"{canary}\n").strip()
    instance = stack.new("by-hand")
    instance.password, instance.port = canary, instance.view()["port"]
    listed = stack.pgberth("ls", *target, "--label", "made=by hand")
    as_json = json.loads(stack.pgberth("ls", *target, "--json", "--state", "running", "--label", "made=by hand"))

    assert instance.value("SELECT 1", dsn=dsn) == 1
    assert re.search(rf"^by-hand +running +{instance.port} +17 ", listed, re.M)
    assert [view["limits"]["memory_mb"] for view in as_json] == [256]
    assert [(view["allow"], view["tls"]) for view in as_json] == [(["10.0.0.0/8", "::1/128"], "required")]
    assert "kept" in stack.pgberth("rm", "by-hand", *target)
    assert "trash" in stack.pgberth("rm", "by-hand", "--purge", *target)
    assert "instance by-hand does not exist" in stack.pgberth("rm", "by-hand", *target, status=1)
    assert "port" in stack.pgberth("create", "by-hand", "--port", "80", *target, given=canary, status=1)
    assert "certificate" in stack.pgberth("ls", *target[:2], status=1)


@pytest.mark.parametrize("arguments", [
    [], ["token"], ["nothing"], ["create"], ["create", "a", "b"], ["create", "../x"], ["create", "a", "--port", "x"],
    ["create", "a", "--label", "x"], ["rm"], ["ls", "x"], ["token", "add"], ["token", "add", "a"],
    ["token", "add", "a", "--scope", "all"], ["token", "add", "a b", "--scope", "read"],
    ["token", "add", "a", "--scope", "read", "--prefix", "../"], ["token", "revoke"],
    ["token", "add", "a", "--scope", "read", "--expires", "soon"],
    ["token", "add", "a", "--scope", "read", "--expires", "0d"], ["ls", "--nothing"],
    ["adopt"], ["adopt", "../x"], ["adopt", "a", "--all"]], ids=" ".join)
def test_wrong_usage_is_told_and_does_nothing(arguments):
    done = subprocess.run([PGBERTH, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)

    assert done.returncode == 2
    assert done.stderr and not done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["create", "--help"], ["token", "add", "--help"], ["--version"]],
                         ids=" ".join)
def test_help_is_given(arguments):
    done = subprocess.run([PGBERTH, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)

    assert done.returncode == 0
    assert "pgberth" in done.stdout


def test_token_commands_say_what_is_wrong(stack):
    assert "token nobody does not exist" in stack.token("revoke", "nobody", status=1)
    assert "already" in stack.token("add", "root", "--scope", "read", status=1)
    assert "cannot be read" in stack.pgberth("token", "ls", "-c", "/nowhere", status=1)
    listed = stack.token("ls")
    assert re.search(r"^root +admin +- +[0-9a-f]{16} +20\d\d-\d\d-\d\d \d\d:\d\d +never$", listed, re.M)
