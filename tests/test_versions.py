"""The majors: the first one unless another is asked for, with all that Debian ships in them, and the same in each."""
import os
import re
import subprocess

import pytest

from lib.client import assert_error, ok
from lib.makers import MAJORS

# What an image offers, by names: a statement that tells them, or a command of its own.
OFFERS = {
    "time zones": "SELECT name FROM pg_timezone_names",
    "their offsets": "SELECT name || ' ' || (timestamptz '2020-07-01 12:00 UTC' AT TIME ZONE name) || ' '"
                     " || (timestamptz '2000-01-01 12:00 UTC' AT TIME ZONE name) FROM pg_timezone_names",
    "abbreviations of zones": "SELECT abbrev FROM pg_timezone_abbrevs",
    "sets of abbreviations": "SELECT pg_ls_dir('/usr/share/postgresql/{major}/timezonesets')",
    "collations": "SELECT collname FROM pg_collation",
    "locales": ["locale", "-a"],
    "extensions": "SELECT name FROM pg_available_extensions",
    "modules": "SELECT file FROM pg_ls_dir('/usr/lib/postgresql/{major}/lib') AS file WHERE file LIKE '%.so'",
    "programs": "SELECT pg_ls_dir('/usr/lib/postgresql/{major}/bin')",
    "languages": "SELECT lanname FROM pg_language",
    "conversions": "SELECT conname FROM pg_conversion",
    "configurations of text search": "SELECT cfgname FROM pg_ts_config",
    "dictionaries": "SELECT dictname FROM pg_ts_dict",
    "templates of dictionaries": "SELECT tmplname FROM pg_ts_template",
    "files of dictionaries": "SELECT pg_ls_dir('/usr/share/postgresql/{major}/tsearch_data')",
    "parts built in": "SELECT (regexp_matches(setting, '--with-[a-z0-9]+', 'g'))[1] FROM pg_config WHERE name = 'CONFIGURE'",
    "compiling of expressions": "SELECT 'jit' WHERE pg_jit_available()",
    "methods of compression": "SELECT unnest(enumvals) FROM pg_settings WHERE name IN ('default_toast_compression', 'wal_compression')",
    "commands for COPY FROM PROGRAM": ["/bin/sh", "-c", "ls /usr/bin | grep -xE "
                                       "'awk|base64|bash|bzip2|cat|cut|gzip|od|openssl|perl|sed|sha256sum|sort|tar|tr|xz|zstd'"],
}
# By PostgreSQL itself, as its release notes say, in the step to that major.
GONE = {
    (17, "extensions"): {"adminpack", "old_snapshot"},
    (17, "modules"): {"adminpack.so", "old_snapshot.so"},
    (17, "programs"): {"postmaster"},
}
ADDED = {
    (17, "extensions"): set(),
    (18, "extensions"): {"pg_logicalinspect"},
    (17, "configurations of text search"): set(),
    (18, "configurations of text search"): {"estonian"},
    (18, "dictionaries"): {"estonian_stem"},
}


def test_default_is_the_first_major(shared, settings):
    assert shared.view()["version"] == settings.versions[0] == 17


@pytest.fixture(params=MAJORS)
def of_major(request, servers):
    """One of them, and its major."""
    return servers[request.param], request.param


def test_major_asked_for_is_what_runs(of_major):
    instance, major = of_major

    assert instance.view()["version"] == major
    assert instance.value("SHOW server_version").startswith(f"{major}.")
    assert instance.create(version=major)["version"] == major


def test_other_version_on_what_runs_is_409(of_major):
    instance, major = of_major

    assert_error(instance.post(version=MAJORS[major == MAJORS[0]]), 409, "already_exists", "version")


def test_contrib_locales_and_time_zones_are_there(of_major):
    instance, _ = of_major

    for extension in ("pg_trgm", "pgcrypto", "hstore", "postgres_fdw", "pg_stat_statements"):
        instance.sql(f"CREATE EXTENSION {extension}")
    assert instance.value("SELECT count(*) FROM pg_collation WHERE collname IN ('de_DE.utf8', 'en_US.utf8')") == 2
    assert instance.value("SELECT 'Ä' < 'B' COLLATE \"de_DE.utf8\"")
    assert instance.value("SELECT timestamptz '2026-07-01 12:00 UTC' AT TIME ZONE 'Europe/London'").hour == 13


def test_cluster_is_utf8_with_checksums(of_major):
    instance, _ = of_major

    assert instance.value("SHOW server_encoding") == "UTF8"
    assert instance.value("SHOW data_checksums") == "on"
    assert instance.value("SHOW password_encryption") == "scram-sha-256"


def test_expressions_are_compiled(of_major):
    plan = of_major[0].sql("EXPLAIN (ANALYZE) SELECT sum(x) FROM generate_series(1, 10) x", options="-c jit=on -c jit_above_cost=0")

    assert "JIT:" in [line.strip() for line, in plan]


def test_it_comes_back_as_what_it_was_without_naming_it(of_major, api):
    instance, major = of_major
    instance.keep_row("precious")
    ok(api.stop(instance.name))

    assert instance.create()["version"] == major
    assert instance.kept_rows() == ["precious"]


# ---- what 18 brings ----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def of_18(servers):
    return servers[18]


def test_io_method_is_worker_and_io_uring_is_told_to_be_the_cause(of_18, api):
    assert of_18.value("SHOW io_method") == "worker"
    of_18.sql("ALTER SYSTEM SET io_method = 'io_uring'")

    message = assert_error(api.restart(of_18.name), 503, "server_unavailable")

    assert "io_uring, which is not allowed" in message and '{"safe": true}' in message
    assert "io_uring, which is not allowed" in of_18.becomes("failed")["reason"]
    ok(api.start(of_18.name, safe=True))
    assert of_18.value("SHOW io_method") == "worker"


@pytest.mark.parametrize("method", ["sync", "worker"])
def test_other_io_methods_are_its_owners_to_choose(of_18, api, method):
    of_18.sql(f"ALTER SYSTEM SET io_method = '{method}'")

    ok(api.restart(of_18.name))

    assert of_18.value("SHOW io_method") == method


def test_client_that_asks_for_the_newest_protocol_logs_in(of_18):
    said = subprocess.run(["docker", "run", "--rm", "--network", "host", "--env", "PGPASSWORD", "pgberth-postgres:18", "psql",
                           "-XAt", of_18.view()["dsn"] + "&min_protocol_version=3.2&channel_binding=require", "-c", "SELECT 42"],
                          env={**os.environ, "PGPASSWORD": of_18.password}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)

    assert (said.stdout, said.stderr) == ("42\n", "")


# ---- the same in each --------------------------------------------------------------------------

def offered(instance, major, engine, question):
    if isinstance(question, list):
        status, said = engine.container(instance.name).exec_run(question)
        assert status == 0, said
        return set(said.decode().splitlines())
    return {name for name, in instance.sql(question.format(major=major))}


@pytest.mark.parametrize("kind", OFFERS)
def test_newer_major_offers_what_the_one_before_it_does(servers, engine, kind):
    of = {major: offered(instance, major, engine, OFFERS[kind]) for major, instance in servers.items()}

    for older, newer in zip(MAJORS, MAJORS[1:]):
        assert of[older]
        assert of[older] - of[newer] == GONE.get((newer, kind), set())
        assert of[newer] - of[older] == ADDED.get((newer, kind), of[newer] - of[older])


@pytest.mark.parametrize("zone", ["Asia/Calcutta", "US/Pacific", "EST5EDT", "GB", "posix/Europe/Berlin", "posix/Asia/Saigon"])
def test_client_may_connect_with_any_name_of_its_zone(of_major, zone):
    assert of_major[0].value("SHOW timezone", options=f"-c timezone={zone}") == zone


def dump(instance, major, *options):
    """What the major's own pg_dump writes, run as connecting.md says."""
    done = subprocess.run(["docker", "run", "--rm", "--network", "host", "--env", "PGPASSWORD", f"pgberth-postgres:{major}",
                           "pg_dump", instance.view()["dsn"], *options], env={**os.environ, "PGPASSWORD": instance.password},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def restore(instance, text, database):
    done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", instance.view()["dsn"].replace("/postgres?", f"/{database}?")],
                          input=text, env={**os.environ, "PGPASSWORD": instance.password}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_image_of_each_major_dumps_its_servers(of_major):
    instance, major = of_major

    assert re.search(rf"^-- Dumped by pg_dump version {major}\.", dump(instance, major, "--schema-only"), re.MULTILINE)


AT_NOON = "SELECT local::text, posix::text, name FROM at_noon ORDER BY name"


@pytest.fixture(scope="module")
def dumped(servers):
    """Of the oldest major: what hangs on names that Debian's releases treat differently, and its rows."""
    instance = servers[MAJORS[0]]
    instance.sql("DROP TABLE IF EXISTS at_noon")
    instance.sql("""CREATE TABLE at_noon (at timestamptz, name text COLLATE "aa_ER@saaho", other text COLLATE "kok-IN-x-icu",
        yi text COLLATE "yi-001-x-icu",
        local timestamp GENERATED ALWAYS AS (at AT TIME ZONE 'Asia/Calcutta') STORED,
        posix timestamp GENERATED ALWAYS AS (at AT TIME ZONE 'posix/US/Pacific') STORED)""")
    instance.sql("CREATE INDEX ON at_noon (name, other, yi)")
    instance.sql("INSERT INTO at_noon (at, name) VALUES ('2026-07-01 12:00 UTC', 'now'), ('1946-01-01 12:00 UTC', 'then')")
    return dump(instance, MAJORS[0], "--table", "at_noon"), instance.sql(AT_NOON)


@pytest.mark.parametrize("major", MAJORS[1:])
def test_dump_of_the_oldest_restores_in_each_newer(servers, dumped, major):
    text, rows = dumped
    instance = servers[major]
    instance.sql("CREATE DATABASE restored")

    restore(instance, text, "restored")

    assert instance.sql(AT_NOON, database="restored") == rows
