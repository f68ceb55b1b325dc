"""What nginx refuses itself is JSON in our shape too."""
import json
import re

import pytest

from wire import Wire, ask

HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"


def get(path, headers=HOST):
    return b"GET " + path + b" HTTP/1.1\r\n" + headers + b"\r\n"


def post(headers, body=b""):
    return b"POST /api/containers/ HTTP/1.1\r\n" + HOST + JSON + headers + b"\r\n" + body


REFUSALS = {
    "no http at all": (b"GARBAGE\r\n\r\n", {400}),
    "no host": (get(b"/api/health", b""), {400}),
    "two hosts": (get(b"/api/health", HOST + HOST), {400}),
    "nul in the path": (get(b"/api/containers/%00/"), {400}),
    "path above the root": (get(b"/api/../../etc/passwd"), {400}),
    "bad escape in the path": (get(b"/api/%zz"), {400}),
    "version of tomorrow": (b"GET /api/health HTTP/9.9\r\n" + HOST + b"\r\n", {400, 505}),
    "path of 10 KB": (get(b"/api/" + b"x" * 10_000), {414}),
    "query of 10 KB": (get(b"/api/containers/?limit=" + b"1" * 10_000), {414}),
    "header of 70 KB": (get(b"/api/health", HOST + b"X-Long: " + b"x" * 70_000 + b"\r\n"), {400, 431, 494}),
    "trace": (b"TRACE /api/health HTTP/1.1\r\n" + HOST + b"\r\n", {405}),
    "connect": (b"CONNECT localhost:443 HTTP/1.1\r\n" + HOST + b"\r\n", {400, 405}),
    "body announced too long": (post(b"Content-Length: 16385\r\n"), {413}),
    "body of 2^64": (post(b"Content-Length: 18446744073709551616\r\n"), {400, 413}),
    "negative length": (post(b"Content-Length: -1\r\n"), {400}),
    "length with a plus": (post(b"Content-Length: +5\r\n"), {400}),
    "two lengths": (post(b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"), {400}),
    "length and chunks": (post(b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
                               b"2\r\n{}\r\n0\r\n\r\n"), {400}),
    "unknown transfer encoding": (post(b"Transfer-Encoding: xchunked\r\n"), {400, 501}),
    "broken chunk": (post(b"Transfer-Encoding: chunked\r\n", b"zz\r\n{}\r\n"), {400}),
    "outside of the api": (get(b"/"), {404}),
    "file outside of the api": (get(b"/index.html"), {404}),
    "api in capitals": (get(b"/API/health"), {404}),
    "path that begins like the api": (get(b"/apix"), {404}),
    "path climbing out of the api": (get(b"/api/../etc/passwd"), {404}),
}


def assert_our_shape(answer):
    assert answer.headers["Content-Type"].startswith("application/json"), answer.body
    assert answer.headers["X-Request-Id"]
    body = json.loads(answer.body)
    assert body["status"] == "ERROR"
    assert body["error"]["code"]
    assert body["error"]["message"]


@pytest.mark.parametrize("data, statuses", REFUSALS.values(), ids=REFUSALS)
def test_refusal_of_nginx_is_json_in_our_shape(data, statuses):
    answer = ask(data)

    assert answer.status in statuses, answer.body
    assert_our_shape(answer)


def test_plain_http_to_the_tls_port_is_json_in_our_shape():
    answer = ask(get(b"/api/health"), tls=False)

    assert answer.status in {400, 497}
    assert_our_shape(answer)


def test_405_of_nginx_has_allow():
    assert ask(b"TRACE /api/health HTTP/1.1\r\n" + HOST + b"\r\n").headers["Allow"]


def test_body_of_more_than_16_kib_in_chunks_is_413():
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"

    answer = ask(post(b"Transfer-Encoding: chunked\r\n", chunk * 5 + b"0\r\n\r\n"))

    assert answer.status == 413
    assert_our_shape(answer)


def test_chunked_body_is_a_body_like_any_other():
    answer = ask(post(b"Transfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"))

    assert answer.status == 422
    assert json.loads(answer.body)["error"]["field"] == "storage_dir"


def test_absolute_form_is_the_same_resource():
    assert ask(get(b"https://localhost/api/health")).status == 200


def test_http_1_0_without_a_host_is_refused():
    answer = ask(b"GET /api/containers/ HTTP/1.0\r\n\r\n")

    assert answer.status in {400, 403}
    assert_our_shape(answer)


def test_proxy_and_override_headers_mean_nothing():
    headers = HOST + b"Proxy: http://127.0.0.1:1\r\nX-HTTP-Method-Override: DELETE\r\nX-Original-URL: /etc\r\n"

    assert ask(get(b"/api/health", headers)).status == 200


def test_pipelined_good_and_bad_get_an_answer_each():
    with Wire() as wire:
        wire.send(get(b"/api/health") + get(b"/api/nope") + get(b"/api/health", HOST + b"Connection: close\r\n"))
        answers = wire.everything()

    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"404", b"200"]


def test_second_request_hidden_in_a_body_is_not_answered():
    hidden = get(b"/api/health")
    with Wire() as wire:
        wire.send(post(b"Connection: close\r\nContent-Length: %d\r\n" % len(hidden), hidden))
        answers = wire.everything()

    assert answers.count(b"HTTP/1.1 ") == 1
    assert answers.startswith(b"HTTP/1.1 400")
