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
