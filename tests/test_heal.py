"""heal = on: what is done to a container by hand is drift, and repaired at once."""
import pathlib

import pytest

from lib.waiting import wait_for

pytestmark = pytest.mark.serial
CONFIGURATION = pathlib.Path("/etc/pgberth/pgberth.conf")


@pytest.fixture
def healing(pgberthd):
    before = CONFIGURATION.read_text()
    CONFIGURATION.write_text(before + "heal = on\n")
    pgberthd.restart()
    yield
    CONFIGURATION.write_text(before)
    pgberthd.restart()


@pytest.mark.parametrize("hand", [lambda container: container.kill(), lambda container: container.stop(),
                                  lambda container: container.remove(force=True)], ids=["kill", "stop", "remove"])
def test_ending_it_by_hand_is_repaired(healing, instance, engine, hand):
    instance.keep_row("precious")
    before = engine.identity(instance.name)

    hand(engine.container(instance.name))

    wait_for(lambda: instance.view()["state"] == "running" and engine.container(instance.name)
             and engine.identity(instance.name) != before, "it runs again", 60)
    assert instance.kept_rows() == ["precious"]
