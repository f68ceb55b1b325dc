"""Who may connect to a server, and whether without TLS."""
import asyncio
import contextlib
import json
import subprocess

import asyncpg
import psycopg2
import pytest

from lib import other_host
from lib import walls
from lib.access import Neighbourhood, Pair, Psql, peer_certificate
from lib.client import Instance, assert_error, ok
from lib.other_host import Neighbour, OtherEngine, OtherStack
from lib.stack import BINARY, Stack
from lib.leftovers import discard
from lib.recorder import new_name

walls.reap()
other_host.reap()

EVERYBODY = ["0.0.0.0/0", "::/0"]
NOBODY_HERE = "no pg_hba.conf entry"
MANY = [f"10.0.{number}.0/24" for number in range(65)]


@pytest.fixture(scope="module")
def place():
    """A stack whose servers can be reached from a neighbourhood."""
    bridge = walls.bridge_name()
    with Stack(network=bridge, publish_address="0.0.0.0") as stack, Neighbourhood(bridge) as outside:
        stack.outside, stack.bridge = outside, bridge
        yield stack
    walls.network_remove(bridge)


@pytest.fixture
def reachable(place):
    """A running instance there."""
    instance = place.make()
    yield instance
    place.purge(instance)


def hba(instance):
    lines = (instance.directory / "conf/pg_hba.conf").read_text().splitlines()
    return [line for line in lines if not line.startswith(("#", "local"))]


def record(instance):
    return json.loads((instance.directory / "instance.json").read_text())


# ---- fields ----------------------------------------------------------------------------------

def test_everybody_may_connect_and_tls_is_offered_unless_said(shared):
    view = shared.view()

    assert (view["allow"], view["tls"]) == (EVERYBODY, "offered")
    assert view["exposure"] == {"address": view["address"], "port": shared.port, "reach": "host", "allow": EVERYBODY,
                                "tls": "offered"}
    assert hba(shared) == ["host all all all scram-sha-256", "host replication all all scram-sha-256"]
    assert shared.value("SELECT 1", sslmode="disable") == 1


BAD = [
    None, "10.0.0.0/8", 1, True, {}, {"a": "10.0.0.0/8"}, [1], [None], [["10.0.0.0/8"]], [""], [" "], ["all"], ["localhost"],
    ["samenet"], ["example.org"], ["10.0.0.0/33"], ["10.0.0.0/-1"], ["10.0.0.0/"], ["10.0.0.0/08"], ["10.0.0.0/8 "],
    [" 10.0.0.0/8"], ["10.0.0.0/8/8"], ["10.0.0.0/255.0.0.0"], ["10.0.0.0/8.0"], ["10.0.0.0/+8"], ["10.0.0.0/0x8"],
    ["10.0.0/8"], ["10.0.0.256"], ["10.0.0.1/8"], ["10.0.0.1/31"], ["010.0.0.1"], ["0x0a000001"], ["167772161"], ["1.2.3.4\n"],
    ["1.2.3.4\0"], ["1.2.3.4,1.2.3.5"], ["10.0.0.0/4294967304"], ["::/129"], ["::1/127"], ["2001:db8::1/64"], ["fe80::1%eth0"],
    ["[::1]"], [":::"], ["1::2::3"], ["::ffff:10.0.0.1"], ["::ffff:0:0/96"], ["2001:db8::/64 "], ["/8"], ["/"],
    ["10.0.0.0/8", "nonsense"], MANY, ["9" * 5000], ["10.0.0.0/8 scram-sha-256\nhost all all all trust"],
]


@pytest.mark.parametrize("allow", BAD, ids=[json.dumps(value)[:40] for value in BAD])
def test_bad_allow_is_422_naming_it_and_changes_nothing(shared, api, allow):
    view, rules = shared.view(), hba(shared)

    for answer in (api.on("PATCH", shared.name, json={"allow": allow}), api.create(**shared.fields(), allow=allow)):
        assert_error(answer, 422, "invalid", "allow")

    assert shared.view() == view
    assert hba(shared) == rules


@pytest.mark.parametrize("tls", [None, "", "Required", "on", True, 1, [], "required\0", "verify-full"])
def test_bad_tls_is_422_naming_it(shared, api, tls):
    assert_error(api.on("PATCH", shared.name, json={"tls": tls}), 422, "invalid", "tls")


@pytest.mark.parametrize("text", [",", "10.0.0.0/8,", ",10.0.0.0/8", "10.0.0.0/8,,::/0", "10.0.0.0/8, ::/0", "10.0.0.0/8;::/0",
                                  '["10.0.0.0/8"]', "10.0.0.1/8", ",".join(MANY)])
def test_bad_allow_in_a_form_is_422_naming_it(shared, api, text):
    assert_error(api.on("PATCH", shared.name, data={"allow": text}), 422, "invalid", "allow")


def test_refusal_says_which_item_and_what_is_wrong(shared, api):
    answer = api.patch(shared.name, allow=["10.0.0.0/8", "192.0.2.7/24"])

    message = assert_error(answer, 422, "invalid", "allow")

    assert "item 2" in message and "beyond its prefix" in message
    assert "192.0.2.7/24" not in message


GOOD = [
    ([], []),
    (["10.1.2.3"], ["10.1.2.3/32"]),
    (["2001:DB8:0:0::7"], ["2001:db8::7/128"]),
    (["10.0.0.0/8", "::1", "10.0.0.0/8", "10.0.0.0/9"], ["10.0.0.0/8", "10.0.0.0/9", "::1/128"]),
    (["::/0", "0.0.0.0/0"], EVERYBODY),
    (["2001:db8::/32", "255.255.255.255/32", "0.0.0.0/1"], ["0.0.0.0/1", "255.255.255.255/32", "2001:db8::/32"]),
    (MANY[:64], sorted(MANY[:64], key=lambda text: int(text.split(".")[2]))),
]


@pytest.mark.parametrize("given, kept", GOOD, ids=[json.dumps(given)[:40] for given, _ in GOOD])
def test_allow_is_kept_in_one_form_and_postgresql_reads_it(changeable, api, given, kept):
    started = changeable.postmaster_started()

    body = ok(api.patch(changeable.name, allow=given))

    assert body["restarted"] is False
    assert body["allow"] == body["exposure"]["allow"] == changeable.view()["allow"] == record(changeable)["allow"] == kept
    assert changeable.postmaster_started() == started, "a client on the host is always let in"
    assert changeable.value("SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL") == 0
    assert len(hba(changeable)) == (2 if kept == EVERYBODY else 2 * len(kept) + 2), "and the gateway"


def test_forms_take_text_with_commas(changeable, api):
    assert ok(api.on("PATCH", changeable.name, data={"allow": "10.0.0.0/8,::1", "tls": "offered"}))["allow"] == [
        "10.0.0.0/8", "::1/128"]
    assert ok(api.on("PATCH", changeable.name, data={"allow": ""}))["allow"] == []


def test_post_again_fits_or_names_what_differs(new_instance):
    instance = new_instance()
    created = instance.create(allow=["10.0.0.0/8", "192.0.2.7"], tls="offered")

    assert ok(instance.post(allow=["192.0.2.7/32", "10.0.0.0/8"])) == created
    assert ok(instance.post()) == created
    assert_error(instance.post(allow=["10.0.0.0/8"]), 409, "already_exists", "allow")
    assert_error(instance.post(allow=[]), 409, "already_exists", "allow")
    assert_error(instance.post(tls="required"), 409, "already_exists", "tls")


def test_what_is_not_given_stays_when_it_comes_back(instance, api):
    ok(api.patch(instance.name, allow=["10.0.0.0/8"]))
    ok(api.delete(instance.name))

    assert instance.create()["allow"] == ["10.0.0.0/8"]
    ok(api.stop(instance.name))
    assert instance.create(allow=[])["allow"] == []
    assert not any("10.0.0.0/8" in rule for rule in hba(instance))


def test_patch_of_one_that_does_not_run_holds_when_it_starts(instance, api, engine):
    ok(api.stop(instance.name))

    body = ok(api.patch(instance.name, allow=["10.0.0.0/8"]))

    assert body["state"] == "stopped"
    assert any("10.0.0.0/8" in rule for rule in hba(instance))
    ok(api.start(instance.name))
    assert instance.view()["allow"] == ["10.0.0.0/8"]
    assert instance.value("SELECT count(*) FROM pg_hba_file_rules WHERE address = '10.0.0.0'") == 2
    assert_error(api.patch(instance.name, allow=["10.0.0.0/40"]), 422, "invalid", "allow")


# ---- who is let in ---------------------------------------------------------------------------

def test_only_those_on_the_list_are_let_in(place):
    outside = place.outside
    instance = place.make(allow=[outside.addresses[0]])

    assert instance.view()["exposure"] == {
        "address": "0.0.0.0", "port": instance.port, "reach": "network", "allow": [f"{outside.addresses[0]}/32"],
        "tls": "offered"}
    with outside.psql(instance, 0) as first, outside.psql(instance, 1) as second:
        assert first.ask("SELECT host(inet_client_addr())") == outside.addresses[0]
        assert NOBODY_HERE in second.said and outside.addresses[1] in second.said
    with outside.psql(instance, 1, replication="database") as second:
        assert NOBODY_HERE in second.said
    place.purge(instance)


def test_host_itself_is_always_let_in_as_the_gateway(place, reachable):
    ok(place.api.patch(reachable.name, allow=[]))

    gateway = walls.docker.from_env(version="auto").networks.get(place.bridge).attrs["IPAM"]["Config"][0]["Gateway"]
    for host in ("127.0.0.1", place.outside.host, walls.host_address()):
        assert reachable.value("SELECT host(inet_client_addr())", host=host) == gateway
    with place.outside.psql(reachable) as client:
        assert NOBODY_HERE in client.said


def test_patch_ends_the_connections_of_others_and_no_other(place, reachable):
    outside, started = place.outside, reachable.postmaster_started()
    with outside.psql(reachable, 0) as stays, outside.psql(reachable, 1) as goes, Psql(reachable) as here, \
            outside.psql(reachable, 0, replication="database") as sender, \
            outside.psql(reachable, 1, replication="database") as gone:
        pids = [client.ask("SELECT pg_backend_pid()") for client in (stays, goes, here, sender, gone)]
        assert all(pids)

        body = ok(place.api.patch(reachable.name, allow=[f"{outside.addresses[0]}/32"]))

        assert body["restarted"] is False
        alive = {str(pid) for pid, in reachable.sql("SELECT pid FROM pg_stat_activity")}
        assert [pid in alive for pid in pids] == [True, False, True, True, False]
        assert goes.ask("SELECT 1") is None and gone.ask("SELECT 1") is None
        assert [client.ask("SELECT pg_backend_pid()") for client in (stays, here, sender)] == [pids[0], pids[2], pids[3]]
        with outside.psql(reachable, 1) as again:
            assert NOBODY_HERE in again.said
        ok(place.api.patch(reachable.name, allow=EVERYBODY))
        assert stays.ask("SELECT pg_backend_pid()") == pids[0]
        with outside.psql(reachable, 1) as again:
            assert again.ask("SELECT 2") == "2"
    assert reachable.postmaster_started() == started


def test_busy_connection_is_ended_too(place, reachable):
    with place.outside.psql(reachable) as client:
        client.process.stdin.write("SELECT pg_sleep(600);\n")
        client.process.stdin.flush()
        walls.wait_for(lambda: reachable.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%'"
                                               " AND pid <> pg_backend_pid()"), "it sleeps")

        ok(place.api.patch(reachable.name, allow=[]))

        assert reachable.value("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600);'") == 0


def test_list_holds_whatever_the_tenant_sets(place, reachable):
    """Another file, a word in postgresql.auto.conf, a restart, a crash: the list is not its own to lift."""
    ok(place.api.patch(reachable.name, allow=[place.outside.addresses[0]]))
    reachable.shell("echo 'host all all all trust' >/pg/data/pg_hba.conf")
    for setting in ("hba_file = '/pg/data/pg_hba.conf'", "ident_file = '/pg/data/pg_ident.conf'"):
        reachable.sql(f"ALTER SYSTEM SET {setting}")
    assert "Permission denied" in reachable.shell("(echo x >>/etc/pgberth/pg_hba.conf) 2>&1; true")[0]
    assert "Read-only" in reachable.shell("touch /etc/pgberth/x 2>&1; true")[0]
    reachable.sql("SELECT pg_reload_conf()")

    def holds():
        with place.outside.psql(reachable, 0) as first, place.outside.psql(reachable, 1) as second:
            return first.ask("SELECT 1") == "1" and NOBODY_HERE in second.said

    assert holds()
    ok(place.api.restart(reachable.name))
    assert holds()
    started = reachable.postmaster_started()
    with contextlib.suppress(psycopg2.OperationalError):
        reachable.shell("kill -QUIT $(head -1 /pg/data/postmaster.pid)")
    walls.wait_for(lambda: _started(reachable) not in (None, started), "it is back", 60)
    assert holds()
    place.restart()
    walls.wait_for(lambda: reachable.view()["state"] == "running", "it is found again", 60)
    assert holds()


def _started(instance):
    with contextlib.suppress(psycopg2.OperationalError):
        return instance.postmaster_started()


def test_tenant_that_shuts_pgberth_out_keeps_its_list(place, reachable):
    """Without a way in, connections could not be ended: all stays as it was, and is said."""
    ok(place.api.patch(reachable.name, allow=[place.outside.addresses[0]]))
    view, rules, kept = reachable.view(), hba(reachable), record(reachable)
    with contextlib.closing(reachable.connect()) as owner, owner.cursor() as cursor:
        cursor.execute("ALTER ROLE postgres NOLOGIN")
        cursor.execute(f"ALTER ROLE {reachable.admin_user} NOLOGIN")

        message = assert_error(place.api.patch(reachable.name, allow=[], labels={"a": "b"}), 503, "server_unavailable")

        assert "stay as they were" in message and "not permitted to log in" in message
        assert reachable.view() == view
        assert hba(reachable) == rules
        assert record(reachable) == kept
        cursor.execute("SELECT count(*) FROM pg_hba_file_rules WHERE address = %s", (place.outside.addresses[0],))
        assert cursor.fetchone()[0] == 2
        cursor.execute(f"ALTER ROLE {reachable.admin_user} LOGIN")
    assert ok(place.api.patch(reachable.name, allow=[]))["allow"] == []


# Without it, as the engine of this host is set up, the tests above have shown it already.
@pytest.fixture(params=[True, pytest.param(False, marks=pytest.mark.slow)], ids=["proxy", "no proxy"])
def other_engine(request):
    with OtherEngine(proxy=request.param) as engine:
        yield engine


def test_list_holds_with_the_engines_userland_proxy_and_without(other_engine):
    """Whoever comes from beyond the host is seen as who it is; the host's own clients as the gateway."""
    with Neighbour(other_engine) as neighbour:
        for address in ("0.0.0.0", neighbour.host):
            with OtherStack(other_engine, publish_address=address) as stack:
                allowed, denied = stack.make(allow=[neighbour.address]), stack.make(allow=[])
                assert bool(other_engine.proxies()) == other_engine.proxy

                with Psql(allowed, neighbour.host, neighbour.within) as client:
                    assert client.ask("SELECT host(inet_client_addr())") == neighbour.address
                with Psql(denied, neighbour.host, neighbour.within) as client:
                    assert NOBODY_HERE in client.said and neighbour.address in client.said
                with Psql(denied, "127.0.0.1" if address == "0.0.0.0" else address, other_engine.within) as client:
                    assert client.ask("SELECT host(inet_client_addr())"), client.said
                ok(stack.api.patch(denied.name, allow=[neighbour.address], tls="required"))
                with Psql(denied, neighbour.host, neighbour.within) as client:
                    assert client.ask("SELECT 1") == "1", client.said


# ---- TLS -------------------------------------------------------------------------------------

def by_psql(instance, mode):
    with Psql(instance, sslmode=mode) as client:
        assert not client.said, client.said
        return client.ask("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == "t"


def by_psycopg2(instance, mode):
    return instance.value("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", sslmode=mode)


def by_asyncpg(instance, mode):
    async def ask():
        connection = await asyncpg.connect(host="127.0.0.1", port=instance.port, user=instance.admin_user, database="postgres",
                                           password=instance.password, ssl=mode, timeout=20)
        try:
            return await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        finally:
            await connection.close()
    return asyncio.run(ask())


CLIENTS = [by_psql, by_psycopg2, by_asyncpg]


@pytest.fixture(scope="module")
def strict(api, settings, ports):
    """A server that requires TLS."""
    instance = Instance(api, settings, new_name(), ports.take())
    instance.create(tls="required")
    yield instance
    ok(api.delete(instance.name, purge=True))
    for path in instance.trashed():
        discard(path)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_client_with_tls_logs_in_where_it_is_required(strict, client):
    assert strict.view()["tls"] == strict.view()["exposure"]["tls"] == "required"
    assert client(strict, "require") is True


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_client_without_tls_is_refused_where_it_is_required(strict, client):
    with pytest.raises(Exception) as caught:
        client(strict, "disable")

    assert "no encryption" in str(caught.value)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_client_may_do_without_tls_where_it_is_offered(shared, client):
    assert client(shared, "disable") is False
    assert client(shared, "require") is True


def test_dsn_says_what_to_use(strict):
    assert strict.view()["dsn"].endswith("?sslmode=require")
    assert strict.value("SELECT 1", sslmode="prefer") == 1


def test_replication_without_tls_is_refused_too(strict):
    with Psql(strict, sslmode="disable", replication="database") as client:
        assert "no encryption" in client.said
    with Psql(strict, replication="database") as client:
        assert client.ask("SELECT 1") == "1"


def test_patch_to_required_ends_those_without_tls_and_back(instance, api):
    started = instance.postmaster_started()
    with Psql(instance, sslmode="disable") as clear, Psql(instance) as tls:
        assert ok(api.patch(instance.name, tls="required"))["restarted"] is False

        assert clear.ask("SELECT 1") is None
        assert tls.ask("SELECT 1") == "1"
        assert "no encryption" in instance.refusal(sslmode="disable")
        assert ok(api.patch(instance.name, tls="offered"))["tls"] == "offered"
        assert tls.ask("SELECT 1") == "1"
    assert instance.value("SELECT 1", sslmode="disable") == 1
    assert instance.postmaster_started() == started


def test_required_holds_after_a_restart_and_for_one_that_comes_back(instance, api):
    ok(api.patch(instance.name, tls="required"))

    ok(api.restart(instance.name))
    assert "no encryption" in instance.refusal(sslmode="disable")
    ok(api.delete(instance.name))
    instance.create(allow=[])
    assert instance.view()["tls"] == "required"
    assert "no encryption" in instance.refusal(sslmode="disable")


# ---- certificates ----------------------------------------------------------------------------

def test_each_server_has_a_key_of_its_own_that_its_tenant_alone_reads(shared, changeable):
    keys = [instance.directory / "conf/server.key" for instance in (shared, changeable)]

    assert keys[0].read_text() != keys[1].read_text()
    assert peer_certificate(shared.port) != peer_certificate(changeable.port)
    for key in keys:
        assert key.stat().st_uid == 0 and key.stat().st_mode & 0o777 == 0o640
        assert key.stat().st_gid == key.parents[1].joinpath("pg/data").stat().st_uid
    assert not list(shared.directory.glob("conf/host.*"))


def test_servers_show_the_hosts_certificate_where_it_is_configured(tmp_path):
    pairs = [Pair(tmp_path, name) for name in ("first", "second")]
    given = Pair(tmp_path, "given")
    given.replace(pairs[0])
    with Stack(tls_certificate=given.certificate, tls_key=given.key) as stack:
        instance = stack.make()
        started = instance.postmaster_started()
        assert peer_certificate(instance.port) == pairs[0].der()
        assert instance.api.on("GET", instance.name, "certificate").text == pairs[0].certificate.read_text()
        key = instance.directory / "conf/host.key"
        assert key.stat().st_uid == 0 and key.stat().st_mode & 0o777 == 0o640

        given.replace(pairs[1])
        ok(stack.api.patch(instance.name, allow=["10.0.0.0/8"]))
        assert peer_certificate(instance.port) == pairs[1].der()
        assert instance.postmaster_started() == started

        given.certificate.write_text("torn")
        ok(stack.api.restart(instance.name))
        other = stack.make()
        assert {peer_certificate(server.port) for server in (instance, other)} == {pairs[1].der()}
        assert "host certificate not renewed" in stack.log_text()

        given.replace(pairs[0])
        ok(stack.api.restart(instance.name))
        assert peer_certificate(instance.port) == pairs[0].der()
        given.replace(pairs[1])
        stack.restart()
        walls.wait_for(lambda: peer_certificate(instance.port) == pairs[1].der(), "a start of pgberthd hands it on")

        stack.stop()
        stack.write_configuration(tls_certificate=None, tls_key=None)
        stack.start()
        ok(stack.api.restart(instance.name))
        assert peer_certificate(instance.port) not in (pairs[0].der(), pairs[1].der())
        assert not key.exists()


def refused(tmp_path, **options):
    """What pgberthd says that does not start with these options."""
    path = tmp_path / "pgberth.conf"
    path.write_text("[pgberth]\n" + "".join(f"{key} = {value}\n" for key, value in {"root": tmp_path, **options}.items()))
    done = subprocess.run([BINARY, "-c", path], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    return done.stderr


def test_pair_that_cannot_be_used_keeps_pgberthd_from_starting(tmp_path):
    one, other = Pair(tmp_path, "one"), Pair(tmp_path, "other")
    locked = Pair(tmp_path, "locked", more=("-passout", "pass:secret"))
    edwards, weak = Pair(tmp_path, "edwards", kind=("ed25519",)), Pair(tmp_path, "weak", kind=("rsa:1024",))
    (tmp_path / "empty").touch()
    for certificate, key, words in [
            (one.certificate, other.key, "is not the key of"), (one.certificate, tmp_path / "missing", "cannot read"),
            (tmp_path / "missing", one.key, "cannot read"), (tmp_path / "empty", one.key, "does not hold a certificate"),
            (one.certificate, tmp_path / "empty", "does not hold a key"), (one.certificate, tmp_path, "cannot be read"),
            (locked.certificate, locked.key, "passphrase"), (edwards.certificate, edwards.key, "channel binding"),
            (weak.certificate, weak.key, "too weak")]:
        assert words in refused(tmp_path, tls_certificate=certificate, tls_key=key)
    assert "go together" in refused(tmp_path, tls_certificate=one.certificate)
    assert "go together" in refused(tmp_path, tls_key=one.key)


@pytest.mark.parametrize("address", ["::", "::1", "2001:db8::1", "[::1]", "localhost", "0.0.0.0/0"])
def test_publish_address_that_is_not_ipv4_keeps_pgberthd_from_starting(tmp_path, address):
    """By way of a proxy of the engine's, whoever comes by IPv6 would be taken for the host."""
    assert "publish_address must be an IPv4 address" in refused(tmp_path, publish_address=address)
