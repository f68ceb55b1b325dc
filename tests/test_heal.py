"""heal = on: what is done to a container by hand is drift, and repaired at once."""
import pytest

from lib.stack import Stack
from lib.waiting import wait_for


@pytest.fixture(scope="module")
def stack():
    with Stack(heal="on") as stack:
        yield stack


@pytest.mark.parametrize("hand", [lambda container: container.kill(), lambda container: container.stop(),
                                  lambda container: container.remove(force=True)], ids=["kill", "stop", "remove"])
def test_ending_it_by_hand_is_repaired(stack, engine, hand):
    instance = stack.make()
    instance.keep_row("precious")
    before = engine.identity(instance.name)

    hand(engine.container(instance.name))

    wait_for(lambda: instance.view()["state"] == "running" and engine.identity(instance.name) not in (before, None),
             "it runs again", 60)
    assert instance.kept_rows() == ["precious"]
