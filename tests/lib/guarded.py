"""A pgberth of a test's own that only bearers of a token may call, and the command line beside it."""
import json
import subprocess

from lib.client import Api
from lib.stack import BINARY, Stack

PGBERTH = BINARY.parent / "pgberth"


class Guarded(Stack):
    """A stack with tokens, and pgberth beside it."""

    def pgberth(self, *arguments, given="", status=0):
        done = subprocess.run([PGBERTH, *arguments], input=given, capture_output=True, text=True, timeout=120)
        assert done.returncode == status, done
        return done.stdout + done.stderr

    def token(self, command, *arguments, **options):
        return self.pgberth("token", command, "-c", self.run / "pgberth.conf", *arguments, **options).strip()

    @property
    def tokens(self):
        return self.run / "tokens"

    def caller(self, token):
        """The API as the bearer of a token sees it; None: without any."""
        api = Api(self.api.base)
        if token:
            api.session.headers["Authorization"] = f"Bearer {token}"
        return api

    def edit(self, name, **changes):
        """Changes a token behind pgberth's back, as time would."""
        table = json.loads(self.tokens.read_text())
        next(token for token in table["tokens"] if token["name"] == name).update(changes)
        (self.run / "edited").write_text(json.dumps(table))
        (self.run / "edited").chmod(0o600)
        (self.run / "edited").rename(self.tokens)
