"""GET /api/health."""
import requests

from lib.client import assert_error, ok


def test_health_is_ok_and_tells_of_process_engine_and_storage(api):
    body = ok(api.call("GET", "/health"))

    assert body["version"]
    assert body["process"]
    assert body["engine"]["ok"] is True
    assert body["engine"]["api"].startswith("1.") and body["engine"]["version"]
    assert body["storage"]["ok"] is True


def test_health_by_either_loopback_address_and_with_a_slash(api):
    for url in ("https://127.0.0.1/api/health", "https://[::1]/api/health",
                "https://localhost/api/health/"):
        assert requests.get(url, verify=False, timeout=30).status_code == 200


def test_head_of_health(api):
    response = api.call("HEAD", "/health")

    assert (response.status_code, response.text) == (200, "")


def test_post_to_health_is_405(api):
    response = api.call("POST", "/health")

    assert_error(response, 405, "method_not_allowed")
    assert "GET" in response.headers["Allow"]
