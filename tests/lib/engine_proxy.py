"""An engine that can be made to misbehave: a proxy on a unix socket of its own before the real one, which passes
everything on but for the calls that a rule names."""
import contextlib
import json
import pathlib
import re
import secrets
import select
import shutil
import socket
import threading

from lib.waiting import wait_for

ENGINE = "/var/run/docker.sock"
PIECE = 1 << 16
REASONS = {200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 409: "Conflict",
           429: "Too Many Requests", 500: "Internal Server Error"}


ID = "[0-9a-f]{64}"
# Calls of the engine by name: method, and pattern of the path.
CALLS = {
    "list": ("GET", r"/containers/json\?"),
    "inspect": ("GET", r"/containers/[^/]+/json"),
    "create": ("POST", r"/containers/create\?"),
    "start": ("POST", rf"/containers/{ID}/start"),
    "stop": ("POST", rf"/containers/{ID}/stop"),
    "update": ("POST", rf"/containers/{ID}/update"),
    "remove": ("DELETE", rf"/containers/{ID}"),
}


class Exchange:
    """A request that came in, and the means to answer it."""

    def __init__(self, client, head, body):
        self.client, self.head, self.body = client, head, body
        self.released = threading.Event()  # set: the fault, or the stream, is to end
        self.flow = None  # of a stream of events: set when it is to end, whichever fault it met
        self.method, self.path = head.split(b"\r\n", 1)[0].decode().split(" ")[:2]

    def forward(self):
        """A connection to the real engine that has the request; it is closed after the reply."""
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(ENGINE)
        engine.sendall(self.head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + b"\r\n\r\n" + self.body)
        return engine

    def reply(self):
        """All that the real engine says, which has carried the request out by then."""
        with self.forward() as engine:
            return b"".join(iter(lambda: engine.recv(PIECE), b""))

    def is_abandoned(self):
        """True when the client has gone."""
        readable, _, _ = select.select([self.client], [], [], 0)
        return bool(readable) and not self.client.recv(1, socket.MSG_PEEK)

    def wait(self, seconds):
        """True while the fault is not released and its client still waits."""
        return not self.released.wait(seconds) and not self.is_abandoned()

    def pass_on(self, edited=lambda piece: piece):
        """Request and reply, each piece when it comes, until one side has had enough."""
        with self.forward() as engine:
            while not self.released.is_set():
                readable, _, _ = select.select([engine, self.client], [], [], 0.2)
                if self.client in readable:
                    return
                piece = engine.recv(PIECE) if readable else None
                if piece == b"":
                    return
                if piece:
                    self.client.sendall(edited(piece))


# ---- the faults: what is done with an exchange -----------------------------------------------

def hang(exchange):
    """Accepted, never answered."""
    while exchange.wait(0.1):
        pass


def close(exchange):
    """The connection is closed without a word, and nothing was done."""


def drop_reply(exchange):
    """Carried out, and the reply is lost."""
    exchange.reply()


def late(exchange):
    """The connection is closed without a word, and later, on release, it is carried out."""
    exchange.client.shutdown(socket.SHUT_RDWR)
    exchange.released.wait()
    exchange.reply()


def hold(exchange):
    """Nothing happens until released, then all does."""
    exchange.released.wait()
    exchange.released = threading.Event()
    exchange.pass_on()


def truncate(exchange):
    """Half the body of the real reply, or half the head where it has no body."""
    reply = exchange.reply()
    head, mark, body = reply.partition(b"\r\n\r\n")
    exchange.client.sendall(head + mark + body[:len(body) // 2] if body else head[:10])


def cut_chunk(exchange):
    """A chunk that promises more than comes."""
    exchange.client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n[{\"Id\":")


def slow(exchange):
    """The reply, one byte a second."""
    for byte in exchange.reply():
        if not exchange.wait(1):
            return
        exchange.client.sendall(bytes([byte]))


def noise(exchange):
    """Nothing that is HTTP."""
    exchange.client.sendall(b"\x00\xffpgberth \r\r\n\n" * 400)


def endless(piece, size=100 << 20):
    """A body of that many bytes."""
    def fault(exchange):
        exchange.client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n[" % size)
        for _ in range(size // PIECE):
            exchange.client.sendall((piece * PIECE)[:PIECE])
    return fault


def answer(status, body, media="application/json"):
    """An answer that the engine knows nothing of; a body that is not text becomes JSON."""
    body = (body if isinstance(body, str) else json.dumps(body)).encode()

    def fault(exchange):
        exchange.client.sendall(b"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
            status, REASONS[status].encode(), media.encode(), len(body), b"" if status == 204 else body))
    return fault


def html(status):
    """A refusal in the form of a web server in between."""
    return answer(status, f"<html><body><h1>{status} {REASONS[status]}</h1></body></html>", "text/html")


class Rule:
    def __init__(self, method, path, fault, times=None):
        self.method, self.path, self.fault, self.left = method, re.compile(path), fault, times
        self.seen = []  # the paths it was used on
        self.finished = 0  # of these, the exchanges that are over
        self.released = threading.Event()

    def fits(self, exchange):
        return self.method in ("*", exchange.method) and self.path.search(exchange.path) and self.left != 0

    def use(self, exchange):
        self.seen.append(exchange.path)
        if self.left is not None:
            self.left -= 1


class EngineProxy:
    """path: the socket to give to pgberthd. A newer rule goes before an older one."""

    def __init__(self):
        self.directory = pathlib.Path("/run") / f"pgberth-test-proxy-{secrets.token_hex(3)}"
        self.path = self.directory / "engine.sock"
        self.rules = []
        self.lock = threading.Lock()
        self.passed = []  # (method, path) of what went to the real engine untouched
        self.listener = None
        self.streams = 0  # of events that were asked for
        self.flow = threading.Event()  # set: the streams of events that are being passed on end

    def __enter__(self):
        self.directory.mkdir(mode=0o700)
        self.listen()
        return self

    def __exit__(self, *_):
        self.hush()
        shutil.rmtree(self.directory)

    # ---- the socket --------------------------------------------------------------------------

    def listen(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(512)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def hush(self):
        """No socket any more, and no stream of events."""
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        self.path.unlink(missing_ok=True)
        self.cut()

    def cut(self):
        """Ends the stream of events."""
        flow, self.flow = self.flow, threading.Event()
        flow.set()

    def renew(self):
        """The stream of events ends and is asked for again; then pgberthd looks at all that it has."""
        streams = self.streams
        self.cut()
        wait_for(lambda: self.streams > streams, "it asks for the events again", 60)

    @contextlib.contextmanager
    def absent(self, instead=None):
        """The socket is gone, or there is something else of that name: instead(path) makes it."""
        self.hush()
        if instead:
            instead(self.path)
        try:
            yield
        finally:
            if self.path.is_dir():
                self.path.rmdir()
            self.path.unlink(missing_ok=True)
            self.listen()

    # ---- the rules ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def fault(self, method, path, fault, times=None):
        """Applies the fault to a method ("*": any) and a regular expression of the path, inside of the with block."""
        rule = Rule(method, path, fault, times)
        with self.lock:
            self.rules.insert(0, rule)
        try:
            yield rule
        finally:
            with self.lock:
                self.rules.remove(rule)
            rule.released.set()

    def _choose(self, exchange):
        with self.lock:
            rule = next((rule for rule in self.rules if rule.fits(exchange)), None)
            if rule:
                rule.use(exchange)
            else:
                self.passed.append((exchange.method, exchange.path))
            return rule

    # ---- the work ----------------------------------------------------------------------------

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        """A connection carries one request: pgberthd never sends another."""
        with client, contextlib.suppress(ConnectionError):
            request = read_request(client)
            if not request:
                return
            exchange = Exchange(client, *request)
            if "/events?" in exchange.path:
                exchange.flow = exchange.released = self.flow
                self.streams += 1
            rule = self._choose(exchange)
            if rule:
                exchange.released = rule.released
                try:
                    rule.fault(exchange)
                finally:
                    rule.finished += 1
            else:
                exchange.pass_on()


def read_request(client):
    """The request's head, without the empty line, and body; None when nothing is asked."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(PIECE)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I)
    while length and len(body) < int(length[1]):
        body += client.recv(PIECE)
    return head, body
