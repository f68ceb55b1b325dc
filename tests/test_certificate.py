"""The certificate of a server: what the API gives, what it names, and when a server gets a new one."""
import re
import socket
import ssl
import subprocess

import pytest

from lib.access import Pair, peer_certificate
from lib.client import assert_error, ok
from lib.recorder import new_name
from lib.stack import Stack
from lib.waiting import wait_for


def fetched(instance, api=None):
    answer = (api or instance.api).on("GET", getattr(instance, "name", instance), "certificate")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/x-pem-file"
    return answer.text


def openssl(text, *arguments):
    done = subprocess.run(["openssl", *arguments], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names_of(text):
    """Names and addresses that it is for, as a client reads them."""
    said = openssl(text, "x509", "-noout", "-ext", "subjectAltName")
    return set(re.findall(r"(?:DNS|IP Address):([^,\s]+)", said))


def test_api_gives_the_certificate_that_the_server_presents(shared):
    text = fetched(shared)

    assert text.startswith("-----BEGIN CERTIFICATE-----\n") and text.endswith("-----END CERTIFICATE-----\n")
    assert ssl.PEM_cert_to_DER_cert(text) == peer_certificate(shared.port)
    assert "PRIVATE" not in text


def test_it_is_there_whatever_the_state(group, api):
    _, names = group

    assert len({fetched(name, api) for name in names.values()}) == len(names)


def test_who_has_none_is_told(api, planted):
    assert_error(api.on("GET", new_name(), "certificate"), 404, "not_found")
    path = planted(new_name())
    path.mkdir()
    wait_for(lambda: api.get(path.name).status_code == 200, "the directory is shown")

    assert path.name in assert_error(api.on("GET", path.name, "certificate"), 409, "foreign_data")


def test_it_names_where_the_server_is_and_is_no_authoritys(shared, tmp_path):
    text = fetched(shared)
    (tmp_path / "root.crt").write_text(text)

    assert {"localhost", "127.0.0.1", "0:0:0:0:0:0:0:1", socket.gethostname()} == names_of(text)
    assert "CA:TRUE" not in openssl(text, "x509", "-noout", "-text")
    # As the strictest of clients look at it.
    openssl(text, "verify", "-x509_strict", "-purpose", "sslserver", "-verify_ip", "127.0.0.1", "-CAfile", tmp_path / "root.crt")


def log_in(instance, address, file):
    return instance.value("SELECT 1", host=address, sslmode="verify-full", sslrootcert=str(file))


@pytest.fixture(scope="module")
def elsewhere():
    """A pgberth whose servers are at an address that no certificate names by itself."""
    with Stack(publish_address="127.0.0.7") as stack:
        yield stack


def test_it_follows_the_address_of_servers(elsewhere, tmp_path):
    instance = elsewhere.make()
    assert "127.0.0.7" in names_of(fetched(instance))
    (tmp_path / "root.crt").write_text(fetched(instance))
    assert log_in(instance, "127.0.0.7", tmp_path / "root.crt") == 1
    before = fetched(instance)
    ok(elsewhere.api.restart(instance.name))
    assert fetched(instance) == before, "one that serves stays"

    elsewhere.write_configuration(publish_address="127.0.0.9")
    elsewhere.restart()
    ok(elsewhere.api.restart(instance.name))

    (tmp_path / "root.crt").write_text(fetched(instance))
    assert log_in(instance, "127.0.0.9", tmp_path / "root.crt") == 1
    elsewhere.write_configuration(publish_address="127.0.0.7")
    elsewhere.restart()


def pem(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=True).stdout


def crl(directory, pair):
    """A list of revoked certificates, in PEM."""
    (directory / "index.txt").touch()
    (directory / "ca.cnf").write_text(f"[ca]\ndefault_ca=us\n[us]\ndatabase={directory}/index.txt\ndefault_md=sha256\n")
    return pem("ca", "-config", directory / "ca.cnf", "-gencrl", "-crldays", 30, "-keyfile", pair.key, "-cert", pair.certificate)


# What stands in the file of the certificate, from the texts of certificate, key, another certificate, and directory and pair.
FILES = {
    "key before": lambda own, key, other, *_: key + own,
    "key behind": lambda own, key, other, *_: own + key,
    "key between": lambda own, key, other, *_: own + key + other,
    "another key's form": lambda own, key, other, directory, pair: pem("ec", "-in", pair.key) + own,
    "parameters": lambda own, *_: pem("ecparam", "-name", "prime256v1") + own,
    "list of revoked ones": lambda own, key, other, directory, pair: own + crl(directory, pair),
    "text": lambda own, key, other, directory, pair: "Bag Attributes\n    secret: x\n" + pem("x509", "-text", "-in", pair.certificate),
    "lines of Windows": lambda own, *_: own.replace("\n", "\r\n"),
    "chain": lambda own, key, other, *_: own + "\nissued by\n" + other,
}


@pytest.fixture(scope="module")
def of_host(tmp_path_factory):
    """A pgberth whose servers have the host's certificate, and a server of it."""
    directory = tmp_path_factory.mktemp("pair")
    pair, other = Pair(directory, "own"), Pair(directory, "other")
    own = pair.certificate.read_text(), pair.key.read_text(), other.certificate.read_text()
    served, plain = Pair(directory, "served"), Pair(directory, "plain")
    served.replace(pair)
    plain.replace(pair)
    with Stack(tls_certificate=served.certificate, tls_key=served.key) as stack:
        yield stack.make(), directory, served, plain, own


@pytest.mark.parametrize("kind", FILES)
def test_hosts_file_is_handed_on_without_what_stands_beside_its_certificates(of_host, kind):
    instance, directory, served, plain, own = of_host
    served.certificate.write_text(FILES[kind](*own, directory, plain))
    served.key.write_text(served.certificate.read_text() if kind.startswith("key") else own[1])

    ok(instance.api.patch(instance.name, allow=[f"10.0.0.{list(FILES).index(kind)}"]))

    expected = own[0] + (own[2] if kind in ("key between", "chain") else "")
    assert fetched(instance) == expected
    assert (instance.directory / "conf/host.crt").read_text() == expected
    assert re.findall("BEGIN (.*?)-", (instance.directory / "conf/host.key").read_text()) == ["PRIVATE KEY"]
    assert peer_certificate(instance.port) == plain.der()


def test_file_of_a_version_before_is_given_without_its_key(of_host):
    instance, _, _, _, own = of_host
    (instance.directory / "conf/host.crt").write_text(own[1] + own[0])

    assert fetched(instance) == own[0]


@pytest.mark.parametrize("spoil", ["ends within a month", "torn", "missing"])
def test_one_that_cannot_serve_is_made_anew_at_a_start(changeable, api, tmp_path, spoil):
    path = changeable.directory / "conf/server.crt"
    if spoil == "missing":
        path.unlink()
    else:
        path.write_text(Pair(tmp_path, "soon").certificate.read_text() if spoil == "ends within a month" else "torn")

    ok(api.restart(changeable.name))

    (tmp_path / "root.crt").write_text(fetched(changeable))
    assert log_in(changeable, "127.0.0.1", tmp_path / "root.crt") == 1
    assert path.stat().st_uid == 0 and path.stat().st_mode & 0o777 == 0o640
