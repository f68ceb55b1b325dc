"""Records that pgberthd finds at its start: broken ones are shown and left as they are, others are understood, whoever wrote them."""
import json

import pytest

from lib.client import assert_error, ok
from lib.concurrency import at_once


@pytest.fixture
def instance(precious):
    return precious


@pytest.fixture
def stopped(stack):
    """A function giving so many stopped servers with a row in each."""
    made = []

    def make(count):
        made.extend(at_once([stack.make] * count))
        for instance in made:
            instance.keep_row("precious")
            ok(stack.api.stop(instance.name))
        return made

    yield make
    for instance in made:
        stack.api.delete(instance.name, purge=True)


BROKEN = {
    "torn": lambda text: text[:len(text) // 2],
    "empty": lambda text: "",
    "no_json": lambda text: "hello",
    "unknown_format": lambda text: text.replace('"format": 1', '"format": 99'),
    "another_name": lambda text: text.replace('"storage_dir": "test', '"storage_dir": "other'),
    "wrong_type": lambda text: text.replace('"uid": ', '"uid": "x", "was": '),
    "out_of_range": lambda text: text.replace('"wanted": "stopped"', '"wanted": "gone"'),
}


def test_broken_record_is_shown_and_left_as_it_is(stack, stopped):
    instances = dict(zip(BROKEN, stopped(len(BROKEN))))
    paths = {how: instance.directory / "instance.json" for how, instance in instances.items()}
    good = {how: path.read_text() for how, path in paths.items()}
    stack.kill()
    for how, breaking in BROKEN.items():
        paths[how].write_text(breaking(good[how]))
    broken = {how: path.read_bytes() for how, path in paths.items()}

    stack.start()

    for how, instance in instances.items():
        view = instance.view()
        assert view["state"] == "failed", how
        assert "left as it is" in view["reason"], how
        assert instance.name in stack.api.listed(state="failed"), how
        for answer in (instance.post(), stack.api.start(instance.name), stack.api.delete(instance.name, purge=True),
                       stack.api.patch(instance.name, labels={}), stack.api.put_password(instance.name, "x")):
            assert_error(answer, 409, "foreign_data", "storage_dir")
        assert paths[how].read_bytes() == broken[how], how
        assert instance.pgdata.is_dir(), how
    # Mended by hand, it is as good as ever.
    stack.kill()
    for how, path in paths.items():
        path.write_text(good[how])
    stack.start()
    for how, instance in instances.items():
        ok(stack.api.start(instance.name))
        assert instance.kept_rows() == ["precious"], how


def test_record_of_an_older_pgberth_is_understood(stack, instance):
    stack.kill()
    record = instance.record()
    for member in ("icu", "expires_at", "expire_purge", "stopped_at", "allow", "tls", "disk_mb"):
        del record[member]
    (instance.directory / "instance.json").write_text(json.dumps(record))

    stack.start()

    instance.becomes("running")
    assert instance.kept_rows() == ["precious"]


def test_members_of_a_later_pgberth_stay_in_the_record(stack, instance):
    stack.kill()
    instance.write_record(colour="blue", tls="required")
    stack.start()

    ok(stack.api.patch(instance.name, labels={"a": "b"}, tls="offered"))

    assert (instance.record()["colour"], instance.record()["tls"]) == ("blue", "offered")
    assert instance.record()["labels"] == {"a": "b"}


def test_data_sorted_by_another_library_are_refused(stack, stopped):
    instances = dict(zip(("libc", "icu"), stopped(2)))
    good = {member: instance.record()[member] for member, instance in instances.items()}
    stack.kill()
    for member, instance in instances.items():
        instance.write_record(**{member: "1.0"})
    stack.start()

    for member, instance in instances.items():
        message = assert_error(stack.api.start(instance.name), 409, "foreign_data", "storage_dir")
        assert "1.0" in message and good[member] in message, member

    stack.kill()
    for member, instance in instances.items():
        instance.write_record(**{member: good[member]})
    stack.start()
    for instance in instances.values():
        ok(stack.api.start(instance.name))
