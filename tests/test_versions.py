"""The majors: the first one unless another is asked for, with all that Debian ships in them."""
import pytest

from lib.client import assert_error, ok
from lib.makers import Makers

MAJORS = [15, 17, 18]


def test_default_is_the_first_major(shared, settings):
    assert shared.view()["version"] == settings.versions[0] == 17


@pytest.fixture(scope="module", params=MAJORS)
def of_major(request, api, settings, ports):
    """A running instance of each major, and the major."""
    makers = Makers(api, settings, ports)
    yield makers.make(version=request.param), request.param
    makers.purge()


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


def test_it_comes_back_as_what_it_was_without_naming_it(of_major, api):
    instance, major = of_major
    instance.keep_row("precious")
    ok(api.stop(instance.name))

    assert instance.create()["version"] == major
    assert instance.kept_rows() == ["precious"]
