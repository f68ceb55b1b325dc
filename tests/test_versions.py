"""The majors: the first one unless another is asked for, with all that Debian ships in them."""
import pytest

from lib.client import assert_error

MAJORS = [15, 17]


def test_default_is_the_first_major(shared, settings):
    assert shared.view()["version"] == settings.versions[0] == 15


@pytest.mark.parametrize("major", MAJORS)
def test_major_asked_for_is_what_runs(make_instance, major):
    instance = make_instance(version=major)

    assert instance.view()["version"] == major
    assert instance.value("SHOW server_version").startswith(f"{major}.")


@pytest.mark.parametrize("major", MAJORS)
def test_same_post_with_its_major_is_200(make_instance, major):
    instance = make_instance(version=major)

    assert instance.create(version=major)["version"] == major


def test_17_comes_back_as_17_without_naming_it(make_instance, api):
    instance = make_instance(version=17)
    instance.keep_row("precious")
    assert api.stop(instance.name).status_code == 200

    assert instance.create()["version"] == 17
    assert instance.kept_rows() == ["precious"]


def test_other_version_on_what_runs_is_409(make_instance):
    instance = make_instance(version=17)

    assert_error(instance.post(version=15), 409, "already_exists", "version")


@pytest.mark.parametrize("major", MAJORS)
def test_contrib_locales_and_time_zones_are_there(make_instance, major):
    instance = make_instance(version=major)

    for extension in ("pg_trgm", "pgcrypto", "hstore", "postgres_fdw", "pg_stat_statements"):
        instance.sql(f"CREATE EXTENSION {extension}")
    assert instance.value("SELECT count(*) FROM pg_collation WHERE collname IN ('de_DE.utf8', 'en_US.utf8')") == 2
    assert instance.value("SELECT 'Ä' < 'B' COLLATE \"de_DE.utf8\"")
    assert instance.value("SELECT timestamptz '2026-07-01 12:00 UTC' AT TIME ZONE 'Europe/London'").hour == 13


@pytest.mark.parametrize("major", MAJORS)
def test_cluster_is_utf8_with_checksums(make_instance, major):
    instance = make_instance(version=major)

    assert instance.value("SHOW server_encoding") == "UTF8"
    assert instance.value("SHOW data_checksums") == "on"
    assert instance.value("SHOW password_encryption") == "scram-sha-256"
