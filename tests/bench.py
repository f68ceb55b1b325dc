#!/usr/bin/python3
"""How long a create takes, beside the way of the seed and the bare engine, in one run.

Each round does all three, so that the machine's moods hit them alike:
  pgberth  POST to the first SELECT 1 on a new connection
  seed     a container that chowns, one that runs initdb and sets the password, the server, SELECT 1
  bare     the engine's create and start of pgberth's own container, running sleep
"""
import pathlib
import shutil
import statistics
import sys
import tempfile
import time
import uuid

import docker
import psycopg2
import requests
import urllib3

URL = "https://localhost/api/containers/"
IMAGE = "pgberth-postgres:17"
ADMIN = "pythonanywhere_helper"
TRASH = pathlib.Path("/var/lib/pgberth/trash")
PORTS = {"seed": 5990, "bare": 5991}
INITIALISE = """
set -e
bin=/usr/lib/postgresql/17/bin
$bin/initdb -D /storage/data >/dev/null
echo "host all all all scram-sha-256" >>/storage/data/pg_hba.conf
$bin/pg_ctl -D /storage/data -o "-c listen_addresses= -c unix_socket_directories=/tmp" -w start >/dev/null
psql -q -h /tmp postgres -c "CREATE USER {admin} SUPERUSER PASSWORD '{password}'"
$bin/pg_ctl -D /storage/data -w stop >/dev/null
"""
engine = docker.from_env(version="auto")
password = uuid.uuid4().hex


def select_1(port):
    deadline = time.monotonic() + 60
    while True:
        try:
            connection = psycopg2.connect(database="postgres", user=ADMIN, password=password, host="127.0.0.1", port=port)
            break
        except psycopg2.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    connection.close()


def pgberth(name):
    answer = requests.post(URL, {"storage_dir": name, "admin_password": password}, verify=False)
    assert answer.status_code == 200, answer.text
    select_1(answer.json()["port"])


def seed(storage):
    mounts = {str(storage): {"bind": "/storage", "mode": "rw"}}
    engine.containers.run(IMAGE, ["chown", "-R", "postgres:postgres", "/storage"], volumes=mounts, user="root", remove=True)
    engine.containers.run(IMAGE, ["bash", "-c", INITIALISE.format(admin=ADMIN, password=password)],
                          volumes=mounts, user="postgres", remove=True)
    server = engine.containers.run(
        IMAGE, ["/usr/lib/postgresql/17/bin/postgres", "-D", "/storage/data", "-c", "listen_addresses=*", "-c", "unix_socket_directories=/tmp"],
        volumes=mounts, user="postgres", ports={"5432/tcp": ("127.0.0.1", PORTS["seed"])}, detach=True)
    select_1(PORTS["seed"])
    return server


def bare(like):
    config = {key: like["Config"][key] for key in ("Image", "User", "Env", "ExposedPorts")}
    host = dict(like["HostConfig"], PortBindings={"5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(PORTS["bare"])}]})
    container = engine.api.create_container_from_config({**config, "Entrypoint": ["sleep", "600"], "HostConfig": host})
    engine.api.start(container)
    return engine.containers.get(container["Id"])


def timed(action, *args):
    began = time.perf_counter()
    value = action(*args)
    return (time.perf_counter() - began) * 1000, value


def one_round(number, times):
    name = f"bench-{uuid.uuid4().hex[:8]}"
    storage = pathlib.Path(tempfile.mkdtemp(prefix="pgberth-bench-", dir="/var/tmp"))
    leftovers = []
    try:
        times["pgberth"].append(timed(pgberth, name)[0])
        like = engine.api.inspect_container("pgberth-" + name)
        for way, argument in ((seed, storage), (bare, like)):
            elapsed, container = timed(way, argument)
            leftovers.append(container)
            times[way.__name__].append(elapsed)
    finally:
        for container in leftovers:
            container.remove(force=True)
        requests.delete(f"{URL}{name}/?purge=true", verify=False)
        for path in [storage, *TRASH.glob(name + ".*")]:
            shutil.rmtree(path)
    print(f"round {number:2}: " + "  ".join(f"{way} {values[-1]:5.0f} ms" for way, values in times.items()), flush=True)


def report(times):
    print(f"\n{'':8} {'p50':>6} {'p95':>6}  ms")
    for way, values in times.items():
        print(f"{way:8} {statistics.median(values):6.0f} {sorted(values)[int(len(values) * 0.95) - 1]:6.0f}")
    ratio = {way: statistics.median(b / a for a, b in zip(times["pgberth"], times[way])) for way in ("seed", "bare")}
    print(f"the seed's way takes {ratio['seed']:.2f} times as long as pgberth")
    print(f"pgberth takes {1 / ratio['bare']:.2f} times as long as the engine's bare create and start")


def main():
    urllib3.disable_warnings()
    times = {"pgberth": [], "seed": [], "bare": []}
    for number in range(int(sys.argv[1]) if len(sys.argv) > 1 else 20):
        one_round(number + 1, times)
    report(times)


main()
