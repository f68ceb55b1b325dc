"""Engines of other years: what stands before the real engine has these API versions alone, and answers as they do."""
import re

from lib.engine_proxy import answer

VERSION = re.compile(rb"^(\w+) /v1\.(\d+)/")
# Members that API 1.52 leaves out: of an event, and of an inspected container's NetworkSettings outside of Networks.
OF_EVENT = re.compile(rb'(?<=\{)"status":"[^"]*","id":"[^"]*",(?:"from":"[^"]*",)?(?="Type")')
OF_NETWORK = re.compile(rb'"(?:Bridge|EndpointID|Gateway|GlobalIPv6Address|IPAddress|IPv6Gateway|MacAddress)":"[^"]*",')
TOO_OLD = "client version 1.{} is too old. Minimum supported API version is 1.{}, please upgrade your client to a newer version"
TOO_NEW = "client version 1.{} is too new. Maximum supported API version is 1.{}"


def blank(pattern, text):
    """Spaces instead, so that lengths that were told stay true."""
    return pattern.sub(lambda found: b" " * len(found[0]), text)


def without_what_is_left_out(path, piece):
    if "/events?" in path:
        return blank(OF_EVENT, piece)
    before, mark, settings = piece.partition(b'"NetworkSettings":')
    own, networks, rest = settings.partition(b'"Networks":')
    return before + mark + blank(OF_NETWORK, own) + networks + rest


class Era:
    """A fault for every call: oldest and newest are minor versions of the API, and may be changed at any time."""

    def __init__(self, oldest=24, newest=41):
        self.oldest, self.newest = oldest, newest
        self.spoken = set()  # the versions of calls that it took

    def become(self, oldest, newest):
        self.oldest, self.newest = oldest, newest
        self.spoken = set()

    def __call__(self, exchange):
        found = VERSION.match(exchange.head)
        if found and self._refuses(exchange, int(found[2])):
            return
        exchange.head = VERSION.sub(rb"\1 /", exchange.head)
        self._pass_on(exchange, int(found[2]) if found else self.newest)

    def _refuses(self, exchange, minor):
        if minor < self.oldest:
            answer(400, {"message": TOO_OLD.format(minor, self.oldest)})(exchange)
        elif minor > self.newest:
            answer(400, {"message": TOO_NEW.format(minor, self.newest)})(exchange)
        else:
            self.spoken.add(minor)
            return False
        return True

    def _pass_on(self, exchange, minor):
        def edited(piece):
            piece = re.sub(rb"(?i)(\r\nApi-Version: )[\d.]+", rb"\g<1>1.%d" % self.newest, piece, count=1)
            return without_what_is_left_out(exchange.path, piece) if minor >= 52 else piece

        if "/events?" in exchange.path:
            exchange.released = exchange.flow
            exchange.pass_on(edited)
        else:
            exchange.client.sendall(edited(exchange.reply()))
