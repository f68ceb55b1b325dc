"""The fuzzers' corpus, all that they ever stumbled over included, goes through their harnesses once; `make fuzz` looks for more."""
import subprocess

import pytest

from lib.stack import REPOSITORY

CORPUS = REPOSITORY / "tests/fuzz/corpus"
HARNESSES = sorted(path.stem for path in CORPUS.parent.glob("*.c") if path.stem != "replay")


@pytest.fixture(scope="module")
def harnesses():
    """Where they are, built with gcc's sanitizers."""
    subprocess.run(["make", "-j2", "-C", REPOSITORY / "app", "SAN=address", "fuzzers"], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return REPOSITORY / "app/build/asan"


@pytest.mark.parametrize("name", HARNESSES)
def test_corpus_breaks_nothing(harnesses, name):
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs, "a harness has a corpus"

    run = subprocess.run([harnesses / f"fuzz_{name}", *inputs], capture_output=True, text=True, errors="replace",
                         env={"UBSAN_OPTIONS": "halt_on_error=1"})

    assert run.returncode == 0, run.stderr[-5000:]


def test_every_corpus_has_its_harness():
    assert sorted(path.name for path in CORPUS.iterdir()) == HARNESSES
