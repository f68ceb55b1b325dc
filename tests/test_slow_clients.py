"""A thousand clients that are slow on purpose: nobody else notices, not even at the same address."""
import concurrent.futures
import contextlib
import json
import ssl

import pytest

from catalogue import HOST, get, request
from private import Stack
from waiting import wait_for
from wire import Wire, ask

COUNT = 1000
SLOW, OTHER = "127.0.0.3", "127.0.0.2"
SHORT_OF = b"POST /api/containers/ HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"


def no_handshake(port):
    return Wire(tls=False, host="127.0.0.1", port=port, source=SLOW)


def headers(port):
    wire = Wire(host="127.0.0.1", port=port, source=SLOW)
    wire.send(SHORT_OF + b"X-Slow: ")
    return wire


def body(port):
    wire = Wire(host="127.0.0.1", port=port, source=SLOW)
    wire.send(SHORT_OF + b"Content-Length: 16000\r\n\r\n")
    return wire


def idle(port):
    wire = Wire(host="127.0.0.1", port=port, source=SLOW)
    wire.send(get(path="/api/health"))
    assert wire.answer().status == 200
    return wire


# How each begins, and what it sends from time to time.
KINDS = {"no handshake": (no_handshake, b""), "headers": (headers, b"x"), "body": (body, b" "), "idle": (idle, b"")}


class Crowd:
    """So many connections of one kind. All in the thread of the test but their beginning: a socket of TLS is for one thread."""

    def __init__(self, kind, count=COUNT, port=443):
        self.begin, self.drop = KINDS[kind]
        self.count, self.port = count, port
        self.wires = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for wire in self.wires:
            wire.socket.close()

    def _is_held(self, wire):
        """nginx has neither answered it nor let it go."""
        wire.socket.setblocking(False)
        try:
            wire.socket.recv(1)
        except (ssl.SSLWantReadError, BlockingIOError):
            return True
        except OSError:
            pass
        return False

    def held(self):
        gone = [wire for wire in self.wires if not self._is_held(wire)]
        for wire in gone:
            wire.socket.close()
        self.wires = [wire for wire in self.wires if wire not in gone]
        return len(self.wires)

    def _add(self, _):
        with contextlib.suppress(OSError):  # held() will tell
            self.wires.append(self.begin(self.port))

    def fill(self):
        """There are all of them again, if nginx lets them, and each has sent a little."""
        missing = self.count - self.held()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(self._add, range(missing)))
        for wire in self.wires:
            with contextlib.suppress(OSError):
                wire.send(self.drop)


def assert_served(source, name):
    """Reads and changes, on connections of their own."""
    assert ask(get(), host="127.0.0.1", source=source).status == 200
    change = request("PATCH", f"/api/containers/{name}/", b"Content-Type: application/json\r\nContent-Length: 11\r\n",
                     b'{"cpus": 1}')
    assert json.loads(ask(change, host="127.0.0.1", source=source).body)["status"] == "OK"


@pytest.mark.parametrize("kind", KINDS)
def test_good_requests_are_answered_while_a_thousand_are_slow(changeable, kind):
    with Crowd(kind) as crowd:
        def all_are_held_meanwhile():
            crowd.fill()
            for source in (OTHER, SLOW):
                assert_served(source, changeable.name)
            return crowd.held() == COUNT

        wait_for(all_are_held_meanwhile, "a thousand are held from before the good requests until after", 120)


def test_without_room_for_them_nobody_is_served():
    """The control: the same crowd before an nginx with fewer connections."""
    with Stack(site={"nginx_connections": 64}) as stack, Crowd("body", 100, stack.https_port) as crowd:
        crowd.fill()

        with pytest.raises(OSError):
            ask(get(), host="127.0.0.1", port=stack.https_port, source=OTHER, timeout=5)
