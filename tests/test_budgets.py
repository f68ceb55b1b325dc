"""More changing calls than the budget of 64 are refused at once; reads still get through. Neither one token nor two have all
of it."""
import concurrent.futures
import contextlib

import pytest

from lib.client import assert_error, ok
from lib.concurrency import at_once
from lib.engine_proxy import EngineProxy, hang
from lib.guarded import Guarded
from lib.stack import Stack
from lib.waiting import wait_for


def test_calls_over_the_budget_are_429_with_retry_after_and_reads_are_not():
    with Stack() as stack:
        instance = stack.new()

        responses = at_once([instance.post] * 150 + [stack.api.list] * 20)

        changes, reads = responses[:150], responses[150:]
        assert [response.status_code for response in reads] == [200] * 20
        assert {response.status_code for response in changes} == {200, 429}
        for response in changes:
            if response.status_code == 429:
                assert_error(response, 429, "too_many_requests")
                assert int(response.headers["Retry-After"]) > 0
        instance.port = instance.view()["port"]
        assert instance.value("SELECT 1") == 1


@pytest.fixture(scope="module")
def three():
    """A pgberth with three tokens: its engine, and for each the API as it sees it and a server."""
    with EngineProxy() as engine, Guarded(engine_socket=engine.path) as stack:
        callers = [stack.caller(stack.token("add", name, "--scope", "write")) for name in ("greedy", "modest", "third")]
        stack.api = callers[0]
        made = []
        for caller in callers:
            instance = stack.make()
            instance.api = caller
            made.append(instance)
        yield engine, *made


def over_the_share(calls):
    return [call.result() for call in calls if call.done() and call.result().status_code == 429]


def test_token_whose_changes_all_wait_leaves_room_to_another(three):
    engine, greedy, modest, _ = three

    def change():
        return greedy.api.patch(greedy.name, labels={"of": "greedy"})

    with concurrent.futures.ThreadPoolExecutor(80) as pool:
        with engine.fault("GET", greedy.name, hang):
            waiting = [pool.submit(change) for _ in range(80)]
            # 56 of them wait; as many as are too many are answered at once.
            refused = wait_for(lambda: (those := over_the_share(waiting)) and len(those) >= 80 - 56 and those,
                               "those over its share are answered")
            for _ in range(3):
                ok(modest.api.patch(modest.name, labels={"of": "modest"}))
            ok(modest.api.get(greedy.name))
        answers = [one.result() for one in waiting]

    for response in refused:
        assert "of this token" in assert_error(response, 429, "too_many_requests")
        assert int(response.headers["Retry-After"]) > 0
    assert {answer.status_code for answer in answers} <= {200, 409, 429, 503}
    ok(change())


def test_two_tokens_whose_changes_all_wait_leave_room_to_a_third(three):
    engine, *greedy, modest = three

    def change(instance):
        return instance.api.patch(instance.name, labels={"of": "greedy"})

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        with contextlib.ExitStack() as hanging:
            waiting = []
            for instance, calls in zip(greedy, (70, 20)):
                hanging.enter_context(engine.fault("GET", instance.name, hang))
                of_token = [pool.submit(change, instance) for _ in range(calls)]
                # 56 of the 64 places for the first, and 7 of the 8 that it leaves.
                wait_for(lambda: len(over_the_share(of_token)) >= calls - (56 if calls == 70 else 7), "the others are answered")
                waiting += of_token
            for _ in range(3):
                ok(modest.api.patch(modest.name, labels={"of": "modest"}))
        answers = [one.result() for one in waiting]

    assert {answer.status_code for answer in answers} <= {200, 409, 429, 503}


def test_50_at_once_of_one_token_on_one_name_are_served(three):
    _, greedy, *_ = three

    assert [answer.status_code for answer in at_once([greedy.post] * 50)] == [200] * 50
