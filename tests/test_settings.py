"""Settings that a tenant gives its role, its databases or its server do not keep pgberth from its work, and stay as they are."""
import contextlib
import itertools

import pytest

from lib.concurrency import at_once
from lib.makers import MAJORS, Makers

# Logins of their own settings die of these, so pgberth resets them (test_come_back).
NO_LOGIN = ["session_preload_libraries", "local_preload_libraries"]
# With these a server does not start, or lets nobody in: a start that is safe is for that.
NO_SERVER = ["transaction_timeout", "log_statement_stats"]
# Not in pg_settings.
HIDDEN = [("role", "string"), ("session_authorization", "string"), ("seed", "real")]
# Strings that are accepted, and do harm; any other string gets OTHER, and is left out where that is refused.
STRINGS = {"DateStyle": "German, DMY", "TimeZone": "Pacific/Kiritimati", "client_encoding": "LATIN1", "search_path": "evil",
           "role": "weak", "session_authorization": "weak", "lc_messages": "de_DE.utf8", "restrict_nonsystem_relation_kind": "view",
           "createrole_self_grant": "set, inherit", "dynamic_library_path": "/nope", "wal_consistency_checking": "all", "log_connections": "all",
           "default_transaction_isolation": "serializable", "seed": "0.5"}
OTHER = "nope"
SETTABLE = ("SELECT name, vartype, boot_val, min_val, max_val, enumvals FROM pg_settings"
            " WHERE context IN ('user', 'superuser') AND NOT name = ANY(%s)")
# Set when a session begins, so only the server has them.
BACKEND = ["post_auth_delay = 600", "ignore_system_indexes = on"]
TRY_ALL = """
    DO $do$ DECLARE statement text; BEGIN
        FOREACH statement IN ARRAY %s LOOP
            BEGIN EXECUTE statement; INSERT INTO accepted VALUES (statement); EXCEPTION WHEN OTHERS THEN NULL; END;
        END LOOP;
    END $do$
"""
# What the test's own sessions override.
OVERRIDE = " ".join(f"-c {each}" for each in [
    "statement_timeout=0", "lock_timeout=0", "idle_session_timeout=0", "default_transaction_read_only=off", "role=none",
    "search_path=pg_catalog", "dynamic_library_path=$libdir", "lc_messages=C", "post_auth_delay=0", "exit_on_error=off",
    "max_stack_depth=2048", "client_min_messages=error", "max_parallel_workers_per_gather=0", "client_encoding=UTF8",
    "temp_buffers=100"])

# Places to set all of them at, and which of their values; SYSTEM: postgresql.auto.conf.
WAYS = {
    "of the roles, least": (["ROLE {admin}", "ROLE postgres IN DATABASE postgres"], 0),
    "of the databases, most": (["DATABASE postgres", "DATABASE template1"], 1),
    "of all roles, others": (["ROLE ALL"], 2),
    "of the server, least": (["SYSTEM"], 0),
}


ADDRESSES = itertools.count(1)


def new_address():
    """So that each PATCH has something to change."""
    return f"10.9.8.{next(ADDRESSES)}"


def hostile_value(name, kind, usual, least, most, words, choice):
    """0: the least that is not off; 1: the most; 2: another one."""
    if kind == "bool":
        return "off" if usual == "on" else "on"
    if kind == "enum":
        others = [word for word in words if word != usual]
        return others[[0, -1, len(others) // 2][choice]]
    if kind == "string" or name in STRINGS:
        return STRINGS.get(name, OTHER)
    return [least if float(least) != 0 else "1", most, "1"][choice]


class Tenant:
    """A server, and all that its superuser can set in it."""

    def __init__(self, instance):
        self.instance = instance
        self.options = OVERRIDE + (" -c transaction_timeout=0 -c event_triggers=off" if instance.view()["version"] >= 17 else "")
        instance.sql("CREATE ROLE weak")
        instance.sql("CREATE SCHEMA evil")

    def accepted(self, statements):
        """Runs them; those that the server accepted."""
        with contextlib.closing(self.instance.connect(options=self.options)) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE accepted (statement text)")
            cursor.execute(TRY_ALL, (statements,))
            cursor.execute("SELECT statement FROM accepted")
            return [statement for statement, in cursor.fetchall()]

    def statements(self, place, choice):
        rows = self.instance.sql(SETTABLE, NO_LOGIN, options=self.options)
        rows += [(name, kind, None, "0", "1", None) for name, kind in HIDDEN]
        return [f"ALTER {place} SET {row[0]} = '{hostile_value(*row, choice)}'" for row in rows]

    def set_all(self, way):
        places, choice = WAYS[way]
        if places == ["SYSTEM"]:
            return self.set_in_file(choice)
        for place in places:
            place = place.format(admin=self.instance.admin_user)
            assert len(self.accepted(self.statements(place, choice))) > 150, "most of them can be set"

    def set_in_file(self, choice):
        """ALTER SYSTEM of so many would wait for the disk each time. Values that a role may have are good there."""
        good = self.accepted(self.statements("ROLE weak", choice))
        lines = [statement.partition(" SET ")[2] for statement in good]
        not_there = [*NO_SERVER, *(name for name, _ in HIDDEN), "transaction_"]
        lines = [line for line in lines if not line.startswith(tuple(not_there))] + BACKEND
        (self.instance.pgdata / "postgresql.auto.conf").write_text("\n".join(lines) + "\n")
        self.instance.sql("SELECT pg_reload_conf()", options=self.options)

    def settings(self):
        """All that is set, which is the tenant's own."""
        return self.instance.sql("SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting ORDER BY 1, 2", options=self.options) \
            + self.instance.sql("SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%%auto.conf' AND %s", True,
                                options=self.options)

    def reset(self, way):
        places, _ = WAYS[way]
        if places == ["SYSTEM"]:
            (self.instance.pgdata / "postgresql.auto.conf").write_text("")
            self.instance.sql("SELECT pg_reload_conf()", options=self.options)
            return
        statements = [f"ALTER {place.format(admin=self.instance.admin_user)} RESET ALL" for place in places]
        assert self.accepted(statements) == statements


def trial(api, tenant, way):
    """What failed of the calls that pgberth needs a session for."""
    instance = tenant.instance
    tenant.set_all(way)
    before = tenant.settings()
    calls = {
        "password": lambda: api.put_password(instance.name, instance.password),
        "access": lambda: api.patch(instance.name, allow=["127.0.0.1", new_address()], tls="required"),
        "stop": lambda: api.stop(instance.name),
        "post": instance.post,
    }
    answers = {name: call() for name, call in calls.items()}
    failed = [(name, answer.text) for name, answer in answers.items() if answer.status_code != 200]
    if tenant.settings() != before:
        failed.append(("settings", "are not what they were"))
    if "SCRAM-SHA-256$" in api.logs(instance.name, tail=10000).text:
        failed.append(("log", "has a verifier"))
    tenant.reset(way)
    return failed


@pytest.fixture(scope="module")
def trials(api, settings, ports):
    """What failed, by major and way."""
    makers = Makers(api, settings, ports)

    def try_all(major):
        tenant = Tenant(makers.make(version=major))
        return {way: trial(api, tenant, way) for way in WAYS}

    yield dict(zip(MAJORS, at_once([lambda major=major: try_all(major) for major in MAJORS])))
    makers.purge()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("major", MAJORS)
def test_no_setting_keeps_pgberth_out_or_is_reset(trials, major, way):
    assert trials[major][way] == []
