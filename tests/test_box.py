"""Hosts with systemd: one from nothing to a pgberth by its roles, one by its package. `make box` runs these, in order: what
one leaves, the next begins with."""
import json
import re
import shutil
import subprocess
import threading
import time

import pytest

from lib.client import Api, Instance, ok
from lib.box import CLONE, RELEASE, REPOSITORY, Box
from lib.concurrency import at_once
from lib.load import Gets, Writers
from lib.settings import Settings
from lib.recorder import new_name
from lib.waiting import wait_for

pytestmark = pytest.mark.box
LOCAL = "-i inventories/local"
# The first release that served hosts with systemd, by Debian's: trixie had none so far.
OLD = {"bookworm": "6e4c4fc"}
# The line that keeps users off the servers' user ids.
RESERVED = "pgberth,servers:1900000000:65536"
UNCLEAN = re.compile(r"not properly shut down|was interrupted|recovery in progress|redo starts")


def tell(text):
    print(f"\n{text}")


def new_instance(port):
    return Instance(Api(), Settings("/dev/null"), new_name(), port)


def make_twenty(first_port):
    twenty = [new_instance(first_port + number) for number in range(20)]
    for each in twenty:
        each.create(memory_mb=128)
        each.keep_row(each.name)
    return twenty


def logs_of_servers(box):
    return box.run("cat /var/lib/pgberth/instances/*/pg/log/*.log").stdout


# ---- from its roles ----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def box():
    with Box() as box:
        yield box


def test_bare_host_becomes_a_pgberth(box):
    began = time.monotonic()
    assert box.play(f"{LOCAL} site.yml")["failed"] == 0
    tell(f"site.yml from nothing: {time.monotonic() - began:.0f} s")


def test_it_is_as_promised(box):
    assert box.play(f"{LOCAL} verify.yml")["failed"] == 0


SPOILS = {
    "walls": ("nft delete table inet pgberth", "systemctl restart pgberth-firewall"),
    "engine's options": ("cd /etc/docker; mv daemon.json aside; echo '{}' >daemon.json", "cd /etc/docker; mv aside daemon.json"),
    "nginx's key": ("chmod 644 /etc/pgberth/tls/nginx.key", "chmod 600 /etc/pgberth/tls/nginx.key"),
    "tokens": ("install -m 644 /dev/null /etc/pgberth/tokens", "rm /etc/pgberth/tokens"),
    "data": ("chmod 755 /var/lib/pgberth/instances", "chmod 700 /var/lib/pgberth/instances"),
    "boot": ("systemctl disable pgberthd.service", "systemctl enable pgberthd.service"),
    "images": ("cd /var/lib/pgberth/templates/17; cp manifest.json aside; sed -i 's/sha256:..../sha256:0000/' manifest.json",
               "cd /var/lib/pgberth/templates/17; mv aside manifest.json"),
}


@pytest.mark.parametrize("spoilt", SPOILS)
def test_it_is_not_as_promised_where_that_is_spoilt(box, spoilt):
    spoil, mend = SPOILS[spoilt]
    box.run(spoil)
    try:
        assert box.play(f"{LOCAL} verify.yml", check=False)["failed"] == 1
    finally:
        box.run(mend)


@pytest.mark.parametrize("addresses", [["0.0.0.0"], ["127.0.0.1", "::1"]], ids=["to all", "and back"])
def test_api_moves_to_other_addresses(box, addresses):
    box.play(f"{LOCAL} site.yml --tags nginx -e '{json.dumps({'nginx_listen': addresses})}'")
    listening = box.run("ss -Hltn sport = :443").stdout
    assert {line.split()[3].rsplit(":", 1)[0].strip("[]") for line in listening.splitlines()} == set(addresses)


@pytest.mark.parametrize("how", ["", "--check"])
def test_second_run_changes_nothing(box, how):
    recap = box.play(f"{LOCAL} {how} site.yml")
    assert (recap["failed"], recap["changed"]) == (0, 0)


def test_service_may_do_little(box):
    said = box.run("systemd-analyze security --no-pager pgberthd.service").stdout
    exposure, = re.findall(r"Overall exposure level .*: ([\d.]+)", said)
    tell(f"exposure {exposure}")
    assert float(exposure) <= 2.5


def test_restarts_under_load_fail_no_request(box):
    with box.network(), Gets(200) as gets:
        made = [new_instance(6100 + number) for number in range(3)]
        for each in made:
            maker = threading.Thread(target=each.create)
            maker.start()
            time.sleep(0.3)
            box.run("systemctl restart pgberthd")
            maker.join()
        assert [each.value("SELECT 1") for each in made] == [1, 1, 1]
    tell(f"{gets.answered} GETs in {gets.seconds:.1f} s, {len(made)} restarts, {len(gets.failed)} failed")
    assert not gets.failed
    with box.network():
        for each in made:
            ok(each.api.delete(each.name, purge=True))


def test_host_that_goes_down_and_comes_up_has_all_servers_back(box):
    with box.network():
        twenty = make_twenty(6200)
    box.go_down()
    box.come_up()
    began = time.monotonic()
    with box.network():
        at_once([lambda each=each: wait_for(lambda: can_log_in(each), f"{each.name} is back", 600) for each in twenty])
        tell(f"20 servers are back {time.monotonic() - began:.0f} s after the host began")
        assert [each.kept_rows() for each in twenty] == [[each.name] for each in twenty]
        assert not UNCLEAN.search(logs_of_servers(box))
        assert logs_of_servers(box).count("database system was shut down at") >= 40
        at_once([lambda each=each: ok(each.api.delete(each.name, purge=True)) for each in twenty])


EXTENSIONS = {"image_extensions": ["postgresql-{major}-ip4r"], "image_versions": [{"major": 15, "suite": "bookworm"}]}


def test_packages_that_are_added_to_images_are_extensions_of_servers(box):
    box.play(f"{LOCAL} site.yml --tags image -e '{json.dumps(EXTENSIONS)}'")
    with box.network():
        instance = new_instance(6300)
        instance.create(version=15)
        instance.sql("CREATE EXTENSION ip4r")
        assert instance.value("SELECT ip4r '10.0.0.0/8' >> ip4r '10.1.2.3'")
        ok(instance.api.delete(instance.name, purge=True))


def can_log_in(instance):
    try:
        return instance.value("SELECT true")
    except Exception:
        return False


# ---- from its package --------------------------------------------------------------------------

# One major will do.
VARIABLES = json.dumps({"app_options": {"versions": "15"}, "image_versions": [{"major": 15, "suite": "bookworm"}]})
DEB = "/root/pgberth.deb"
OLD_DEB = "/root/pgberth-old.deb"


def newest(directory):
    return max((directory / "app/build").glob("pgberth_*.deb"), key=lambda file: file.stat().st_mtime)


@pytest.fixture(scope="module")
def old_tree(tmp_path_factory):
    """The first release, with its package."""
    if RELEASE not in OLD:
        pytest.skip(f"no release of before served {RELEASE}")
    tree = tmp_path_factory.mktemp("old")
    archive = subprocess.run(["git", "-C", REPOSITORY, "archive", OLD[RELEASE]], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-C", tree, "-x"], input=archive, check=True)
    subprocess.run(["make", "-C", tree, "deb"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    yield tree
    shutil.rmtree(tree)


@pytest.fixture(scope="module")
def packaged(old_tree):
    """A host as the first release's own roles made it, from its package; and twenty servers on it."""
    with Box(old_tree) as box:
        box.copy_file(newest(old_tree), OLD_DEB)
        box.copy_file(newest(REPOSITORY), DEB)
        box.copy(REPOSITORY, "/pgberth-new")
        box.play(f"{LOCAL} site.yml -e app_package={OLD_DEB} -e '{VARIABLES}'")
        with box.network():
            box.twenty = make_twenty(6300)
        yield box


def versions(box):
    installed = box.run("dpkg-query -W -f '${Version}' pgberth").stdout
    with box.network():
        return installed, Api().call("GET", "/health").json()["version"]


@pytest.mark.parametrize("deb", [DEB, OLD_DEB, DEB], ids=["there", "back", "there again"])
def test_upgrade_and_back_disturb_no_connection_of_twenty(packaged, deb):
    before = versions(packaged)
    with packaged.network(), Gets(50) as gets, Writers(packaged.twenty) as writers:
        packaged.play(f"{LOCAL} upgrade.yml -e app_package={deb} -e '{VARIABLES}'", "/pgberth-new")
    after = versions(packaged)
    tell(f"{before[0]} -> {after[0]}: {gets.answered} GETs, {len(gets.failed)} failed; {sum(writers.rows.values())} rows over "
         f"{len(packaged.twenty)} connections, {len(writers.failed)} broken")
    assert before != after and after[0] == after[1]
    assert not gets.failed and not writers.failed
    with packaged.network():
        for each in packaged.twenty:
            assert each.value("SELECT count(*) FROM written") >= writers.rows[each.name] > 0
            assert (each.view()["state"], each.view()["port"]) == ("running", each.port)


def test_whole_host_moves(packaged, box):
    """As app/doc/moving.md has it; the new host runs another pgberth, and servers of its own."""
    moved = packaged.twenty[:3]
    packaged.run("systemctl stop pgberthd.socket pgberthd.service; docker stop $(docker ps -q --filter label=pgberth.storage_dir)")
    box.run("systemctl stop pgberthd.socket pgberthd.service")
    names = " ".join(each.name for each in moved)
    pack = subprocess.Popen(["/usr/bin/docker", "exec", packaged.name, "sh", "-c",
                             f"tar -C /var/lib/pgberth/instances --numeric-owner --sparse -c {names}"], stdout=subprocess.PIPE)
    subprocess.run(["/usr/bin/docker", "exec", "-i", box.name, "tar", "-C", "/var/lib/pgberth/instances", "--numeric-owner", "-xp"],
                   stdin=pack.stdout, check=True)
    assert pack.wait() == 0
    box.run("systemctl start pgberthd.socket pgberthd.service")
    with box.network():
        for each in moved:
            each.api = Api()  # whose connections are to this host
            # Their user ids are of the first release's range, so nobody here has them.
            assert each.becomes("running", 300)["port"] == each.port
            assert each.kept_rows() == [each.name]
            record = json.loads(box.run(f"cat /var/lib/pgberth/instances/{each.name}/instance.json").stdout)
            assert record["uid"] >= Settings("/dev/null").uid_min
    box.run("pgberth adopt --all")
    assert not UNCLEAN.search(logs_of_servers(box))
    packaged.run("systemctl start pgberthd.socket pgberthd.service")


@pytest.fixture
def by_ssh(packaged, box, tmp_path):
    """A function that plays for both hosts by ssh, as an operator does from elsewhere: the exit status, and what is said."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    for host in (packaged, box):
        host.copy_file(f"{key}.pub", "/home/vagrant/.ssh/authorized_keys")
        host.run("chown vagrant: /home/vagrant/.ssh/authorized_keys; chmod 600 /home/vagrant/.ssh/authorized_keys")
    hosts = {name: {"ansible_host": host.address()} for name, host in (("pg1", packaged), ("pg2", box))}
    common = {"ansible_user": "vagrant", "ansible_ssh_private_key_file": str(key), "app_package": str(newest(REPOSITORY)),
              "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null", **json.loads(VARIABLES)}

    def play(book, **of_first):
        inventory = {"pgberth": {"hosts": {**hosts, "pg1": {**hosts["pg1"], **of_first}}, "vars": common}}
        (tmp_path / "hosts.json").write_text(json.dumps(inventory))
        done = subprocess.run(["ansible-playbook", "-i", tmp_path / "hosts.json", book], cwd=REPOSITORY / "ansible", text=True,
                              capture_output=True, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout

    return play


def began(host):
    return host.run("systemctl show -p InvocationID --value pgberthd.service").stdout


def test_upgrade_of_two_hosts_stops_at_the_first_that_fails(packaged, box, by_ssh):
    before = began(packaged), began(box)
    status, said = by_ssh("upgrade.yml", app_options={"versions": "15", "workers": "plenty"})
    assert status != 0 and "workers must be a whole number" in said, said[-3000:]
    # Neither of them was restarted, and the second one was not even looked at.
    assert (began(packaged), began(box)) == before
    assert "pg2" not in said[:said.index("PLAY RECAP")]
    with packaged.network():
        assert Api().call("GET", "/health").status_code == 200


def test_upgrade_goes_on_to_the_second_when_the_first_is_well(packaged, box, by_ssh):
    """That was built from its sources so far, and has the package's files then."""
    box.run("echo >>/etc/pgberth/seccomp.json")
    with box.network():
        other = new_instance(6400)
        other.create()
        other.keep_row("precious")

    status, said = by_ssh("upgrade.yml")

    assert status == 0, said[-3000:]
    assert said.index("pg1]") < said.index("pg2]")
    assert box.run("ls /usr/local/sbin/pgberthd /usr/local/bin/pgberth", check=False).stdout == ""
    # Of what Ansible writes it says so rightly.
    assert not re.search("seccomp|logrotate|/usr/", box.run("dpkg -V pgberth", check=False).stdout)
    with box.network():
        assert other.kept_rows() == ["precious"]
    assert by_ssh("verify.yml")[0] == 0
    assert by_ssh("site.yml")[0] == 0


def test_package_comes_and_goes_beside_servers(packaged):
    some = packaged.twenty[10:13]
    with packaged.network():
        for each in some:
            wait_for(lambda each=each: can_log_in(each), f"{each.name} is back", 300)
        with Writers(some) as writers:
            packaged.run("DEBIAN_FRONTEND=noninteractive apt-get remove -qy pgberth")
            assert packaged.run("ls /etc/nginx/sites-enabled").stdout.strip() == ""
            packaged.run(f"DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends {DEB}")
            assert [each.view()["state"] for each in some] == ["running"] * 3
            assert packaged.run(f"grep -cxF {RESERVED} /etc/subuid /etc/subgid").stdout.split() == ["/etc/subuid:1", "/etc/subgid:1"]
            left = packaged.run("DEBIAN_FRONTEND=noninteractive apt-get purge -qy pgberth").stdout
            assert "left as it is: /var/lib/pgberth" in left
            assert "user ids stay reserved" in left and RESERVED in packaged.run("cat /etc/subuid").stdout
            assert packaged.run("ls -d /etc/pgberth/tokens /etc/pgberth/tokens.revoked /etc/pgberth/tls", check=False).stdout == ""
            rows = dict(writers.rows)
            wait_for(lambda: all(writers.rows[name] > rows[name] for name in rows), "servers go on without pgberth")
        tell(f"remove, install, purge: {sum(writers.rows.values())} rows over 3 connections, {len(writers.failed)} broken")
        assert not writers.failed
        assert [each.kept_rows() for each in some] == [[each.name] for each in some]
    assert set(packaged.run("ls /var/lib/pgberth/instances").stdout.split()) >= {each.name for each in some}


def test_package_built_on_the_host_itself_takes_the_place_of_a_build(box):
    """Where the tests above ran, that place is another package's."""
    box.run(f"make -C {CLONE} deb </dev/null")
    package = box.run(f"ls -t {CLONE}/app/build/pgberth_*.deb | head -1").stdout.strip()

    assert box.play(f"{LOCAL} site.yml -e app_package={package}")["failed"] == 0

    assert box.run("ls /usr/local/sbin/pgberthd /usr/local/bin/pgberth", check=False).stdout == ""
    assert box.run("nginx -t 2>&1 | grep -v 'syntax is ok\\|test is successful' || true").stdout == ""
    assert box.play(f"{LOCAL} verify.yml -e app_package={package}")["failed"] == 0
