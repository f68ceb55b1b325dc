"""Which tests run, in which order, and which of them on one worker: what the parts of a run stand on (see the Makefile)."""
import os

import pytest

PARTS = ("quick", "sanitize")
# Those that run alone come first, the seed's before all others.
RANK = {"seed": 0, "serial": 1}
BESIDE_OTHERS = 2


def pytest_addoption(parser):
    parser.addoption("--part", choices=PARTS, help="run only what pytest.ini lists under that name")
    for part in PARTS:
        parser.addini(part, "the tests of this part: files, or files::tests", type="linelist")
    parser.addini("first", "the files that take longest, in that order: the others end sooner", type="linelist")


def rank(item):
    return min((RANK[mark.name] for mark in item.iter_markers() if mark.name in RANK), default=BESIDE_OTHERS)


def is_listed(item, line):
    """A line is a file, or a test of it with or without its parameters."""
    place, _, test = item.nodeid.partition("::")
    file, _, wanted = line.partition("::")
    return place == file and wanted in ("", test, test.partition("[")[0])


def choose(config, items):
    """Drops what is not of the part; a line that no test fits is a mistake in pytest.ini."""
    part = config.getoption("part")
    if not part:
        return
    chosen = {line: [item for item in items if is_listed(item, line)] for line in config.getini(part)}
    nothing = [line for line, of_line in chosen.items() if not of_line]
    if nothing:
        raise pytest.UsageError(f"pytest.ini: {part} names no test: {' '.join(nothing)}")
    wanted = {item for of_line in chosen.values() for item in of_line}
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = [item for item in items if item in wanted]


def module_fixtures(item):
    """The fixtures that it shares with other tests of its file."""
    found = item._fixtureinfo.name2fixturedefs.values()
    return [each[-1].argname for each in found if each[-1].scope == "module"]


def group(items):
    """The tests of a file that share something run on one worker, so that it is made once."""
    for item in items:
        if module_fixtures(item):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def sort(config, items):
    """What is long begins first, or the last worker would be at it when the others have ended."""
    first = {file: place for place, file in enumerate(config.getini("first"))}
    items.sort(key=lambda item: (rank(item), first.get(item.path.name, len(first))))


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(config, items):
    choose(config, items)
    group(items)
    sort(config, items)
    if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1)) > 1:
        for item in items:
            if rank(item) < BESIDE_OTHERS:
                item.add_marker(pytest.mark.skip(reason="runs alone: without -n"))
