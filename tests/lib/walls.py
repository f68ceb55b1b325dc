"""Walls around a bridge of a test's own, an outside of its own to knock at, and the attacks that tenants run."""
import base64
import contextlib
import os
import pathlib
import secrets
import socket
import socketserver
import subprocess
import tempfile
import threading

import docker
import jinja2

from lib.waiting import wait_for

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
ROLE = REPOSITORY / "ansible/roles/firewall"
ATTACK = base64.b64encode((REPOSITORY / "tests/lib/attack.pl").read_bytes()).decode()
NEVER = ["169.254.0.0/16"]
METADATA, ELSEWHERE = "169.254.169.254", "203.0.113.9"
# Each worker has an outside of its own.
NUMBER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


def run(*words, check=True):
    return subprocess.run([str(word) for word in words], check=check, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def within(namespace):
    """The words that run a command in a network namespace. `ip netns exec` also gives it mounts of its own: on a host whose
    mounts are private it would hold those of its neighbours, whose disks then never end."""
    return ["nsenter", f"--net=/run/netns/{namespace}"]


def attack(*words):
    """The shell command that runs attack.pl with these arguments."""
    return f"echo {ATTACK} | base64 -d | perl - {' '.join(str(word) for word in words)} 2>&1"


def bridge_name():
    return f"pgbw{secrets.token_hex(3)}"


class Walls:
    """The role's own rules, for that bridge, in tables of its name. inside: the words of a command that run another in the
    namespace that the bridge is in."""

    def __init__(self, bridge, egress="none", clients=("0.0.0.0/0",), inside=()):
        self.bridge, self.clients, self.inside = bridge, list(clients), inside
        self.up(egress)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()

    def up(self, egress="none"):
        templates = jinja2.Environment(loader=jinja2.FileSystemLoader(ROLE / "templates"), trim_blocks=True,
                                       undefined=jinja2.StrictUndefined)
        values = {"ansible_managed": "A test's own.", "firewall_bridge": self.bridge, "firewall_table": self.bridge,
                  "firewall_egress": egress, "firewall_never": NEVER, "firewall_clients": self.clients}
        with tempfile.TemporaryDirectory() as directory:
            for name in ("firewall.nft", "firewall-bridge.nft"):
                pathlib.Path(directory, name).write_text(templates.get_template(f"{name}.j2").render(values))
            run(*self.inside, "/bin/sh", ROLE / "files/pgberth-firewall", directory)

    def down(self):
        for family in ("inet", "bridge"):
            run(*self.inside, "nft", "delete", "table", family, self.bridge, check=False)

    @contextlib.contextmanager
    def away(self):
        """Takes the walls down inside of the with block."""
        self.down()
        try:
            yield
        finally:
            self.up()


@contextlib.contextmanager
def engines_own_away(words):
    """Takes down the engine's own rules with these words: since 28 it keeps calls from outside from servers' addresses, and from
    ports that are published at the loopback."""
    said = run("iptables", "-t", "raw", "-S", "PREROUTING", check=False).stdout
    rules = [line.split()[1:] for line in said.splitlines() if f" {words} " in line and line.endswith("-j DROP")]
    for rule in rules:
        run("iptables", "-t", "raw", "-D", *rule)
    try:
        yield
    finally:
        for rule in rules:
            run("iptables", "-t", "raw", "-A", *rule)


class Answering(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = daemon_threads = True


class Host:
    """A service of the host, on all its addresses unless one is named, TCP and UDP, that answers whoever says something."""

    class Hello(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b"hello\n")

    class Echo(socketserver.BaseRequestHandler):
        def handle(self):
            self.request[1].sendto(b"hello\n", self.client_address)

    def __init__(self, address="0.0.0.0"):
        self.address = address

    def __enter__(self):
        self.tcp = Answering((self.address, 0), self.Hello)
        self.port = self.tcp.server_address[1]
        self.udp = socketserver.UDPServer((self.address, self.port), self.Echo)
        for server in (self.tcp, self.udp):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        for server in (self.tcp, self.udp):
            server.shutdown()
            server.server_close()


# Answers whoever connects to port 80, and any question that is asked of port 53.
RESPONDER = """
import socket, struct, threading
web, names = socket.create_server(("", 80)), socket.socket(type=socket.SOCK_DGRAM)
names.bind(("", 53))
def answer():
    while True:
        question, peer = names.recvfrom(512)
        names.sendto(question[:2] + struct.pack("!5H", 0x8180, 1, 1, 0, 0) + question[12:]
                     + struct.pack("!3HIH4B", 0xC00C, 1, 1, 60, 4, 203, 0, 113, 9), peer)
threading.Thread(target=answer, daemon=True).start()
print("ready", flush=True)
while True:
    peer, _ = web.accept()
    peer.sendall(b"hello\\n")
    peer.close()
"""


def responder_in(namespace):
    """Starts a responder in a namespace; its process, which answers already."""
    process = subprocess.Popen([*within(namespace), "/usr/bin/python3", "-c", RESPONDER],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


class Outside:
    """A namespace that owns the metadata address and one of the outside, for what comes from that bridge; beyond
    the host as its own neighbours are. host: the host's address on the way there."""

    def __init__(self, bridge):
        self.bridge, self.name, self.table = bridge, f"o{bridge}", str(20000 + NUMBER)
        self.link = f"v{bridge}"
        self.host, self.address = f"198.51.100.{4 * NUMBER + 1}", f"198.51.100.{4 * NUMBER + 2}"
        self.responder = None

    def __enter__(self):
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make(self):
        inside = ("ip", "-n", self.name)
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "out", "netns", self.name)
        run("ip", "address", "add", f"{self.host}/30", "dev", self.link)
        run("ip", "link", "set", self.link, "up")
        pathlib.Path(f"/proc/sys/net/ipv4/conf/{self.link}/rp_filter").write_text("2")
        run(*inside, "address", "add", f"{self.address}/30", "dev", "out")
        for link in ("lo", "out"):
            run(*inside, "link", "set", link, "up")
        run(*inside, "route", "add", "default", "via", self.host)
        for address in (METADATA, ELSEWHERE):
            run(*inside, "address", "add", f"{address}/32", "dev", "lo")
            run("ip", "route", "add", f"{address}/32", "via", self.address, "dev", self.link, "table", self.table)
        run("ip", "rule", "add", "iif", self.bridge, "lookup", self.table)
        self.responder = responder_in(self.name)

    def __exit__(self, *_):
        if self.responder:
            self.responder.kill()
            self.responder.wait()
        run("ip", "rule", "del", "iif", self.bridge, "lookup", self.table, check=False)
        run("ip", "route", "flush", "table", self.table, check=False)
        run("ip", "link", "del", self.link, check=False)
        run("ip", "netns", "del", self.name, check=False)

    def reaches(self, address, port):
        """True when a host out there gets a connection to a server."""
        return run(*within(self.name), "pg_isready", "-t", "3", "-h", address, "-p", port,
                   check=False).returncode == 0

    @contextlib.contextmanager
    def routed_to(self, subnet):
        """Out there, that network is reached by way of this host."""
        run("ip", "-n", self.name, "route", "add", subnet, "via", self.host)
        try:
            yield
        finally:
            run("ip", "-n", self.name, "route", "del", subnet)

    @contextlib.contextmanager
    def loopback_is_there(self):
        """Out there, 127.0.0.1 is this host's, as whoever is on the same wire can have it."""
        run("ip", "-n", self.name, "address", "del", "127.0.0.1/8", "dev", "lo")
        run(*within(self.name), "sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet")
        try:
            with self.routed_to("127.0.0.0/8"):
                yield
        finally:
            run("ip", "-n", self.name, "address", "add", "127.0.0.1/8", "dev", "lo")


class Apart:
    """A host in small, whose rules are nobody's but the test's: a namespace with a bridge, somebody on that, and an outside
    beyond."""

    def __init__(self):
        self.bridge = bridge_name()
        self.host, self.tenant, self.outside = (f"o{self.bridge}{kind}" for kind in "hto")
        self.inside = within(self.host)
        self.responder = None

    def __enter__(self):
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make(self):
        for name in (self.host, self.tenant, self.outside):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", self.host, "link", "add", self.bridge, "type", "bridge")
        self._wire("port", self.tenant, "10.0.1.1/24", "10.0.1.2/24", bridge=self.bridge)
        self._wire("out", self.outside, "10.0.2.1/24", "10.0.2.2/24")
        run(*self.inside, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        self.responder = responder_in(self.outside)

    def _wire(self, link, other, here, there, bridge=None):
        """From the host to another, which has its way out there."""
        run("ip", "-n", self.host, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", other)
        if bridge:
            run("ip", "-n", self.host, "link", "set", link, "master", bridge)
        run("ip", "-n", self.host, "address", "add", here, "dev", bridge or link)
        run("ip", "-n", other, "address", "add", there, "dev", "eth0")
        for name in {link, bridge or link}:
            run("ip", "-n", self.host, "link", "set", name, "up")
        run("ip", "-n", other, "link", "set", "eth0", "up")
        run("ip", "-n", other, "route", "add", "default", "via", here.partition("/")[0])

    def __exit__(self, *_):
        if self.responder:
            self.responder.kill()
            self.responder.wait()
        for name in (self.host, self.tenant, self.outside):
            run("ip", "netns", "del", name, check=False)

    def does(self, command):
        """Runs a command of somebody else on the host's rules."""
        run(*self.inside, "/bin/sh", "-c", command)

    def reaches_outside(self):
        """True when a container on the bridge gets a connection to the outside."""
        said = run(*within(self.tenant), "perl", REPOSITORY / "tests/lib/attack.pl", "reach", "tcp", "10.0.2.2",
                   80).stdout
        assert said == "reached\n" or said.startswith("not:"), said
        return said == "reached\n"


class Attacker:
    """A container that is not pgberth's: what an attack does where a wall is missing."""

    def __init__(self, **options):
        options.setdefault("command", ["86400"])
        self.options = {"entrypoint": "/bin/sleep", "init": True, "detach": True, "security_opt": ["seccomp=unconfined"], **options}

    def __enter__(self):
        self.container = docker.from_env(version="auto").containers.run("pgberth-postgres:17", **self.options)
        return self

    def __exit__(self, *_):
        self.container.remove(force=True, v=True)

    def shell(self, command):
        return self.container.exec_run(["/bin/sh", "-c", command]).output.decode().splitlines()

    @property
    def network(self):
        self.container.reload()
        network, = self.container.attrs["NetworkSettings"]["Networks"].values()
        return network

    @property
    def address(self):
        return self.network["IPAddress"]

    @property
    def gateway(self):
        return self.network["Gateway"]


def network_remove(name):
    """Removes the network; the engine may take a moment to see its last container gone."""
    def is_gone():
        run("/usr/bin/docker", "network", "rm", name, check=False)
        return run("/usr/bin/docker", "network", "inspect", name, check=False).returncode != 0
    wait_for(is_gone, f"network {name} is gone")


def host_address():
    """An address of this host that is neither loopback nor a bridge's."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.connect((ELSEWHERE, 9))  # says nothing: only asks for the route
        return probe.getsockname()[0]


def reap():
    """Removes the leftovers of a killed run."""
    for table in run("nft", "list", "tables", check=False).stdout.split("\n"):
        words = table.split()
        if len(words) == 3 and words[2].startswith("pgbw"):
            run("nft", "delete", *words, check=False)
    for rule in run("ip", "rule").stdout.splitlines():
        if " iif pgbw" in rule:
            run("ip", "rule", "del", "iif", rule.split(" iif ")[1].split()[0], check=False)
    for name in run("ip", "netns").stdout.split():
        if name.startswith("opgbw"):
            run("ip", "netns", "del", name, check=False)
    for name in run("/usr/bin/docker", "network", "ls", "--format", "{{.Name}}").stdout.split():
        if name.startswith("pgbw"):
            run("/usr/bin/docker", "network", "rm", name, check=False)
