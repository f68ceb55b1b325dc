"""More changing calls than the budget of 64 are refused at once; reads still get through."""
import pytest

from berth import assert_error
from crowd import at_once

pytestmark = pytest.mark.serial


def test_calls_over_the_budget_are_429_with_retry_after_and_reads_are_not(new_instance, api):
    instance = new_instance()

    responses = at_once([instance.post] * 150 + [api.list] * 20)

    changes, reads = responses[:150], responses[150:]
    assert [response.status_code for response in reads] == [200] * 20
    assert {response.status_code for response in changes} == {200, 429}
    for response in changes:
        if response.status_code == 429:
            assert_error(response, 429, "too_many_requests")
            assert int(response.headers["Retry-After"]) > 0
    assert instance.value("SELECT 1") == 1
