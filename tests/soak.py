#!/usr/bin/python3
"""The soak: a private pgberth under load, killed again and again, and measured against its invariants.

I1 what was acknowledged works, with its data     I2 the rest leaves nothing, or is finished within 60 s
I3 one server per directory and per port          I4 no data are removed without purge
I5 no password is anywhere                        I6 nothing is leaked
"""
import argparse
import base64
import contextlib
import fcntl
import os
import pathlib
import random
import secrets
import shutil
import subprocess
import sys
import threading
import time

import psycopg2
import urllib3

os.environ.setdefault("PGBERTHD_UNDER_TEST", str(
    pathlib.Path(__file__).resolve().parent.parent / "app/build/release/pgberthd"))

from lib.client import ok  # noqa: E402
from lib.concurrency import at_once  # noqa: E402
from lib.stack import Stack  # noqa: E402
from lib.canary_search import CanarySearch  # noqa: E402
from lib.soak_parts import (CANARY, Batterer, Creator, Killer, Sampler, Soak, Tenant, Writer, Written, median,  # noqa: E402
                        visit)
from lib.waiting import wait_for  # noqa: E402

PORTS = range(20500, 20560)
# Few, so that a leak of one shows when all are filled at the end.
UIDS = range(1_910_002_000, 1_910_002_072)
KEPT_LOG = "/var/tmp/pgberth-soak.log"
FINALE = 60  # seconds
CREATORS, TENANTS, SERVERS = 14, 5, 6
SERVER_KILLS_A_MINUTE = 40


class SoakStack(Stack):
    def __init__(self, ports=PORTS, uids=UIDS, **options):
        super().__init__(spares=2, versions="17", port_min=ports[0], port_max=ports[-1], uid_min=uids[0],
                         uid_max=uids[-1], **options)
        self.ports, self.uids = ports, uids

    @staticmethod
    def any_port(choice):
        return choice.choice(PORTS)


def report(ledger, stack, figures):
    """Prints figures, and what broke with its log lines; the exit status."""
    for line in figures:
        print(line)
    if not ledger.broken:
        print("every invariant held")
        return 0
    shutil.copy(stack.log, KEPT_LOG)
    log = [line for line in stack.log_text().splitlines() if "request method=GET" not in line]
    print(f"\n{len(ledger.broken)} BROKEN; the whole log is in {KEPT_LOG}")
    for when, what, names in ledger.broken[:20]:
        print(f"\n---- {when} {' '.join(names)}: {what}")
        for line in [line for line in log if any(name in line for name in names)][-40:]:
            print(f"  {line}")
        if not names:
            for line in [line for line in log if line[:19] <= when[:19]][-20:]:
                print(f"  {line}")
    return 1


# ---- the long run ----------------------------------------------------------------------------

def make_servers(soak):
    servers = []
    for _ in range(SERVERS):
        instance = soak.new("-battered")
        instance.create(labels={"soak": "battered"})
        servers.append(Written(instance))
    return servers


def calm(soak, seconds):
    """Nobody kills pgberthd; what it uses is looked at when nothing is under way."""
    end = time.monotonic() + seconds
    warm_up(soak)
    soak.flat.take_quietly("quiet")
    while time.monotonic() < end:
        soak.flat.take("calm")
        soak.over.wait(min(5, max(0.1, end - time.monotonic())))
    soak.flat.take_quietly("quiet")
    soak.flat.judge("quiet")


def warm_up(soak):
    """Each worker keeps a connection to the engine from its first call there on."""
    name = next(iter(soak.api.listed(label="soak=battered")))
    for _ in range(6):
        at_once([lambda: soak.api.start(name)] * 40)


def long_run(minutes, seed):
    total = minutes * 60
    began = time.monotonic()
    with SoakStack() as stack:
        soak = Soak(stack, seed)
        canary_search = CanarySearch(soak.engine, stack.settings)
        canary_search.directories.append(str(stack.run))
        servers = make_servers(soak)
        batterers = [Batterer(soak, written, SERVERS * 60 / SERVER_KILLS_A_MINUTE) for written in servers]
        workers = [Sampler(soak), Killer(soak, "killer"), *batterers, *[Writer(soak, written) for written in servers],
                   *[Tenant(soak, number) for number in range(TENANTS)],
                   *[Creator(soak, number) for number in range(CREATORS)]]
        soak.storm.set()
        for worker in workers:
            worker.thread.start()
        quiet = max(total / 3, 30)
        soak.over.wait(max(30, total - quiet - FINALE - (time.monotonic() - began)))
        soak.storm.clear()
        wait_for(soak.up.is_set, "pgberthd is up again", 120)
        print(f"{time.monotonic() - began:.0f} s: the storm is over, {soak.ledger.counts['kill points']} kill points",
              flush=True)
        calm(soak, quiet)
        soak.over.set()
        for worker in workers:
            worker.thread.join(150)
            if worker.thread.is_alive():
                soak.ledger.breaks(f"{worker.role} does not end", *([worker.instance.name] if worker.instance else []))
        print(f"{time.monotonic() - began:.0f} s: the last looks", flush=True)
        for look in (all_rows_are_there, nothing_is_leaked, no_password_is_anywhere, all_can_be_had_again):
            try:
                look(soak, servers, canary_search)
            except Exception as error:
                soak.ledger.breaks(f"{look.__name__}: {type(error).__name__}: {error}")
        return report(soak.ledger, stack, figures_of(soak, servers, batterers, time.monotonic() - began))


def figures_of(soak, servers, batterers, seconds):
    counts = soak.ledger.counts
    recoveries = [each for batterer in batterers for each in batterer.recoveries]
    yield f"\nran {seconds:.0f} s, seed {soak.seed}"
    yield (f"pgberthd: {counts['kills of pgberthd']} kills, {counts['SIGTERMs of pgberthd']} SIGTERMs, "
           f"{counts['restarts of the engine']} restarts of the engine "
           f"({counts['restarts of the engine for ports that it kept']} for ports that it kept); serves again after "
           f"{median(soak.ledger.boots):.2f} s (median; max {max(soak.ledger.boots, default=0):.2f})")
    yield (f"kill points: {counts['kill points']}; creates acknowledged: {counts['acknowledged creates']}, "
           f"lost: {counts['lost creates']}; unacknowledged: {counts['creates finished']} finished, "
           f"{counts['creates undone']} undone")
    yield (f"server kills: {counts['kills of servers']}; rows acknowledged: "
           f"{sum(written.acknowledged for written in servers)}, lost: {counts['lost rows']}; back after "
           f"{median(recoveries):.2f} s (median; max {max(recoveries, default=0):.2f})")
    for what in ("rule", "answer"):
        yield f"{what}s: " + ", ".join(f"{key.removeprefix(what)} {count}".strip()
                                       for key, count in sorted(counts.items()) if key.startswith(what))
    yield f"samples of running containers: {counts['samples']}"
    yield from soak.flat.lines()


# ---- the last looks --------------------------------------------------------------------------

def all_rows_are_there(soak, servers, _):
    for written in servers:
        written.instance.port = soak.settled(written.instance.name, {"running"})["port"]
        found = {number for number, in written.instance.sql("SELECT n FROM written")}
        lost = set(range(1, written.next)) - written.unsure - found
        if lost:
            soak.ledger.count("lost rows", len(lost))
            soak.ledger.breaks(f"I1: rows lost: {sorted(lost)[:10]}", written.instance.name)


def nothing_is_leaked(soak, *_):
    stack = soak.stack
    listed = soak.api.listed()
    for name in listed:
        soak.settled(name, {"running", "stopped", "stored"})
    states = {name: view["state"] for name, view in soak.api.listed().items()}
    containers = soak.containers(all=True)
    names = [container["Labels"]["pgberth.storage_dir"] for container in containers]
    running = [name for name, container in zip(names, containers) if container["State"] == "running"]
    allowed = {name for name, state in states.items() if state in ("running", "stopped")}
    wanted = {name for name, state in states.items() if state == "running"}
    found = {
        "containers that no instance has": set(names) - allowed,
        "instances with several containers": {name for name in names if names.count(name) > 1},
        "running servers that the API does not know as such": set(running) - wanted,
        "running instances without a server": wanted - set(running),
        "directories that the API does not know": {path.name for path in stack.settings.instances.iterdir()}
        ^ set(states),
        "in staging": {path.name for path in stack.settings.staging.iterdir() if not path.name.startswith("pg.")},
        "set aside": {path.name for path in stack.root.glob("staging.old*")},
    }
    for what, those in found.items():
        if those:
            soak.ledger.breaks(f"I6: {what}: {sorted(those)}", *sorted(those))


def no_password_is_anywhere(soak, _, canary_search):
    needles = CANARY, base64.b64encode(CANARY.encode()).decode(), CANARY.encode().hex()
    for place in canary_search.places_of(*needles):
        soak.ledger.breaks(f"I5: a password is in {place}")


def all_can_be_had_again(soak, *_):
    """Once all is purged, every port and every uid can be had."""
    stack = soak.stack
    in_groups([lambda name=name: ok(soak.api.delete(name, purge=True)) for name in soak.api.listed()])
    in_groups([lambda path=path: ok(soak.api.call("DELETE", f"/trash/{path.name}"))
               for path in stack.settings.trash.iterdir()])
    filled = fill(soak, len(stack.ports))
    if len(filled) != len(stack.ports):
        soak.ledger.breaks(f"I6: only {len(filled)} of {len(stack.ports)} ports can be had")
    spare = len(stack.uids) - len(stack.ports)
    in_groups([lambda name=name: ok(soak.api.delete(name)) for name in filled[:spare]])
    filled += fill(soak, spare)
    # A spare that was not ready when it was asked for has its uid for the next create.
    spares = list(stack.settings.staging.iterdir())
    if len(filled) + len(spares) < len(stack.uids):
        soak.ledger.breaks(f"I6: only {len(filled)} and {len(spares)} spares of {len(stack.uids)} uids can be had")
    print(f"filled: {len(stack.ports)} ports, {len(filled)} + {len(spares)} uids")


def fill(soak, count):
    """The names that could be created."""
    instances = [soak.new() for _ in range(count)]
    answers = in_groups([lambda each=each: each.post() for each in instances])
    for answer in answers:
        if answer.status_code not in (200, 507):
            soak.ledger.breaks(f"I6: filling: {answer.text}")
    return [each.name for each, answer in zip(instances, answers) if answer.status_code == 200]


def in_groups(calls, size=4):
    """All of them, a few at a time; their results, in order."""
    results = []
    for at in range(0, len(calls), size):
        results.extend(at_once(calls[at:at + size]))
    return results


# ---- alone -----------------------------------------------------------------------------------

def rounds(count, seed):
    """50 POSTs at once on one directory, with 50 different ports: one server, never two."""
    with SoakStack(ports=range(20500, 20560)) as stack:
        soak = Soak(stack, seed)
        sampler = Sampler(soak)
        sampler.thread.start()
        began = time.monotonic()
        for number in range(1, count + 1):
            one_round(soak)
            if number % 10 == 0:
                print(f"{number} rounds, {time.monotonic() - began:.0f} s", flush=True)
        soak.over.set()
        sampler.thread.join(30)
        return report(soak.ledger, stack, [f"{count} rounds in {time.monotonic() - began:.0f} s, "
                                           f"{soak.ledger.counts['samples']} samples"])


def one_round(soak):
    instance = soak.new()
    ports = random.sample(soak.stack.ports, 50)
    answers = at_once([lambda port=port: instance.post(port=port) for port in ports])
    granted = [answer for answer in answers if answer.status_code == 200]
    others = {(answer.status_code, answer.json()["error"]["code"]) for answer in answers if answer not in granted}
    if len(granted) != 1 or others != {(409, "already_exists")}:
        soak.ledger.breaks(f"{len(granted)} of 50 were granted; the others: {others}", instance.name)
    for answer in granted:
        instance.port = answer.json()["port"]
    visit(instance, set())
    soak.stack.purge(instance)
    soak.empty_trash(instance.name)


def recover(count, seed):
    """All containers are removed while pgberthd is away: seconds until all are back."""
    with SoakStack(ports=range(20500, 20500 + count + 2), uids=range(402000, 402000 + count + 8)) as stack:
        soak = Soak(stack, seed)
        instances = [soak.new() for _ in range(count)]
        in_groups([instance.create for instance in instances])
        rows = {instance.name: set() for instance in instances}
        for instance in instances:
            visit(instance, rows[instance.name])
        ports = {instance.name: instance.port for instance in instances}
        stack.stop()
        ids = [container["Id"] for container in soak.containers(all=True)]
        subprocess.run(["/usr/bin/docker", "rm", "-f", *ids], check=True, stdout=subprocess.DEVNULL)
        began = time.monotonic()
        stack.start()
        served = time.monotonic() - began
        logged_in = {}
        watch = threading.Thread(target=log_in_to_all, args=(instances, rows, logged_in, began), daemon=True)
        watch.start()
        wait_for(lambda: {view["state"] for view in soak.api.listed().values()} == {"running"}, "all run", 300)
        running = time.monotonic() - began
        watch.join(300)
        views = soak.api.listed()
        for name, port in ports.items():
            if views[name]["port"] != port or name not in logged_in:
                soak.ledger.breaks("I1: it is not back with its data on its port", name)
        return report(soak.ledger, stack, [
            f"{count} servers: pgberthd serves after {served:.1f} s, all are running after {running:.1f} s, "
            f"all accept logins with their data on their ports after {max(logged_in.values(), default=0):.1f} s"])


def log_in_to_all(instances, rows, logged_in, began):
    left = list(instances)
    while left and time.monotonic() - began < 300:
        for instance in list(left):
            with contextlib.suppress(psycopg2.Error):
                visit(instance, rows[instance.name])
                logged_in[instance.name] = time.monotonic() - began
                left.remove(instance)
        threading.Event().wait(0.05)


def hold_the_engine():
    """The tests' lock: one of them kills every new container."""
    lock = open("/run/lock/pgberth-tests.lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", choices=["rounds", "recover"])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--servers", type=int, default=50)
    parser.add_argument("--seed", default=secrets.token_hex(4), help="of the choices; the moments are the machine's")
    options = parser.parse_args()
    urllib3.disable_warnings()
    print(f"seed {options.seed}", flush=True)
    with hold_the_engine():
        return run(options)


def run(options):
    if options.only == "rounds":
        return rounds(options.rounds, options.seed)
    if options.only == "recover":
        return recover(options.servers, options.seed)
    return long_run(options.minutes, options.seed)


if __name__ == "__main__":
    sys.exit(main())
