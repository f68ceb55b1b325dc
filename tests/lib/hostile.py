"""Hostile servers in the place of a tenant's: at its port, or on its socket."""
import contextlib
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

from lib.stack import free_port

TLS_REQUEST = 80877103
OK, CLEAR, MD5, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 5, 10, 11, 12


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def auth(kind, body=b""):
    return message(b"R", struct.pack("!I", kind) + body)


class Talk:
    """A connection of pgberthd's."""

    def __init__(self, connection):
        self.connection = connection

    def read(self, length):
        data = b""
        while len(data) < length:
            piece = self.connection.recv(length - len(data))
            if not piece:
                raise ConnectionError
            data += piece
        return data

    def hear(self, typed=True):
        """The next message's body; the first one has no type."""
        head = self.read(5 if typed else 4)
        return self.read(struct.unpack("!I", head[-4:])[0] - 4)

    def say(self, *messages):
        self.connection.sendall(b"".join(messages))

    def flood(self, piece, times):
        for _ in range(times):
            self.connection.sendall(piece)

    def secure(self, context):
        assert struct.unpack("!I", self.hear(typed=False))[0] == TLS_REQUEST
        self.connection.sendall(b"S")
        self.connection = context.wrap_socket(self.connection, server_side=True)

    def sasl(self, mechanisms=b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"):
        """Up to the client's first message; its nonce."""
        self.say(auth(SASL, mechanisms))
        return self.hear().rpartition(b"r=")[2]


# ---- what it does once it was told who comes -------------------------------------------------

def clear_password(talk):
    talk.say(auth(CLEAR))
    talk.hear()


def md5_password(talk):
    talk.say(auth(MD5, b"salt"))
    talk.hear()


def no_binding(talk):
    talk.sasl(b"SCRAM-SHA-256\0\0")


def no_password(talk):
    """Admits anybody, and answers correctly, but has not proven that it knows the password."""
    talk.say(auth(OK), message(b"Z", b"I"))
    talk.hear()


def many_iterations(talk):
    talk.say(auth(SASL_CONTINUE, b"r=%sx,s=c2FsdHNhbHQ=,i=2147483648" % talk.sasl()))
    talk.hear()


def takes_a_weak_proof(salt, iterations):
    """Asks for a proof from which it could guess the password; `proofs` has what it was told."""
    def behaviour(talk):
        talk.say(auth(SASL_CONTINUE, b"r=%sx,s=%s,i=%s" % (talk.sasl(), salt, iterations)))
        behaviour.proofs.append(talk.hear())

    behaviour.proofs = []
    return behaviour


def another_nonce(talk):
    talk.sasl()
    talk.say(auth(SASL_CONTINUE, b"r=abc,s=c2FsdHNhbHQ=,i=4096"))
    talk.hear()


def wrong_signature(talk):
    talk.say(auth(SASL_CONTINUE, b"r=%sx,s=c2FsdHNhbHQ=,i=4096" % talk.sasl()))
    talk.hear()
    talk.say(auth(SASL_FINAL, b"v=" + b"A" * 43 + b"="), auth(OK), message(b"Z", b"I"))
    talk.hear()


def no_signature(talk):
    talk.say(auth(SASL_CONTINUE, b"r=%sx,s=c2FsdHNhbHQ=,i=4096" % talk.sasl()))
    talk.hear()
    talk.say(auth(OK), message(b"Z", b"I"))
    talk.hear()


def endless_notices(talk):
    notices = message(b"N", b"SNOTICE\0C00000\0Mhello\0\0") * 2000
    while True:
        talk.say(notices)


def slow_notices(talk):
    """Never quiet for long, and never an answer."""
    while True:
        talk.say(message(b"N", b"SNOTICE\0C00000\0Mhello\0\0"))
        time.sleep(0.5)


def huge_message(talk):
    talk.say(b"R" + struct.pack("!I", 0xFFFFFFFF))
    talk.flood(b"x" * 65536, 65536)


def byte_a_second(talk):
    for byte in message(b"N", b"SNOTICE\0" + b"Mx" * 10_000):
        talk.say(bytes([byte]))
        time.sleep(1)


def silence(talk):
    talk.hear()


def noise(talk):
    talk.say(os.urandom(65536))


def hang_up(talk):
    pass


def odd_error(talk):
    """An error whose words try to be log lines of their own."""
    talk.say(message(b"E", b"SFATAL\0C28000\0Mno\x1b[2J\r\n\x07way\0\0"))


FORGERY = 'audit who=root result=ok'


def forging_error(talk):
    """An error whose words try to be keys and values of the line that they are in."""
    talk.say(message(b"E", f'SFATAL\0C28000\0Mno" {FORGERY} \\" way\\\0\0'.encode()))


def refusing(state, words="no"):
    """A server that refuses each login with this SQLSTATE, and with words that may be no text."""
    def refuse(talk):
        text = words if isinstance(words, bytes) else words.encode()
        talk.say(message(b"E", f"SFATAL\0C{state}\0M".encode() + text + b"\0\0"))
    return refuse


AT_LOGIN = [clear_password, md5_password, no_binding, no_password, many_iterations, another_nonce, wrong_signature,
            no_signature, endless_notices, slow_notices, huge_message, byte_a_second, silence, noise, hang_up, odd_error,
            forging_error]


# ---- what it does before that ----------------------------------------------------------------

def no_tls(talk):
    talk.hear(typed=False)
    talk.say(b"N")


def clear_instead_of_tls(talk):
    """Bytes stuffed in before the handshake are not to be taken for what comes after it."""
    talk.hear(typed=False)
    talk.say(b"S" + auth(OK) + message(b"Z", b"I"))
    talk.hear(typed=False)


def noise_instead_of_tls(talk):
    talk.hear(typed=False)
    talk.say(b"S" + os.urandom(4096))
    talk.hear(typed=False)


def endless_hello_requests(talk):
    """HelloRequests come in clear, so sending them takes no key, and TLS ignores each."""
    talk.hear(typed=False)
    talk.say(b"S")
    while True:
        talk.say(b"\x16\x03\x03\0\x04\0\0\0\0" * 5000)


CANNOT_FORK = b"Ecould not fork new process for connection: Resource temporarily unavailable\n\0"


def cannot_fork(talk):
    """A postmaster's words where it has no process to hear with."""
    talk.say(CANNOT_FORK)


def endless_words(talk):
    """The same, and no end of it."""
    talk.say(CANNOT_FORK[:-1])
    while True:
        talk.say(b"and so on " * 6000)


AT_HELLO = [no_tls, clear_instead_of_tls, noise_instead_of_tls, endless_hello_requests, cannot_fork, endless_words]


# ---- what it does once it has let one in (on the socket) -------------------------------------

def huge_row(talk):
    talk.hear()
    talk.say(b"D" + struct.pack("!I", 0xFFFFFFF0), struct.pack("!HI", 1, 0xFFFFFF00))
    talk.flood(b"x" * 65536, 65536)


def endless_rows(talk):
    talk.hear()
    rows = message(b"D", struct.pack("!HI", 1, 10000) + b"x" * 10000) * 6
    while True:
        talk.say(rows)


def short_row(talk):
    talk.hear()
    talk.say(message(b"D", struct.pack("!HI", 1, 500) + b"x"), message(b"Z", b"I"))


def copy_out(talk):
    talk.hear()
    talk.say(message(b"H", b"\0\0\0"))
    talk.hear()


def another_name(talk):
    while True:
        talk.hear()
        talk.say(message(b"D", struct.pack("!HI", 1, 5) + b"other"), message(b"C", b"SHOW\0"), message(b"Z", b"I"))


def keeps_its_commits_to_itself(ends, has):
    """Answers like a server, but never a COMMIT; then whether it has ended that session, and has the new verifier."""
    answers = {"AS kept(sql)": b"SELECT 1", "datconnlimit": b"open", "FROM pg_catalog.pg_roles": b"1",
               "pg_terminate_backend": ends, "rolpassword = ": has}

    def behaviour(talk):
        talk.say(auth(OK), message(b"K", struct.pack("!II", 99, 99)), message(b"Z", b"I"))
        while True:
            statement = talk.hear().decode()
            if statement.startswith("COMMIT"):
                behaviour.commits += 1
                talk.hear()
            rows = [message(b"D", struct.pack("!HI", 1, len(value)) + value)
                    for words, value in answers.items() if words in statement]
            talk.say(*rows, message(b"C", b"SELECT\0"), message(b"Z", b"I"))

    behaviour.commits = 0
    return behaviour


IN_SESSION = [huge_row, endless_rows, short_row, copy_out, another_name, endless_notices, byte_a_second, silence, hang_up]


class Hostile:
    """Behaves like this to each client that connects, inside of the with block."""

    def __init__(self, behaviour):
        self.behaviour, self.met = behaviour, 0
        self.is_over = threading.Event()

    def serve(self, listener, meet):
        self.listener, self.meet = listener, meet
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()
        return self

    def _accept(self):
        while not self.is_over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self.listener.accept()
                threading.Thread(target=self._talk, args=[connection], daemon=True).start()

    def _talk(self, connection):
        self.met += 1
        talk = Talk(connection)
        try:
            self.meet(talk)
            self.behaviour(talk)
        except (OSError, ssl.SSLError):
            pass
        finally:
            talk.connection.close()

    def end(self):
        self.is_over.set()
        self.listener.shutdown(socket.SHUT_RDWR)  # which wakes who accepts; closing alone does not
        self.accepting.join()
        self.listener.close()


@contextlib.contextmanager
def at_port(port, behaviour, certificate):
    """Gives local clients of that port the hostile server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "server.crt", certificate / "server.key")

    def meet(talk):
        if behaviour not in AT_HELLO:
            talk.secure(context)
            talk.hear(typed=False)

    there = free_port()
    rule = ["-p", "tcp", "-d", "127.0.0.1", "--dport", str(port), "-j", "REDIRECT", "--to-ports", str(there)]
    hostile = Hostile(behaviour).serve(socket.create_server(("127.0.0.1", there)), meet)
    subprocess.run(["iptables", "-w", "-t", "nat", "-I", "OUTPUT", *rule], check=True)
    try:
        yield hostile
    finally:
        subprocess.run(["iptables", "-w", "-t", "nat", "-D", "OUTPUT", *rule], check=True)
        hostile.end()


@contextlib.contextmanager
def on_socket(instance, behaviour, uid=None):
    """Puts it in place of the tenant's socket, as a process of this uid: by default the tenant's, which pgberthd greets."""
    path = instance.directory / "pg/run/.s.PGSQL.5432"
    aside = path.with_name("aside")
    path.rename(aside)
    owner = path.parent.stat().st_uid if uid is None else uid
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    # SO_PEERCRED names the process that listens.
    os.seteuid(owner)
    try:
        listener.listen(64)
    finally:
        os.seteuid(0)

    def meet(talk):
        if uid is None:
            talk.hear(typed=False)
        if behaviour in IN_SESSION:
            talk.say(auth(OK), message(b"Z", b"I"))

    hostile = Hostile(behaviour).serve(listener, meet)
    try:
        yield hostile
    finally:
        hostile.end()
        path.unlink()
        aside.rename(path)
