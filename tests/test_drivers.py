"""Six drivers log in with TLS as their users would, on each major. Those that Debian does not bring with the suite's tools run
where they are installed: make drivers."""
import asyncio
import contextlib
import os
import pathlib
import shutil
import subprocess

import asyncpg
import psycopg2
import pytest

from lib.concurrency import at_once
from lib.makers import Makers

MAJORS = [15, 17, 18]
PROGRAMS = pathlib.Path(__file__).resolve().parent / "drivers"
QUESTION = "SELECT version, current_setting('server_version_num') FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
PGJDBC = pathlib.Path("/usr/share/java/postgresql.jar")
LIB_PQ = pathlib.Path("/usr/share/gocode/src/github.com/lib/pq")
WITHOUT = " is not installed; make drivers does it"


class Refused(Exception):
    """A driver's words about a login that failed."""


# ---- the drivers -----------------------------------------------------------------------------

def run(*command, **environment):
    done = subprocess.run(command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout.split()


def with_password(url, password):
    return url.replace("@", f":{password}@", 1)


def by_psql(url, password, built):
    return run("psql", "-XAtF", " ", url, "-c", QUESTION, PGPASSWORD=password)


def by_psycopg2(url, password, built):
    """In a thread of its own: libpq leaves the error of a refusal in the thread's queue of OpenSSL, where Python's ssl would find it."""
    def ask():
        with contextlib.closing(psycopg2.connect(url, password=password)) as connection, connection.cursor() as cursor:
            cursor.execute(QUESTION)
            return list(cursor.fetchone())
    try:
        return at_once([ask])[0]
    except psycopg2.OperationalError as error:
        raise Refused(str(error)) from error


def by_asyncpg(url, password, built):
    async def ask():
        connection = await asyncpg.connect(url, password=password, timeout=60)
        try:
            return list(await connection.fetchrow(QUESTION))
        finally:
            await connection.close()
    try:
        return asyncio.run(ask())
    except OSError as error:  # ssl.SSLError is one
        raise Refused(str(error)) from error


def by_node(url, password, built):
    return run("node", PROGRAMS / "login.mjs", with_password(url, password))


def by_go(url, password, built):
    return run(built("login", "go", "build", "-o", "{to}/login", PROGRAMS / "login.go", GO111MODULE="off", GOPATH="/usr/share/gocode",
                     GOCACHE="{to}/cache") / "login", with_password(url, password))


def by_pgjdbc(url, password, built):
    """JDBC takes user and password as parameters."""
    user, _, rest = url.removeprefix("postgresql://").partition("@")
    place = built("java", "javac", "-d", "{to}", PROGRAMS / "Login.java")
    return run("java", "-XX:TieredStopAtLevel=1", "-cp", f"{place}:{PGJDBC}", "Login", f"jdbc:postgresql://{rest}&user={user}&password={password}")


DRIVERS = [
    pytest.param(by_psql, id="psql"),
    pytest.param(by_psycopg2, id="psycopg2"),
    pytest.param(by_asyncpg, id="asyncpg"),
    pytest.param(by_node, id="node-pg", marks=pytest.mark.skipif(
        not shutil.which("node") or not (PROGRAMS / "node_modules/pg").exists(), reason="pg" + WITHOUT)),
    pytest.param(by_go, id="go-lib-pq", marks=pytest.mark.skipif(not shutil.which("go") or not LIB_PQ.exists(), reason="lib/pq" + WITHOUT)),
    pytest.param(by_pgjdbc, id="pgjdbc", marks=pytest.mark.skipif(not shutil.which("javac") or not PGJDBC.exists(), reason="pgjdbc" + WITHOUT)),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A function giving the directory in which this command has built a program, {to} in it being that directory; once each."""
    places = {}

    def build(name, *command, **environment):
        if name not in places:
            to = tmp_path_factory.mktemp(name)
            run(*(str(word).format(to=to) for word in command), **{key: value.format(to=to) for key, value in environment.items()})
            places[name] = to
        return places[name]

    return build


# ---- the servers -----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def servers(api, settings, ports):
    """A server of each major, by the major."""
    makers = Makers(api, settings, ports)
    made = at_once([lambda major=major: makers.make(version=major) for major in MAJORS])
    yield dict(zip(MAJORS, made, strict=True))
    makers.purge()


def certificate_of(instance):
    answer = instance.api.on("GET", instance.name, "certificate")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/x-pem-file"
    return answer.text


def checked(instance, file):
    """Its dsn, for a client that checks whom it talks to (see connecting.md)."""
    return instance.view()["dsn"].replace("sslmode=require", "sslmode=verify-full") + f"&sslrootcert={file}"


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("driver", DRIVERS)
def test_driver_logs_in_with_the_certificate_and_to_no_other_server(servers, driver, major, built, tmp_path):
    instance, other = servers[major], servers[MAJORS[major == MAJORS[0]]]
    (tmp_path / "own.crt").write_text(certificate_of(instance))
    (tmp_path / "other.crt").write_text(certificate_of(other))

    tls, server = driver(checked(instance, tmp_path / "own.crt"), instance.password, built)

    assert tls == "TLSv1.3"
    assert int(server) // 10000 == major
    with pytest.raises(Refused, match="(?i)certificate|PKIX path"):
        driver(checked(instance, tmp_path / "other.crt"), instance.password, built)


@pytest.mark.parametrize("driver", DRIVERS)
def test_driver_takes_the_dsn_as_it_is_unless_it_is_nodes(servers, driver, built, tmp_path):
    instance = servers[MAJORS[-1]]
    dsn = instance.view()["dsn"]

    if driver is not by_node:
        assert driver(dsn, instance.password, built)[0] == "TLSv1.3"
        return
    with pytest.raises(Refused, match="self-signed certificate"):
        driver(dsn, instance.password, built)
    assert driver(f"{dsn}&uselibpqcompat=true", instance.password, built)[0] == "TLSv1.3"
    (tmp_path / "own.crt").write_text(certificate_of(instance))
    assert driver(f"{dsn}&sslrootcert={tmp_path}/own.crt", instance.password, built)[0] == "TLSv1.3"
