"""The catalogue of bad input (catalogue.py), every row of it on the wire, by HTTP/1.1 and by HTTP/2: the refusal is exact, typed
JSON, leaves nothing behind and gives no password away. E54, F64 to F67 and G80 take more than a request: test_ports, test_create,
test_outside_hands, test_secrets."""
import asyncio
import contextlib
import json
import re
import socket
import ssl

import asyncpg
import pytest

from lib.client import assert_error, ok
from lib.catalogue import (CANARY, GOOD, HOST, HTTP_1_ALONE, HTTP_2_ENDS, HTTP_2_ROWS, NAME, PASSWORDS, PORT, ROWS, SERVED,
                       SERVED_BY_HTTP_1_ALONE, SHARED, get, post, request, unframed)
from lib.fcgi import Fcgi
from lib.http_2 import ask_by_http_2, translated
from lib.wire import Wire, ask

BY_HTTP_2 = {name: row for name, row in ROWS.items() if name not in HTTP_1_ALONE}
SERVED_BY_HTTP_2 = {name: data for name, data in SERVED.items() if name not in SERVED_BY_HTTP_1_ALONE}


def filled(data, instance, shared):
    """The row's bytes: the names are as long as what stands for them."""
    for text, value in {NAME: instance.name, PORT: str(instance.port), SHARED: shared.name}.items():
        assert len(text) == len(value)
        data = data.replace(text.encode(), value.encode())
    return data


def assert_refused(answer, row, instance):
    assert answer.status == row.status, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"]
    assert CANARY.encode() not in answer.body
    if row.allow:
        assert set(answer.headers["Allow"].split(", ")) == row.allow
    if row.code is None:
        return
    body = json.loads(answer.body)
    field = row.field and row.field.replace(NAME, instance.name)[:63]
    # A field may be named more closely: labels.a rather than labels.
    named = body["error"].get("field")
    assert (body["status"], body["error"]["code"]) == ("ERROR", row.code), body
    assert named == field or field == "labels" and named.startswith("labels."), body
    assert body["error"]["message"]
    if row.code == "invalid" and named:
        assert body["error"]["message"].startswith(f"{named} "), body
    assert body["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("row", ROWS.values(), ids=[f"input {name}" for name in ROWS])
def test_is_refused(shared, new_instance, engine, leftovers, row):
    instance, before = new_instance(), engine.identity(shared.name)

    answer = ask(filled(row.data, instance, shared), tls=row.tls)

    assert_refused(answer, row, instance)
    assert leftovers.of(instance.name) == []
    assert engine.identity(shared.name) == before


@pytest.mark.parametrize("data", SERVED.values(), ids=[f"input {name}" for name in SERVED])
def test_is_served(changeable, engine, data):
    before = engine.identity(changeable.name)

    answer = ask(filled(data, changeable, changeable))

    assert answer.status == 200, answer.body
    assert json.loads(answer.body)["status"] == "OK"
    assert engine.identity(changeable.name) == before


@pytest.fixture(scope="module")
def refused_names(shared, engine, leftovers):
    """Where tests put the names that they were refused; looked for in the end."""
    names, before = [], engine.identity(shared.name)
    yield names
    assert leftovers.of_any(names) == set()
    assert engine.identity(shared.name) == before


@pytest.mark.parametrize("name, row", BY_HTTP_2.items(), ids=[f"input {name}" for name in BY_HTTP_2])
def test_is_refused_by_http_2(shared, new_instance, refused_names, name, row):
    instance = new_instance()
    refused_names.append(instance.name)

    answer = ask_by_http_2(*translated(filled(row.data, instance, shared)))

    assert answer.refused == HTTP_2_ENDS.get(name)
    if not answer.refused:
        assert_refused(answer, row, instance)


@pytest.mark.parametrize("data", SERVED_BY_HTTP_2.values(), ids=[f"input {name}" for name in SERVED_BY_HTTP_2])
def test_is_served_by_http_2(changeable, data):
    answer = ask_by_http_2(*translated(filled(data, changeable, changeable)))

    assert answer.status == 200, answer.body
    assert json.loads(answer.body)["status"] == "OK"


@pytest.mark.parametrize("row", HTTP_2_ROWS.values(), ids=[f"input {name}" for name in HTTP_2_ROWS])
def test_http_2_is_answered_as_it_deserves(new_instance, row):
    answer = ask_by_http_2(row.fields, row.body, row.is_whole, row.trailers)

    assert answer.refused == row.refused, answer.status
    if row.code:
        assert_refused(answer, row, new_instance())
    else:
        assert answer.status == row.status, answer.body


def test_rows_of_one_version_are_rows_of_the_catalogue():
    assert HTTP_1_ALONE | HTTP_2_ENDS.keys() <= ROWS.keys()
    assert SERVED_BY_HTTP_1_ALONE <= SERVED.keys()


def log_in_with_asyncpg(instance):
    """The value of SELECT 1 from a driver that is not libpq and prepares passwords by itself."""
    async def select():
        connection = await asyncpg.connect(host="127.0.0.1", port=instance.port, user=instance.admin_user,
                                           password=instance.password, database="postgres", ssl="require")
        try:
            return await connection.fetchval("SELECT 1")
        finally:
            await connection.close()

    return asyncio.run(select())


@pytest.mark.parametrize("password", PASSWORDS.values(), ids=[f"input {name}" for name in PASSWORDS])
def test_password_logs_in_with_two_drivers(changeable, api, password):
    ok(api.put_password(changeable.name, password))

    changeable.password = password
    assert changeable.value("SELECT 1") == 1
    assert "authentication failed" in changeable.refusal(password=password + "x")
    assert log_in_with_asyncpg(changeable) == 1


def test_refusal_leaves_an_existing_instance_alone(shared, engine):
    view, before = shared.view(), engine.identity(shared.name)

    assert_error(shared.post(port=80), 422, "invalid", "port")
    assert_error(shared.post(admin_password=""), 422, "invalid", "admin_password")

    assert shared.view() == view
    assert engine.identity(shared.name) == before
    assert shared.value("SELECT 1") == 1


# ---- what is no request and one answer -------------------------------------------------------

def test_body_that_ends_before_its_length_is_not_taken(new_instance, leftovers):
    """A13: the client goes away in the middle."""
    instance = new_instance()
    with Wire() as wire:
        body = filled(GOOD, instance, instance)
        wire.send(unframed(b"Content-Length: %d\r\n" % (len(body) + 100), body))
        with contextlib.suppress(ssl.SSLEOFError):  # nginx need not say goodbye, and newer OpenSSL minds
            wire.socket.unwrap().shutdown(socket.SHUT_WR)

    assert leftovers.of(instance.name) == []


@pytest.mark.parametrize("length, status", [(len(GOOD) + 100, 400), ("-1", 400), ("+5", 400), ("5,5", 400), ("5 ", 400),
                                            (2**64, 400), (16385, 413), (10**17, 413)])
def test_length_that_nginx_would_not_pass_on_is_refused_by_pgberthd_itself(new_instance, leftovers, length, status):
    """A13 and A15, straight to its socket."""
    instance = new_instance()
    asked = Fcgi("/run/pgberth/pgberthd.sock", REQUEST_METHOD="POST", DOCUMENT_URI="/api/containers/", REMOTE_ADDR="127.0.0.1",
                 HTTP_HOST="localhost", CONTENT_TYPE="application/json", CONTENT_LENGTH=length)
    asked.body(filled(GOOD, instance, instance))

    assert asked.answer()[0] == status
    assert leftovers.of(instance.name) == []


def test_http_0_9_is_refused():
    """I96: an answer without a head."""
    with Wire() as wire:
        wire.send(b"GET /api/containers/\r\n")
        body = json.loads(wire.everything())

    assert body["error"]["code"] == "forbidden"


def test_pipelined_good_and_bad_get_an_answer_each():
    """I97."""
    with Wire() as wire:
        wire.send(get(path="/api/health") + get(path="/api/nope") + get(b"Connection: close\r\n", "/api/health"))
        answers = wire.everything()

    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"404", b"200"]


def test_second_request_hidden_in_a_body_is_not_answered():
    """I97."""
    with Wire() as wire:
        wire.send(post(get(path="/api/health"), headers=b"Connection: close\r\n"))
        answers = wire.everything()

    assert answers.count(b"HTTP/1.1 ") == 1
    assert answers.startswith(b"HTTP/1.1 400")


def test_request_after_a_refused_one_is_answered():
    """A14: what is left of a body that was cut is no request."""
    with Wire() as wire:
        wire.send(request("GET", "/api/nope", host=HOST) + get(b"Connection: close\r\n", "/api/health"))

        assert re.findall(rb"HTTP/1.1 (\d+)", wire.everything()) == [b"404", b"200"]
