"""A thousand clients that are slow on purpose, to ask or to read: nobody else notices, not even at the same address."""
import concurrent.futures
import contextlib
import json
import shutil
import socket
import ssl
import time

import pytest

from lib.client import ok
from lib.catalogue import HOST, get, request
from lib.fcgi import Fcgi
from lib.stack import Stack
from lib.waiting import wait_for
from lib.wire import Wire, ask, trusting

COUNT = 1000
# Seconds; they are answered at once where slow ones are in nobody's way.
SERVED = 10
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


def served(source, data):
    """The answer on a connection of its own; not what it is to be served, if it takes longer."""
    begun = time.monotonic()
    answer = ask(data, host="127.0.0.1", source=source, timeout=SERVED)
    assert time.monotonic() - begun < SERVED
    return answer


def assert_served(source, name):
    """Reads and changes."""
    assert served(source, get()).status == 200
    change = request("PATCH", f"/api/containers/{name}/", b"Content-Type: application/json\r\nContent-Length: 11\r\n",
                     b'{"cpus": 1}')
    assert json.loads(served(source, change).body)["status"] == "OK"


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
        def nobody_is_served():
            crowd.fill()  # nginx may have given up some of them meanwhile
            try:
                ask(get(), host="127.0.0.1", port=stack.https_port, source=OTHER, timeout=5)
            except OSError:
                return True
            return False

        wait_for(nobody_is_served, "a good request finds no room")


# ---- those that read slowly --------------------------------------------------------------------

READERS = 120  # more than there are workers
# 25 KB each in JSON, which is more than a record of pgberth's own making can have.
BIG = {f"{key:x}".rjust(63, "k"): "\x01" * 255 for key in range(16)}


@pytest.fixture(scope="module")
def big():
    """A pgberth whose list is of 7 MB in all, and one server of it that is stopped."""
    with Stack() as stack:
        instance = stack.make()
        ok(stack.api.stop(instance.name))
        stack.kill()
        record = json.loads((instance.directory / "instance.json").read_text())
        for number in range(280):
            name = f"big-{number:03}"
            directory = instance.directory.with_name(name)
            directory.mkdir(mode=0o700)
            shutil.copytree(instance.directory / "conf", directory / "conf")
            (directory / "instance.json").write_text(json.dumps({
                **record, "storage_dir": name, "wanted": "stored", "port": 0, "uid": record["uid"] + 1 + number,
                "labels": BIG}))
        stack.start()
        yield stack, instance


class Reader(Wire):
    """Asks for a lot through a small window, and takes a little of it when told to. nginx would let one that takes
    nothing go after 30 s, and with it the worker: its answer must begin before that."""

    def __init__(self, port, path):
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(20)
        plain.bind((SLOW, 0))
        plain.connect(("127.0.0.1", port))
        self.socket = trusting(()).wrap_socket(plain)
        self.send(get(path=path))
        self.status = self.socket.recv(12)

    def take(self):
        return len(self.socket.recv(16384)) > 0


def test_list_of_big_ones_is_whole_by_pages(big):
    stack, instance = big

    pages, after = [], {}
    while not pages or after["after"]:
        pages.append(stack.api.list(**after))
        after = {"after": ok(pages[-1])["next"]}

    assert max(len(page.content) for page in pages) <= 1 << 20
    names = [view["storage_dir"] for page in pages for view in page.json()["containers"]]
    assert names == sorted([f"big-{number:03}" for number in range(280)] + [instance.name])


def test_log_of_long_lines_is_its_newest_within_a_bound():
    with Stack() as stack:
        instance = stack.make()
        instance.sql("DO $$ BEGIN FOR i IN 1..1500 LOOP RAISE LOG 'line % %.', i, repeat('x', 1000); END LOOP; END $$")
        end = f"line 1500 {'x' * 1000}."

        log = wait_for(lambda: (text := stack.api.logs(instance.name, tail=10000).text) and end in text and text,
                       "the last line is there")

    assert len(log) <= 768 << 10
    assert "line 1 x" not in log
    assert log.startswith("20"), "a line begins with its time"


def test_good_requests_are_answered_while_many_read_slowly(big):
    stack, instance = big
    with contextlib.ExitStack() as readers:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            crowd = list(pool.map(lambda _: readers.enter_context(Reader(stack.https_port, "/api/containers/")),
                                  range(READERS)))

        for _ in range(10):
            assert all([reader.take() for reader in crowd])
            ok(stack.api.call("GET", "/health", timeout=20))
            ok(stack.api.call("GET", f"/containers/{instance.name}", timeout=20))
            ok(stack.api.call("PATCH", f"/containers/{instance.name}", json={"labels": {"a": "b"}}, timeout=60))
        assert [reader.status for reader in crowd] == [b"HTTP/1.1 200"] * READERS
    assert "given up" not in stack.log_text()


@pytest.mark.parametrize("bite", [0, 512], ids=["nothing", "a little now and then"])
def test_peer_that_does_not_take_its_answer_gives_the_worker_back(big, bite):
    """A peer by FastCGI, without nginx: as many as there are workers."""
    stack, _ = big
    stack.kill()
    stack.write_configuration(workers=4, changes=1)
    stack.start()
    with contextlib.ExitStack() as closing:
        before = stack.log_text().count("answer given up")
        peers = []
        for number in range(4):
            peer = Fcgi(stack.options["socket"], REQUEST_METHOD="GET", DOCUMENT_URI="/api/containers/",
                        REMOTE_ADDR="127.0.0.1", HTTP_HOST="localhost", REQUEST_ID=f"test-never-{number}")
            closing.enter_context(peer.socket)
            peer.body(b"")
            peers.append(peer)

        def are_given_up():
            for peer in peers:
                if bite:
                    peer.socket.setblocking(False)
                    with contextlib.suppress(OSError):
                        peer.socket.recv(bite)
            return stack.log_text().count("answer given up") == before + 4

        wait_for(are_given_up, "each is given up, and that is said once", 60)
        ok(stack.api.call("GET", "/health", timeout=20))
        assert all(f"id=test-never-{number}" in "".join(
            line for line in stack.log_text().splitlines() if "answer given up" in line) for number in range(4))
