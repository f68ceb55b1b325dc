"""POST on a server that does not run brings it back on its own data, whoever stopped it."""
import pytest

from lib.client import assert_error, ok

STOPS = {
    "stopped": lambda api, engine, name: ok(api.stop(name)),
    "deleted": lambda api, engine, name: ok(api.delete(name)),
    "stopped by hand": lambda api, engine, name: engine.container(name).stop(),
    "killed by hand": lambda api, engine, name: engine.container(name).kill(),
    "removed by hand": lambda api, engine, name: engine.container(name).remove(force=True),
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_start_brings_it_back_as_it_was_and_post_with_what_is_now_given(instance, api, engine, ports, stop):
    instance.keep_row("precious")
    old_password = instance.password
    stop(api, engine, instance.name)

    instance.port = old_port = ok(api.start(instance.name))["port"]

    assert instance.kept_rows() == ["precious"]
    stop(api, engine, instance.name)

    body = instance.create(admin_password="another", port=ports.take(), memory_mb=300, cpus=0.5,
                           labels={"now": "given"})

    assert instance.kept_rows() == ["precious"]
    assert "authentication failed" in instance.refusal(password=old_password)
    assert "refused" in instance.refusal(port=old_port)
    assert body["state"] == "running"
    assert body["limits"] == {"memory_mb": 300, "cpus": 0.5}
    assert body["labels"] == {"now": "given"}
    assert body["reason"] is None


def test_fields_not_given_keep_their_recorded_values(make_instance, api):
    instance = make_instance(memory_mb=300, cpus=0.5, labels={"a": "b"})
    created = instance.view()
    ok(api.stop(instance.name))

    body = ok(instance.post(port=None))

    for key in ("port", "limits", "labels", "version", "created_at"):
        assert body[key] == created[key]


def test_another_version_is_409_and_leaves_it_as_it_is(instance, api, engine):
    for stop in ("stopped", "deleted"):
        STOPS[stop](api, engine, instance.name)
        view = instance.view()

        assert_error(instance.post(version=15), 409, "already_exists", "version")
        assert instance.view() == view


# What a tenant may do to the admin role, by statements of the admin itself.
ADMIN = "pythonanywhere_helper"
DEEDS = {
    "nologin": [f"ALTER ROLE {ADMIN} NOLOGIN"],
    "valid until past": [f"ALTER ROLE {ADMIN} VALID UNTIL '2000-01-01'"],
    "no superuser": [f"ALTER ROLE {ADMIN} NOSUPERUSER"],
    "no attribute at all": [f"ALTER ROLE {ADMIN} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"
                            " NOBYPASSRLS CONNECTION LIMIT 0"],
    "no password": [f"ALTER ROLE {ADMIN} PASSWORD NULL"],
    "md5 password": ["SET password_encryption = md5", f"ALTER ROLE {ADMIN} PASSWORD 'x'"],
    "search_path": ["CREATE SCHEMA evil", f"ALTER ROLE {ADMIN} SET search_path = evil"],
    "read only": [f"ALTER ROLE {ADMIN} SET default_transaction_read_only = on"],
    "missing library": [f"ALTER ROLE {ADMIN} SET session_preload_libraries = 'nope'"],
    "another role": ["CREATE ROLE weak", f"ALTER ROLE {ADMIN} SET role = 'weak'"],
    "statement timeout": [f"ALTER ROLE {ADMIN} SET statement_timeout = 1"],
    "settings for all roles": ["ALTER ROLE ALL SET session_preload_libraries = 'nope'"],
    "settings of the database": [
        "ALTER DATABASE postgres SET session_preload_libraries = 'nope'",
        "ALTER DATABASE postgres SET default_transaction_read_only = on"],
    "settings in the database": [
        f"ALTER ROLE {ADMIN} IN DATABASE postgres SET session_preload_libraries = 'nope'"],
    "both roles nologin": ["ALTER ROLE postgres NOLOGIN", f"ALTER ROLE {ADMIN} NOLOGIN"],
    "bootstrap role renamed": ["ALTER ROLE postgres RENAME TO nobody", f"ALTER ROLE {ADMIN} NOLOGIN"],
    "event trigger": [
        "CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no'; END $$",
        "CREATE EVENT TRIGGER no ON ddl_command_start EXECUTE FUNCTION no()"],
    "shadowed functions": [
        "CREATE FUNCTION public.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$",
        f"ALTER ROLE {ADMIN} SET search_path = public, pg_catalog"],
    "server settings": [
        "ALTER SYSTEM SET cluster_name = 'forged'", "ALTER SYSTEM SET port = 1",
        "ALTER SYSTEM SET listen_addresses = ''", "ALTER SYSTEM SET ssl = off",
        "ALTER SYSTEM SET hba_file = '/tmp/hba'",
        "ALTER SYSTEM SET unix_socket_directories = '/tmp'"],
}


def assert_as_new(instance):
    """The admin logs in to its own server, and is the superuser that it was."""
    # Its own settings may stay its own, so what is asked must not depend on them.
    ask = {"options": "-c statement_timeout=0"}
    assert instance.value("SHOW cluster_name", **ask) == instance.name
    assert instance.sql("SELECT rolsuper, rolcanlogin, rolvaliduntil IS NULL OR rolvaliduntil > now()"
                        " FROM pg_roles WHERE rolname = %s", instance.admin_user, **ask) == [(True,) * 3]


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_post_comes_back_whatever_was_done_to_the_admin_role(instance, api, deed):
    instance.keep_row("precious")
    connection = instance.connect()
    with connection.cursor() as cursor:
        for statement in deed:
            cursor.execute(statement)
    connection.close()
    ok(api.stop(instance.name))

    instance.create(admin_password="another")

    assert_as_new(instance)
    rows = instance.value("SET ROLE NONE; SELECT line FROM public.kept", options="-c statement_timeout=0")
    assert rows == "precious"


@pytest.mark.parametrize("deed", ["ALTER ROLE {} RENAME TO gone",
                                  "REASSIGN OWNED BY {0} TO other; DROP OWNED BY {0}; DROP ROLE {0}"],
                         ids=["renamed away", "dropped"])
def test_post_comes_back_when_the_admin_role_is_gone(instance, api, deed):
    instance.keep_row("precious")
    instance.sql("CREATE ROLE other SUPERUSER LOGIN PASSWORD 'other'")
    instance.sql(deed.format(instance.admin_user), user="other", password="other")
    ok(api.stop(instance.name))

    instance.create(admin_password="another")

    assert_as_new(instance)
    assert instance.kept_rows() == ["precious"]


@pytest.mark.parametrize("deed", [
    "DROP DATABASE postgres WITH (FORCE)",
    "ALTER DATABASE postgres RENAME TO renamed",
    "ALTER DATABASE postgres ALLOW_CONNECTIONS false",
], ids=["dropped", "renamed", "closed"])
def test_post_comes_back_without_the_database_postgres(instance, api, deed):
    instance.sql("CREATE DATABASE mine")
    instance.sql("CREATE TABLE kept AS SELECT 'precious' AS line", database="mine")
    instance.sql(deed, database="template1")
    ok(api.stop(instance.name))

    instance.create(admin_password="another")

    assert_as_new(instance)
    assert instance.value("SELECT line FROM kept", database="mine") == "precious"


def test_post_comes_back_in_spite_of_a_login_trigger(make_instance, api):
    instance = make_instance(version=17)
    instance.sql("""
        CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'no login'; END $$;
        CREATE EVENT TRIGGER no ON login EXECUTE FUNCTION no();
        ALTER EVENT TRIGGER no ENABLE ALWAYS;
    """)
    ok(api.stop(instance.name))

    instance.create(admin_password="another")

    assert instance.value("SHOW cluster_name", options="-c event_triggers=off") == instance.name


def test_server_that_cannot_start_is_failed_with_its_reason_until_its_fault_is_mended(instance, api):
    instance.keep_row("precious")
    instance.sql("ALTER SYSTEM SET shared_preload_libraries = 'nope'")
    ok(api.stop(instance.name))

    assert_error(instance.post(), 503, "server_unavailable")

    view = instance.view()
    assert view["state"] == "failed"
    assert view["reason"]
    assert view["port"] == instance.port

    (instance.pgdata / "postgresql.auto.conf").write_text("")
    instance.create()
    assert instance.kept_rows() == ["precious"]
