"""What a hostile tenant tries from inside its server, as SQL; each with a control: the same where the wall is missing."""
import json
import os
import pathlib
import threading

import psycopg2
import pytest

from lib import walls
from lib.client import ok
from lib.concurrency import at_once
from lib.leftovers import trashed_as
from lib.stack import Stack, free_port
from lib.waiting import wait_for
from lib.walls import ELSEWHERE, METADATA, Apart, Attacker, Host, Outside, Walls, attack, host_address

walls.reap()


class Place:
    """Two tenants on a bridge of their own, walls around it, a service on the host, and an outside."""

    def __init__(self, bridge, stack, walls_, outside, host):
        self.bridge, self.stack, self.walls, self.outside, self.host = bridge, stack, walls_, outside, host
        self.tenant, self.neighbour = stack.make(), stack.make()

    def inspected(self, instance):
        return walls.docker.from_env(version="auto").containers.get(f"pgberth-{instance.name}").attrs

    def network_of(self, instance):
        return self.inspected(instance)["NetworkSettings"]["Networks"][self.bridge]

    def said(self, *words, of=None):
        """What attack.pl says that the tenant runs."""
        return "\n".join((of or self.tenant).shell(attack(*words)))


@pytest.fixture(scope="module")
def place():
    bridge = walls.bridge_name()
    with Host() as host, Stack(network=bridge, publish_address="0.0.0.0", start_timeout=20, stop_timeout=10) as stack, \
            Walls(bridge) as walls_, Outside(bridge) as outside:
        yield Place(bridge, stack, walls_, outside, host)
    walls.network_remove(bridge)


# ---- the network -------------------------------------------------------------------------------

def addresses(place):
    """What there is to reach, by name."""
    gateway, host = place.network_of(place.tenant)["Gateway"], place.host.port
    return {
        "the host at the bridge": ("tcp", gateway, host),
        "the host at the bridge, UDP": ("udp", gateway, host),
        "the host at its own address": ("tcp", host_address(), host),
        "the host on the way out": ("tcp", place.outside.host, host),
        "the metadata address": ("tcp", METADATA, 80),
        "the outside": ("tcp", ELSEWHERE, 80),
        "the outside, UDP": ("udp", place.outside.address, 53),
        "the host next door": ("tcp", place.outside.address, 80),
    }


def servers(place):
    """From these the engine keeps it, too: its network is made with icc off."""
    bridge, port = place.network_of(place.neighbour), place.neighbour.port
    return {
        "a neighbour by its address": ("tcp", bridge["IPAddress"], 5432),
        "a neighbour by its name": ("tcp", f"pgberth-{place.neighbour.name}", 5432),
        "a neighbour's port at the bridge": ("tcp", bridge["Gateway"], port),
        "a neighbour's port at the host's address": ("tcp", host_address(), port),
        "its own port": ("tcp", bridge["Gateway"], place.tenant.port),
    }


def test_tenant_reaches_nothing(place):
    tried = addresses(place)

    assert reached_of(place, {**tried, **servers(place)}) == set()
    assert place.neighbour.value("SELECT 1") == 1
    with place.walls.away():
        assert reached_of(place, tried) == set(tried), "the control: without walls all of these can be reached"


def reached_of(place, tried):
    """The names of those that the tenant reaches; all are tried at once."""
    answers = at_once([lambda address=address: _reaches(place, *address) for address in tried.values()])
    return {name for name, is_reached in zip(tried, answers) if is_reached}


def _reaches(place, protocol, address, port):
    if port == 5432 or place.stack.options["port_min"] <= port <= place.stack.options["port_max"]:
        return is_server(place.tenant, address, port)
    said = place.said("reach", protocol, address, port)
    assert said == "reached" or said.startswith("not:"), said
    return said == "reached"


def is_server(there, address, port):
    """PostgreSQL says nothing before it is asked: its own probe asks."""
    said = there.shell(f"/usr/lib/postgresql/17/bin/pg_isready -t 3 -h {address} -p {port} || true")
    return said == [f"{address}:{port} - accepting connections"]


SERVER = "cd /usr/lib/postgresql/17/bin && ./initdb -D /tmp/data --auth=trust >/dev/null && " \
    "echo 'host all all all trust' >>/tmp/data/pg_hba.conf && " \
    "./pg_ctl -D /tmp/data -l /tmp/log -o \"-c listen_addresses='*' -k /tmp\" start"


def test_neighbours_reach_each_other_on_a_network_without_our_option():
    """The control of what the engine keeps apart."""
    port = free_port()
    client = walls.docker.from_env(version="auto")
    network = client.networks.create(walls.bridge_name(), driver="bridge")
    try:
        with Attacker(network=network.name, name=f"{network.name}-b", ports={"5432/tcp": ("0.0.0.0", port)}, user="postgres",
                      tmpfs={"/tmp": "size=600m"}) as other, \
                Attacker(network=network.name) as attacker:
            said = other.shell(SERVER)
            assert said[-1] == "server started", said
            for address in ((other.address, 5432), (f"{network.name}-b", 5432), (other.gateway, port), (host_address(), port)):
                wait_for(lambda: is_server(attacker, *address), f"{address} is reached")
    finally:
        walls.network_remove(network.name)


def test_tenant_cannot_ask_for_names(place):
    """Not by the engine's resolver either, which asks on its behalf."""
    name = "secret.example.com"

    assert place.said("ask", name, 1).startswith("not:")
    assert place.said("ask", name, 1, place.outside.address).startswith("not:")
    with place.walls.away():
        assert place.said("ask", name, 1, place.outside.address) == "answered"
        with Attacker(network=place.bridge, dns=[place.outside.address]) as attacker:
            assert attacker.shell(attack("ask", name, 1)) == ["answered"]


def test_egress_that_is_open_opens_the_outside_alone(place):
    tried = addresses(place)

    place.walls.up("open")
    try:
        assert reached_of(place, tried) == {"the outside", "the outside, UDP", "the host next door"}
    finally:
        place.walls.up()


def test_services_at_the_hosts_loopback_are_out_of_reach(place):
    gateway = place.network_of(place.tenant)["Gateway"]
    with Host("127.0.0.1") as local:
        tried = {(protocol, address): (protocol, address, local.port) for protocol in ("tcp", "udp")
                 for address in ("127.0.0.1", "127.0.0.2", gateway, host_address(), place.outside.host)}

        assert reached_of(place, tried) == set()
        with place.walls.away():
            assert reached_of(place, tried) == set(), "it is not the walls alone that keep it apart"
        with Attacker(network_mode="host") as attacker:
            for protocol in ("tcp", "udp"):
                assert attacker.shell(attack("reach", protocol, "127.0.0.1", local.port)) == ["reached"]


def test_walls_stand_though_others_let_all_pass(place):
    address = addresses(place)["the outside"]
    walls.run("iptables", "-I", "FORWARD", "-i", place.bridge, "-j", "ACCEPT")
    try:
        assert place.said("reach", *address).startswith("not:")
        with place.walls.away():
            assert place.said("reach", *address) == "reached"
    finally:
        walls.run("iptables", "-D", "FORWARD", "-i", place.bridge, "-j", "ACCEPT")
    assert place.neighbour.value("SELECT 1") == 1


# What these do when they are started or reloaded, with rules that let all pass.
RELOADS = {
    "ufw": r"printf '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n' | iptables-restore",
    "iptables": "for t in filter nat mangle raw; do iptables -t $t -F && iptables -t $t -X; done",
    "ip6tables": "for t in filter mangle raw; do ip6tables -t $t -F && ip6tables -t $t -X; done",
    "firewalld": "nft 'table inet firewalld; delete table inet firewalld; table inet firewalld { chain forward { "
                 "type filter hook forward priority filter + 10; policy accept; ct state new accept; }; }'",
}


def test_walls_survive_that_others_load_their_rules_anew():
    """In a namespace of its own: who flushes the rules of this host cuts off its servers."""
    with Apart() as apart, Walls(apart.bridge, inside=apart.inside) as built:
        for reload in RELOADS.values():
            apart.does(reload)
            assert not apart.reaches_outside()
        with built.away():
            assert apart.reaches_outside()
        apart.does("nft flush ruleset")
        assert apart.reaches_outside(), "the control: one flush that does take them away"
        built.up()
        assert not apart.reaches_outside()


def test_outside_reaches_published_ports_alone(place):
    """Nobody gets to a server past its published port, though this host forwards; clients come and go."""
    bridge = place.network_of(place.neighbour)

    with place.outside.routed_to(f"{bridge['Gateway'].rsplit('.', 1)[0]}.0/24"):
        assert place.outside.reaches(place.outside.host, place.neighbour.port)
        assert not place.outside.reaches(bridge["IPAddress"], 5432)
        with place.walls.away(), walls.engines_own_away(f"-d {bridge['IPAddress']}/32"):
            assert place.outside.reaches(bridge["IPAddress"], 5432)


def test_outside_cannot_address_the_loopback_of_the_host(place):
    """An engine before 28 leads to a server what a host on the same wire sends to 127.0.0.1."""
    with place.outside.loopback_is_there():
        assert not place.outside.reaches("127.0.0.1", place.neighbour.port)
        with place.walls.away(), walls.engines_own_away(f"--dport {place.neighbour.port}"):
            assert place.outside.reaches("127.0.0.1", place.neighbour.port)
    assert place.neighbour.value("SELECT 1", host="127.0.0.1") == 1


def test_network_that_lets_neighbours_talk_is_refused():
    bridge = walls.bridge_name()
    network = walls.docker.from_env(version="auto").networks.create(bridge, driver="bridge", options={
        "com.docker.network.bridge.name": bridge})
    try:
        with Stack(network=bridge) as stack:
            answer = stack.new().post()
            assert answer.status_code == 503
            assert bridge in answer.json()["error"]["message"]
    finally:
        network.remove()


def test_network_that_goes_is_made_again_once():
    bridge = walls.bridge_name()
    with Stack(network=bridge) as stack:
        wait_for(lambda: "network made" in stack.log_text(), "the network is made")
        for _ in range(2):
            walls.network_remove(bridge)
            instances = [stack.new() for _ in range(6)]
            answers = at_once(instance.post for instance in instances)
            assert [answer.status_code for answer in answers] == [200] * 6, [answer.text for answer in answers]
            for instance in instances:
                stack.purge(instance)
        assert stack.log_text().count(f"network made name={bridge}") == 3
    walls.network_remove(bridge)


# ---- the kernel --------------------------------------------------------------------------------

# Name, number and arguments that do no harm where the call is let through.
CALLS = {
    "io_uring_setup": (425, 1, 0), "io_uring_enter": (426, 0, 0, 0, 0), "io_uring_register": (427, 0, 0, 0, 0),
    "socket AF_ALG": (41, 38, 5, 0), "socket AF_VSOCK": (41, 40, 1, 0), "socket AF_PACKET": (41, 17, 3, 768),
    "socket raw ICMP": (41, 2, 3, 1), "socket ping": (41, 2, 2, 1), "socket AF_KEY": (41, 15, 3, 2),
    "socket netfilter": (41, 16, 3, 12), "socket SCTP": (41, 2, 1, 132), "socket AF_BLUETOOTH": (41, 31, 3, 1),
    "socket SCTP by its type": (41, 2, 5, 0), "socket with a family above 32 bits": (41, 2**32 + 2, 5, 0),
    "unshare user": (272, 0x10000000), "unshare net": (272, 0x40000000), "unshare mount": (272, 0x20000),
    "clone user": (56, 0x10000011, 0, 0, 0, 0), "clone3": (435, 0, 0), "setns": (308, -1, 0),
    "mount": (165, 0, 0, 0, 0, 0), "umount2": (166, 0, 0), "pivot_root": (155, 0, 0), "fsopen": (430, 0, 0),
    "open_tree": (428, -1, 0, 0), "move_mount": (429, -1, 0, -1, 0, 0), "mount_setattr": (442, -1, 0, 0, 0, 0),
    "keyctl": (250, 6, 0), "add_key": (248, 0, 0, 0, 0, 0), "request_key": (249, 0, 0, 0, 0), "bpf": (321, 0, 0, 0),
    "perf_event_open": (298, 0, 0, 0, 0, 0), "userfaultfd": (323, 0), "open_by_handle_at": (304, -1, 0, 0),
    "name_to_handle_at": (303, -1, 0, 0, 0, 0), "kexec_load": (246, 0, 0, 0, 0), "init_module": (175, 0, 0, 0),
    "finit_module": (313, -1, 0, 0), "delete_module": (176, 0, 0), "swapon": (167, 0, 0), "reboot": (169, 0, 0, 0, 0),
    "sethostname": (170, 0, -1), "settimeofday": (164, 0, 0), "clock_settime": (227, 0, 0), "chroot": (161, 0),
    "iopl": (172, 4), "ioperm": (173, 0, 0, 0), "quotactl": (179, 0, 0, 0, 0), "fanotify_init": (300, 0, 0),
    "process_vm_readv": (310, -1, 0, 0, 0, 0, 0), "process_vm_writev": (311, -1, 0, 0, 0, 0, 0),
    "kcmp": (312, 0, 0, 99, 0, 0), "pidfd_getfd": (438, -1, 0, 0), "mq_open": (240, 0, 0, 0, 0), "msgget": (68, 0, 512),
    "sync": (162,), "vmsplice": (278, -1, 0, 0, 0), "memfd_secret": (447, 0),
    "personality READ_IMPLIES_EXEC": (135, 0x400000), "syslog": (103, 10, 0, 0), "acct": (163, -1),
    "lookup_dcookie": (212, 0, 0, 0), "migrate_pages": (256, -1, 0, 0, 0), "move_pages": (279, -1, 0, 0, 0, 0, 0),
}
EPERM, ENOSYS = 1, 38
# But for SYS_RESOURCE, which a host may not have to give.
ALL_CAPABILITIES = ["DAC_READ_SEARCH", "IPC_LOCK", "LINUX_IMMUTABLE", "NET_ADMIN", "NET_RAW", "SYSLOG",
                    "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO",
                    "SYS_TIME"]


def errors_of(lines):
    return {name.replace("_", " "): int(number) for name, number in (line.rsplit(" ", 1) for line in lines)}


def asked_of_kernel():
    return [",".join([name.replace(" ", "_"), *map(str, numbers)]) for name, numbers in CALLS.items()]


def test_system_calls_that_no_server_needs_are_refused(place):
    refused = errors_of(place.tenant.shell(attack("call", *asked_of_kernel())))
    with Attacker(cap_add=ALL_CAPABILITIES, user="0:0") as attacker:
        control = errors_of(attacker.shell(attack("call", *asked_of_kernel())))

    assert refused.keys() == control.keys() and len(refused) == len(CALLS)
    assert {name for name, error in refused.items() if error not in (EPERM, ENOSYS)} == set()
    unproven = {name for name, error in control.items() if error in (EPERM, ENOSYS)}
    # Where this kernel has no such call, or this host may not make it itself, the profile must say no.
    assert not unproven & {"unshare user", "mount", "socket raw ICMP", "socket AF PACKET", "keyctl"}
    assert {name.split()[0] for name in unproven} & allowed_plainly(place) == set()


def allowed_plainly(place):
    """The system calls that the profile of its container allows whatever their arguments."""
    option, = [option for option in place.inspected(place.tenant)["HostConfig"]["SecurityOpt"]
               if option.startswith("seccomp=")]
    return {name for rule in json.loads(option[8:])["syscalls"]
            if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args") for name in rule["names"]}


# Families, types and protocols of the sockets that servers use, and of the pairs: AF_UNIX, AF_INET and AF_INET6 with TCP and
# UDP, and the routes that getifaddrs(3) asks the kernel for.
STREAM, DATAGRAM, RAW, SEQPACKET = 1, 2, 3, 5
NEEDED = {("socket", 2, STREAM, 0), ("socket", 2, STREAM, 6), ("socket", 2, DATAGRAM, 0), ("socket", 2, DATAGRAM, 17),
          ("socket", 10, STREAM, 0), ("socket", 10, STREAM, 6), ("socket", 10, DATAGRAM, 0), ("socket", 10, DATAGRAM, 17),
          ("socket", 16, RAW, 0), ("socket", 1, STREAM, 0), ("socket", 1, DATAGRAM, 0), ("pair", 1, STREAM, 0),
          ("pair", 1, DATAGRAM, 0)}
EAFNOSUPPORT, EPROTONOSUPPORT = 97, 93


def sockets_of(shell, families):
    """The error of each kind of socket that a shell was not forbidden to ask for, 0 for none. AF_UNIX has one protocol."""
    rows = [[kind, *map(int, numbers)] for kind, *numbers in (line.split() for line in shell(attack("sockets", *families)))]
    return {(kind, family, type_, 0 if family == 1 else protocol): error for kind, family, type_, protocol, error in rows
            if family != 1 or error != EPROTONOSUPPORT}


def test_sockets_that_no_server_needs_are_refused(place):
    """Whatever family, type and protocol: asking is enough to have the kernel load the module for it."""
    got = sockets_of(place.tenant.shell, range(51))
    with Attacker() as attacker:
        control = sockets_of(attacker.shell, [1])  # the family that loads none

    assert got.keys() == NEEDED
    assert set(got.values()) <= {0, EAFNOSUPPORT}
    assert control.keys() >= {("socket", 1, SEQPACKET, 0), ("pair", 1, SEQPACKET, 0)}


def test_neighbours_processes_are_out_of_reach_of_ptrace(place):
    """ptrace is for a tenant's own; PTRACE_SEIZE of the neighbour's postmaster, by any pid there is."""
    pid = place.inspected(place.neighbour)["State"]["Pid"]
    ptrace = f"ptrace,101,{0x4206},{pid},0,0"

    assert errors_of(place.tenant.shell(attack("call", ptrace)))["ptrace"] != 0
    assert place.tenant.shell(f"test -e /proc/{pid} && echo there || true") == []
    with Attacker(pid_mode="host", cap_add=ALL_CAPABILITIES, user="0:0") as attacker:
        assert errors_of(attacker.shell(attack("call", ptrace)))["ptrace"] == 0
    assert place.neighbour.value("SELECT 1") == 1


def test_tenant_has_the_hosts_confinement(place):
    """AppArmor's profile of the engine, where the host has AppArmor."""
    enabled = pathlib.Path("/sys/module/apparmor/parameters/enabled")
    if not (enabled.exists() and enabled.read_text().strip() == "Y"):
        pytest.skip("this host has no AppArmor")
    assert place.inspected(place.tenant)["AppArmorProfile"] == "docker-default"


# ---- amounts -----------------------------------------------------------------------------------

def test_processes_are_counted(place):
    made = int(place.said("processes", 10_000, 1).splitlines()[-1])

    assert 50 < made < 512
    assert place.neighbour.value("SELECT 1") == 1
    with Attacker() as attacker:
        assert attacker.shell(attack("processes", 1500, 1))[-1] == "1500"


def test_fork_bomb_ends_with_its_server(place):
    bomber = place.stack.make()
    bomb = threading.Thread(target=_bomb, args=[bomber])
    bomb.start()
    pids = pathlib.Path("/proc").glob
    walls.wait_for(lambda: _processes_of(bomber, pids) > 400, "the bomb goes off")

    assert place.neighbour.value("SELECT 1") == 1
    assert place.stack.make().value("SELECT 1") == 1
    assert _processes_of(bomber, pids) <= 512
    ok(place.stack.api.stop(bomber.name))
    assert _processes_of(bomber, pids) == 0
    bomb.join(60)
    bomber.port = ok(place.stack.api.start(bomber.name))["port"]
    assert bomber.value("SELECT 1") == 1
    with Attacker() as attacker:
        assert attacker.shell(attack("processes", 600, 1))[-1] == "600", "the control: more than a bomb was let have"


def _bomb(instance):
    try:
        instance.shell("sh -c 'bomb() { bomb | bomb & sleep 60; }; bomb' >/dev/null 2>&1")
    except psycopg2.Error:
        pass


def _processes_of(instance, glob):
    """How many processes of the host run as its uid."""
    uid = instance.directory.joinpath("pg/data").stat().st_uid
    count = 0
    for path in glob("[0-9]*"):
        try:
            count += path.stat().st_uid == uid
        except OSError:
            pass
    return count


@pytest.mark.parametrize("directory, most_mb", [("/dev/shm", 256), ("/tmp", 64)])
def test_memory_file_systems_are_small(place, directory, most_mb):
    written = int(place.said("fill", f"{directory}/filler", 10_240))

    assert 0 < written <= most_mb
    assert place.tenant.value("SELECT 1") == 1
    with Attacker(shm_size="600m", tmpfs={"/tmp": "size=600m"}) as attacker:
        assert attacker.shell(attack("fill", f"{directory}/filler", 500)) == ["500"]


def test_memory_is_limited_and_its_end_hits_nobody_else(place):
    hungry = place.stack.make(memory_mb=128)

    assert _memory_held(hungry, 1024) != "1024"
    assert place.neighbour.value("SELECT 1") == 1
    walls.wait_for(lambda: place.stack.api.get(hungry.name).json()["state"] == "running", "it is back", 120)
    with Attacker() as attacker:
        assert attacker.shell(attack("memory", 1024)) == ["1024"]


def _memory_held(instance, megabytes):
    try:
        return "".join(instance.shell(attack("memory", megabytes)))
    except psycopg2.Error:
        return "killed"


def test_files_in_memory_are_counted(place):
    made = int(place.said("files", "/tmp/many", 1_000_000))
    place.tenant.shell("rm -rf /tmp/many")

    assert 1000 < made < 17_000
    with Attacker(tmpfs={"/tmp": "size=600m"}) as attacker:
        assert attacker.shell(attack("files", "/tmp/many", 20_000)) == ["20000"]


def test_files_on_disk_stop_neither_reads_nor_a_purge(place):
    many = int(os.environ.get("PGBERTH_FILES", 100_000))
    cluttered = place.stack.make()
    assert cluttered.shell(attack("files", "/pg/data/many", many)) == [str(many)]

    ok(place.stack.api.restart(cluttered.name))
    assert place.stack.api.logs(cluttered.name).status_code == 200
    ok(place.stack.api.delete(cluttered.name, purge=True))
    ok(place.stack.api.call("DELETE", f"/trash/{trashed_as(place.stack.api, cluttered.name)}"))
    assert cluttered.trashed() == []
