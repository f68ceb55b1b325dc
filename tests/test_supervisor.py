"""What a supervisor such as systemd does for pgberthd, and is told by it: by hand, since not every machine has one."""
import os
import pathlib
import socket
import subprocess
import threading

import pytest
import requests

from lib.client import ok
from lib.stack import Stack
from lib.waiting import wait_for


class Supervisor:
    """Listens to what is told it."""

    def __init__(self, directory):
        self.path = directory / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))

    def hears(self, state, timeout):
        """Whether it is told that before so many seconds of silence."""
        self.socket.settimeout(timeout)
        try:
            while self.socket.recv(100).decode() != state:
                pass
        except TimeoutError:
            return False
        return True

    def forget(self):
        self.socket.setblocking(False)
        try:
            while self.socket.recv(100):
                pass
        except BlockingIOError:
            pass


class HeldStack(Stack):
    """Its socket is held for it, as by pgberthd.socket: it is there before pgberthd and stays when that goes."""

    def spawn(self):
        if not hasattr(self, "held"):
            self.held = socket.socket(socket.AF_UNIX)
            self.held.bind(str(self.run / "pgberthd.sock"))
            os.chmod(self.run / "pgberthd.sock", 0o666)
            self.held.listen(1024)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", f'LISTEN_FDS=1 LISTEN_PID=$$ exec "{self.binary}" -c "{self.run}/pgberth.conf" 3<&{self.held.fileno()}'],
                env={**os.environ, "KILL_POINT_FILE": str(self.fault)}, stderr=log, stdin=subprocess.DEVNULL,
                pass_fds=[self.held.fileno()], start_new_session=True)


@pytest.fixture
def supervisor(tmp_path):
    return Supervisor(tmp_path)


def test_it_says_when_it_is_ready_and_when_it_ends(supervisor):
    with Stack(env={"NOTIFY_SOCKET": supervisor.path}) as stack:
        assert supervisor.hears("READY=1", 60)
        stack.stop()
        assert supervisor.hears("STOPPING=1", 60)


def test_nobody_is_told_where_nobody_asked(supervisor):
    with Stack(env={"NOTIFY_SOCKET": supervisor.path, "WATCHDOG_USEC": "300000", "WATCHDOG_PID": "1"}):
        assert supervisor.hears("READY=1", 60)
        assert not supervisor.hears("WATCHDOG=1", 1)


def test_watchdog_is_fed_while_a_worker_answers_and_no_longer(supervisor, tmp_path):
    # libfcgi loses 48 bytes of each connection that ends amid its first header.
    (tmp_path / "lsan").write_text("leak:libfcgi.so\n")
    with Stack(env={"NOTIFY_SOCKET": supervisor.path, "WATCHDOG_USEC": "600000",
                    "LSAN_OPTIONS": f"suppressions={tmp_path}/lsan"}, workers=4, changes=1) as stack:
        assert supervisor.hears("WATCHDOG=1", 30)
        assert supervisor.hears("WATCHDOG=1", 30)
        # Peers that begin a request and do not go on take the workers one by one.
        silent = [socket.socket(socket.AF_UNIX) for _ in range(8)]
        for each in silent:
            each.connect(str(stack.run / "pgberthd.sock"))
            each.sendall(b"\x01")
        wait_for(lambda: "no worker answers" in stack.log_text(), "it says that no worker answers", 60)
        supervisor.forget()
        assert not supervisor.hears("WATCHDOG=1", 2)
        for each in silent:
            each.close()
        assert supervisor.hears("WATCHDOG=1", 60)


def test_restarts_lose_no_request_when_the_socket_is_held():
    with HeldStack() as stack:
        instance = stack.make()
        ended, bad, count = threading.Event(), [], [0] * 4

        def look(number):
            with requests.Session() as session:
                session.trust_env = session.verify = False
                while not ended.is_set():
                    answer = session.get(f"{stack.api.base}/containers/{instance.name}/", timeout=60)
                    count[number] += 1
                    if answer.status_code != 200:
                        bad.append(answer.text)

        lookers = [threading.Thread(target=look, args=[number]) for number in range(len(count))]
        for each in lookers:
            each.start()
        made, answers = stack.new(), []
        maker = threading.Thread(target=lambda: answers.append(made.post()))
        maker.start()
        for _ in range(5):
            assert stack.stop() == 0
            seen = sum(count)  # by the one that has ended
            stack.spawn()
            wait_for(lambda: sum(count) > seen + 20, "it answers again", 60)
        maker.join()
        ended.set()
        for each in lookers:
            each.join()
        assert not bad
        made.port = ok(answers[0])["port"]
        assert made.value("SELECT 1") == 1


def test_socket_that_is_held_stays():
    with HeldStack() as stack:
        path = pathlib.Path(stack.run / "pgberthd.sock")
        inode = path.stat().st_ino
        stack.stop()
        assert path.stat().st_ino == inode
        stack.start()
        assert path.stat().st_ino == inode
