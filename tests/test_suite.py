"""The suite itself: beside servers that it has not made it does not run."""
import os
import subprocess
import uuid

import pytest

from lib.client import ok
from lib.recorder import Registry, new_name
from lib.stack import BINARY, REPOSITORY, Stack
from lib.strangers import refusal

ALONE = REPOSITORY / "tests/alone"
OURS = [new_name(), new_name("-copy"), "demo", str(uuid.uuid4())]


@pytest.fixture(scope="module")
def stack():
    """It lists names of ours and two of somebody's: for that a directory will do."""
    with Stack() as stack:
        stack.kill()
        for name in [*OURS, "shop", "demo-2"]:
            (stack.settings.instances / name).mkdir()
        stack.start()
        yield stack


def alone(stack, **env):
    return subprocess.run([ALONE, stack.api.base], env={**os.environ, "FORCE": "", **env}, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)


def test_strangers_are_named_and_nothing_runs(stack):
    done = alone(stack)

    assert done.returncode == 1
    assert ":\n  demo-2 (failed)\n  shop (failed)\n" in done.stderr
    assert "FORCE=1" in done.stderr


def test_force_runs_beside_strangers(stack):
    done = alone(stack, FORCE="1")

    assert (done.returncode, done.stderr) == (0, "")


def test_names_that_tests_wrote_down_are_theirs(stack, tmp_path):
    registry = Registry(tmp_path / "names")
    registry.add("shop")
    registry.add("demo-2")

    assert refusal(stack.api, registry, is_forced=False) is None


def test_host_with_tokens_is_nobodys_to_test():
    with Stack() as stack:
        ok(stack.api.list())
        subprocess.run([BINARY.parent / "pgberth", "token", "add", "-c", stack.run / "pgberth.conf", "x", "--scope", "read"],
                       check=True, capture_output=True)

        for done in (alone(stack), alone(stack, FORCE="1")):
            assert done.returncode == 1
            assert "token" in done.stderr


def test_every_run_of_make_looks_before_it_installs():
    for target in ("test", "quick", "asan", "tsan"):
        said = subprocess.run(["make", "-n", "-C", REPOSITORY, target], check=True, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL).stdout

        assert 0 < said.find("tests/alone") < said.find("install -m 755"), target
