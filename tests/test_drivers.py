"""Drivers log in with TLS as their users would, on each major. Those that Debian does not bring with the suite's tools run
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
try:
    import psycopg
except ImportError:  # make drivers installs it
    psycopg = None

from lib.concurrency import at_once
from lib.makers import MAJORS

PROGRAMS = pathlib.Path(__file__).resolve().parent / "drivers"
QUESTION = "SELECT version, current_setting('server_version_num') FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
PGJDBC = pathlib.Path("/usr/share/java/postgresql.jar")
GO = pathlib.Path("/usr/share/gocode/src")
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


def by_module(module, url, password):
    """In a thread of its own: libpq leaves the error of a refusal in the thread's queue of OpenSSL, where Python's ssl would find it."""
    def ask():
        with contextlib.closing(module.connect(url, password=password)) as connection, connection.cursor() as cursor:
            cursor.execute(QUESTION)
            return list(cursor.fetchone())
    try:
        return at_once([ask])[0]
    except module.OperationalError as error:
        raise Refused(str(error)) from error


def by_psycopg2(url, password, built):
    return by_module(psycopg2, url, password)


def by_psycopg3(url, password, built):
    return by_module(psycopg, url, password)


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


def by_pg(url, password, built):
    return run("node", PROGRAMS / "pg.mjs", with_password(url, password))


def by_postgres_js(url, password, built):
    return run("node", PROGRAMS / "postgres.mjs", with_password(url, password))


def by_program(name, url, password, built):
    """A program in Go."""
    place = built(name, "go", "build", "-o", "{to}/login", PROGRAMS / f"{name}.go", GO111MODULE="off", GOPATH="/usr/share/gocode",
                  GOCACHE="{beside}/go")
    return run(place / "login", with_password(url, password))


def by_lib_pq(url, password, built):
    return by_program("lib_pq", url, password, built)


def by_pgx(url, password, built):
    return by_program("pgx", url, password, built)


def by_pgjdbc(url, password, built):
    """JDBC takes user and password as parameters; a JVM sends its time zone, here one by its old name."""
    user, _, rest = url.removeprefix("postgresql://").partition("@")
    place = built("java", "javac", "-d", "{to}", PROGRAMS / "Login.java")
    return run("java", "-XX:TieredStopAtLevel=1", "-Duser.timezone=Asia/Calcutta", "-cp", f"{place}:{PGJDBC}", "Login",
               f"jdbc:postgresql://{rest}&user={user}&password={password}")


def driver(function, program=None, *files):
    """A driver, which is left out where the program or a file that it takes is missing."""
    missing = (program and not shutil.which(program)) or not all(file.exists() for file in files)
    name = function.__name__.removeprefix("by_")
    return pytest.param(function, id=name, marks=pytest.mark.skipif(bool(missing), reason=name + WITHOUT))


DRIVERS = [
    driver(by_psql),
    driver(by_psycopg2),
    pytest.param(by_psycopg3, id="psycopg3", marks=pytest.mark.skipif(psycopg is None, reason="psycopg" + WITHOUT)),
    driver(by_asyncpg),
    driver(by_pg, "node", PROGRAMS / "node_modules/pg"),
    driver(by_postgres_js, "node", PROGRAMS / "node_modules/postgres"),
    driver(by_lib_pq, "go", GO / "github.com/lib/pq"),
    driver(by_pgx, "go", GO / "github.com/jackc/pgx/v4"),
    driver(by_pgjdbc, "javac", PGJDBC),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A function giving the directory, {to}, in which this command has built a program; once each."""
    places = {}

    def build(name, *command, **environment):
        if name not in places:
            to = tmp_path_factory.mktemp(name)
            run(*(str(word).format(to=to) for word in command), **{key: value.format(beside=to.parent) for key, value in environment.items()})
            places[name] = to
        return places[name]

    return build


# ---- the servers -----------------------------------------------------------------------------

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
def test_driver_takes_the_dsn_as_it_is_unless_it_is_nodes_pg(servers, driver, built, tmp_path):
    instance = servers[MAJORS[-1]]
    dsn = instance.view()["dsn"]

    if driver is not by_pg:
        assert driver(dsn, instance.password, built)[0] == "TLSv1.3"
        return
    with pytest.raises(Refused, match="self-signed certificate"):
        driver(dsn, instance.password, built)
    assert driver(f"{dsn}&uselibpqcompat=true", instance.password, built)[0] == "TLSv1.3"
    (tmp_path / "own.crt").write_text(certificate_of(instance))
    assert driver(f"{dsn}&sslrootcert={tmp_path}/own.crt", instance.password, built)[0] == "TLSv1.3"
