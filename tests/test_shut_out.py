"""What a tenant did to the admin role's login: how it is answered, and that nothing is reset but what is proven to be the cause."""
import contextlib

import psycopg2
import pytest

from lib import hostile
from lib.client import assert_error, ok
from lib.concurrency import at_once
from lib.makers import Makers

ADMIN = "pythonanywhere_helper"


@pytest.fixture(scope="module")
def makers(api, settings, ports):
    made = Makers(api, settings, ports)
    yield made
    made.purge()


@pytest.fixture
def owner(changeable):
    """A session of the tenant's that stays, in another database; its statements leave nothing behind."""
    with contextlib.closing(changeable.connect(database="template1")) as connection, connection.cursor() as cursor:
        yield cursor
        for statement in UNDO:
            with contextlib.suppress(psycopg2.Error):
                cursor.execute(statement)
    ok(changeable.api.put_password(changeable.name, changeable.password))


UNDO = [f"ALTER ROLE {ADMIN} RESET ALL", f"ALTER ROLE {ADMIN} IN DATABASE postgres RESET ALL",
        "ALTER DATABASE postgres RESET ALL", "ALTER ROLE ALL RESET ALL", "DROP DATABASE renamed",
        "ALTER DATABASE postgres CONNECTION LIMIT -1", "GRANT CONNECT ON DATABASE postgres TO PUBLIC"]


def do(owner, deed):
    for statement in deed:
        owner.execute(statement)


def settings_of(owner):
    """Each setting of a role or database, with where it is set."""
    owner.execute("SELECT setdatabase <> 0, setrole <> 0, unnest(setconfig) FROM pg_db_role_setting")
    return set(owner.fetchall())


# ---- how a refusal is answered -----------------------------------------------------------------

WEAK = f"ALTER ROLE {ADMIN} NOSUPERUSER"
HALF_DROPPED = "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'postgres'"
# By statements of the tenant's: the words that the answer has; None where the password is refused.
REFUSALS = {
    "no login": ([f"ALTER ROLE {ADMIN} NOLOGIN"], "not permitted to log in"),
    "expired": ([f"ALTER ROLE {ADMIN} VALID UNTIL '2000-01-01'"], None),
    "no password": ([f"ALTER ROLE {ADMIN} PASSWORD NULL"], None),
    "limit of the role": ([f"ALTER ROLE {ADMIN} CONNECTION LIMIT 0", WEAK], "too many connections for role"),
    "limit of the database": (["ALTER DATABASE postgres CONNECTION LIMIT 0", WEAK], "too many connections for database"),
    "no right to connect": (["REVOKE CONNECT ON DATABASE postgres FROM PUBLIC",
                             "ALTER DATABASE postgres OWNER TO postgres", WEAK], "permission denied for database"),
    "database closed": (["ALTER DATABASE postgres ALLOW_CONNECTIONS false"], "not currently accepting connections"),
    "database dropped": (["DROP DATABASE postgres WITH (FORCE)"], "does not exist"),
    "database renamed": (["ALTER DATABASE postgres RENAME TO renamed"], "does not exist"),
    "database half dropped": ([HALF_DROPPED], "invalid database"),
    "missing library": ([f"ALTER ROLE {ADMIN} SET session_preload_libraries = 'nope'"], "nope"),
}


@pytest.mark.parametrize("deed, words", REFUSALS.values(), ids=REFUSALS)
def test_only_a_wrong_password_is_a_conflict_and_put_password_mends_all(changeable, api, owner, deed, words):
    do(owner, deed)

    answer = changeable.post()

    if words is None:
        assert_error(answer, 409, "already_exists", "admin_password")
    else:
        assert words in assert_error(answer, 503, "server_unavailable")
    assert changeable.view()["state"] == "running"
    ok(api.put_password(changeable.name, changeable.password))
    ok(changeable.post())
    assert changeable.value("SELECT current_database()") == "postgres"


# ---- what is reset -----------------------------------------------------------------------------

INNOCENT = [
    f"ALTER ROLE {ADMIN} SET work_mem = '5MB'", f"ALTER ROLE {ADMIN} IN DATABASE postgres SET search_path = public, \"a b\"",
    "ALTER DATABASE postgres SET default_transaction_read_only = on", "ALTER ROLE ALL SET statement_timeout = '1h'",
    f"ALTER ROLE {ADMIN} SET app.note = 'kept'", "ALTER DATABASE template1 SET work_mem = '6MB'"]
MISSING = "SET session_preload_libraries = 'nope'"
PLACES = [f"ALTER ROLE {ADMIN} IN DATABASE postgres", f"ALTER ROLE {ADMIN}", "ALTER DATABASE postgres", "ALTER ROLE ALL"]
GUILTY = {
    "one": [f"ALTER ROLE {ADMIN} {MISSING}"],
    "the same in each place": [f"{words} {MISSING}" for words in PLACES],
    "two settings": [f"ALTER ROLE {ADMIN} {MISSING}", "ALTER ROLE ALL SET local_preload_libraries = 'nope'"],
}


@pytest.mark.parametrize("guilty", GUILTY.values(), ids=GUILTY)
def test_setting_that_shuts_the_role_out_is_reset_and_told_and_no_other(changeable, api, owner, guilty):
    do(owner, INNOCENT)
    kept = settings_of(owner)
    do(owner, guilty)

    body = ok(api.put_password(changeable.name, changeable.password))

    assert settings_of(owner) == kept
    assert "RESET" in body["reason"] and "preload_libraries" in body["reason"]
    assert changeable.value("SHOW work_mem") == "5MB"


@pytest.mark.parametrize("deed", [[f"ALTER ROLE {ADMIN} NOLOGIN"], ["ALTER DATABASE postgres ALLOW_CONNECTIONS false"],
                                  ["DROP DATABASE postgres WITH (FORCE)"], [HALF_DROPPED]],
                         ids=["role", "closed", "dropped", "half dropped"])
def test_nothing_is_reset_where_something_else_was_the_cause(changeable, api, owner, deed):
    do(owner, [one for one in INNOCENT if "postgres SET" not in one])
    kept = settings_of(owner)
    do(owner, deed)

    body = ok(api.put_password(changeable.name, changeable.password))

    assert settings_of(owner) == kept
    assert "NOLOGIN" in deed[0] or "database postgres" in body["reason"]


def test_login_trigger_that_shuts_the_role_out_is_disabled_and_no_other(changeable, api, owner):
    with contextlib.closing(changeable.connect()) as connection, connection.cursor() as cursor:
        for name, does in (("a_good", "NULL"), ("b_bad", "RAISE EXCEPTION 'no login'"), ("c_good", "NULL"),
                           ("d_bad", "RAISE EXCEPTION 'no login'")):
            cursor.execute(f"CREATE FUNCTION {name}() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {does}; END $$")
            cursor.execute(f"CREATE EVENT TRIGGER {name} ON login EXECUTE FUNCTION {name}()")
        cursor.execute("ALTER EVENT TRIGGER a_good ENABLE ALWAYS")
        do(owner, [f"ALTER ROLE {ADMIN} {MISSING}", *INNOCENT[:2]])

        body = ok(api.put_password(changeable.name, changeable.password))

        cursor.execute("SELECT evtname, evtenabled FROM pg_event_trigger ORDER BY 1")
        assert cursor.fetchall() == [("a_good", "A"), ("b_bad", "D"), ("c_good", "O"), ("d_bad", "D")]
        cursor.execute("DROP FUNCTION a_good, b_bad, c_good, d_bad CASCADE")
    assert "RESET session_preload_libraries" in body["reason"]


def add_trigger(instance, does, name="owners"):
    instance.sql(f"CREATE FUNCTION {name}() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {does}; END $$")
    instance.sql(f"CREATE EVENT TRIGGER {name} ON login EXECUTE FUNCTION {name}()")


def switch_of(instance, name="owners"):
    return instance.value("SELECT evtenabled FROM pg_event_trigger WHERE evtname = %s", name)


RAISE = "THEN RAISE 'not here'; END IF"
# A client logs in in spite of these.
HARMLESS = {
    "writes without a schema": "INSERT INTO audit VALUES (now())",
    "wants the schema in the path": f"IF current_schema() IS DISTINCT FROM 'public' {RAISE}",
    "keeps pgberth by name out": f"IF current_setting('application_name') ~ 'pgberth' {RAISE}",
    "keeps those out who bring settings": f"IF EXISTS (SELECT FROM pg_settings WHERE source = 'client') {RAISE}",
    "writes for a role that may only read": "IF current_setting('transaction_read_only')::bool THEN INSERT INTO nope VALUES (1); END IF",
    "is in no hurry": "PERFORM pg_sleep(1)",
}


@pytest.fixture(scope="module")
def audited(makers):
    instance = makers.make()
    instance.sql("CREATE TABLE audit (at timestamptz)")
    return instance


@pytest.mark.parametrize("does", HARMLESS.values(), ids=HARMLESS)
def test_login_trigger_that_lets_clients_in_is_left_alone_and_passwords_are_proven(audited, api, does):
    add_trigger(audited, does)
    assert audited.value("SELECT 1") == 1

    put, post = api.put_password(audited.name, audited.password), audited.post()

    assert switch_of(audited) == "O"
    assert (ok(put)["reason"], ok(post)["reason"]) == (None, None)
    assert_error(audited.post(admin_password="wrong"), 409, "already_exists", "admin_password")
    audited.sql("DROP FUNCTION owners CASCADE")


UNTRIGGERED = "-c event_triggers=off"
# A login does not come to its end with these.
HARMFUL = {
    "sleeps": "PERFORM pg_sleep(300)",
    "ends the session": "PERFORM pg_terminate_backend(pg_backend_pid())",
    "cancels the login": "PERFORM pg_cancel_backend(pg_backend_pid()); PERFORM pg_sleep(9)",
    "kills the process": "COPY (SELECT) TO PROGRAM 'kill -9 $PPID'",
}


@pytest.fixture(scope="module")
def ended(makers, api):
    """Servers with such triggers, and the answers to a PUT, and to a POST after a stop."""

    def make(does):
        instance = makers.make()
        add_trigger(instance, "NULL", "good")
        add_trigger(instance, does)
        answers = [] if "300" in does else [api.put_password(instance.name, instance.password)]
        instance.sql("ALTER EVENT TRIGGER owners ENABLE", options=UNTRIGGERED)
        ok(api.stop(instance.name))
        return instance, [*answers, instance.post()]

    return dict(zip(HARMFUL, at_once([lambda does=does: make(does) for does in HARMFUL.values()])))


@pytest.mark.parametrize("name", HARMFUL)
def test_login_trigger_by_which_no_login_ends_is_disabled_and_told(ended, name):
    instance, answers = ended[name]

    for answer in answers:
        assert "ALTER EVENT TRIGGER owners DISABLE" in ok(answer)["reason"]
    assert (switch_of(instance), switch_of(instance, "good")) == ("D", "O")


def test_login_that_a_trigger_ends_is_not_said_to_start(ended):
    instance, _ = ended["ends the session"]
    instance.sql("ALTER EVENT TRIGGER owners ENABLE")

    answer = instance.post()

    assert "terminating connection" in assert_error(answer, 503, "server_unavailable")
    assert "Retry-After" not in answer.headers


def test_database_whose_files_are_missing_is_told_and_left_alone(changeable, api, owner):
    """They may be on a disk that is not mounted."""
    owner.execute("SELECT oid FROM pg_database WHERE datname = 'postgres'")
    files = changeable.pgdata / "base" / str(owner.fetchone()[0])
    aside = files.with_name("aside")
    files.rename(aside)
    try:
        assert "subdirectory" in assert_error(api.put_password(changeable.name, changeable.password), 503, "server_unavailable")
        assert "subdirectory" in assert_error(changeable.post(), 503, "server_unavailable")
    finally:
        aside.rename(files)
    ok(changeable.post())


PREPARED_IN_IT = "BEGIN; CREATE TABLE mine (a int); PREPARE TRANSACTION 'weekly'"
IN_USE = {
    "templates": ("ALTER DATABASE template0 ALLOW_CONNECTIONS true", "DROP DATABASE postgres WITH (FORCE)",
                  ("template0", "template1"), "session "),
    "a half dropped database": (PREPARED_IN_IT, HALF_DROPPED, (), "prepared transaction 'weekly'"),
}


@pytest.mark.parametrize("before, deed, used, words", IN_USE.values(), ids=IN_USE)
def test_who_keeps_the_database_from_being_made_again_is_named_and_the_remedy_works(instance, api, before, deed, used, words):
    instance.sql("ALTER SYSTEM SET max_prepared_transactions = 5")
    ok(api.restart(instance.name))
    instance.sql(before)
    instance.sql("CREATE DATABASE mine")
    with contextlib.ExitStack() as open_ones:
        for database in used:
            open_ones.enter_context(contextlib.closing(instance.connect(database=database)))
        instance.sql(deed, database="mine")

        message = assert_error(api.put_password(instance.name, instance.password), 503, "server_unavailable")

    assert words in message and "stop the server and POST it with a password" in message
    ok(api.stop(instance.name))
    instance.create()
    assert instance.value("SELECT 1") == 1


def test_server_without_a_superuser_that_can_log_in_is_told_what_mends_it(makers, api):
    """In version 15 a session of a role that is none cannot have pgberth's settings."""
    instance = makers.make(version=15)
    instance.sql("ALTER ROLE postgres NOSUPERUSER")
    instance.sql(WEAK)

    message = assert_error(api.put_password(instance.name, "another"), 503, "server_unavailable")

    assert "stop it and POST it with a password" in message and "PUT its password" not in message
    ok(api.stop(instance.name))
    instance.create(admin_password="another")
    assert instance.value("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")


# ---- a server that comes back ------------------------------------------------------------------

LOST = {
    "database half dropped": [HALF_DROPPED],
    "and template1 too": [HALF_DROPPED, "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'template1'"],
    "no template": ["ALTER DATABASE template0 IS_TEMPLATE false", "DROP DATABASE template0", "DROP DATABASE postgres WITH (FORCE)"],
}


@pytest.mark.parametrize("deed", LOST.values(), ids=LOST)
def test_post_makes_the_database_again_and_resets_nothing(instance, api, deed):
    instance.sql("CREATE DATABASE mine")
    with contextlib.closing(instance.connect(database="template1")) as connection, connection.cursor() as cursor:
        do(cursor, [f"ALTER ROLE {ADMIN} SET work_mem = '5MB'", "ALTER ROLE ALL SET lock_timeout = '1h'", *deed])
    ok(api.stop(instance.name))

    body = instance.create(admin_password="another")

    assert body["state"] == "running"
    assert instance.sql("SELECT current_setting('work_mem'), current_setting('lock_timeout')") == [("5MB", "1h")]
    names = {name for name, in instance.sql("SELECT datname FROM pg_database WHERE datconnlimit = -2")}
    assert names <= {"template1"}
    assert "database postgres" in (body["reason"] or "") or len(deed) > 1


# ---- other words of a server: the last, since the kernel may send connections of the next minute there, too

@pytest.mark.parametrize("state, status", [
    ("28P01", 409), ("28000", 503), ("3D000", 503), ("55000", 503), ("42501", 503), ("53200", 503), ("53100", 503),
    ("53400", 503), ("57P05", 503), ("58P01", 503), ("XX000", 503), ("P0001", 503), ("57014", 503), ("", 503)])
def test_each_sqlstate_is_told_from_a_wrong_password(changeable, state, status):
    with hostile.at_port(changeable.port, hostile.refusing(state, "its words"), changeable.directory / "conf"):
        answer = changeable.post()

    assert "its words" in assert_error(answer, status, "already_exists" if status == 409 else "server_unavailable", ...)
    assert changeable.view()["state"] == "running"


def test_postmaster_without_a_process_is_understood_before_tls(changeable):
    with hostile.at_port(changeable.port, hostile.cannot_fork, changeable.directory / "conf"):
        answer = changeable.post()

    assert "512 processes" in assert_error(answer, 503, "server_unavailable")
