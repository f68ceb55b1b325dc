"""A tenant's server that does to pgberthd what it likes: a typed error within the deadline, and memory stays flat."""
import contextlib
import functools
import unicodedata

import pytest

from lib import hostile
from lib.client import ok
from lib.concurrency import at_once
from lib.daemon import fields
from lib.stack import Stack
from lib.waiting import wait_for

# Of one connection pgberthd keeps a message at a time; libpq would keep what it is sent.
MOST_KB = 16 << 10
# A call waits 30 s at most for the other one on the same server (INSTANCE_LOCK_WAIT_MS), and has at most four tasks with
# it, of 15 s each (PROOF_TIMEOUT_MS). What is not answered by then is not going to be.
PROMISED = (10, 90)
# AddressSanitizer, where it is built in, would keep 256 MB of what was freed, and 1 MB in each thread.
SANITIZER = {"ASAN_OPTIONS": "quarantine_size_mb=1:thread_local_quarantine_size_kb=16"}


@pytest.fixture(scope="module")
def stack():
    with Stack(env=SANITIZER) as stack:
        stack.api.patience = PROMISED
        yield stack


@pytest.fixture(scope="module")
def tenant(stack):
    return stack.make()


@pytest.fixture(scope="module")
def neighbour(stack):
    return stack.make()


def refused(answer):
    """A typed error that says what is wrong with the server, and nothing else."""
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) in {
        (409, "already_exists"), (409, "busy"), (503, "server_unavailable"), (503, "starting")}, answer.text
    assert error["message"].isprintable()
    return error["message"]


@contextlib.contextmanager
def memory_stays_flat(stack):
    """Also in between: what counts is the most that it has been."""
    process = stack.proc()
    process.forget_peak()
    before = process.rss_kb()
    yield
    assert process.peak_kb() - before < MOST_KB


# Those that pgberthd waits for until its deadline; all at once, each in the place of another tenant's.
PATIENT = [hostile.slow_notices, hostile.byte_a_second, hostile.silence, hostile.hang_up]
HASTY = [behaviour for behaviour in hostile.AT_HELLO + hostile.AT_LOGIN if behaviour not in PATIENT]


def attacked(stack, neighbour, hostiles, password=None):
    """Nothing but refusals for the callers of these tenants; others are served, and memory is what it was."""
    calls = []
    with memory_stays_flat(stack), contextlib.ExitStack() as places:
        there = [places.enter_context(hostile.at_port(tenant.port, behaviour, tenant.directory / "conf"))
                 for tenant, behaviour in hostiles]
        for tenant, _ in hostiles:
            calls += [tenant.post, functools.partial(stack.api.put_password, tenant.name, password or tenant.password)]
        *answers, other, listed = at_once([*calls, neighbour.post, stack.api.list])
        assert all(one.met > 0 for one in there)
    ok(other)
    ok(listed)
    for answer in answers:
        refused(answer)
    for tenant, _ in hostiles:
        ok(tenant.post())


@pytest.mark.parametrize("behaviour", HASTY, ids=lambda one: one.__name__)
def test_hostile_server_at_the_port_is_told_nothing_and_holds_up_nobody(stack, tenant, neighbour, behaviour):
    attacked(stack, neighbour, [(tenant, behaviour)])


def test_hostile_servers_that_are_waited_for_hold_up_nobody_and_no_password_is_set_that_is_not_proven(stack, tenant, neighbour):
    """And the role's own settings stay, for they have no part in it that nobody answers."""
    tenants = [tenant, *(stack.make() for _ in PATIENT[1:])]
    unanswered = tenants[PATIENT.index(hostile.hang_up)]
    unanswered.sql(f"ALTER ROLE {unanswered.admin_user} SET work_mem = '5MB'")

    attacked(stack, neighbour, list(zip(tenants, PATIENT)), "another")

    assert unanswered.value("SHOW work_mem") == "5MB"
    for each in tenants:
        assert "authentication failed" in each.refusal(password="another")


@pytest.mark.parametrize("behaviour", hostile.IN_SESSION + [hostile.clear_password, hostile.huge_message, hostile.noise],
                         ids=lambda one: one.__name__)
def test_hostile_server_on_the_socket_holds_up_nobody(stack, tenant, neighbour, behaviour):
    with memory_stays_flat(stack), hostile.on_socket(tenant, behaviour) as there:
        changed, other, listed = at_once([
            lambda: stack.api.put_password(tenant.name, "another"), neighbour.post, stack.api.list])
        assert there.met > 0
    refused(changed)
    ok(other)
    ok(listed)
    ok(stack.api.put_password(tenant.name, tenant.password))


COMMITS = {
    (b"t", b"f"): "does not answer a commit",
    (b"f", b"f"): "the change may still be made",
    (b"t", b"t"): "new password is set, but not proven",
}


def test_commit_that_is_not_answered_is_looked_after_and_the_truth_told(stack):
    tenants = {case: stack.make() for case in COMMITS}
    behaviours = {case: hostile.keeps_its_commits_to_itself(*case) for case in COMMITS}
    with contextlib.ExitStack() as places:
        for case, tenant in tenants.items():
            places.enter_context(hostile.on_socket(tenant, behaviours[case]))
        answers = at_once([lambda tenant=tenant: stack.api.put_password(tenant.name, "another") for tenant in tenants.values()])

    for (case, words), answer in zip(COMMITS.items(), answers):
        assert behaviours[case].commits > 0
        assert words in refused(answer), case
        ok(tenants[case].post())


def test_process_of_another_user_on_the_socket_is_told_nothing(stack, tenant):
    heard = []

    def listen(talk):
        heard.append(talk.connection.recv(1))

    with hostile.on_socket(tenant, listen, uid=0) as there:
        answer = stack.api.put_password(tenant.name, tenant.password)
        wait_for(lambda: there.met > 0, "it was connected to")
    assert heard and set(heard) == {b""}
    assert answer.status_code == 503
    assert "another user" in refused(answer)
    ok(stack.api.put_password(tenant.name, tenant.password))


def test_start_of_pgberthd_does_not_wait_for_one_that_never_stops_talking(stack, tenant, neighbour):
    with hostile.at_port(tenant.port, hostile.endless_hello_requests, tenant.directory / "conf"):
        stack.restart()
        wait_for(lambda: neighbour.view()["state"] == "running", "the others are well")
        ok(neighbour.post())
    wait_for(lambda: tenant.view()["state"] == "running", "it is well again", 90)


def test_many_iterations_are_named(stack, tenant, neighbour):
    with hostile.at_port(tenant.port, hostile.many_iterations, tenant.directory / "conf"):
        assert "100000 iterations" in refused(tenant.post())


@pytest.mark.parametrize("salt, iterations, why", [
    (b"c2FsdHNhbHQ=", b"1", "fewer than 4096 iterations"),
    (b"c2FsdHNhbHQ=", b"4095", "fewer than 4096 iterations"),
    (b"c2FsdHNhbHQ=", b"04096", "not a number"),
    (b"c2FsdHNhbHQ=", b"-4096", "not a number"),
    (b"", b"4096", "salt"),
    (b"eA==", b"4096", "salt is too short"),
])
def test_proof_from_which_a_server_could_guess_the_password_is_not_given(stack, tenant, salt, iterations, why):
    behaviour = hostile.takes_a_weak_proof(salt, iterations)
    with hostile.at_port(tenant.port, behaviour, tenant.directory / "conf") as there:
        assert why in refused(tenant.post())
        assert there.met > 0
    assert not behaviour.proofs


def test_least_iterations_that_are_safe_get_a_proof(stack, tenant):
    behaviour = hostile.takes_a_weak_proof(b"c2FsdHNhbHQ=", b"4096")
    with hostile.at_port(tenant.port, behaviour, tenant.directory / "conf"):
        refused(tenant.post())
    assert behaviour.proofs


def test_words_of_a_server_are_one_line(stack, tenant):
    with hostile.at_port(tenant.port, hostile.odd_error, tenant.directory / "conf"):
        assert "no [2J" in refused(tenant.post())
    assert "\x1b" not in stack.log_text()


# ---- what people would not see as it is --------------------------------------------------------

def unseen():
    """Characters that no message may hold, by category: U+0000 and the newline end a message."""
    by_kind = {kind: [] for kind in ("Cc", "Cf", "Zl", "Zp")}
    for one in map(chr, range(1, 0x110000)):
        if unicodedata.category(one) in by_kind and one != "\n":
            by_kind[unicodedata.category(one)].append(one)
    return by_kind


UNSEEN = unseen()


def refuse_with(tenant, words):
    """What is said of the tenant's server, when it refuses with these words."""
    with hostile.at_port(tenant.port, hostile.refusing("XX000", words), tenant.directory / "conf"):
        return refused(tenant.post())


@pytest.mark.parametrize("kind", UNSEEN)
def test_characters_that_are_not_seen_are_shown_as_blanks(tenant, kind):
    for begin in range(0, len(UNSEEN[kind]), 24):
        some = UNSEEN[kind][begin:begin + 24]
        assert f"in: a{' b' * len(some)}" in refuse_with(tenant, "a" + "".join(f"{one}b" for one in some)), ascii(some)


@pytest.mark.parametrize("words, shown", [
    (b"\xed\xa0\x80b", "???b"), (b"\xff\xfe", "??"), (b"\xc3", "?"), (b"\xe2\x80", "??"), (b"\xf4\x90\x80\x80", "????"), (b"\xc0\x80", "??")],
    ids=["surrogate", "no UTF-8", "cut", "cut later", "beyond", "overlong"])
def test_bytes_that_are_no_characters_are_shown_as_question_marks(tenant, words, shown):
    assert refuse_with(tenant, words).endswith(f"in: {shown}")


def test_words_in_any_language_are_shown_as_they_are_and_cut_between_characters(tenant):
    words = "größe \u6570\u636e\u5e93 \u0431\u0430\u0437\u0430 \u05d0\u05d1 \u0915\u094d\u0937 e\u0301 \U0001f418"

    assert refuse_with(tenant, words).endswith(f"in: {words}")
    assert refuse_with(tenant, "\U0001f418" * 100).endswith(f"in: {chr(0x1f418) * 34}")


def test_words_of_a_server_that_does_not_start_are_shown_in_its_reason(stack):
    tenant = stack.make()
    tenant.sql("ALTER SYSTEM SET shared_preload_libraries = '\u202egnp\u2028.so'")

    assert " gnp .so" in refused(stack.api.restart(tenant.name))
    reason = wait_for(lambda: tenant.view()["reason"], "it says why")
    assert " gnp .so" in reason and reason.isprintable()
    stack.purge(tenant)


# ---- SQLSTATEs ---------------------------------------------------------------------------------

@pytest.mark.parametrize("state", ["28P01XXXXXXXX", "28P01 ", " 28P01", "28P0", "28p01", "28P0\x01", "57P03XXX", "53300X", "3D0000", "\u202e8P01", ""],
                         ids=ascii)
def test_state_that_is_none_means_nothing(tenant, state):
    with hostile.at_port(tenant.port, hostile.refusing(state, "abc"), tenant.directory / "conf"):
        answer = tenant.post()
    assert answer.json()["error"]["code"] == "server_unavailable" and "Retry-After" not in answer.headers
    assert refused(answer).endswith("does not let pgberth in: abc")


@pytest.mark.parametrize("words", ["", " ", "\x01\u2028", "\nmore", None], ids=ascii)
@pytest.mark.parametrize("state, said, status", [("28P01", "no reason given (SQLSTATE 28P01)", 409), ("XX000", "no reason given (SQLSTATE XX000)", 503),
                                                ("28P01X", "no reason given", 503), (None, "no reason given", 503)])
def test_error_without_a_message_says_so(tenant, words, state, said, status):
    error = hostile.message(b"E", b"SFATAL\0" + b"".join(
        kind + value.encode() + b"\0" for kind, value in ((b"C", state), (b"M", words)) if value is not None) + b"\0")
    with hostile.at_port(tenant.port, lambda talk: talk.say(error), tenant.directory / "conf"):
        answer = tenant.post()
    assert answer.status_code == status
    assert refused(answer).endswith(f"does not let pgberth in: {said}")


def test_words_of_a_server_are_one_value_of_the_line(stack, tenant):
    with hostile.at_port(tenant.port, hostile.forging_error, tenant.directory / "conf"):
        said = refused(tenant.post())
    lines = [line for line in stack.log_text().splitlines() if hostile.FORGERY in line]

    assert hostile.FORGERY in said
    assert lines
    for line in lines:
        assert "who" not in fields(line) and "result" not in fields(line), line
        assert any(hostile.FORGERY in value for key, value in fields(line).items() if key), line
