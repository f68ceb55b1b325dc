"""A secret leaves pgberthd's memory with its request: neither password nor token is found there afterwards."""

import contextlib

import pytest

from lib import memory
from lib.canary_search import new_canary
from lib.client import ok
from lib.stack import SANITIZED
from lib.waiting import wait_for

JSON, FORM, TEXT = "application/json", "application/x-www-form-urlencoded", "text/plain"
pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitizer has its own allocator, and keeps what was freed")


def is_nowhere(pgberthd, *secrets):
    """The answer comes a moment before the request's memory goes."""
    with contextlib.suppress(AssertionError):
        wait_for(lambda: memory.places_of(pgberthd.pid(), *secrets) == [], "its memory holds none of it", 10)
    assert memory.places_of(pgberthd.pid(), *secrets) == []


def test_search_finds_what_is_there(pgberthd, shared):
    assert memory.places_of(pgberthd.pid(), shared.name)


@pytest.mark.parametrize("as_form", [False, True], ids=["json", "form"])
def test_password_of_a_create_leaves_no_copy(pgberthd, new_instance, api, as_form):
    instance = new_instance()
    first, second = new_canary(), new_canary()
    instance.password = first

    ok(api.create_by_form(instance.fields()) if as_form else instance.post())
    ok(instance.post())
    ok(api.put_password(instance.name, second))
    ok(api.stop(instance.name))
    ok(instance.post(admin_password=first))

    is_nowhere(pgberthd, first, second)


# Path, method, type and body of requests that are refused, {} standing for a password.
REFUSED = {
    "a field is wrong": ("/containers/", "POST", JSON, '{"storage_dir": "x", "admin_password": "{}", "port": 1}'),
    "a field is unknown": ("/containers/", "POST", JSON, '{"storage_dir": "x", "admin_password": "{}", "{}": 1}'),
    "it is given twice": ("/containers/", "POST", JSON, '{"admin_password": "{}", "admin_password": "{}"}'),
    "no object": ("/containers/", "POST", JSON, '["{}"]'),
    "cut off": ("/containers/", "POST", JSON, '{"storage_dir": "x", "admin_password": "{}'),
    "too long": ("/containers/", "POST", JSON, '{"storage_dir": "x", "admin_password": "%s"}' % ("{}" * 60)),
    "16 KB": ("/containers/", "POST", JSON, '{"storage_dir": "x", "admin_password": "{}"}'.ljust(16384)),
    "escaped": ("/containers/", "POST", JSON, '{"storage_dir": "x", "admin_password": "\\u0063{}", "port": 1}'),
    "form": ("/containers/", "POST", FORM, "storage_dir=x&admin_password={}&port=1"),
    "form of labels": ("/containers/", "POST", FORM, "storage_dir=x&labels.{}={}&admin_password={}&port=1"),
    "form that is json": ("/containers/", "POST", FORM, '{"admin_password": "{}"}'),
    "broken escape": ("/containers/", "POST", FORM, "admin_password={}%zz"),
    "another type": ("/containers/", "POST", TEXT, "admin_password={}"),
    "nobody has the name": ("/containers/nobody/password", "PUT", JSON, '{"admin_password": "{}"}'),
    "no such call, so nobody reads it": ("/nope", "POST", JSON, '{"admin_password": "{}"}'),
    "no such method": ("/health", "PUT", JSON, '{"admin_password": "{}"}'),
    "in the query": ("/containers/?admin_password={}", "GET", JSON, ""),
}


def test_secrets_of_refused_requests_leave_no_copy(pgberthd, api):
    secrets = {name: new_canary() for name in REFUSED}
    token = new_canary()
    for name, (path, method, media, body) in REFUSED.items():
        answer = api.call(method, path.replace("{}", secrets[name]), data=body.replace("{}", secrets[name]),
                          headers={"Content-Type": media, "Authorization": f"Bearer {token}"})
        assert answer.status_code >= 400, (name, answer.text)

    is_nowhere(pgberthd, token, *secrets.values())
