"""A change that pgberth gives up is not made later either, and its refusal names who holds it up."""
import contextlib
import signal

import pytest

from lib.client import assert_error, ok
from lib.concurrency import at_once
from lib.makers import MAJORS, Makers
from lib.waiting import wait_for

OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgberth'"


class Holder:
    """A transaction of the tenant's, on a connection of its own."""

    def __init__(self, instance, statement, **options):
        self.instance = instance
        self.connection = instance.connect(application_name="nightly", **options)
        self.cursor = self.connection.cursor()
        self.pid = self.connection.get_backend_pid()
        self.cursor.execute("BEGIN")
        self.cursor.execute(statement.format(admin=instance.admin_user))

    def value(self, statement):
        self.cursor.execute(statement)
        return self.cursor.fetchone()[0]

    def release(self):
        self.cursor.execute("ROLLBACK")

    def close(self):
        self.connection.close()


# What a tenant may hold, and whether somebody can still log in to find out who it is.
HELD = {
    "row of the role": ("SELECT FROM pg_authid WHERE rolname = '{admin}' FOR UPDATE", True),
    "row of the role, shared": ("SELECT FROM pg_authid WHERE rolname = '{admin}' FOR SHARE", True),
    "change of the role": ("ALTER ROLE {admin} CONNECTION LIMIT 50", True),
    "change in a subtransaction": ("SAVEPOINT one; ALTER ROLE {admin} CONNECTION LIMIT 50; RELEASE one", True),
    "table of roles": ("LOCK TABLE pg_authid IN SHARE MODE", True),
    "table of roles, from logins too": ("LOCK TABLE pg_authid", False),
    "table of databases, from logins too": ("LOCK TABLE pg_database", False),
    "table of settings, from logins too": ("LOCK TABLE pg_db_role_setting", False),
    "name of the database": ("ALTER DATABASE postgres RENAME TO other", True),
    "table of tables of the database": ("LOCK TABLE pg_class", True),
    "table of schemas of the database": ("LOCK TABLE pg_namespace", True),
    "table of functions of the database": ("LOCK TABLE pg_proc", True),
}
TELLING = [name for name, (_, tells) in HELD.items() if tells]
# An owner gets in by another database.
FROM_TEMPLATE = ["name of the database"]


@pytest.fixture(scope="module")
def crowd(api, settings, ports):
    """A running server for each of HELD."""
    makers = Makers(api, settings, ports)
    yield dict(zip(HELD, at_once([makers.make] * len(HELD))))
    makers.purge()


def hold(instance, name):
    return Holder(instance, HELD[name][0], **({"database": "template1"} if name in FROM_TEMPLATE else {}))


@pytest.fixture(scope="module")
def refusals(api, crowd):
    """Answers to a PUT of a password while the lock was held; it is held no more."""
    with contextlib.ExitStack() as open_ones:
        holders = {name: open_ones.enter_context(contextlib.closing(hold(crowd[name], name))) for name in HELD}
        answers = at_once([lambda one=one: api.put_password(one.name, "another") for one in crowd.values()])
        answers = dict(zip(HELD, answers))
        for name in TELLING:
            wait_for(lambda: holders[name].value(f"SELECT pg_stat_clear_snapshot(); {OURS}") == 0, f"{name}: no session of pgberth's goes on")
        for holder in holders.values():
            holder.release()
        yield {name: (answers[name], holders[name].pid) for name in HELD}


@pytest.mark.parametrize("name", HELD)
def test_refused_password_is_not_set_when_the_lock_goes(refusals, crowd, name):
    answer, _ = refusals[name]
    instance = crowd[name]

    assert_error(answer, 503, "server_unavailable")
    wait_for(lambda: instance.value(OURS) == 0, "no session of pgberth's goes on")
    assert "authentication failed" in instance.refusal(password="another")
    assert instance.view()["state"] == "running"


@pytest.mark.parametrize("name", TELLING)
def test_refusal_names_the_session_that_holds_the_lock_and_the_remedy(refusals, name):
    answer, pid = refusals[name]
    message = answer.json()["error"]["message"]

    assert f"session {pid} " in message
    assert f"pg_terminate_backend({pid})" in message
    assert "nightly" in message and "idle in transaction" in message
    assert "password stays as it was" in message


def test_change_of_clients_that_is_refused_is_not_made_later(crowd, refusals, api):
    """Nobody can log in to make it, nor to take it back."""
    instance = crowd["table of roles, from logins too"]
    with contextlib.closing(Holder(instance, "LOCK TABLE pg_authid")) as holder:
        assert_error(api.patch(instance.name, allow=["10.1.2.3/32"], tls="required"), 503, "server_unavailable")
        holder.release()

    assert instance.view()["tls"] == "offered"
    assert instance.value("SELECT count(*) FROM pg_hba_file_rules WHERE type = 'hostnossl'") == 0
    assert instance.value("SELECT pg_reload_conf()", sslmode="disable")


def test_session_that_is_stopped_while_it_waits_does_not_make_the_change_when_it_goes_on(crowd, refusals, api):
    """As a debugger would stop it, or a tenant: neither a timeout nor a cancel reaches it then."""
    instance = crowd["row of the role"]
    ours = "SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE application_name = 'pgberth' AND wait_event_type = 'Lock'"
    with contextlib.closing(Holder(instance, HELD["row of the role"][0].format(admin=instance.admin_user))) as holder:

        def stop():
            pid = wait_for(lambda: holder.value(f"SELECT pg_stat_clear_snapshot(); {ours}"), "pgberth waits")
            instance.shell(f"kill -{signal.SIGSTOP} {pid}")
            holder.release()
            return pid

        answer, pid = at_once([lambda: api.put_password(instance.name, "another"), stop])
        assert_error(answer, 503, "server_unavailable")
        instance.shell(f"kill -{signal.SIGCONT} {pid}")

    wait_for(lambda: instance.value(OURS) == 0, "the session of pgberth's is gone")
    assert "authentication failed" in instance.refusal(password="another")


def test_change_of_a_pgberthd_that_was_killed_ends_in_the_server_while_the_lock_is_still_held(stack):
    instance = stack.make()
    with contextlib.closing(Holder(instance, HELD["row of the role"][0])) as holder:

        def kill():
            waiting = OURS + " AND wait_event_type = 'Lock'"
            wait_for(lambda: holder.value(f"SELECT pg_stat_clear_snapshot(); {waiting}") == 1, "pgberth waits")
            stack.kill()

        at_once([lambda: stack.api.put_password(instance.name, "another"), kill])

        wait_for(lambda: holder.value(f"SELECT pg_stat_clear_snapshot(); {OURS}") == 0, "its session has ended")
    assert "authentication failed" in instance.refusal(password="another")


# ---- prepared transactions -------------------------------------------------------------------

GID = "nightly 'x' \x1b[2J \n level=error"


def prepare(instance, statement="ALTER ROLE {admin} CONNECTION LIMIT 50", gid=GID):
    """A transaction that outlasts its session and the server."""
    with contextlib.closing(Holder(instance, statement)) as holder:
        holder.cursor.execute("PREPARE TRANSACTION %s", (gid,))


@pytest.fixture(scope="module")
def prepared(api, settings, ports):
    """A server of each major in which the role is locked for good; the answers to a PUT, and to a POST after a stop."""
    makers = Makers(api, settings, ports)

    def make(major):
        instance = makers.make(version=major)
        instance.sql("ALTER SYSTEM SET max_prepared_transactions = 5")
        ok(api.restart(instance.name))
        prepare(instance)
        put = api.put_password(instance.name, "another")
        ok(api.stop(instance.name))
        return instance, put, instance.post(admin_password="another")

    yield dict(zip(MAJORS, at_once([lambda major=major: make(major) for major in MAJORS])))
    makers.purge()


@pytest.mark.parametrize("major", MAJORS)
def test_prepared_transaction_that_locks_the_role_is_named_with_the_remedy_which_works(prepared, api, major):
    instance, put, post = prepared[major]

    for answer in (put, post):
        message = assert_error(answer, 503, "server_unavailable")
        assert "prepared transaction" in message and "nightly ''x''" in message
        assert "ROLLBACK PREPARED" in message and f"user {instance.admin_user}" in message and "database postgres" in message
        assert message.isprintable()
    assert "start the server without a password" in post.json()["error"]["message"]
    assert instance.view()["state"] == "stopped"

    ok(api.start(instance.name))
    assert "authentication failed" in instance.refusal(password="another")
    instance.sql("ROLLBACK PREPARED %s", GID)
    ok(api.put_password(instance.name, "another"))
    instance.password = "another"
    assert instance.value("SELECT 1") == 1


def test_prepared_transaction_is_named_where_only_single_user_mode_could_change_the_role(prepared, api):
    instance = prepared[MAJORS[0]][0]
    instance.sql("CREATE ROLE dba SUPERUSER LOGIN PASSWORD 'dba'")
    instance.sql("ALTER ROLE postgres NOLOGIN")
    instance.sql(f"ALTER ROLE {instance.admin_user} NOLOGIN", user="dba", password="dba")
    with contextlib.closing(instance.connect(user="dba", password="dba")) as connection, connection.cursor() as cursor:
        cursor.execute(f"BEGIN; ALTER ROLE {instance.admin_user} CONNECTION LIMIT 50; PREPARE TRANSACTION 'weekly'")
    ok(api.stop(instance.name))

    message = assert_error(instance.post(), 503, "server_unavailable")

    assert "'weekly'" in message and "user dba" in message and "ROLLBACK PREPARED" in message
    ok(api.start(instance.name))
    instance.sql("ROLLBACK PREPARED 'weekly'", user="dba", password="dba")
    ok(api.stop(instance.name))
    instance.create()
    assert instance.value("SELECT 1") == 1


# ---- prepared transactions that no login gets past ---------------------------------------------

LOCKED_OUT = {"LOCK TABLE pg_authid": MAJORS[0], "LOCK TABLE pg_database": MAJORS[1], "LOCK TABLE pg_db_role_setting": MAJORS[2]}


@pytest.fixture(scope="module")
def locked_out(api, settings, ports):
    """Servers that nobody can log in to; the answers to a POST and a start after a stop."""
    makers = Makers(api, settings, ports)

    def make(statement, major):
        instance = makers.make(version=major)
        instance.sql("ALTER SYSTEM SET max_prepared_transactions = 5")
        ok(api.restart(instance.name))
        instance.keep_row("kept")
        prepare(instance, f"INSERT INTO kept VALUES ('rolled back'); {statement}")
        ok(api.stop(instance.name))
        return instance, [instance.post(), api.start(instance.name)]

    yield at_once([lambda row=row: make(*row) for row in LOCKED_OUT.items()])
    makers.purge()


@pytest.mark.parametrize("number", range(len(LOCKED_OUT)), ids=LOCKED_OUT)
def test_prepared_transaction_that_no_login_gets_past_is_named_and_set_aside_by_a_safe_start(locked_out, api, number):
    instance, answers = locked_out[number]

    for answer in answers:
        message = assert_error(answer, 503, "server_unavailable")
        assert "prepared transaction 'nightly 'x'" in message and "with safe" in message
        assert message.isprintable()
        assert answer.elapsed.total_seconds() < 40, "it does not wait for the whole start_timeout"
        assert "Retry-After" not in answer.headers

    body = ok(api.start(instance.name, safe=True))

    assert "set aside" in body["reason"] and "nightly" in body["reason"]
    assert instance.kept_rows() == ["kept"]
    assert instance.value("SELECT count(*) FROM pg_prepared_xacts") == 0
    ok(api.restart(instance.name))
    ok(api.put_password(instance.name, "another"))
