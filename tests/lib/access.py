"""Clients of servers: psql that stays connected, here or out there, and the certificate shown before a login."""
import os
import socket
import ssl
import struct
import subprocess

from lib.walls import NUMBER, Outside, run, within


class Neighbourhood(Outside):
    """An outside with two addresses: a client of the host's first address is seen with the outside's first, and so on."""

    def __init__(self, bridge):
        super().__init__(bridge)
        self.hosts = [self.host, f"198.51.100.{4 * NUMBER + 129}"]
        self.addresses = [self.address, f"198.51.100.{4 * NUMBER + 130}"]

    def _make(self):
        super()._make()
        run("ip", "address", "add", f"{self.hosts[1]}/30", "dev", self.link)
        run("ip", "-n", self.name, "address", "add", f"{self.addresses[1]}/30", "dev", "out")

    def psql(self, instance, which=0, **options):
        return Psql(instance, self.hosts[which], within(self.name), **options)


class Psql:
    """A session that stays until it is ended; said: the reason that it could not begin."""

    def __init__(self, instance, host="127.0.0.1", within=(), **options):
        options = {"host": host, "port": instance.port, "user": instance.admin_user, "dbname": "postgres",
                   "sslmode": "require", "connect_timeout": 10, **options}
        dsn = " ".join(f"{key}={value}" for key, value in options.items())
        self.process = subprocess.Popen(
            [*within, "psql", "-XAtq", dsn], env={**os.environ, "PGPASSWORD": instance.password}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.said = ""
        if self.ask("SELECT 1") != "1":
            self.said = self.process.communicate()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def ask(self, sql):
        """The first value; None once the session has ended."""
        try:
            self.process.stdin.write(f"{sql};\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return None
        return self.process.stdout.readline().strip() or None


def peer_certificate(port):
    """The server's certificate, as DER: it is asked for TLS, and for nothing more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(struct.pack("!ii", 8, 80877103))
        assert connection.recv(1) == b"S"
        with context.wrap_socket(connection) as tls:
            return tls.getpeercert(binary_form=True)


class Pair:
    """A key and a self-signed certificate in a directory."""

    def __init__(self, directory, name, kind=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), more=("-nodes",)):
        self.key, self.certificate = directory / f"{name}.key", directory / f"{name}.crt"
        run("openssl", "req", "-x509", "-newkey", *kind, *more, "-subj", f"/CN={name}", "-days", "30",
            "-keyout", self.key, "-out", self.certificate)

    def replace(self, other):
        """Gives these files the other pair's content."""
        self.key.write_bytes(other.key.read_bytes())
        self.certificate.write_bytes(other.certificate.read_bytes())

    def der(self):
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text())
