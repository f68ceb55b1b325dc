"""Bytes on a connection to nginx, for what no HTTP library would send."""
import functools
import http.client
import socket
import ssl


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()


@functools.cache
def trusting(protocols):
    """The TLS of a client that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


class Wire:
    def __init__(self, tls=True, host="localhost", port=443, protocols=(), source=None, timeout=60):
        self.socket = socket.create_connection((host, port), timeout, source_address=source and (source, 0))
        if tls:
            self.socket = trusting(tuple(protocols)).wrap_socket(self.socket, server_hostname=host)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def answer(self, method="GET"):
        """The one answer that comes."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return Answer(response)

    def everything(self):
        """All bytes until nginx closes."""
        return b"".join(iter(lambda: self.socket.recv(65536), b""))


def ask(data, **options):
    """Send the bytes on a connection of their own and return the answer."""
    with Wire(**options) as wire:
        wire.send(data)
        return wire.answer(data.partition(b" ")[0].decode("latin-1"))


# ---- HTTP/2 by hand --------------------------------------------------------------------------

HEADERS, RST_STREAM, SETTINGS, GOAWAY = 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4
# Statuses in HPACK's static table; nginx writes any other status out.
STATUSES = {0x88: 200, 0x89: 204, 0x8a: 206, 0x8b: 304, 0x8c: 400, 0x8d: 404, 0x8e: 500}


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(text):
    return bytes([len(text)]) + text


def ask_by_http_2(fields):
    """The status of the answer to one request of these header fields, or the kind of frame that refuses it."""
    block = b"".join(b"\0" + literal(name) + literal(value) for name, value in fields)
    with Wire(protocols=["h2"]) as wire, wire.socket.makefile("rb") as stream:
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0) +
                  frame(HEADERS, END_STREAM | END_HEADERS, 1, block))
        while True:
            head = stream.read(9)
            payload = stream.read(int.from_bytes(head[:3], "big"))
            if head[3] in (RST_STREAM, GOAWAY):
                return head[3]
            if head[3] == HEADERS:
                return STATUSES.get(payload[0]) or int(payload[2:5])
