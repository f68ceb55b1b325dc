"""Lines of the log that tell who changed what: one for each server and change, refused ones too."""
import concurrent.futures
import contextlib
import json
import re
import secrets

import pytest

from lib.canary_search import new_canary
from lib.client import ok
from lib.daemon import fields
from lib.engine_proxy import EngineProxy, close, hold
from lib.guarded import Guarded
from lib.waiting import wait_for
from test_owners import end_by_hand, ids

OURS = f"ours-{secrets.token_hex(3)}-"
CANARY = new_canary()


@pytest.fixture(scope="module")
def engine():
    with EngineProxy() as engine:
        yield engine


@pytest.fixture(scope="module")
def stack(engine):
    with Guarded(engine_socket=engine.path, changes=1) as stack:
        stack.api = stack.caller(stack.token("add", "boss", "--scope", "admin"))
        yield stack
        assert CANARY not in stack.log_text()
        assert CANARY.encode() not in (stack.root / "changes.begun").read_bytes()


@pytest.fixture(scope="module")
def ours(stack):
    return stack.caller(stack.token("add", "ours", "--scope", "write", "--prefix", OURS))


@pytest.fixture(scope="module")
def instance(stack, ours):
    instance = stack.new(f"{OURS}1")
    instance.password = CANARY
    instance.port = ok(ours.create(**instance.fields()))["port"]
    return instance


@contextlib.contextmanager
def audited(stack, tokens=False):
    """A list that is filled at the end: the audit lines since, of calls or of tokens, without the time before them."""
    before, lines = len(stack.log_text()), []
    yield lines
    lines += [line for line in audit_lines(stack.log_text()[before:]) if line["action"].startswith("token_") == tokens]


def audit_lines(text):
    return [fields(line.split(" ", 2)[2]) for line in text.splitlines() if " audit " in line]


def line_of(answer, who, token, name, action, given, result="ok", wrong=None, **more):
    """The line that a call leaves."""
    request = answer.request
    path = re.sub("[?].*", "", request.path_url)
    return {"": "audit", "who": who, "token": token, "from": "127.0.0.1", "call": f"{request.method} {path}", "action": action,
            "fields": given or "-", "status": str(answer.status_code), **({"field": wrong} if wrong else {}), "name": name,
            "result": result, "id": request.headers["X-Request-Id"], **more}


# ---- calls -------------------------------------------------------------------------------------

def test_every_change_leaves_one_line(stack, ours, instance):
    name, one = instance.name, f"/containers/{instance.name}"
    for method, path, body, action, given in [
            ("POST", f"{one}/stop", None, "stop", ""),
            ("POST", f"{one}/start", {"port": instance.port, "safe": False}, "start", "port,safe"),
            ("POST", f"{one}/restart", None, "restart", ""),
            ("PATCH", one, {"labels": {"a": "b"}, "memory_mb": 300, "expires_in": 0}, "update", "labels,memory_mb,expires_in"),
            ("PUT", f"{one}/password", {"admin_password": CANARY}, "password", "admin_password"),
            ("POST", "/containers/", instance.fields(), "create", "storage_dir,admin_password,port"),
            ("POST", f"{one}/adopt", None, "adopt", ""),
            ("DELETE", one, None, "delete", ""),
            ("DELETE", f"{one}?purge=false", None, "delete", "purge"),
            ("DELETE", f"{one}?purge=true", None, "purge", "purge"),
            ("POST", "/trash/ID/restore", None, "restore", ""),
            ("DELETE", f"{one}?purge=true", None, "purge", "purge"),
            ("DELETE", "/trash/ID", None, "trash_remove", ""),
            ("POST", "/purge", {"stopped_days": 30}, "purge_dry_run", "stopped_days"),
            ("POST", "/purge", {"stopped_days": 30, "dry_run": False}, "purge", "stopped_days,dry_run")]:
        more = {}
        if "ID" in path:
            [more["trash"]] = [entry["id"] for entry in stack.trash()]
            path = path.replace("ID", more["trash"])
        who, api = ("boss", stack.api) if action in ("adopt", "trash_remove") or path == "/purge" else ("ours", ours)
        with audited(stack) as lines:
            answer = api.call(method, path, json=body)
        assert answer.status_code == 200, answer.text
        assert lines == [line_of(answer, who, ids(stack)[who], "-" if path == "/purge" else name, action, given, **more)]
    with audited(stack) as lines:
        for path in ("/containers/", one, f"{one}/logs", "/trash/", "/health"):
            stack.api.call("GET", path)
    assert lines == []


@pytest.mark.parametrize("case", [
    ("read", 403, "forbidden", "create", "storage_dir,admin_password,port", None),
    ("theirs", 403, "forbidden", "create", "storage_dir,admin_password,port", "storage_dir"),
], ids=lambda case: case[0])
def test_refused_create_is_told_with_its_name(stack, case):
    token, status, code, action, given, wrong = case
    scope = "read" if token == "read" else "write"
    api = stack.caller(stack.token("add", token, "--scope", scope, "--prefix", "theirs-"))
    with audited(stack) as lines:
        answer = api.create(storage_dir=f"{OURS}2", admin_password=CANARY, port=stack.options["port_min"])
    assert answer.status_code == status
    assert lines == [line_of(answer, token, ids(stack)[token], f"{OURS}2", action, given, code, wrong)]


def refusals(name):
    """Status, code, call, body, and of the line: action, name, fields that were given, the wrong one."""
    one, create = f"/containers/{name}", {"storage_dir": name, "admin_password": CANARY}
    return [
        (400, "unreadable", "POST", "/containers/", f'{{"admin_password": "{CANARY}"', "create", "-", "", None),
        (400, "unreadable", "PATCH", one, "[]", "update", name, "", None),
        (403, "forbidden", "DELETE", f"/trash/{name}.20261123T140231Z.0123456789abcdef", None, "trash_remove", name, "", None),
        (403, "forbidden", "POST", "/purge", {"stopped_days": 1, "dry_run": False}, "purge", "-", "stopped_days,dry_run", None),
        (403, "forbidden", "POST", f"{one}/adopt", None, "adopt", name, "", None),
        (404, "not_found", "DELETE", "/containers/hidden?purge=true", None, "purge", "hidden", "purge", None),
        (404, "not_found", "POST", f"{one}-absent/stop", None, "stop", f"{name}-absent", "", None),
        (404, "not_found", "POST", f"/trash/{name}.20261123T140231Z.0123456789abcdef/restore", None, "restore", name, "", None),
        (409, "already_exists", "POST", "/containers/", {**create, "admin_password": f"{CANARY}2"}, "create", name,
         "storage_dir,admin_password", "admin_password"),
        (409, "already_exists", "POST", "/containers/", {**create, "memory_mb": 777}, "create", name,
         "storage_dir,admin_password,memory_mb", "memory_mb"),
        (415, "unsupported_media_type", "PUT", f"{one}/password", None, "password", name, "", None),
        (422, "invalid", "POST", "/containers/", {"cpus": 0, "port": 1, **create}, "create", name, "storage_dir,admin_password,port,cpus",
         "port"),
        (422, "invalid", "POST", "/containers/", {**create, CANARY: 1}, "create", name, "storage_dir,admin_password", None),
        (422, "invalid", "POST", "/containers/", {"admin_password": CANARY}, "create", "-", "admin_password", "storage_dir"),
        (422, "invalid", "POST", "/containers/", {**create, "storage_dir": f"../{CANARY}"}, "create", "-", "storage_dir,admin_password",
         "storage_dir"),
        (422, "invalid", "PATCH", one, {"labels": {CANARY.upper(): "b"}, "tls": "required"}, "update", name, "labels,tls", "labels"),
        (422, "invalid", "DELETE", f"{one}?purge=perhaps", None, "delete", name, "purge", "purge"),
        (422, "invalid", "POST", f"{one}/start", {"safe": "yes"}, "start", name, "safe", "safe"),
        (422, "invalid", "PUT", f"{one}/password", {"admin_password": ""}, "password", name, "admin_password", "admin_password"),
    ]


def asked(api, method, path, body):
    if method == "PUT" and body is None:
        return api.call(method, path, data=CANARY, headers={"Content-Type": "text/plain"})
    text = body if isinstance(body, str) else json.dumps(body) if body else None
    return api.call(method, path, data=text, headers={"Content-Type": "application/json"} if text else None)


def test_every_refusal_leaves_one_line_with_the_wrong_field(stack, ours, instance):
    ok(ours.create(**instance.fields()))
    for status, code, method, path, body, action, name, given, wrong in refusals(instance.name):
        with audited(stack) as lines:
            answer = asked(ours, method, path, body)
        assert answer.status_code == status, answer.text
        more = {"trash": path.split("/")[2]} if path.startswith("/trash/") else {}
        assert lines == [line_of(answer, "ours", ids(stack)["ours"], name, action, given, code, wrong, **more)]


def test_stranger_leaves_one_line_without_a_body(stack, instance):
    one = f"/containers/{instance.name}"
    for method, path, action, name, given in [("POST", "/containers/", "create", "-", ""), ("DELETE", f"{one}?purge=true", "purge",
                                              instance.name, "purge"), ("POST", f"{one}/stop", "stop", instance.name, "")]:
        with audited(stack) as lines:
            answer = stack.caller(None).call(method, path, json={"storage_dir": instance.name, "admin_password": CANARY})
        assert lines == [line_of(answer, "-", "-", name, action, given, "unauthorized")]


def test_change_that_finds_no_place_or_no_engine_leaves_one_line(stack, ours, engine, instance):
    ok(ours.create(**instance.fields()))
    fresh = {"storage_dir": f"{OURS}2", "admin_password": CANARY}
    with concurrent.futures.ThreadPoolExecutor(1) as pool, engine.fault("GET", instance.name, hold):
        pool.submit(stack.api.stop, instance.name)
        with audited(stack) as lines:
            [answer] = wait_for(lambda: [answer for answer in [ours.patch(f"{OURS}absent", tls="offered")] if answer.status_code == 429],
                                "no place is left", 20)
        assert lines[-1] == line_of(answer, "ours", ids(stack)["ours"], f"{OURS}absent", "update", "tls", "too_many_requests")
    with engine.fault("GET", "", close), audited(stack) as lines:
        answer = ours.create(**fresh)
    assert lines == [line_of(answer, "ours", ids(stack)["ours"], f"{OURS}2", "create", "storage_dir,admin_password", "engine_unavailable")]


def test_unreadable_tokens_leave_one_line(stack, ours, instance):
    stack.tokens.chmod(0o644)
    with audited(stack) as lines:
        answer = ours.stop(instance.name)
    stack.tokens.chmod(0o600)
    wait_for(lambda: ours.list().status_code == 200, "the mended file is read")

    assert lines == [line_of(answer, "-", "-", instance.name, "stop", "", "tokens_unreadable")]


def test_name_of_an_unknown_field_is_not_logged(stack, ours):
    """It is the rest of a password with a '&' in it."""
    text = f"storage_dir={OURS}3&admin_password=a&{CANARY}"
    answer = ours.call("POST", "/containers/", data=text, headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert answer.status_code in (400, 422)
    assert CANARY not in stack.log_text()


def test_purge_names_each_server(stack, ours, instance):
    names = [instance.name, f"{OURS}2"]
    long_stopped(stack, ours, names)

    with audited(stack) as lines:
        answer = stack.api.call("POST", "/purge", json={"stopped_days": 1, "dry_run": False})

    assert sorted(ok(answer)["containers"]) == sorted(names)
    assert sorted(line["name"] for line in lines) == sorted(names)
    for line in lines:
        assert line == line_of(answer, "boss", ids(stack)["boss"], line["name"], "purge", "stopped_days,dry_run")


# ---- what pgberthd does by itself --------------------------------------------------------------

def own(action, name, given="-", **more):
    return {"": "audit", "who": "pgberthd", "token": "-", "action": action, "fields": given, "name": name, "result": "ok", **more}


def told(stack, line):
    return wait_for(lambda: [one for one in audit_lines(stack.log_text()) if {key: one.get(key) for key in line} == line],
                    f"{line} is told", 30)


def test_what_pgberthd_does_by_itself_is_told(stack, ours):
    taker = stack.new(f"{OURS}taker")
    first = stack.new(f"{OURS}first")
    first.port = ok(ours.create(**first.fields(expires_in=86400, expire_purge=True)))["port"]
    first.sql("DROP DATABASE postgres", database="template1")
    first.sql(f"ALTER ROLE {first.admin_user} SET session_preload_libraries = 'nope'", database="template1")
    ok(ours.stop(first.name))
    ok(ours.create(**first.fields()))
    assert len(told(stack, own("mend_database", first.name))) == 1
    assert len(told(stack, own("reset", first.name))) == 1
    end_by_hand(first)
    taker.port = first.port
    answer = ours.create(**taker.fields())
    assert len(told(stack, own("yield", first.name, "port", id=answer.request.headers["X-Request-Id"]))) == 1
    ok(ours.patch(first.name, expires_in=1))
    assert len(told(stack, own("expire_purge", first.name))) == 1
    ok(ours.patch(taker.name, expires_in=1))
    assert len(told(stack, own("expire", taker.name))) == 1

    [entry] = [entry["id"] for entry in stack.trash() if entry["storage_dir"] == first.name]
    aged = re.sub(r"\.20\d{6}T", ".20200101T", entry)
    stack.stop()
    (stack.root / "trash" / entry).rename(stack.root / "trash" / aged)
    stack.start()
    assert len(told(stack, own("trash_sweep", first.name, trash=aged))) == 1


# ---- what a kill cuts off ------------------------------------------------------------------------
# Of each call at each step: test_kill_points.

def long_stopped(stack, api, names):
    for name in names:
        ok(api.create(storage_dir=name, admin_password=CANARY))
        ok(api.stop(name))
    stack.kill()
    for name in names:
        record = stack.settings.instances / name / "instance.json"
        record.write_text(json.dumps({**json.loads(record.read_text()), "stopped_at": 1}))
    stack.start()


def cut_off_lines(stack, step, change):
    """The audit lines of a pgberthd that dies at that step, and of the start after it."""
    with audited(stack) as lines:
        stack.die_at(step)
        change()
        wait_for(stack.is_dead, f"it dies at {step}", 60)
        stack.start()
    return lines


def places(stack):
    """The file of the changes under way: what each of its places begins with."""
    text = (stack.root / "changes.begun").read_bytes()
    return {text[at:at + 1] for at in range(0, len(text), 2048)}


@pytest.mark.parametrize("action, step, wish", [("expire", "down.saved", {}), ("expire", "delete.stored", {}),
                                               ("expire_purge", "down.saved", {"expire_purge": True}),
                                               ("expire_purge", "trash.moved", {"expire_purge": True})])
def test_expiry_that_is_cut_off_is_told(stack, ours, action, step, wish):
    name = f"{OURS}{secrets.token_hex(3)}"
    ok(ours.create(storage_dir=name, admin_password=CANARY, expires_in=86400, **wish))

    lines = cut_off_lines(stack, step, lambda: ours.patch(name, expires_in=1))

    lines = [line for line in lines if line["who"] == "pgberthd" and line["result"] == "cut_off"]
    assert [{**line, "began": "?"} for line in lines] == [own(action, name, result="cut_off", began="?")]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", lines[0]["began"])


def test_sweep_of_the_trash_that_is_cut_off_is_told(stack, ours):
    name = f"{OURS}swept"
    ok(ours.create(storage_dir=name, admin_password=CANARY))
    ok(ours.delete(name, purge=True))
    [entry] = [entry["id"] for entry in stack.trash() if entry["storage_dir"] == name]
    aged = re.sub(r"\.20\d{6}T", ".20200101T", entry)
    stack.stop()
    (stack.root / "trash" / entry).rename(stack.root / "trash" / aged)

    def start():
        stack.spawn()
        stack.die_at("empty.moved")

    [line] = cut_off_lines(stack, "empty.moved", start)
    assert {**line, "began": "?"} == own("trash_sweep", name, trash=aged, result="cut_off", began="?")


def test_purge_that_is_cut_off_names_the_server_that_it_was_at(stack, ours):
    names = [f"{OURS}{number}-old" for number in (1, 2)]
    long_stopped(stack, ours, names)

    lines = cut_off_lines(stack, "trash.moved", lambda: stack.api.call("POST", "/purge", json={"stopped_days": 1, "dry_run": False}))

    assert [(line["action"], line["fields"], line["result"]) for line in lines] == [("purge", "stopped_days,dry_run", "cut_off")]
    [gone] = [name for name in names if ours.get(name).status_code == 404]
    assert lines[0]["name"] == gone


def test_change_that_was_told_is_forgotten(stack, ours, instance):
    ok(ours.create(**instance.fields()))
    assert [line["action"] for line in cut_off_lines(stack, "down.saved", lambda: ours.stop(instance.name))] == ["stop"]
    ok(ours.start(instance.name))
    assert ours.patch(instance.name, port=1).status_code == 422
    assert places(stack) == {b"\0"}
    assert oct((stack.root / "changes.begun").stat().st_mode) == "0o100600"

    with audited(stack) as lines:
        stack.restart()
    assert lines == []


def test_file_of_changes_that_cannot_be_used_is_told_and_stops_nobody(stack, ours, instance):
    stack.stop()
    path = stack.root / "changes.begun"
    path.unlink()
    path.mkdir()
    before = len(stack.log_text())
    try:
        stack.start()
        assert "warning changes under way not kept" in stack.log_text()[before:]
        with audited(stack) as lines:
            ok(ours.patch(instance.name, labels={"a": "b"}))
        assert [line["result"] for line in lines] == ["ok"]
    finally:
        stack.kill()
        path.rmdir()
        stack.start()


# ---- tokens ------------------------------------------------------------------------------------

def changes_of(lines):
    assert all((line["who"], line["result"]) == ("root", "ok") and "id" not in line and "call" not in line for line in lines)
    return [(line["action"], line["name"], line["token"], line["fields"]) for line in lines]


def test_changes_of_tokens_are_told_once_whenever_they_are_made(stack):
    health = stack.caller(None).call
    with audited(stack, tokens=True) as lines:
        secret = stack.token("add", "brief", "--scope", "read", "--expires", "1d")
        health("GET", "/health")
        first = ids(stack)["brief"]
        stack.edit("brief", scope="admin", prefix=OURS)
        health("GET", "/health")
        stack.token("revoke", "brief")
        health("GET", "/health")
    assert changes_of(lines) == [("token_add", "brief", first, "name,scope,created_at,expires_at"),
                                 ("token_update", "brief", first, "scope,prefix"), ("token_revoke", "brief", first, "-")]
    with audited(stack, tokens=True) as lines:
        stack.kill()
        stack.token("add", "down", "--scope", "write", "--prefix", OURS)
        stack.start()
        second = ids(stack)["down"]
        stack.restart()
        stack.stop()
        stack.token("revoke", "down")
        stack.start()
    assert changes_of(lines) == [("token_add", "down", second, "name,scope,prefix,created_at"), ("token_revoke", "down", second, "-")]
    with audited(stack, tokens=True) as lines:
        for name in ("between", "between"):
            stack.token("add", name, "--scope", "read")
            stack.token("revoke", name)
        health("GET", "/health")
    assert [line["action"] for line in lines] == ["token_add", "token_revoke"] * 2
    assert lines[0]["token"] == lines[1]["token"] != lines[2]["token"] == lines[3]["token"]
    assert secret not in stack.log_text()


def test_change_of_tokens_is_told_without_a_call(stack):
    stack.token("add", "quiet", "--scope", "read")
    [line] = told(stack, {"action": "token_add", "name": "quiet"})
    assert line["token"] == ids(stack)["quiet"]
    stack.token("revoke", "quiet")


def test_no_token_is_named_as_pgberthd(stack):
    assert "pgberthd" in stack.token("add", "pgberthd", "--scope", "read", status=1)
