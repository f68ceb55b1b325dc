"""Bytes on a connection to nginx, for what no HTTP library would send."""
import http.client
import socket
import ssl


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()


class Wire:
    def __init__(self, tls=True, host="localhost", port=443, protocols=()):
        self.socket = socket.create_connection((host, port), timeout=60)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            if protocols:
                context.set_alpn_protocols(protocols)
            self.socket = context.wrap_socket(self.socket, server_hostname=host)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def answer(self):
        """The one answer that comes."""
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        return Answer(response)

    def everything(self):
        """All bytes until nginx closes."""
        return b"".join(iter(lambda: self.socket.recv(65536), b""))


def ask(data, **options):
    """Send the bytes on a connection of their own and return the answer."""
    with Wire(**options) as wire:
        wire.send(data)
        return wire.answer()
