"""Ports for the tests: every worker has a share of its own, so that they do not collide."""
import collections
import os
import random
import socket

# The seed's own port, and one worker's share is every SHARESth of the rest.
SEED_PORT = 6123
SHARES = 6


def is_free(port):
    """True when no process of this host listens there, at any address that a server may be published at."""
    for address in ("127.0.0.1", "0.0.0.0"):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


class Ports:
    def __init__(self, api, settings):
        self.api = api
        worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
        share = range(settings.port_min + int(worker[2:]) % SHARES, settings.port_max + 1, SHARES)
        self.turns = collections.deque(random.sample(share, len(share)))

    def take(self):
        """A port that nobody holds, not even a server that is stopped, and that was not taken for the longest time."""
        held = {view["port"] for view in self.api.listed().values()} | {SEED_PORT}
        for _ in range(len(self.turns)):
            port = self.turns.popleft()  # so that no two threads take the same
            self.turns.append(port)
            if port not in held and is_free(port):
                return port
        raise AssertionError("no port is free")


class Listener:
    """A process of the host that holds a port: this one."""

    def __init__(self, port, address="127.0.0.1"):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, port))
        self.socket.listen()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
