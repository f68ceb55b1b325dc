"""nginx before pgberthd: which TLS it speaks, what it limits, what it adds."""
import socket
import ssl
import threading

import pytest

from lib.client import assert_error
from lib.catalogue import HOST, get
from lib.daemon import ServiceLog
from lib.stack import Stack
from lib.waiting import wait_for
from lib.wire import Wire

WEAK = ["AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA",
        "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CAMELLIA128-SHA256", "NULL-SHA256", "AECDH-AES128-SHA"]


pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1.* is deprecated")


def client_context(version, ciphers="ALL:COMPLEMENTOFALL"):
    """Of a client that takes whatever it is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


def shake_hands(context, port=443):
    """The version that is agreed on, or None."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            with context.wrap_socket(connection, server_hostname="localhost") as wrapped:
                return wrapped.version()
        except (ssl.SSLError, ConnectionError):
            return None


@pytest.fixture
def lax_server(tmp_path):
    """The port of a server that takes any client, with the certificate of nginx."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/etc/pgberth/tls/nginx.crt", "/etc/pgberth/tls/nginx.key")
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            connection, _ = server.accept()
            with context.wrap_socket(connection, server_side=True) as wrapped:
                wrapped.recv(1)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=str)
def test_old_tls_is_refused(version, lax_server):
    assert shake_hands(client_context(version)) is None
    # The client would have.
    assert shake_hands(client_context(version), lax_server) == version.name.replace("_", ".")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
def test_modern_tls_is_spoken(version):
    assert shake_hands(client_context(version, "DEFAULT")) == version.name.replace("_", ".")


@pytest.mark.parametrize("cipher", WEAK)
def test_weak_cipher_is_refused(cipher):
    assert shake_hands(client_context(ssl.TLSVersion.TLSv1_2, cipher)) is None


def test_weak_cipher_would_have_been_taken_by_another(lax_server):
    """The control, of the one that the self-signed certificate allows."""
    assert shake_hands(client_context(ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA"), lax_server) == "TLSv1.2"


def test_request_id_is_in_the_log_of_pgberthd_too(api):
    log = ServiceLog()

    given = api.call("GET", "/containers/", headers={"X-Request-Id": None}).headers["X-Request-Id"]

    assert any("request method=GET path=/api/containers/ status=200" in line for line in log.of_requests([given]))


def test_hsts_is_not_said_unless_configured(api):
    assert "Strict-Transport-Security" not in api.call("GET", "/health").headers


@pytest.fixture(scope="module")
def strict():
    """A stack that says it is for TLS alone, and takes from one address only two requests at once."""
    with Stack(site={"nginx_hsts_seconds": 31536000, "nginx_requests_at_once": 2}) as stack:
        wait_for(lambda: stack.api.call("GET", "/health").status_code == 200, "it is well")
        yield stack


@pytest.mark.parametrize("method, path, options, status", [
    ("GET", "/health", {}, 200), ("GET", "/containers/nobody/", {}, 404), ("TRACE", "/health", {}, 405),
    ("POST", "/containers/", {"data": b" " * 20000}, 413)], ids=str)
def test_hsts_is_in_every_answer(strict, method, path, options, status):
    answer = strict.api.call(method, path, **options)

    assert answer.status_code == status
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_requests_at_once_of_one_address_are_limited(strict):
    def begun(source):
        wire = Wire(port=strict.https_port, host="127.0.0.1", source=source)
        wire.send(b"POST /api/containers/ HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n")
        return wire

    with begun("127.0.0.2") as first, begun("127.0.0.2") as second:
        with begun("127.0.0.2") as third:
            refused = third.answer()
        with Wire(port=strict.https_port, host="127.0.0.1", source="127.0.0.4") as other:
            other.send(get())
            assert other.answer().status == 200
        for wire in (first, second):
            wire.send(b"{}")
            assert wire.answer().status == 422

    assert refused.status == 429
    assert b'"too_many_requests"' in refused.body
    assert refused.headers["Retry-After"] == "1"


def test_requests_a_second_of_one_address_are_limited():
    with Stack(site={"nginx_requests_per_second": 5}) as stack:
        # Those that waited for it to start may have been too many already: a second gives five of them back.
        threading.Event().wait(1)
        answers = [stack.api.call("GET", "/containers/") for _ in range(40)]

    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused and len(refused) < 40
    for answer in refused:
        assert_error(answer, 429, "too_many_requests")
        assert answer.headers["Retry-After"] == "1"
