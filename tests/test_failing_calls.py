"""Every allocation, fsync, rename, write and open of pgberthd fails in turn; then descriptors and inodes run out."""
import contextlib
import dataclasses
import errno
import functools
import itertools
import json
import mmap
import os
import pathlib
import resource
import shutil
import struct
import subprocess

import psycopg2
import pytest
import requests

from lib.client import assert_error, ok
from lib.concurrency import at_once
from lib.daemon import ServiceLog
from lib.engine import Engine
from lib.stack import BINARY, Stack, without_sanitizer
from lib.leftovers import Leftovers, discard
from lib.waiting import wait_for

pytestmark = without_sanitizer

# All calls in turn take an hour or two; without this, one of each place that calls, and samples of the rest.
FULL = os.environ.get("PGBERTH_TORTURE") == "full"
SOURCE = pathlib.Path(__file__).resolve().parent / "failing/preload.c"
SHORT = 0
FILE_ERRORS = (errno.EIO, errno.ENOSPC, errno.EINTR)
ERRORS = {"allocation": (errno.ENOMEM,), "fsync": (errno.EIO, errno.ENOSPC), "rename": FILE_ERRORS,
          "write": (*FILE_ERRORS, SHORT), "open": FILE_ERRORS}
FILE_CALLS = ("fsync", "rename", "write", "open")
LABELS = {"now": "given", "and": "more"}
# Blocks that may come and stay: 50 to 80 for each thread that uses libcurl, libpq or OpenSSL for the first time.
BLOCKS_KEPT = 500
# And descriptors: libcurl's pair of sockets, for each of the 4 workers, 4 reconcilers and what else calls the engine.
FILES_KEPT = 24


# ---- what fails --------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Turn:
    """What is to fail: the nth call of its kind, of all or of one site; with lasting, all that follow, too."""
    kind: str
    nth: int
    site: int = 0
    error: int = errno.ENOMEM
    lasting: bool = False


class Fault:
    """The file that pgberthd maps through failing/preload.c: struct fault."""

    KINDS = ("nothing", "allocation", "fsync", "rename", "write", "open")
    FIELDS = ("kind", "at", "site", "lasting", "error", "depth", "survey", "calls", "fired", "blocks",
              *(f"frame{i}" for i in range(6)), "site_count")
    SITES_MAX = 4096
    DEPTH = 3

    def __init__(self, path, binary):
        self.path, self.binary = path, binary
        path.write_bytes(bytes(8 * (len(self.FIELDS) + self.SITES_MAX)))
        with path.open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)
        self["depth"] = self.DEPTH

    def __getitem__(self, field):
        return struct.unpack_from("<q", self.memory, 8 * self.FIELDS.index(field))[0]

    def __setitem__(self, field, value):
        struct.pack_into("<q", self.memory, 8 * self.FIELDS.index(field), value)

    def _begin(self, kind, **fields):
        for field in ("at", "site", "lasting", "error", "survey", "calls", "fired"):
            self[field] = int(fields.get(field, 0))
        self["kind"] = self.KINDS.index(kind)

    @contextlib.contextmanager
    def during(self, turn):
        self._begin(turn.kind, at=turn.nth, site=turn.site, error=turn.error, lasting=turn.lasting)
        try:
            yield
        finally:
            self["kind"] = 0

    @contextlib.contextmanager
    def surveyed(self, kind):
        """Nothing fails, but calls are counted and the sites that they come from noted."""
        self["site_count"] = 0
        self._begin(kind, survey=1)
        try:
            yield
        finally:
            self["kind"] = 0

    def sites(self):
        return struct.unpack_from(f"<{self['site_count']}q", self.memory, 8 * len(self.FIELDS))

    def where(self):
        """Where in pgberthd the first failing call came from."""
        frames = [hex(self[f"frame{i}"] - 1) for i in range(6) if self[f"frame{i}"]]
        told = subprocess.run(["addr2line", "-sfpe", self.binary, *frames], capture_output=True, text=True)
        return told.stdout or " ".join(frames)


# ---- who suffers it ----------------------------------------------------------------------------

class Sufferer(Stack):
    """A pgberthd with the library preloaded, and a server in it that must notice nothing."""

    def __init__(self, directory, **options):
        library = directory / "preload.so"
        subprocess.run(["gcc", "-std=gnu17", "-O1", "-Wall", "-Werror", "-fno-builtin", "-fno-optimize-sibling-calls",
                        "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        self.failing = Fault(directory / "fault", BINARY)
        self.looked_at = 0
        super().__init__(env={"LD_PRELOAD": str(library), "FAILING_CALLS": str(self.failing.path)},
                         **{"workers": 4, "changes": 3, "start_timeout": 20, "stop_timeout": 20, **options})

    def __enter__(self):
        super().__enter__()
        try:
            self.leftovers = Leftovers(self.api, Engine(), self.settings)
            self.neighbour = self.make(labels={"next": "door"})
            self.neighbour.keep_row("untouched")
            self.neighbour_view = self.neighbour.view()
            self.neighbour_began = self.neighbour.postmaster_started()
            self.warm_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def story(self, turn, response):
        """What a failure tells of a turn."""
        tail = "\n".join(self.log_text().splitlines()[-12:])
        return f"{response.status_code} {response.text}\n{turn} fired {self.failing['fired']} times, first at\n" \
            f"{self.failing.where()}\n{tail}"

    def left_of(self, name):
        return self.leftovers.of(name) + [str(path) for path in self.settings.staging.iterdir()]

    def assert_lives(self, story):
        assert self.process.poll() is None, f"pgberthd died: {story()}"
        assert self.new_lines_of_crash() == [], story()
        assert self.neighbour.view() == self.neighbour_view, story()

    def new_lines_of_crash(self):
        """Of the lines that were not looked at yet."""
        with self.log.open(errors="replace") as log:
            log.seek(self.looked_at)
            lines = log.readlines()
            self.looked_at = log.tell()
        return [line for line in lines if ServiceLog.CRASH.search(line)]

    def assert_neighbour_is_untouched(self):
        assert self.neighbour.view() == self.neighbour_view
        assert self.neighbour.kept_rows() == ["untouched"]
        assert self.neighbour.postmaster_started() == self.neighbour_began

    def assert_well(self):
        """As good as new: what was there is there, in the next process too, and all calls work."""
        for restart in (False, True):
            if restart:
                self.restart()
                wait_for(lambda: self.neighbour.view()["state"] == "running", "the neighbour is found again", 60)
            self.assert_neighbour_is_untouched()
            self.cycle()

    def cycle(self):
        """A whole life, without a fault."""
        instance = self.make(labels=LABELS)
        ok(self.api.list())
        ok(self.api.patch(instance.name, labels={}))
        instance.password = "another"
        ok(self.api.put_password(instance.name, instance.password))
        assert instance.value("SELECT 1") == 1
        self.purge(instance)
        assert self.left_of(instance.name) == [str(path) for path in instance.trashed()]
        self.empty_trash()

    def warm(self):
        instance = self.make()
        ok(self.api.stop(instance.name))
        instance.create()
        self.purge(instance)

    def empty_trash(self):
        for path in self.settings.trash.iterdir():
            discard(path)

    def warm_up(self):
        """Each worker has had its turn, and what it keeps for good."""
        for _ in range(2):
            at_once([self.warm] * 3)  # as many as there may be at once
        self.empty_trash()
        self.cycle()

    @contextlib.contextmanager
    def flat(self):
        """Blocks and descriptors afterwards are as many as before, and the neighbour is as it was."""
        blocks, files = self.failing["blocks"], self.proc().open_files()
        yield
        self.cycle()
        grown = self.failing["blocks"] - blocks
        assert grown < BLOCKS_KEPT
        wait_for(lambda: self.proc().open_files() < files + FILES_KEPT, "no descriptor is left open")
        self.assert_neighbour_is_untouched()


@pytest.fixture(scope="module")
def sufferer(tmp_path_factory):
    with Sufferer(tmp_path_factory.mktemp("failing")) as stack:
        yield stack
        stack.assert_well()


def all_in_turn(fault, kind, **how):
    """The 1st, the 2nd, … until nothing failed any more."""
    for nth in itertools.count(1):
        yield Turn(kind, nth, **how)
        if not fault["fired"]:
            return


def growing(count):
    nth = 1
    while nth <= count:
        yield nth
        nth += 1 + nth


def turns(trial, kind):
    """Turns that cover what the trial does; it is made once, to see that."""
    fault, errors = trial.stack.failing, itertools.cycle(ERRORS[kind])
    if FULL:
        for error in ERRORS[kind]:
            yield from all_in_turn(fault, kind, error=error)
        return
    trial.prepare()
    with fault.surveyed(kind):
        answer = trial.call()
    sites = fault.sites()
    trial.judge_ok(ok(answer), lambda: "without a fault")
    yield from (Turn(kind, 1, site, error=next(errors)) for site in sites)
    yield from (Turn(kind, nth, error=next(errors)) for nth in growing(fault["calls"]))


def suffer(trial, turns):
    """The trial is made in every turn, and judged."""
    stack, fault = trial.stack, trial.stack.failing
    for turn in turns:
        trial.prepare()
        with fault.during(turn):
            response = trial.call()
        story = functools.partial(stack.story, turn, response)  # told only when something is wrong
        stack.assert_lives(story)
        if response.status_code == 200:
            # Where there is no space, pgberthd may make some and write again; nothing else is tried twice.
            assert turn.kind != "fsync" or turn.error == errno.ENOSPC or not fault["fired"], story()
            try:
                trial.judge_ok(response.json(), story)
            except ValueError:
                raise AssertionError(story()) from None
        else:
            assert_refused(response, story)
            trial.judge_refused(story)


def assert_refused(response, story):
    """A typed error that says that this is pgberth's fault, not the client's."""
    assert response.status_code in (500, 503, 507), story()
    body = response.json()
    assert body["status"] == "ERROR" and body["error"]["code"] and body["error"]["message"], story()


# ---- the trials --------------------------------------------------------------------------------

class Read:
    """An answer is whole, or an error."""

    def __init__(self, stack, path):
        self.stack, self.path = stack, path
        self.right = self.without_what_changes(ok(self.call()))

    def prepare(self):
        pass

    def call(self):
        return self.stack.api.call("GET", self.path)

    def judge_ok(self, body, story):
        assert self.without_what_changes(body) == self.right, story()

    def judge_refused(self, story):
        pass

    @staticmethod
    def without_what_changes(body):
        return {key: value for key, value in body.items() if key != "storage"}


class Trial:
    def __init__(self, stack):
        self.stack, self.api = stack, stack.api
        self.instance = stack.make(labels=LABELS)
        self.instance.keep_row("kept")

    def prepare(self):
        pass

    def recorded(self):
        return json.loads((self.instance.directory / "instance.json").read_text())

    def end(self):
        self.stack.purge(self.instance)
        self.stack.empty_trash()


class Create(Trial):
    """Always of one name, at one port: whatever one leaves stands in the way of the next."""

    def __init__(self, stack):
        super().__init__(stack)
        super().end()

    def call(self):
        return self.instance.post(labels=LABELS)

    def judge_ok(self, body, story):
        assert self.instance.value("SELECT 1") == 1, story()
        assert body["labels"] == self.recorded()["labels"] == LABELS, story()
        assert self.instance.view() == body, story()
        assert {"status": "OK", **self.api.listed()[self.instance.name]} == body, story()
        super().end()

    def judge_refused(self, story):
        if "out of memory" in story() and self.is_finished():
            self.judge_ok(ok(self.call()), story)
        wait_for(lambda: not self.stack.left_of(self.instance.name), f"nothing is left: {story()}", 60)

    def is_finished(self):
        """All was done, but no memory was left to say so."""
        answer = self.api.get(self.instance.name)
        return answer.status_code == 200 and answer.json()["state"] == "running" and self.recorded()["acknowledged"]

    def end(self):
        assert self.stack.left_of(self.instance.name) == []


class Purge(Trial):
    """What it refuses is all there still, and comes back."""

    is_gone = False

    def prepare(self):
        if self.is_gone:
            self.instance.create(labels=LABELS)
            self.instance.keep_row("kept")
        self.is_gone = False

    def call(self):
        return self.api.delete(self.instance.name, purge=True)

    def judge_ok(self, body, story):
        self.is_gone = True
        trashed = [str(path) for path in self.instance.trashed()]
        assert len(trashed) == 1 and self.stack.left_of(self.instance.name) == trashed, story()
        self.stack.empty_trash()

    def judge_refused(self, story):
        if "out of memory" in story() and self.api.get(self.instance.name).status_code == 404:
            self.judge_ok({}, story)  # all was done, but no memory was left to say so
            return
        assert self.instance.view()["labels"] == LABELS, story()
        body = self.instance.create()
        assert body["labels"] == LABELS, story()
        assert self.instance.kept_rows() == ["kept"], story()

    def end(self):
        self.prepare()
        super().end()


class SetPassword(Trial):
    """The new one after a success, else the old one or the new; never both, never none."""

    def prepare(self):
        self.new = f"pw-{next(NUMBERS)}"

    def call(self):
        return self.api.put_password(self.instance.name, self.new)

    def lets_in(self):
        return [password for password in (self.instance.password, self.new) if self.logs_in(password)]

    def logs_in(self, password):
        try:
            return self.instance.value("SELECT 1", password=password) == 1
        except psycopg2.OperationalError as error:
            assert "authentication failed" in str(error)
            return False

    def judge_ok(self, body, story):
        assert self.lets_in() == [self.new], story()
        self.instance.password = self.new

    def judge_refused(self, story):
        self.instance.password, = self.lets_in()


class SetLabels(Trial):
    """The new ones after a success, else one of both: in the record as in every answer."""

    def __init__(self, stack):
        super().__init__(stack)
        self.labels = LABELS

    def prepare(self):
        self.new = {"number": str(next(NUMBERS)), "and": "more"}

    def call(self):
        return self.api.patch(self.instance.name, labels=self.new)

    def judge_ok(self, body, story):
        assert body["labels"] == self.new, story()
        self.labels = self.new
        self.judge_refused(story)

    def judge_refused(self, story):
        assert self.recorded()["labels"] == self.instance.view()["labels"] in (self.labels, self.new), story()
        self.labels = self.recorded()["labels"]


NUMBERS = itertools.count(1)
CHANGES = [pytest.param(Create, id="create", marks=pytest.mark.slow),
           pytest.param(Purge, id="purge", marks=pytest.mark.slow),
           pytest.param(SetPassword, id="password", marks=pytest.mark.slow), pytest.param(SetLabels, id="labels")]


# ---- one call fails ----------------------------------------------------------------------------

@pytest.mark.parametrize("path, lasting", [
    ("/containers/", False), pytest.param("/containers/", True, marks=pytest.mark.slow),
    pytest.param("/containers/?label=next=door", False, marks=pytest.mark.slow),
    pytest.param("/containers/?label=next=door", True, marks=pytest.mark.slow),
    pytest.param("/containers/{name}/", False, marks=pytest.mark.slow), pytest.param("/containers/{name}/", True, marks=pytest.mark.slow),
    pytest.param("/health", False, marks=pytest.mark.slow)])
def test_read_is_whole_or_refused_whichever_allocation_fails(sufferer, path, lasting):
    read = Read(sufferer, path.format(name=sufferer.neighbour.name))
    with sufferer.flat():
        suffer(read, all_in_turn(sufferer.failing, "allocation", lasting=lasting))
        read.judge_ok(ok(read.call()), lambda: "without a fault")


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["allocation", "file calls"])
def test_change_is_made_or_refused_whichever_call_fails(sufferer, change, kind):
    kinds = FILE_CALLS if kind == "file calls" else [kind]
    with sufferer.flat():
        trial = change(sufferer)
        for each in kinds:
            suffer(trial, turns(trial, each))
        trial.end()


@pytest.mark.parametrize("change", CHANGES)
def test_change_is_made_or_refused_while_memory_is_gone(sufferer, change):
    with sufferer.flat():
        trial = change(sufferer)
        suffer(trial, (Turn("allocation", nth, lasting=True) for nth in growing(1500)))
        trial.end()


# ---- something is used up ----------------------------------------------------------------------
# Not the address space: libfcgi, whose every malloc() is followed by an assert(), would end the process.

class Plain(Stack):
    """Without the library: the kernel does the refusing."""

    def __init__(self, **options):
        super().__init__(**{"workers": 4, "changes": 3, "start_timeout": 20, "stop_timeout": 20, **options})

    @contextlib.contextmanager
    def limited(self, which, count):
        """pgberthd may have that much of it, meanwhile."""
        before = resource.prlimit(self.process.pid, which)
        resource.prlimit(self.process.pid, which, (count, before[1]))
        try:
            yield
        finally:
            resource.prlimit(self.process.pid, which, before)

    def left_of(self, name):
        staging = [str(path) for path in self.settings.staging.iterdir()]
        return Leftovers(self.api, Engine(), self.settings).of(name) + staging

    def assert_lives(self):
        assert not self.is_dead(), self.log_text()
        assert [line for line in self.log_text().splitlines() if ServiceLog.CRASH.search(line)] == []

    def judge_create(self, response, instance):
        """It works, or there is nothing."""
        self.assert_lives()
        if response.status_code == 200:
            assert instance.value("SELECT 1", port=response.json()["port"]) == 1
            self.purge(instance)
            discard_all(self.settings.trash)
        else:
            assert_refused(response, lambda: f"{response.status_code} {response.text}")
            wait_for(lambda: not self.left_of(instance.name), f"nothing is left: {response.text}", 60)


def discard_all(directory):
    for path in directory.iterdir():
        discard(path)


def test_create_works_or_leaves_nothing_however_few_descriptors_there_are():
    with Plain() as stack:
        neighbour = stack.make()
        instance = stack.new()
        for spare in range(2, 24, 1 if FULL else 3):
            in_use = wait_for(stack.proc().open_files, "descriptors in use")
            with stack.limited(resource.RLIMIT_NOFILE, in_use + spare):
                response = instance.post()
                assert ok(stack.api.get(neighbour.name))["state"] == "running"
            stack.judge_create(response, instance)
        assert neighbour.value("SELECT 1") == 1
        instance.create()


def test_request_waits_while_64_descriptors_are_too_few_for_all_workers():
    with Plain(workers=96, changes=64) as stack:
        neighbour = stack.make()
        with stack.limited(resource.RLIMIT_NOFILE, 64):
            with pytest.raises(requests.exceptions.ReadTimeout):
                stack.api.on("GET", neighbour.name, timeout=2)
            stack.assert_lives()
        wait_for(lambda: stack.api.get(neighbour.name).status_code == 200, "it answers again")
        stack.make()


@contextlib.contextmanager
def inodes_left(directory, count):
    """All but so many inodes of its file system are used up by empty files."""
    crowd = directory / "crowd"
    crowd.mkdir()
    try:
        for number in range(os.statvfs(directory).f_favail - count):
            os.close(os.open(crowd / str(number), os.O_CREAT))
        yield
    finally:
        shutil.rmtree(crowd)


@pytest.mark.parametrize("left", [0, *(pytest.param(left, marks=pytest.mark.slow) for left in (3, 9, 200))])
def test_create_without_inodes_is_507_and_leaves_nothing(left):
    with Plain(size_mb=256) as stack:
        neighbour = stack.make()
        view = neighbour.view()
        instance = stack.new()

        with inodes_left(stack.root, left):
            assert_error(instance.post(), 507, "no_space")
            wait_for(lambda: not stack.left_of(instance.name), "nothing is left")
            # Sooner or later the neighbour tells that the disk is full; nothing else about it changes.
            assert {**neighbour.view(), "reason": None} == view
            assert neighbour.value("SELECT 1") == 1
            assert neighbour.name in stack.api.listed()

        stack.assert_lives()
        instance.create()
        assert instance.value("SELECT 1") == 1
