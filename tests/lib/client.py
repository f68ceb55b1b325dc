"""The service seen from outside: its HTTP API, and one server that it runs."""
import contextlib
import json
import re
import secrets
import subprocess
import urllib.parse

import psycopg2
import pytest
import requests
import requests.adapters

from lib.recorder import RECORDER
from lib.waiting import wait_for

# Longer than the slowest call may take: a test never judges speed, only an answer that never comes.
PATIENCE = (10, 400)


class Api:
    """HTTPS calls to pgberth, each with a request id of its own that the trail remembers."""

    def __init__(self, base="https://localhost/api"):
        self.base = base
        self.patience = PATIENCE
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = False
        self.session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=128))

    def call(self, method, path, headers=None, **options):
        headers = {"X-Request-Id": RECORDER.new_request_id(), **(headers or {})}
        options.setdefault("timeout", self.patience)
        return self.session.request(
            method, self.base + path, headers=headers, allow_redirects=False, **options)

    def on(self, method, name, rest="", **options):
        """A call on one instance."""
        RECORDER.remember(name)
        return self.call(method, f"/containers/{urllib.parse.quote(name, safe='')}/{rest}", **options)

    def create(self, **fields):
        """POST as JSON."""
        if isinstance(fields.get("storage_dir"), str):
            RECORDER.remember(fields["storage_dir"])
        return self.call("POST", "/containers/", json=fields)

    def create_by_form(self, fields):
        RECORDER.remember(str(fields.get("storage_dir")))
        return self.call("POST", "/containers/", data=fields)

    def get(self, name):
        return self.on("GET", name)

    def delete(self, name, purge=False):
        return self.on("DELETE", name, params={"purge": "true"} if purge else None)

    def patch(self, name, **fields):
        return self.on("PATCH", name, json=fields)

    def start(self, name, **fields):
        return self.on("POST", name, "start", json=fields or None)

    def stop(self, name):
        return self.on("POST", name, "stop")

    def restart(self, name):
        return self.on("POST", name, "restart")

    def adopt(self, name):
        return self.on("POST", name, "adopt")

    def put_password(self, name, password):
        return self.on("PUT", name, "password", json={"admin_password": password})

    def logs(self, name, **query):
        return self.on("GET", name, "logs", params=query)

    def list(self, **query):
        return self.call("GET", "/containers/", params=query)

    def listed(self, **query):
        """The instances of every page, by name."""
        found, after = {}, None
        while True:
            page = ok(self.list(**query, **({"after": after} if after else {})))
            found.update({view["storage_dir"]: view for view in page["containers"]})
            after = page["next"]
            if after is None:
                return found


def ok(response):
    """The body of an answer that must be a success."""
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["status"] == "OK", body
    return body


def assert_error(response, status, code, field=None):
    """Checks that the answer is this typed refusal, `...` for any field; returns its message."""
    assert response.headers["Content-Type"].startswith("application/json"), response.text
    body = response.json()
    error = body["error"]
    assert (response.status_code, error["code"]) == (status, code), body
    assert field is ... or error.get("field") == field, body
    assert body["status"] == "ERROR"
    assert error["message"]
    return error["message"]


class Instance:
    """A server of the API: creates it, logs in to it, looks at it."""

    def __init__(self, api, settings, name, port):
        self.api = api
        self.name = name
        self.port = port
        self.password = f"pw-{secrets.token_hex(8)}"
        self.admin_user = settings.admin_user
        self.directory = settings.instances / name
        self.pgdata = self.directory / "pg" / "data"
        self.trash = settings.trash

    def fields(self, **changes):
        """The fields of its POST; one changed to None is left out."""
        fields = {"storage_dir": self.name, "admin_password": self.password, "port": self.port}
        fields.update(changes)
        return {key: value for key, value in fields.items() if value is not None}

    def post(self, **changes):
        return self.api.create(**self.fields(**changes))

    def create(self, **changes):
        """POSTs, which must succeed; its answer is used for logins from now on."""
        body = ok(self.post(**changes))
        self.password = changes.get("admin_password", self.password)
        self.port = body["port"]
        return body

    def view(self):
        return ok(self.api.get(self.name))

    def becomes(self, state, timeout=60):
        """Its view, once it is in that state."""
        return wait_for(lambda: (view := self.view())["state"] == state and view, f"{self.name} is {state}", timeout)

    def record(self):
        return json.loads((self.directory / "instance.json").read_text())

    def write_record(self, **changes):
        """Behind pgberth's back: it reads records at its start."""
        (self.directory / "instance.json").write_text(json.dumps({**self.record(), **changes}))

    def connect(self, **changes):
        options = dict(database="postgres", user=self.admin_user, password=self.password,
                       host="localhost", port=self.port, connect_timeout=20)
        options.update(changes)
        connection = psycopg2.connect(**options)
        connection.autocommit = True
        return connection

    def sql(self, statement, *arguments, **changes):
        """Run a statement on a connection of its own; rows where it gives some."""
        with contextlib.closing(self.connect(**changes)) as connection:
            with connection.cursor() as cursor:
                cursor.execute(statement, arguments or None)
                return cursor.fetchall() if cursor.description else None

    def value(self, statement, *arguments, **changes):
        return self.sql(statement, *arguments, **changes)[0][0]

    def shell(self, command):
        """Output of a command that the tenant runs inside its container, as its superuser can."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE said (line text)")
            cursor.execute("COPY said FROM PROGRAM %s WITH (DELIMITER E'\\x01')", (command,))
            cursor.execute("SELECT line FROM said")
            return [line for line, in cursor.fetchall()]

    def refusal(self, **changes):
        """libpq's message about a login that must fail."""
        with pytest.raises(psycopg2.OperationalError) as caught:
            self.connect(**changes).close()
        return str(caught.value)

    def keep_row(self, text):
        self.sql("CREATE TABLE IF NOT EXISTS kept (line text)")
        self.sql("INSERT INTO kept VALUES (%s)", text)

    def kept_rows(self):
        return [line for line, in self.sql("SELECT line FROM kept ORDER BY line")]

    def postmaster_started(self):
        return self.value("SELECT pg_postmaster_start_time()")

    def disk_bytes(self):
        """Size of its own file system (disk_mb), as that reports it, journal included."""
        said = subprocess.run(["xfs_info", self.directory / "pg"], check=True, capture_output=True, text=True).stdout
        size, blocks = re.search(r"^data\s+=\s+bsize=(\d+)\s+blocks=(\d+)", said, re.MULTILINE).groups()
        return int(size) * int(blocks)

    def trashed(self):
        """The server's directories in the trash."""
        return [path for path in self.trash.iterdir() if path.name.startswith(self.name)]
