"""HTTP/2, which curl and others speak where they can: what a connection of many streams can do that one of HTTP/1.1 cannot,
and what nginx says itself, by either. What is refused is in test_catalogue."""
import json
import subprocess

import pytest

from lib.catalogue import GET_2, OURS, POST_2, get, post, to
from lib.client import ok
from lib.concurrency import at_once
from lib.http_2 import Http2, ask_by_http_2, translated
from lib.stack import Stack
from lib.waiting import wait_for
from lib.wire import Wire, ask

HEALTH = get(path="/api/health")
LIST = get()
VERSIONS = {"HTTP/1.1": ask, "HTTP/2": lambda data, **options: ask_by_http_2(*translated(data), **options)}
by_each_version = pytest.mark.parametrize("asked", VERSIONS.values(), ids=VERSIONS)


def assert_of_nginx(answer, status, code):
    """It is JSON of our shape, though pgberthd did not make it."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    body = json.loads(answer.body)
    assert (body["status"], body["error"]["code"]) == ("ERROR", code)
    assert body["request_id"] == answer.headers["X-Request-Id"]


def test_curl_is_told_in_json_that_a_body_is_too_large():
    said = subprocess.run(
        ["curl", "-ks", "--http2", "-w", "\n%{http_version} %{content_type}", "-H", "Content-Type: application/json",
         "--data-binary", "@-", "https://localhost/api/containers/"],
        input=b" " * 20_000, capture_output=True, check=True).stdout

    body, _, facts = said.decode().rpartition("\n")
    assert facts == "2 application/json"
    assert json.loads(body)["error"]["code"] == "too_large"


def test_gigabyte_without_a_length_is_refused_before_it_is_sent():
    sent = 0
    with Http2() as connection:
        stream = connection.begin(POST_2, ends=False)
        while not connection.has_answer(stream) and sent < 2**30:
            sent += connection.data(stream, b" " * 2**16, ends=False)
        assert_of_nginx(connection.answer(stream), 413, "too_large")

    assert sent < 2**22


def test_request_after_a_refused_one_is_answered_on_the_same_connection():
    with Http2() as connection:
        refused = [connection.ask(POST_2, b" " * 2**17), connection.ask(to(b"/api/nope")), connection.ask(POST_2, b"{}")]
        served = connection.ask(GET_2)

    assert [answer.status for answer in refused] == [413, 404, 422]
    assert served.status == 200


def test_streams_of_one_connection_do_not_wait_for_each_other():
    with Http2() as connection:
        slow = connection.begin(POST_2, ends=False)
        others = [connection.begin(GET_2) for _ in range(100)]
        assert [connection.answer(stream).status for stream in others] == [200] * 100
        connection.data(slow, b"{}")
        assert connection.answer(slow).status == 422


def test_requests_begun_and_dropped_at_once_disturb_nobody(api, pgberthd):
    """CVE-2023-44487."""
    before = pgberthd.pid()
    with Http2() as connection:
        for _ in range(3000):
            if connection.is_going:
                break
            try:
                connection.reset(connection.begin(GET_2))
            except OSError:  # nginx has had enough
                break
        for answer in at_once([lambda: api.call("GET", "/containers/")] * 10):
            ok(answer)

    assert pgberthd.pid() == before
    assert ask_by_http_2(GET_2).status == 200


# ---- what nginx says itself ------------------------------------------------------------------

@pytest.fixture(scope="module")
def impatient():
    """A stack that takes two requests at once from an address, and waits a second for pgberthd."""
    with Stack(site={"nginx_requests_at_once": 2, "nginx_patience": 1}) as stack:
        wait_for(lambda: stack.api.call("GET", "/health").status_code == 200, "it is well")
        yield stack


@by_each_version
@pytest.mark.parametrize("path, status, code", [("/", 404, "not_found"), ("/api/%zz", 400, "unreadable")])
def test_path_that_nobody_has(asked, path, status, code):
    assert_of_nginx(asked(get(path=path)), status, code)


@by_each_version
def test_method_that_nginx_has_not(asked):
    answer = asked(LIST.replace(b"GET", b"TRACE"))

    assert_of_nginx(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == OURS


@by_each_version
def test_too_many_requests_at_once(impatient, asked):
    source = {"host": "127.0.0.1", "port": impatient.https_port, "source": "127.0.0.2"}
    begun = post(b"{}")[:-2]
    with Wire(**source) as first, Wire(**source) as second:
        first.send(begun)
        second.send(begun)
        answer = wait_for(lambda: (answer := asked(LIST, **source)).status != 200 and answer, "it is refused")

    assert_of_nginx(answer, 429, "too_many_requests")
    assert answer.headers["Retry-After"] == "1"


@by_each_version
def test_pgberthd_that_does_not_answer(impatient, asked):
    with impatient.frozen():
        answer = asked(LIST, port=impatient.https_port)

    assert_of_nginx(answer, 504, "pgberthd_unavailable")
    assert answer.headers["Retry-After"]


@by_each_version
def test_pgberthd_that_does_not_run(impatient, asked):
    impatient.kill()
    try:
        answer = asked(LIST, port=impatient.https_port)
    finally:
        impatient.start()

    assert_of_nginx(answer, 502, "pgberthd_unavailable")
    assert answer.headers["Retry-After"]
