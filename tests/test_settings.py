"""Settings that a tenant gives its role, its databases or its server do not keep pgberth from its work, and stay as they are."""
import contextlib

import psycopg2
import pytest

from lib.concurrency import at_once
from lib.makers import Makers

MAJORS = [15, 17, 18]
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
            " WHERE context = ANY(%s) AND NOT name = ANY(%s)")
# What the test's own sessions override.
OVERRIDE = " ".join(f"-c {each}" for each in [
    "statement_timeout=0", "lock_timeout=0", "idle_session_timeout=0", "default_transaction_read_only=off", "role=none",
    "search_path=pg_catalog", "dynamic_library_path=$libdir", "lc_messages=C", "post_auth_delay=0", "exit_on_error=off",
    "max_stack_depth=2048", "client_min_messages=error", "max_parallel_workers_per_gather=0", "client_encoding=UTF8"])

# A way to set all of them at once; the values that it takes; what may be set by it.
OWN = ["user", "superuser"]
WAYS = {
    "of the roles, least": (["ROLE {admin}", "ROLE postgres"], 0, OWN),
    "of the databases, most": (["DATABASE postgres", "DATABASE template1"], 1, OWN),
    "of the role in the database, least": (["ROLE {admin} IN DATABASE postgres", "ROLE postgres IN DATABASE postgres"], 0, OWN),
    "of all roles, others": (["ROLE ALL"], 2, OWN),
    "of the server, least": (["SYSTEM"], 0, [*OWN, "backend", "superuser-backend"]),
    "of the server, most": (["SYSTEM"], 1, [*OWN, "backend", "superuser-backend"]),
}


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
        instance.sql("CREATE ROLE weak; CREATE SCHEMA evil")

    def accepted(self, statements):
        """Runs them; those that the server accepted."""
        accepted = []
        with contextlib.closing(self.instance.connect(options=self.options)) as connection, connection.cursor() as cursor:
            for statement in statements:
                with contextlib.suppress(psycopg2.Error):
                    cursor.execute(statement)
                    accepted.append(statement)
        return accepted

    def settable(self, contexts):
        out = NO_LOGIN + (NO_SERVER if "backend" in contexts else [])
        rows = self.instance.sql(SETTABLE, contexts, out, options=self.options)
        return rows + [(name, kind, None, "0", "1", None) for name, kind in HIDDEN]

    def set_all(self, way):
        places, choice, contexts = WAYS[way]
        places = [place.format(admin=self.instance.admin_user) for place in places]
        values = [(row[0], hostile_value(*row, choice)) for row in self.settable(contexts)]
        statements = [f"ALTER {place} SET {name} = '{value}'" for place in places for name, value in values]
        accepted = self.accepted([*statements, "SELECT pg_reload_conf()"])
        assert len(accepted) > 150 * len(places), "most of them can be set"
        return places

    def settings(self):
        """All that is set, which is the tenant's own."""
        return self.instance.sql("SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting ORDER BY 1, 2", options=self.options) \
            + self.instance.sql("SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%%auto.conf' AND %s", True,
                                options=self.options)

    def reset(self, places):
        statements = [*(f"ALTER {place} RESET ALL" for place in places), "SELECT pg_reload_conf()"]
        assert self.accepted(statements) == statements


def trial(api, tenant, way):
    """What failed of the calls that pgberth needs a session for."""
    instance = tenant.instance
    places = tenant.set_all(way)
    before = tenant.settings()
    calls = {
        "password": lambda: api.put_password(instance.name, instance.password),
        "tls": lambda: api.patch(instance.name, tls="required"),
        "allow": lambda: api.patch(instance.name, allow=["127.0.0.1"], tls="offered"),
        "stop": lambda: api.stop(instance.name),
        "post": instance.post,
        "again": instance.post,
    }
    answers = {name: call() for name, call in calls.items()}
    failed = [(name, answer.text) for name, answer in answers.items() if answer.status_code != 200]
    if tenant.settings() != before:
        failed.append(("settings", "are not what they were"))
    if "SCRAM-SHA-256$" in api.logs(instance.name, tail=10000).text:
        failed.append(("log", "has a verifier"))
    tenant.reset(places)
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
