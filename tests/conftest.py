"""Fixtures, what a run begins and ends with, and what a failing test prints. Which tests run and in which order: lib/order.py."""
import fcntl
import os
import resource

import pytest

pytest.register_assert_rewrite("lib.client", "lib.waiting", "lib.leftovers", "lib.makers")

import docker  # noqa: E402

from lib.client import Api, ok  # noqa: E402
from lib.concurrency import at_once  # noqa: E402
from lib.daemon import Pgberthd, ServiceLog, keep_systemd_from_restarting  # noqa: E402
from lib.engine import Engine  # noqa: E402
from lib.ports import SEED_PORT, Ports, is_free  # noqa: E402
from lib.stack import STACKS, Stack, reap  # noqa: E402
from lib.canary_search import CanarySearch  # noqa: E402
from lib.settings import Settings  # noqa: E402
from lib.leftovers import Reaper, Leftovers, discard  # noqa: E402
from lib.makers import MAJORS, Makers  # noqa: E402
from lib.recorder import RECORDER, Registry, new_name  # noqa: E402
from lib.strangers import refusal  # noqa: E402
from lib.waiting import wait_for  # noqa: E402

pytest_plugins = ["lib.order"]
LOCK = "/run/lock/pgberth-tests.lock"
LOG = ServiceLog()


# ---- the run ---------------------------------------------------------------------------------

def pytest_configure(config):
    """Crowds take more files than a login may have open by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16384)), hard))


def is_xdist_worker(config):
    return hasattr(config, "workerinput")


def pytest_sessionstart(session):
    """Before any worker starts: one run at a time, on a stack that answers, swept clean."""
    if is_xdist_worker(session.config) or session.config.option.collectonly:
        return
    session.config.lock = open(LOCK, "w")
    try:
        fcntl.flock(session.config.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pytest.exit(f"another run of these tests holds {LOCK}", 3)
    wait_for(Pgberthd(Api()).is_healthy, "no healthy pgberth at https://localhost/api/health; `make up` first")
    why = refusal(Api(), Registry(), os.environ.get("FORCE") == "1")
    if why:
        pytest.exit(why, 3)
    keep_systemd_from_restarting(True)
    session.config.reaper = Reaper(Api(), Engine(), Settings(), Registry())
    session.config.reaper.reap()
    reap()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    reaper = getattr(session.config, "reaper", None)
    if reaper:
        keep_systemd_from_restarting(False)
    if reaper and Pgberthd(Api()).is_healthy():
        reaper.reap()


# ---- what a failing test prints --------------------------------------------------------------

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    RECORDER.clear()
    LOG.mark()


def server_log(name):
    """The last lines of a server's log, from whoever still has them."""
    answer = Api().logs(name, tail=30)
    if answer.status_code == 200:
        return answer.text
    container = Engine().container(name)
    return container.logs(tail=30).decode(errors="replace") if container else ""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    report = (yield).get_result()
    if not report.failed:
        return
    sections = {"pgberthd crashed": "\n".join(LOG.of_crash()),
                "pgberthd's log of these requests": "\n".join(LOG.of_requests(RECORDER.request_ids))}
    for name in RECORDER.names[:5]:
        try:
            sections[f"log of server {name}"] = server_log(name)
        except Exception as error:  # the report of the failure matters more
            sections[f"log of server {name}"] = f"cannot be read: {error}"
    for stack in STACKS:
        sections[f"the end of the log of {stack.name}"] = "\n".join(
            [line for line in stack.log_text().splitlines() if " request method=GET" not in line][-60:])
    report.sections.extend((title, text) for title, text in sections.items() if text)


# ---- the stack -------------------------------------------------------------------------------

@pytest.fixture(scope="session")
def settings():
    return Settings()


@pytest.fixture(scope="session")
def api():
    return Api()


@pytest.fixture(scope="session")
def engine():
    return Engine()


@pytest.fixture(scope="session")
def pgberthd(api):
    return Pgberthd(api)


@pytest.fixture(scope="session")
def ports(api, settings):
    return Ports(api, settings)


@pytest.fixture
def canary_search(engine, settings):
    return CanarySearch(engine, settings)


@pytest.fixture(scope="session")
def leftovers(api, engine, settings):
    return Leftovers(api, engine, settings)


# ---- servers ---------------------------------------------------------------------------------

@pytest.fixture
def makers(api, settings, ports):
    makers = Makers(api, settings, ports)
    yield makers
    makers.purge()


@pytest.fixture
def new_instance(makers):
    """A function giving an instance that was not asked for yet."""
    return makers.new


@pytest.fixture
def make_instance(makers):
    """A function giving a running instance; its arguments are fields of the POST."""
    return makers.make


@pytest.fixture
def instance(make_instance):
    """A running instance of this test's own."""
    return make_instance()


@pytest.fixture(scope="session")
def shared(api, settings, ports):
    """A running instance for the tests that change nothing about it."""
    makers = Makers(api, settings, ports)
    yield makers.make()
    makers.purge()


@pytest.fixture(scope="module")
def servers(api, settings, ports):
    """A running instance of each major, by the major."""
    makers = Makers(api, settings, ports)
    made = at_once([lambda major=major: makers.make(version=major) for major in MAJORS])
    yield dict(zip(MAJORS, made, strict=True))
    makers.purge()


@pytest.fixture(scope="module")
def changeable(api, settings, ports):
    """A running instance of this module's, whose every test sets what it relies on."""
    makers = Makers(api, settings, ports)
    yield makers.make()
    makers.purge()


@pytest.fixture(scope="module")
def stack():
    """A pgberth of the module's own, for what must not happen to this host's; a module that needs another kind defines it."""
    with Stack() as stack:
        yield stack


@pytest.fixture
def precious(stack):
    """A running instance of that pgberth's, with a row of its own."""
    instance = stack.make()
    instance.keep_row("precious")
    yield instance
    stack.api.delete(instance.name, purge=True)


@pytest.fixture
def planted(settings):
    """A function giving a path of ours among the instances, for what pgberth did not put there."""
    paths = []

    def plant(name):
        paths.append(settings.instances / name)
        return paths[-1]

    yield plant
    for path in paths:
        discard(path)


@pytest.fixture
def stranger(engine):
    """A function running a container that is not pgberth's."""
    containers = []

    def run(name, **options):
        containers.append(engine.run_stranger(name, **options))
        return containers[-1]

    yield run
    for container in containers:
        container.remove(force=True)


@pytest.fixture
def send(api):
    """A function giving the answer to a POST of these bytes, which must be a refusal."""

    def send(body, media="application/json"):
        response = api.call("POST", "/containers/", data=body, headers={"Content-Type": media})
        assert response.status_code >= 400, response.text
        return response

    return send


@pytest.fixture(scope="session")
def seed_port(api, ports):
    """The seed's own port; another where a server of somebody else's has it."""
    held = {view["port"] for view in api.listed().values()}
    return SEED_PORT if SEED_PORT not in held and is_free(SEED_PORT) else ports.take()


@pytest.fixture
def docker_cleanup(request):
    """The seed's own: kills, by the engine alone, every container that the test has started."""
    client = docker.from_env(version="auto")
    containers_before = client.containers.list()

    def kill_new_containers():
        for container in client.containers.list():
            if container not in containers_before:
                print(f"killing {container.name}")
                container.kill()

    request.addfinalizer(kill_new_containers)
    return kill_new_containers


@pytest.fixture(scope="module")
def group(api, settings, ports):
    """Three instances of one label, by the state that each of them is in."""
    makers = Makers(api, settings, ports)
    label = new_name()
    running, stopped, stored = (makers.make(labels={"group": label}).name for _ in range(3))
    ok(api.stop(stopped))
    ok(api.delete(stored))
    yield f"group={label}", {"running": running, "stopped": stopped, "stored": stored}
    makers.purge()


@pytest.fixture(params=["kill", "stop", "remove"])
def yielded(request, instance, engine, new_instance):
    """An instance ended behind pgberth's back, and the one that has its port now."""
    container = engine.container(instance.name)
    {"kill": container.kill, "stop": container.stop,
     "remove": lambda: container.remove(force=True)}[request.param]()
    other = new_instance()
    other.create(port=instance.port)
    return instance, other


@pytest.fixture
def host_config(shared, engine):
    return engine.inspect(shared.name)["HostConfig"]
