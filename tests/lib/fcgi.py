"""FastCGI by hand, to ask pgberthd without nginx: the test sets what a proxy would say of the client."""
import socket
import struct

BEGIN, PARAMS, STDIN, STDOUT = 1, 4, 5, 6
RESPONDER = struct.pack("!HB5x", 1, 0)


def record(kind, content=b""):
    return struct.pack("!BBHHBx", 1, kind, 1, len(content), 0) + content


def pair(name, value):
    name, value = name.encode(), value.encode()
    return struct.pack("!II", len(name) | 1 << 31, len(value) | 1 << 31) + name + value


class Fcgi:
    """A request on a connection of its own; its body is sent apart."""

    def __init__(self, path, **params):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        self.socket.sendall(record(BEGIN, RESPONDER) + record(PARAMS, b"".join(
            pair(name, str(value)) for name, value in params.items())) + record(PARAMS))

    def body(self, data):
        self.socket.sendall((record(STDIN, data) if data else b"") + record(STDIN))

    def answer(self):
        """The answer's status and the rest of it."""
        with self.socket, self.socket.makefile("rb") as stream:
            said = b""
            while head := stream.read(8):
                _, kind, _, length, padding, _ = struct.unpack("!BBHHBB", head)
                content = stream.read(length + padding)[:length]
                said += content if kind == STDOUT else b""
        return int(said.split(b"Status: ")[1][:3]), said.decode()
