"""HTTP as such: methods, slashes, request ids, and who may ask."""
import pytest

from berth import assert_error, ok
from trail import new_name
from wire import Wire

# Path below /api, with {} for a name, and the methods it has.
RESOURCES = {
    "/containers/": {"GET", "HEAD", "POST"},
    "/containers/{}/": {"GET", "HEAD", "PATCH", "DELETE"},
    "/containers/{}/start": {"POST"},
    "/containers/{}/stop": {"POST"},
    "/containers/{}/restart": {"POST"},
    "/containers/{}/password": {"PUT"},
    "/containers/{}/logs": {"GET", "HEAD"},
    "/health": {"GET", "HEAD"},
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "FOO")


@pytest.mark.parametrize("path, method", [
    (path, method) for path, allowed in RESOURCES.items() for method in METHODS
    if method not in allowed])
def test_method_that_a_resource_has_not_is_405_with_allow(shared, api, engine, path, method):
    before = engine.identity(shared.name)

    response = api.call(method, path.format(shared.name))

    assert response.status_code == 405
    assert {name.strip() for name in response.headers["Allow"].split(",")} == RESOURCES[path]
    if method != "HEAD":
        assert_error(response, 405, "method_not_allowed")
    assert engine.identity(shared.name) == before


@pytest.mark.parametrize("path", [path for path, allowed in RESOURCES.items() if "GET" in allowed])
def test_with_and_without_the_last_slash_is_the_same_resource(shared, api, path):
    path = path.format(shared.name).rstrip("/")

    with_slash, without = api.call("GET", path + "/"), api.call("GET", path)

    assert with_slash.status_code == without.status_code == 200
    assert with_slash.headers["Content-Type"] == without.headers["Content-Type"]


def test_post_without_the_last_slash_creates(new_instance, api):
    instance = new_instance()

    ok(api.call("POST", "/containers", json=instance.fields()))

    assert instance.value("SELECT 1") == 1


@pytest.mark.parametrize("path", ["/containers/", "/containers/{}/", "/health"])
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


@pytest.mark.parametrize("path", ["/", "/containerss/", "/containers/{}/nope", "/containers/{}/start/x",
                                  "/containers//start", "/metrics.json", "/create"])
def test_path_that_is_no_resource_is_404(shared, api, path):
    assert_error(api.call("GET", path.format(shared.name)), 404, "not_found")


@pytest.mark.parametrize("name", ["-v", ".hidden", "..%2f..%2fimages%2fjson", "a%2fb", "a%20b", "x" * 64, "*", "a:b", "%c3%a9", "..;", "a%3fb"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_name_out_of_the_grammar_in_a_path_is_404(api, method, name):
    response = api.call(method, f"/containers/{name}/")

    assert_error(response, 404, "not_found")


@pytest.mark.parametrize("name", ["a%0d%0ab", "a%ff", "a%1b"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_path_that_is_no_text_is_400(api, method, name):
    assert_error(api.call(method, f"/containers/{name}/"), 400, "unreadable")


@pytest.mark.parametrize("headers", [
    {"Host": "evil.example"}, {"Host": "localhost.evil.example"}, {"Host": "127.0.0.1.evil.example"},
    {"Host": "evil.example:443"}, {"Host": "192.0.2.1"},
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "https://localhost.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
], ids=lambda headers: ": ".join(*headers.items()))
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_web_page_of_elsewhere_is_403(new_instance, api, traces, headers, method):
    instance = new_instance()
    fields = instance.fields() if method == "POST" else None

    response = api.call(method, "/containers/", headers=headers, data=fields)

    assert_error(response, 403, "forbidden")
    assert traces.of(instance.name) == []


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


def test_answer_is_json_whatever_is_accepted(api):
    response = api.call("GET", "/nope", headers={"Accept": "text/html"})

    assert_error(response, 404, "not_found")
