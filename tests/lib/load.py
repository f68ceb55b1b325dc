"""Calls and connections that go on while something is done to the service, each of them counted."""
import concurrent.futures
import threading
import time

import psycopg2
import requests

from lib.client import Api


class Gets:
    """GETs at a rate, whether earlier ones are answered or not. `failed` counts answers that are not 200."""

    def __init__(self, rate, path="/containers/"):
        self.rate, self.path = rate, path
        self.api = Api()
        self.ended = threading.Event()
        self.answered, self.failed = 0, []
        self.lock = threading.Lock()

    def __enter__(self):
        self.pool = concurrent.futures.ThreadPoolExecutor(100)
        self.thread = threading.Thread(target=self._ask)
        self.began = time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.pool.shutdown()
        self.seconds = time.monotonic() - self.began

    def _ask(self):
        for number in range(10 ** 9):
            if self.ended.wait(max(0, self.began + number / self.rate - time.monotonic())):
                return
            self.pool.submit(self._get)

    def _get(self):
        try:
            answer = self.api.call("GET", self.path, timeout=120)
            said = None if answer.status_code == 200 else answer.text
        except requests.RequestException as problem:
            said = str(problem)
        with self.lock:
            self.answered += said is None
            if said is not None:
                self.failed.append(said)


class Writers:
    """A connection to each instance, opened once, over which rows are written all the time."""

    def __init__(self, instances):
        self.instances = instances
        self.ended = threading.Event()
        self.rows, self.failed = dict.fromkeys((each.name for each in instances), 0), []

    def __enter__(self):
        self.connections = [each.connect() for each in self.instances]
        self.threads = [threading.Thread(target=self._write, args=pair) for pair in zip(self.instances, self.connections)]
        for each in self.threads:
            each.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for each in self.threads:
            each.join()
        for each in self.connections:
            each.close()

    def _write(self, instance, connection):
        try:
            with connection.cursor() as cursor:
                cursor.execute("CREATE TABLE IF NOT EXISTS written (number int)")
                while not self.ended.wait(0.1):
                    cursor.execute("INSERT INTO written VALUES (%s)", (self.rows[instance.name],))
                    self.rows[instance.name] += 1
        except psycopg2.Error as problem:
            self.failed.append(f"{instance.name}: {problem}")
