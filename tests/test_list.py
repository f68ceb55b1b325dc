"""GET /api/containers/: pages, filters, and parameters that mean nothing."""
import pytest

from lib.client import assert_error, ok


def test_list_holds_the_instances_as_get_answers_them(shared, api):
    view = shared.view()

    listed = api.listed()[shared.name]

    assert listed == {key: value for key, value in view.items() if key != "status"}


def test_list_without_a_limit_ends_at_once_where_all_fit(shared, api):
    body = ok(api.list())

    assert body["next"] is None
    assert shared.name in [view["storage_dir"] for view in body["containers"]]


def test_label_filter_finds_exactly_those_with_the_label(group, api):
    label, names = group

    assert set(api.listed(label=label)) == set(names.values())


def test_label_filter_with_another_value_finds_none(group, api):
    label, _ = group

    assert ok(api.list(label=label + "x")) == {"status": "OK", "containers": [], "next": None}


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_hold_every_instance_once_in_order(group, api, limit):
    label, names = group
    seen, after = [], {}
    while after is not None:
        page = ok(api.list(label=label, limit=limit, **after))
        assert len(page["containers"]) <= limit
        seen += [view["storage_dir"] for view in page["containers"]]
        after = {"after": page["next"]} if page["next"] else None

    assert seen == sorted(names.values())


def test_after_need_not_name_an_instance_that_exists(group, api):
    label, names = group

    found = ok(api.list(label=label, after="test-"))["containers"]

    assert {view["storage_dir"] for view in found} == set(names.values())


@pytest.mark.parametrize("state", ["running", "stopped", "stored", "failed"])
def test_state_filter_finds_exactly_those_in_the_state(group, api, state):
    label, names = group

    assert list(api.listed(label=label, state=state)) == [name for key, name in names.items() if key == state]


@pytest.mark.parametrize("query, parameter", [
    ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("limit=-1", "limit"),
    ("limit=", "limit"), ("limit=1.0", "limit"), ("limit=1&limit=2", "limit"),
    ("limit=18446744073709551617", "limit"), ("state=asleep", "state"), ("state=", "state"),
    ("label=novalue", "label"), ("after=../x", "after"), ("colour=red", "colour"), ("port=1", "port"),
    ("limit=%00", "limit"),
])
def test_wrong_parameter_is_422_naming_it(api, query, parameter):
    message = assert_error(api.call("GET", f"/containers/?{query}"), 422, "invalid", parameter)

    assert message.startswith(f"{parameter} ")


def test_greatest_limit_is_accepted(api):
    ok(api.list(limit=1000))
