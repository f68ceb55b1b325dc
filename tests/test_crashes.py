"""Servers that keep dying: why is told apart in `reason`, tries are spaced out, and nothing of theirs is lost."""
import contextlib
import os
import signal
import threading

import psycopg2
import pytest

from lib.client import assert_error, ok
from lib.waiting import wait_for


def state_is(instance, state, timeout=60):
    return wait_for(lambda: (view := instance.view())["state"] == state and view, f"it is {state}", timeout)


def reason_has(instance, words, timeout=60):
    return wait_for(lambda: words in (instance.view()["reason"] or "") and instance.view(),
                    f"its reason has: {words}", timeout)


def is_up(instance):
    with contextlib.suppress(psycopg2.Error):
        return instance.value("SELECT 1") == 1
    return False


def kill_postmaster(instance, engine):
    with contextlib.suppress(StopIteration, ProcessLookupError, AttributeError, KeyError, TypeError):
        os.kill(engine.postmaster_pid(instance.name), signal.SIGKILL)


def test_restart_after_a_crash_is_told(instance, engine):
    instance.keep_row("precious")

    kill_postmaster(instance, engine)

    view = reason_has(instance, "went down by itself")
    state_is(instance, "running")
    assert instance.kept_rows() == ["precious"]
    assert view["container_id"]


@pytest.mark.parametrize("number", [8, 9])
def test_lock_that_names_the_new_ones_log_collector_keeps_nobody_down(instance, engine, number):
    """The collector is the process after the postmaster, which has number 7 in its container, or one beside: by chance."""
    lock = instance.directory / "pg/run/.s.PGSQL.5432.lock"
    for starts in (2, 3, 4):
        before = engine.identity(instance.name)
        lock.write_text("\n".join([str(number), *lock.read_text().split("\n")[1:]]))

        kill_postmaster(instance, engine)

        reason_has(instance, "went down by itself")
        wait_for(lambda: engine.identity(instance.name) != before and is_up(instance), "it serves again")
        said = "".join(log.read_text() for log in (instance.directory / "pg/log").glob("*.log"))
        assert said.count("starting PostgreSQL") == starts
        assert "lock file" not in said


def test_out_of_memory_is_told(make_instance):
    instance = make_instance(memory_mb=128)

    with pytest.raises(psycopg2.Error):
        instance.sql("SELECT length(string_agg(repeat('x', 1000000), '')) FROM generate_series(1, 400)")

    reason = reason_has(instance, "out of memory")["reason"]
    assert "memory_mb" in reason
    wait_for(lambda: is_up(instance), "it serves again")
    # Whoever does as told is rid of it.
    assert "128 MB" in reason
    assert ok(instance.api.patch(instance.name, memory_mb=1024))["reason"] is None
    assert instance.value("SELECT 1") == 1


def test_crash_loop_is_failed_with_the_reason_and_recovers_by_start(instance, api, engine):
    """What a hostile owner can do: a setting that is fine until the next start, and a killed postmaster."""
    instance.keep_row("precious")
    instance.sql("ALTER SYSTEM SET shared_preload_libraries = 'nonexistent'")

    kill_postmaster(instance, engine)

    reason = state_is(instance, "failed", 90)["reason"]
    assert "nonexistent" in reason and "settings" in reason
    assert instance.view()["port"] == instance.port
    ok(api.start(instance.name, safe=True))
    assert instance.kept_rows() == ["precious"]


@pytest.mark.parametrize("before", ["", "x"])
def test_last_words_cut_amid_a_character_are_told_all_the_same(instance, api, engine, before):
    """One of the two is: no JSON can hold it, and the list would be broken for everybody."""
    (instance.pgdata / "postgresql.auto.conf").write_text(
        f"shared_preload_libraries = 'nonexistent{before}{'é' * 150}'\n")

    kill_postmaster(instance, engine)

    assert "nonexistent" in state_is(instance, "failed", 90)["reason"]
    assert api.listed()[instance.name]["state"] == "failed"
    assert "nonexistent" in assert_error(api.start(instance.name), 503, "server_unavailable")


def test_last_words_cannot_command_a_terminal(instance, engine):
    (instance.pgdata / "postgresql.auto.conf").write_text("shared_preload_libraries = 'nonexistent\x1b]0;x\x07\x9b2J'\n")

    kill_postmaster(instance, engine)

    reason = state_is(instance, "failed", 90)["reason"]
    assert "nonexistent" in reason and reason.isprintable()


def test_tries_of_a_failed_server_are_spaced_out(instance, engine):
    (instance.pgdata / "postgresql.auto.conf").write_text("shared_preload_libraries = 'nonexistent'\n")
    kill_postmaster(instance, engine)
    state_is(instance, "failed", 90)
    seen = set()
    done = threading.Event()

    def watch():
        for event in engine.client.events(decode=True, filters={"event": "create"}):
            if done.is_set():
                return
            if event["Actor"]["Attributes"].get("pgberth.storage_dir") == instance.name:
                seen.add(event["id"])

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    done.wait(20)
    done.set()

    assert len(seen) <= 6, "a storm of tries"


def test_damaged_data_are_told_and_left_as_they_are(instance, api, engine):
    ok(api.stop(instance.name))
    for segment in (instance.pgdata / "pg_wal").glob("0*"):
        if segment.is_file():
            with segment.open("r+b") as file:
                file.write(bytes(segment.stat().st_size))
    before = (instance.pgdata / "global/pg_control").read_bytes()

    message = assert_error(api.start(instance.name), 503, "server_unavailable")

    assert "damaged" in message and "safe" not in message
    assert "damaged" in instance.view()["reason"]
    assert (instance.pgdata / "global/pg_control").read_bytes() == before


def test_twenty_kills_of_a_backend_are_survived(instance, engine):
    instance.keep_row("precious")
    for _ in range(20):
        with contextlib.suppress(psycopg2.Error):
            instance.sql("SELECT pg_terminate_backend(pg_backend_pid())")
        with contextlib.suppress(psycopg2.Error):
            instance.shell("kill -9 $PPID")
    wait_for(lambda: is_up(instance), "it serves")

    assert instance.kept_rows() == ["precious"]
    state_is(instance, "running")


def test_orphans_that_end_badly_do_not_restart_the_server(instance, engine):
    before = instance.postmaster_started()

    instance.shell("(sleep 0.2; exit 3) & true")
    wait_for(lambda: not instance.shell("pgrep -x sleep || true"), "the orphan has ended")

    assert instance.postmaster_started() == before


def test_stop_ends_open_sessions_at_once(instance, api):
    with contextlib.closing(instance.connect()) as session, session.cursor() as cursor:
        cursor.execute("SELECT 1")

        ok(api.stop(instance.name))

    ok(api.start(instance.name))
    log = api.logs(instance.name, tail=100).text
    assert "received fast shutdown request" in log
    assert "was not properly shut down" not in log


def test_parallel_query_has_shared_memory_enough(instance):
    instance.sql("CREATE TABLE wide AS SELECT g, repeat('x', 200) AS filler FROM generate_series(1, 100000) g")
    count = instance.sql(
        "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; "
        "SET work_mem = '64MB'; SET max_parallel_workers_per_gather = 4; "
        "SELECT count(*) FROM wide a JOIN wide b USING (g)")[0][0]
    assert count == 100000
