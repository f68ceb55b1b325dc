"""nginx's logs of what it refuses itself: a query, which may hold a password, is in none, and the access log has the rest."""
import contextlib

import pytest

from lib.canary_search import new_canary
from lib.catalogue import HOST, get, post, request
from lib.client import ok
from lib.concurrency import at_once
from lib.http_2 import Http2, ask_by_http_2, translated
from lib.stack import Stack
from lib.waiting import wait_for
from lib.wire import Wire, ask

VERSIONS = {"HTTP/1.1": ask, "HTTP/2": lambda data, **options: ask_by_http_2(*translated(data), **options)}
by_each_version = pytest.mark.parametrize("asked", VERSIONS.values(), ids=VERSIONS)
CREATE = "/api/containers/"


@pytest.fixture(scope="module")
def stack():
    """It takes two requests at once from an address, and waits a second for pgberthd."""
    with Stack(site={"nginx_requests_at_once": 2, "nginx_patience": 1}) as stack:
        wait_for(lambda: stack.api.call("GET", "/health").status_code == 200, "it is well")
        yield stack


@pytest.fixture
def canary():
    return new_canary()


def logs(stack):
    return {path.name: path.read_text(errors="replace") for path in stack.run.glob("*.log")}


def assert_told_without(stack, canary, status, path):
    """The request is in the access log, and its query nowhere."""
    def line():
        return [line for line in logs(stack)["pgberth.access.log"].splitlines() if f'"{path}" {status} ' in line]

    assert wait_for(line, "the access log tells of it", 20)
    assert [name for name, text in logs(stack).items() if canary in text] == []
    return line()[-1]


def query(canary):
    return f"?storage_dir=x&admin_password={canary}"


OWN = {
    "body": (413, lambda canary: post(b" " * 20_000, path=CREATE + query(canary)), f"POST {CREATE}"),
    "body elsewhere": (413, lambda canary: post(b" " * 20_000, path="/" + query(canary)), "POST /"),
    "body of another method": (413, lambda canary: post(b" " * 20_000, path=CREATE + query(canary)).replace(b"POST", b"PATCH", 1),
                               f"PATCH {CREATE}"),
    "encoded name": (413, lambda canary: post(b" " * 20_000, path=f"{CREATE}?%61dmin_password={canary}"), f"POST {CREATE}"),
    "header": (400, lambda canary: request("GET", CREATE + query(canary), b"Authorization: Bearer %s\r\n" % (b"x" * 9000)), f"GET {CREATE}"),
    "path": (414, lambda canary: get(path=CREATE + query(canary) + "x" * 9000), f"GET {CREATE}"),
    "place": (404, lambda canary: get(path="/nowhere" + query(canary)), "GET /nowhere"),
    "method": (405, lambda canary: get(path=CREATE + query(canary)).replace(b"GET", b"TRACE"), f"TRACE {CREATE}"),
}


@by_each_version
@pytest.mark.parametrize("row", OWN)
def test_query_of_what_nginx_refuses_is_in_no_log(stack, canary, asked, row):
    status, data, path = OWN[row]

    assert asked(data(canary), port=stack.https_port).status == status

    assert_told_without(stack, canary, status, path)


@by_each_version
def test_query_of_too_many_requests_is_in_no_log(stack, canary, asked):
    source = {"host": "127.0.0.1", "port": stack.https_port, "source": "127.0.0.2"}
    with Wire(**source) as first, Wire(**source) as second:
        for wire in (first, second):
            wire.send(post(b"{}")[:-2])
        wait_for(lambda: asked(get(path=CREATE + query(canary)), **source).status == 429, "it is refused")

        assert_told_without(stack, canary, 429, f"GET {CREATE}")


# ---- without pgberthd --------------------------------------------------------------------------

@contextlib.contextmanager
def is_killed(stack):
    stack.kill()
    yield
    stack.start()


@contextlib.contextmanager
def has_no_socket(stack):
    aside = stack.run / "aside"
    (stack.run / "pgberthd.sock").rename(aside)
    yield
    aside.rename(stack.run / "pgberthd.sock")


@contextlib.contextmanager
def has_a_shut_socket(stack):
    (stack.run / "pgberthd.sock").chmod(0)
    yield
    (stack.run / "pgberthd.sock").chmod(0o660)


AWAY = {"killed": (is_killed, "502,-,-"), "without a socket": (has_no_socket, "502,-,-"), "not let in": (has_a_shut_socket, "502,-,-"),
        "silent": (Stack.frozen, "504,0.00")}


@by_each_version
@pytest.mark.parametrize("how", AWAY)
def test_query_is_in_no_log_when_pgberthd_is_away_and_the_access_log_tells_how(stack, canary, asked, how):
    away, upstream = AWAY[how]
    with away(stack):
        status = asked(get(path=CREATE + query(canary)), port=stack.https_port).status

    assert status == int(upstream[:3])
    assert f" upstream={upstream}" in assert_told_without(stack, canary, status, f"GET {CREATE}")


# ---- what stops on its way ---------------------------------------------------------------------

def rest_of(stack, data, source):
    """What comes on a connection to which nothing more is sent, until it ends."""
    with Wire(host="127.0.0.1", port=stack.https_port, source=source) as wire:
        wire.send(data)
        with contextlib.suppress(ConnectionError):
            return wire.everything()
        return b""


def refusal_by_http_2(stack, data):
    fields, body, _ = translated(data)
    with Http2(host="127.0.0.1", port=stack.https_port, source="127.0.0.5") as connection:
        stream = connection.begin(fields, ends=False)
        connection.data(stream, body, ends=False)
        answer = connection.answer(stream)
        return answer.status, answer.refused is not None


def test_request_that_stops_has_no_answer_and_is_in_no_log(stack, canary):
    path = CREATE + query(canary)
    kind = b"Content-Type: application/json\r\n"
    body = request("POST", path, kind + b"Content-Length: 10\r\n", b"{")
    stops = [b"GET " + path.encode(), b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"X-Slow: ", body,
             request("POST", path, kind + b"Transfer-Encoding: chunked\r\n", b"5\r\n{")]

    *rests, by_2 = at_once([lambda data=data, number=number: rest_of(stack, data, f"127.0.0.{10 + number}")
                            for number, data in enumerate(stops)] + [lambda: refusal_by_http_2(stack, body)])

    assert rests == [b""] * len(stops)
    assert by_2 == (None, True)
    assert_told_without(stack, canary, 408, f"POST {CREATE}")
    ok(stack.api.call("GET", "/health"))
