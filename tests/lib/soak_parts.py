"""Parts of `make soak`, which run side by side: each class owns a thread, whose turns repeat until the run is over."""
import collections
import contextlib
import datetime
import itertools
import os
import random
import secrets
import shutil
import signal
import statistics
import subprocess
import threading
import time

import docker
import psycopg2
import requests

from lib.client import Instance
from lib.concurrency import at_once
from lib.engine import Engine, Process
from lib.recorder import new_name
from lib.waiting import wait_for

# Every password begins so. Of a length that base64 does not blur.
CANARY = f"canary{secrets.token_hex(9)}"
SETTLES = 60  # seconds, from when pgberthd serves again
STABLE = ("running", "stopped", "stored", "gone")
PAUSE = 0.2


class Ledger:
    """Counts of events, and violations of what must hold."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.broken = []  # (time, what, the names that it is about)
        self.boots = []

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] += number

    def breaks(self, what, *names):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")[:-6]
        with self.lock:
            self.broken.append((now, what, names))
        print(f"BROKEN {now} {' '.join(names)} {what}", flush=True)


class Soak:
    """The private stack under load, and whether it is up just now."""

    def __init__(self, stack, seed):
        self.stack, self.api, self.seed = stack, stack.api, seed
        self.engine = Engine()
        self.ledger = Ledger()
        self.flat = Flat(self)
        self.lock = threading.Lock()
        self.storm, self.over, self.up = threading.Event(), threading.Event(), threading.Event()
        self.flying = collections.Counter()  # changing calls without an answer, by kind; under lock
        self.epoch = 0  # how often pgberthd or the engine was taken away; under lock
        self.since = time.monotonic()  # when it last came back
        self.up.set()

    def random(self, role):
        return random.Random(f"{self.seed} {role}")

    # ---- asking ------------------------------------------------------------------------------

    def _take_off(self, kind):
        """The epoch that a call begins in; never while pgberthd is away."""
        while True:
            self.up.wait(SETTLES)
            with self.lock:
                if self.up.is_set():
                    self.flying[kind] += 1
                    return self.epoch

    def ask(self, kind, name, call):
        """The answer to a changing call; None when it says nothing about what was done."""
        epoch = self._take_off(kind)
        answer = None
        try:
            with contextlib.suppress(requests.RequestException):
                answer = call()
        finally:
            with self.lock:
                self.flying[kind] -= 1
                is_alone = epoch == self.epoch
        status = "none" if answer is None else answer.status_code
        self.ledger.count(f"answer {status}")
        if answer is not None and answer.status_code < 500 and answer.status_code != 429:
            return answer
        if answer is not None and answer.status_code == 503 and answer.json()["error"]["code"] == "starting":
            return None  # its server is on its way up: ask again
        if is_alone:
            said = "no answer" if answer is None else answer.text.strip()
            self.ledger.breaks(f"{kind}: {status} without a reason: {said[:400]}", name)
        return None

    def view(self, name):
        """The answer to GET; {"state": "gone"} for 404, None without an answer."""
        with contextlib.suppress(requests.RequestException):
            answer = self.api.get(name)
            if answer.status_code == 404:
                return {"state": "gone", "port": None}
            if answer.status_code == 200:
                return answer.json()
        return None

    def until(self, condition, why, timeout=SETTLES):
        """Like wait_for(); the time begins again whenever pgberthd was away."""
        began = time.monotonic()
        while True:
            answer = condition()
            if answer:
                return answer
            late = time.monotonic() - max(began, self.since)
            assert late < timeout or not self.up.is_set(), f"waited {timeout} s in vain: {why}"
            time.sleep(PAUSE)

    def settled(self, name, among):
        """The instance's view once its state is a lasting one, which must be one of these."""
        seen = []

        def look():
            view = self.view(name)
            seen.append(view and (view["state"], view.get("reason")))
            return view and view["state"] in STABLE and view

        try:
            view = self.until(look, "it is finished or undone")
        except AssertionError as error:
            raise AssertionError(f"I2: {error}; it is {seen[-1]}") from error
        assert view["state"] in among, f"I2: it is {view['state']} ({view.get('reason')}), not one of {sorted(among)}"
        return view

    def new(self, suffix=""):
        instance = Instance(self.api, self.stack.settings, new_name(suffix), None)
        instance.password = new_password()
        return instance

    # ---- what is there -----------------------------------------------------------------------

    def containers(self, **options):
        """The engine's list of this stack's containers; a snapshot, once the engine is there."""
        filters = {"label": f"pgberth.root={self.stack.root}"}
        return wait_for(lambda: self.listed_by_engine(filters=filters, **options), "the engine lists", 90)[0]

    def listed_by_engine(self, **options):
        with contextlib.suppress(requests.ConnectionError):
            return [self.engine.client.api.containers(**options)]
        return None

    def kept_ports(self):
        """Ports that the engine listens on for no container, for longer than a start takes."""
        kept = set(self.stack.ports)
        for _ in range(8):
            sockets = subprocess.run(["ss", "-Hltnp"], check=True, capture_output=True, text=True).stdout.splitlines()
            listened = {int(line.split()[3].rpartition(":")[2]) for line in sockets if '"dockerd"' in line}
            published = {port["PublicPort"] for each in self.containers() for port in each["Ports"]
                         if "PublicPort" in port}
            kept &= listened - published
            time.sleep(0.5)
        return kept

    def engine_says(self, name):
        return [f"{each['Id'][:12]} {each['State']} ({each['Status']})" for each in self.containers(all=True)
                if each["Labels"]["pgberth.storage_dir"] == name]

    def leftovers(self, name):
        """Traces of a name that is gone."""
        left = [str(path) for path in self.stack.settings.instances.iterdir() if path.name == name]
        return left + self.engine_says(name)

    def assert_nothing_is_left(self, name):
        with contextlib.suppress(AssertionError):
            self.until(lambda: not self.leftovers(name), "nothing is left")
        left = self.leftovers(name)
        assert not left, f"I2: 404, and yet there is {left}"

    def trashed(self, name):
        return [path for path in self.stack.settings.trash.iterdir() if path.name.startswith(f"{name}.")]

    def empty_trash(self, name):
        for path in self.trashed(name):
            self.ask("empty", name, lambda path=path: self.api.call("DELETE", f"/trash/{path.name}"))

    # ---- taking pgberthd away ----------------------------------------------------------------

    @contextlib.contextmanager
    def away(self):
        """pgberthd, or what it needs, is taken away; gives the number of changes in flight."""
        with self.lock:
            self.up.clear()
            self.epoch += 1
            flying = self.flying.total()
        yield flying
        self.since = time.monotonic()
        self.up.set()


def new_password():
    return f"{CANARY}-{secrets.token_hex(6)}"


def visit(instance, rows):
    """Log in, find every row that was acknowledged, and leave another."""
    with contextlib.closing(instance.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW cluster_name")
        assert cursor.fetchone()[0] == instance.name, "I1: another server answers"
        cursor.execute("CREATE TABLE IF NOT EXISTS kept (line text)")
        cursor.execute("SELECT line FROM kept")
        missing = rows - {line for line, in cursor.fetchall()}
        assert not missing, f"I1: rows are missing: {sorted(missing)[:5]}"
        line = secrets.token_hex(4)
        cursor.execute("INSERT INTO kept VALUES (%s)", (line,))
        rows.add(line)


def visit_now(instance, rows):
    """Checks that acknowledged work holds at once, whether pgberthd is there or not."""
    try:
        visit(instance, rows)
    except psycopg2.Error as error:
        raise AssertionError(f"I1: acknowledged, and does not work: {str(error).strip()}") from error


class Worker:
    """Turns in a thread until the run is over; what goes wrong in one is noted, and the next begins anew."""

    def __init__(self, soak, role):
        self.soak, self.ledger, self.api, self.role = soak, soak.ledger, soak.api, role
        self.choice = soak.random(role)
        self.instance = None
        self.thread = threading.Thread(target=self.work, name=role, daemon=True)

    def work(self):
        while not self.soak.over.is_set():
            try:
                self.turn()
            except Exception as error:
                names = [self.instance.name] if self.instance else []
                what = error if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
                self.ledger.breaks(f"{self.role}: {what}", *names)
                self.begin_anew()

    def begin_anew(self):
        self.soak.over.wait(1)


# ---- the killer of pgberthd ------------------------------------------------------------------

class Killer(Worker):
    """While the storm lasts: kill -9 of pgberthd at random moments, SIGTERM and a restart of the engine now and then."""

    IN_FLIGHT = 10

    def turn(self):
        soak = self.soak
        if not soak.storm.is_set():
            soak.over.wait(PAUSE)
            return
        deadline = time.monotonic() + 3
        while soak.flying.total() < self.IN_FLIGHT and time.monotonic() < deadline:
            soak.over.wait(0.02)
        soak.over.wait(self.choice.expovariate(1 / 0.4))
        if not soak.storm.is_set():
            return
        how = self.choice.choices([self.kill, self.terminate, self.restart_engine], [87, 10, 3])[0]
        how()

    def kill(self):
        with self.soak.away() as flying:
            self.soak.stack.kill()
            self.ledger.count("kills of pgberthd")
            self.ledger.count("kill points", flying)
            if self.choice.random() < 0.15:  # and again while it boots
                self.soak.stack.spawn()
                self.soak.over.wait(self.choice.uniform(0, 0.6))
                self.soak.stack.kill()
                self.ledger.count("kills of pgberthd")
            self.boot()

    def terminate(self):
        with self.soak.away():
            began = time.monotonic()
            status = self.soak.stack.stop()
            self.ledger.count("SIGTERMs of pgberthd")
            if status != 0 or time.monotonic() - began > 35:
                self.ledger.breaks(f"SIGTERM: status {status} after {time.monotonic() - began:.0f} s")
            self.boot()

    def restart_engine(self):
        """Amid all; and again when it keeps ports of what it was starting, as pgberth then tells its operator to do."""
        with self.soak.away():
            self.restart_engine_once()
            wait_for(lambda: not self.soak.flying.total(), "what was under way ends", 90)
            while self.soak.kept_ports():
                self.ledger.count("restarts of the engine for ports that it kept")
                self.restart_engine_once()

    def restart_engine_once(self):
        self.soak.engine.restart()
        self.ledger.count("restarts of the engine")

    def boot(self):
        self.discard_trash()
        began = time.monotonic()
        self.soak.stack.start()
        self.ledger.boots.append(time.monotonic() - began)
        self.soak.flat.take("restarts")

    def discard_trash(self):
        """While it is away: the disk stays small, and it counts the uids when it starts."""
        for path in self.soak.stack.settings.trash.iterdir():
            if "-model" not in path.name:
                shutil.rmtree(path, ignore_errors=True)


class Flat:
    """Resources of pgberthd: memory, descriptors, threads."""

    LIMITS = {"rss_mb": 20, "descriptors": 5, "threads": 5}

    def __init__(self, soak):
        self.soak = soak
        self.series = collections.defaultdict(list)

    def take(self, series):
        with contextlib.suppress(OSError):
            process = Process(self.soak.stack.process.pid)
            status = process.status()
            self.series[series].append({"rss_mb": int(status["VmRSS"].split()[0]) / 1024,
                                        "descriptors": process.open_files(), "threads": int(status["Threads"])})

    def take_quietly(self, series):
        """The least of a second in which nobody asks for a change."""
        soak, busy = self.soak, collections.defaultdict(list)
        with soak.lock:
            soak.up.clear()
        try:
            wait_for(lambda: soak.flying.total() == 0, "what is under way ends", 180)
            end = time.monotonic() + 1
            while time.monotonic() < end:
                self.take("a moment")
                soak.over.wait(0.1)
        finally:
            soak.up.set()
        for sample in self.series.pop("a moment"):
            for key, value in sample.items():
                busy[key].append(value)
        self.series[series].append({key: min(values) for key, values in busy.items()})

    def lines(self):
        for series, samples in self.series.items():
            for key in self.LIMITS:
                values = [sample[key] for sample in samples]
                yield (f"{series}: {key} first {values[0]:.0f} last {values[-1]:.0f} max {max(values):.0f} "
                       f"({len(values)} samples)")

    def judge(self, series):
        samples = self.series[series]
        for key, limit in self.LIMITS.items():
            grown = samples[-1][key] - samples[0][key]
            if grown > limit:
                self.soak.ledger.breaks(f"I6: {key} grew by {grown:.0f} without a restart")


class Sampler(Worker):
    """10 times a second: two servers on one directory, or on one port?"""

    def __init__(self, soak):
        super().__init__(soak, "sampler")
        self.told = set()

    def turn(self):
        began = time.monotonic()
        with contextlib.suppress(docker.errors.APIError, requests.RequestException):
            self.look(self.soak.containers())
        self.soak.over.wait(max(0, 0.1 - (time.monotonic() - began)))

    def look(self, running):
        self.ledger.count("samples")
        directories, ports = collections.defaultdict(list), collections.defaultdict(list)
        for container in running:
            who = f"{container['Id'][:12]} {container['Names']} {container['Status']}"
            directories[container["Labels"]["pgberth.storage_dir"]].append(who)
            for port in container["Ports"]:
                if "PublicPort" in port:
                    ports[port["PublicPort"]].append(who)
        for what, found in [*directories.items(), *ports.items()]:
            if len(found) > 1 and what not in self.told:
                self.told.add(what)
                self.ledger.breaks(f"I3: two at once on {what}: {found}", *([what] if isinstance(what, str) else []))


# ---- creates under the kills -----------------------------------------------------------------

class Creator(Worker):
    """Creates, looks after the next kill whether it holds, purges. A few go on when the storm is over."""

    IN_THE_CALM = 3

    def __init__(self, soak, number):
        super().__init__(soak, f"creator {number}")
        self.number = number

    def turn(self):
        if not self.soak.storm.is_set() and self.number >= self.IN_THE_CALM:
            self.soak.over.wait(PAUSE)
            return
        self.instance, self.rows = self.soak.new(), set()
        self.port = self.choice.choice([None, self.soak.stack.any_port(self.choice)])
        if self.create():
            self.purge()

    def post(self):
        fields = {"storage_dir": self.instance.name, "admin_password": self.instance.password}
        return self.api.create(**fields, **({"port": self.port} if self.port else {}))

    def create(self):
        """True when the instance exists now."""
        epoch = self.soak.epoch
        answer = self.soak.ask("create", self.instance.name, self.post)
        if answer is None:
            return self.finished_or_undone()
        if answer.status_code != 200:
            code = answer.json()["error"]["code"]
            assert code == "port_in_use" and self.port, answer.text
            self.soak.assert_nothing_is_left(self.instance.name)
            return False
        self.ledger.count("acknowledged creates")
        self.instance.port = answer.json()["port"]
        try:
            visit_now(self.instance, self.rows)
            if self.soak.storm.is_set() and self.choice.random() < 0.6:
                self.outlast(epoch)
                visit_now(self.instance, self.rows)
        except AssertionError:
            self.ledger.count("lost creates")
            raise
        return True

    def outlast(self, epoch):
        deadline = time.monotonic() + 10
        while self.soak.epoch == epoch and self.soak.storm.is_set() and time.monotonic() < deadline:
            self.soak.over.wait(PAUSE)

    def finished_or_undone(self):
        view = self.soak.settled(self.instance.name, {"gone", "running"})
        if view["state"] == "gone":
            self.ledger.count("creates undone")
            self.soak.assert_nothing_is_left(self.instance.name)
            return False
        self.ledger.count("creates finished")
        self.instance.port = view["port"]
        self.soak.until(self.is_up, "I2: what was finished after a kill works")
        return True

    def is_up(self):
        with contextlib.suppress(psycopg2.Error):
            visit(self.instance, self.rows)
            return True
        return False

    def purge(self):
        name, state = self.instance.name, "running"
        while state != "gone":
            answer = self.soak.ask("purge", name, lambda: self.api.delete(name, purge=True))
            if answer is None:
                state = self.soak.settled(name, {"gone", "running", "stopped", "stored"})["state"]
                continue
            assert answer.status_code == 200, answer.text
            state = "gone"
        self.soak.assert_nothing_is_left(name)
        self.soak.empty_trash(name)


# ---- the model -------------------------------------------------------------------------------

class Tenant(Worker):
    """An instance of the model. Acknowledged changes hold; others hold as a whole or not at all."""

    RULES = {
        "gone": ["create"],
        "running": ["again", "other_password", "stop", "start", "restart", "delete", "purge", "move", "password",
                    "by_hand", "by_hand", "two_at_once"],
        "stopped": ["again", "other_password", "stop", "start", "delete", "purge", "two_at_once"],
        "stored": ["again", "other_password", "stop", "start", "delete", "purge"],
    }
    PAIR = ["stop", "start", "restart", "delete", "move", "password"]

    def __init__(self, soak, number):
        super().__init__(soak, f"tenant {number}")
        self.begin_anew()

    def begin_anew(self):
        self.instance = self.soak.new("-model")
        self.state, self.rows, self.trail = "gone", set(), []
        self.passwords = [self.instance.password]  # those that may be the right one

    def turn(self):
        rule = self.choice.choice(self.RULES[self.state])
        self.trail.append(f"{self.state}:{rule}")
        self.ledger.count(f"rule {rule}")
        try:
            getattr(self, rule)()
        except AssertionError as error:
            raise AssertionError(f"{error}; its way: {' '.join(self.trail[-8:])}") from error

    # ---- outcomes ----------------------------------------------------------------------------

    def ask(self, kind, call, then, refusals=()):
        """True when the call was granted; checks the state and everything visible of it."""
        answer = self.soak.ask(kind, self.instance.name, call)
        granted = answer is not None and answer.status_code == 200
        if answer is None:
            self.settle({self.state, then})
        elif granted:
            self.state = then
            self.instance.port = answer.json()["port"]
            self.look_now()
        else:
            self.assert_refusal(answer, refusals)
            self.settle({self.state})
        return granted

    @staticmethod
    def assert_refusal(answer, refusals):
        assert answer.json()["error"]["code"] in refusals, f"{answer.status_code} {answer.text.strip()}"

    def settle(self, among):
        """Checks what the instance is now, and that it works so."""
        attempt = []

        def is_so():
            view = self.soak.settled(self.instance.name, among)
            self.state, self.instance.port = view["state"], view["port"]
            attempt[:] = [self.state, self.instance.port]
            return self.state != "running" or self.is_up()

        self.soak.until(is_so, "I1: what is said to run works")
        if self.state != "running":
            self.look_now()

    def is_up(self):
        for password in self.passwords:
            self.instance.password = password
            with contextlib.suppress(psycopg2.Error):
                visit(self.instance, self.rows)
                self.passwords = [password]
                return True
        return False

    def look_now(self):
        if self.state == "running":
            if len(self.passwords) == 1:
                self.instance.password, = self.passwords
                visit_now(self.instance, self.rows)
            else:
                assert self.is_up(), "I1: none of its passwords works"
            return
        if self.state == "gone":
            self.soak.assert_nothing_is_left(self.instance.name)
            assert len(self.rows) == 0 or self.soak.trashed(self.instance.name), "I4: its data are gone"
            self.soak.empty_trash(self.instance.name)
            self.begin_anew()
            return
        assert (self.instance.pgdata / "PG_VERSION").exists(), f"I4: {self.state}, and its data are gone"

    # ---- rules -------------------------------------------------------------------------------

    def fields(self, **fields):
        return {"storage_dir": self.instance.name, "admin_password": self.passwords[0], **fields}

    def create(self):
        port = self.choice.choice([None, self.soak.stack.any_port(self.choice)])
        fields = self.fields(**({"port": port} if port else {}))
        self.ask("create", lambda: self.api.create(**fields), "running", ["port_in_use"])

    def again(self):
        if len(self.passwords) == 1:
            self.ask("again", lambda: self.api.create(**self.fields()), "running")
        else:
            self.other_password()

    def other_password(self):
        before, state, new = self.passwords, self.state, new_password()
        self.passwords = [new, *before] if state != "running" else before
        granted = self.ask("again", lambda: self.api.create(**self.fields(admin_password=new)), "running",
                           ["already_exists"] if state == "running" else [])
        if granted:
            assert state != "running", "granted with another password"
            self.passwords = [new]
            self.look_now()

    def stop(self):
        self.ask("stop", lambda: self.api.stop(self.instance.name),
                 "stored" if self.state == "stored" else "stopped")

    def start(self):
        self.ask("start", lambda: self.api.start(self.instance.name), "running")

    def restart(self):
        self.ask("restart", lambda: self.api.restart(self.instance.name), "running")

    def delete(self):
        self.ask("delete", lambda: self.api.delete(self.instance.name), "stored")

    def purge(self):
        answer = self.soak.ask("purge", self.instance.name, lambda: self.api.delete(self.instance.name, purge=True))
        if answer is None:
            self.settle({self.state, "stored", "gone"})
        else:
            assert answer.status_code == 200, answer.text
            self.state = "gone"
            self.look_now()

    def move(self):
        port = self.soak.stack.any_port(self.choice)
        self.ask("move", lambda: self.api.patch(self.instance.name, port=port), "running", ["port_in_use"])

    def password(self):
        before, new = self.passwords, new_password()
        self.passwords = [new, *before]
        granted = self.ask("password", lambda: self.api.put_password(self.instance.name, new), "running")
        if granted:
            assert self.instance.password == new, "I1: the old password still works, not the new one"
            self.passwords = [new]

    def by_hand(self):
        """An operator's kill, stop or rm: it stays down, unless pgberthd starts in the meantime."""
        how, epoch = self.choice.choice(["kill", "stop", "remove"]), self.soak.epoch
        self.trail.append(how)
        try:
            container = self.soak.engine.container(self.instance.name)
            {"kill": container.kill, "stop": container.stop, "remove": lambda: container.remove(force=True)}[how]()
        except (docker.errors.APIError, requests.RequestException) as error:  # a busy engine may give up half-way
            self.ledger.count("hands that the engine refused")
            self.trail.append(f"({error})")
            self.settle({"stopped", "running"})
            return

        def is_seen():
            view = self.soak.view(self.instance.name)
            return self.soak.epoch != epoch or view and view["state"] == "stopped"

        try:
            self.soak.until(is_seen, f"pgberth says stopped after docker {how}")
        except AssertionError as error:
            raise AssertionError(f"{error}; the engine says: {self.soak.engine_says(self.instance.name)}") from error
        self.settle({"stopped", "running"} if self.soak.epoch != epoch else {"stopped"})

    def two_at_once(self):
        kinds = self.choice.sample(self.PAIR, 2)
        self.trail.extend(kinds)
        name, before, new, port = self.instance.name, self.state, new_password(), self.soak.stack.any_port(self.choice)
        calls = {"stop": lambda: self.api.stop(name), "start": lambda: self.api.start(name),
                 "restart": lambda: self.api.restart(name), "delete": lambda: self.api.delete(name),
                 "move": lambda: self.api.patch(name, port=port),
                 "password": lambda: self.api.put_password(name, new)}
        ends = {"stop": {"stopped", "stored"}, "delete": {"stored"}}
        answers = at_once([lambda kind=kind: self.soak.ask(kind, name, calls[kind]) for kind in kinds])
        among = set()
        for kind, answer in zip(kinds, answers):
            refused = answer is not None and answer.status_code != 200
            if refused:
                self.assert_refusal(answer, ["not_running", "port_in_use"])
                among |= {before}
            else:
                # A password or a port may also be changed of what does not run.
                among |= ends.get(kind, {"running", before}) | ({before} if answer is None else set())
            if kind == "password" and not refused:
                self.passwords = [new] if answer is not None else [new, *self.passwords]
        self.settle(among)


# ---- kills of servers ------------------------------------------------------------------------

class Written:
    """A server's integers: what was asked of it, what it acknowledged."""

    def __init__(self, instance):
        self.instance = instance
        self.acknowledged, self.unsure, self.next = 0, set(), 1
        self.lock = threading.Lock()
        instance.sql("CREATE TABLE written (n bigint PRIMARY KEY)")

    def missing(self):
        """How many acknowledged ones are not there."""
        with self.lock:
            acknowledged, unsure = self.acknowledged, list(self.unsure)
        found = self.instance.value("SELECT count(*) FROM written WHERE n <> ALL (%s::bigint[])", unsure)
        return max(0, acknowledged - found)


class Writer(Worker):
    """Inserts one integer after the other, each on its own transaction."""

    def __init__(self, soak, written):
        super().__init__(soak, f"writer {written.instance.name}")
        self.written, self.instance = written, written.instance

    def turn(self):
        with contextlib.suppress(psycopg2.Error):
            with contextlib.closing(self.instance.connect()) as connection, connection.cursor() as cursor:
                while not self.soak.over.wait(0.02):
                    self.write(cursor)
        self.soak.over.wait(0.1)

    def write(self, cursor):
        written = self.written
        with written.lock:
            number = written.next
            written.next += 1
            written.unsure.add(number)
        cursor.execute("INSERT INTO written VALUES (%s)", (number,))
        with written.lock:
            written.unsure.discard(number)
            written.acknowledged += 1


class Batterer(Worker):
    """Kills one server again and again, and counts its rows after each recovery."""

    KINDS = ["kill_postmaster", "kill_one", "docker_kill", "restart"]

    def __init__(self, soak, written, interval):
        super().__init__(soak, f"batterer {written.instance.name}")
        self.written, self.instance, self.interval = written, written.instance, interval
        self.kinds = itertools.cycle(self.KINDS)
        self.due = time.monotonic() + self.choice.uniform(0, interval)
        self.recoveries = []

    def turn(self):
        if self.soak.over.wait(max(0, self.due - time.monotonic())):
            return
        self.due = max(self.due + self.interval, time.monotonic())
        kind = next(self.kinds)
        began = time.monotonic()
        if not getattr(self, kind)():
            return
        self.ledger.count("kills of servers")
        missing = self.soak.until(self.count_missing, f"it recovers from {kind}")[0]
        self.recoveries.append(time.monotonic() - began)
        if missing:
            self.ledger.count("lost rows", missing)
            self.ledger.breaks(f"I1: {missing} acknowledged rows are gone after {kind}", self.instance.name)

    def count_missing(self):
        view = self.soak.view(self.instance.name)
        if view and view["port"]:
            self.instance.port = view["port"]
        with contextlib.suppress(psycopg2.Error):
            return [self.written.missing()]
        return None

    def processes(self):
        """Host's pids of postmaster and of its children."""
        with contextlib.suppress(docker.errors.APIError, requests.ConnectionError, AttributeError, KeyError, StopIteration,
                                 TypeError):
            top = self.soak.engine.container(self.instance.name).top()
            pid, parent = top["Titles"].index("PID"), top["Titles"].index("PPID")
            init = str(self.soak.engine.host_pid(self.instance.name))
            postmaster = next(row[pid] for row in top["Processes"] if row[parent] == init)
            return int(postmaster), [int(row[pid]) for row in top["Processes"] if row[parent] == postmaster]
        return None, []

    @staticmethod
    def kill(pid):
        with contextlib.suppress(ProcessLookupError, TypeError):
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    def kill_postmaster(self):
        return self.kill(self.processes()[0])

    def kill_one(self):
        children = self.processes()[1]
        return bool(children) and self.kill(self.choice.choice(children))

    def docker_kill(self):
        killed = False
        with contextlib.suppress(docker.errors.APIError, requests.ConnectionError, AttributeError):
            self.soak.engine.container(self.instance.name).kill()
            killed = True
        return self.persist("start", lambda: self.api.start(self.instance.name)) and killed

    def restart(self):
        return self.persist("restart", lambda: self.api.restart(self.instance.name))

    def persist(self, kind, call):
        def is_granted():
            answer = self.soak.ask(kind, self.instance.name, call)
            if answer is None:
                return False
            # Killed by hand, and by a restart of pgberthd at once: it may be up, or down, again.
            assert answer.status_code == 200 or answer.json()["error"]["code"] == "not_running", answer.text
            return True

        return self.soak.until(is_granted, f"{kind} is granted")


def median(values):
    return statistics.median(values) if values else float("nan")
