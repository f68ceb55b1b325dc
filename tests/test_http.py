"""HTTP as such: slashes, HEAD, request ids, names and pages of our own. What is refused is in test_catalogue."""
import pytest

from lib.client import ok
from lib.recorder import new_name
from lib.wire import Wire


@pytest.mark.parametrize("path", ["/containers/", "/containers/{}/", "/containers/{}/logs", "/containers/{}/certificate", "/trash/", "/health"])
def test_with_and_without_the_last_slash_is_the_same_resource(shared, api, path):
    path = path.format(shared.name).rstrip("/")

    with_slash, without = api.call("GET", path + "/"), api.call("GET", path)

    assert with_slash.status_code == without.status_code == 200
    assert with_slash.headers["Content-Type"] == without.headers["Content-Type"]


def test_post_without_the_last_slash_creates(new_instance, api):
    instance = new_instance()

    ok(api.call("POST", "/containers", json=instance.fields()))

    assert instance.value("SELECT 1") == 1


@pytest.mark.parametrize("path", ["/containers/", "/containers/{}/", "/containers/{}/certificate", "/health"])
def test_head_answers_as_get_without_a_body(shared, api, path):
    get, head = (api.call(method, path.format(shared.name)) for method in ("GET", "HEAD"))

    assert head.status_code == get.status_code == 200
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert head.content == b""


def test_head_of_unknown_is_404(api):
    assert api.call("HEAD", f"/containers/{new_name()}/").status_code == 404


@pytest.mark.parametrize("path, status", [("/health", 200), ("/containers/nobody/", 404), ("/nope", 404)])
def test_request_id_of_the_client_comes_back(api, path, status):
    response = api.call("GET", path, headers={"X-Request-Id": "my.own_id-42"})

    assert response.status_code == status
    assert response.headers["X-Request-Id"] == "my.own_id-42"


@pytest.mark.parametrize("request_id", ["short", "x" * 65, "with space 12", "semi;colon;12", "quo\"te\"123"])
def test_request_id_out_of_the_rule_is_replaced(api, request_id):
    given = api.call("GET", "/health", headers={"X-Request-Id": request_id}).headers["X-Request-Id"]

    assert given != request_id
    assert len(given) >= 8


def test_request_id_is_made_where_none_is_given(api):
    first, second = (api.call("GET", "/health", headers={"X-Request-Id": None}).headers["X-Request-Id"]
                     for _ in range(2))

    assert first and second and first != second


def test_error_names_its_request(api):
    response = api.get(new_name())

    assert response.json()["request_id"] == response.headers["X-Request-Id"]


@pytest.mark.parametrize("headers", [
    {"Host": "localhost"}, {"Host": "localhost:443"}, {"Host": "LOCALHOST"}, {"Host": "127.0.0.1"},
    {"Host": "[::1]"}, {"Host": "[::1]:443"},
    {"Origin": "https://localhost"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"},
], ids=lambda headers: ": ".join(*headers.items()))
def test_own_page_and_own_names_are_admitted(api, headers):
    ok(api.call("GET", "/containers/", headers=headers))


def test_http_2_is_spoken():
    with Wire(protocols=["h2", "http/1.1"]) as wire:
        assert wire.socket.selected_alpn_protocol() == "h2"
