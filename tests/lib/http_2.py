"""HTTP/2 frame by frame, for what no HTTP library would send: pseudo-headers that are missing, lengths that do not fit."""
import select

import hpack
from requests.structures import CaseInsensitiveDict

from lib.wire import Wire

DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
# RFC 9113, 6.5.2 and 6.9: how much may be sent before it is taken.
INITIAL_WINDOW_SIZE, WINDOW, WINDOW_MAX = 4, 65535, 2**31 - 1
FRAME_MAX = 16384
CANCEL = 8
# Fields of HTTP/1.1 that say how its bytes are framed.
OF_CONNECTION = (b"connection", b"transfer-encoding")


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def integer(number, prefix):
    """RFC 7541, 5.1, in a byte whose other bits are 0."""
    most = 2**prefix - 1
    if number < most:
        return bytes([number])
    number, octets = number - most, bytearray([most])
    while number >= 128:
        octets.append(number % 128 + 128)
        number //= 128
    return bytes([*octets, number])


def literal(text):
    return integer(len(text), 7) + text


def block(fields):
    """Header fields as they are: neither checked, nor put into the table, nor packed."""
    return b"".join(b"\0" + literal(name) + literal(value) for name, value in fields)


class Answer:
    """refused: the kind of the frame that came instead of a status, or in the middle of a body."""

    def __init__(self):
        self.status = self.refused = None
        self.headers, self.body = CaseInsensitiveDict(), b""
        self.is_whole = False

    def take_headers(self, fields):
        fields = dict(fields)
        self.status = int(fields.pop(":status"))
        self.headers = CaseInsensitiveDict(fields)


class Http2(Wire):
    """A connection and its streams."""

    def __init__(self, **options):
        super().__init__(protocols=["h2"], **options)
        self.received = bytearray()
        self.decoder = hpack.Decoder()
        self.answers, self.windows, self.window = {}, {}, WINDOW
        self.is_going = False
        self.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
                  frame(SETTINGS, 0, 0, INITIAL_WINDOW_SIZE.to_bytes(2, "big") + WINDOW_MAX.to_bytes(4, "big")) +
                  frame(WINDOW_UPDATE, 0, 0, (WINDOW_MAX - WINDOW).to_bytes(4, "big")))

    def begin(self, fields, ends=True):
        """Sends the header fields of a new stream, whose number it returns."""
        stream = 2 * len(self.answers) + 1
        self.answers[stream], self.windows[stream] = Answer(), WINDOW
        self._send_headers(stream, fields, END_STREAM if ends else 0)
        return stream

    def _send_headers(self, stream, fields, flags):
        packed = block(fields)
        pieces = [packed[at:at + FRAME_MAX] for at in range(0, len(packed), FRAME_MAX)]
        kinds = [HEADERS] + [CONTINUATION] * (len(pieces) - 1)
        for number, (kind, piece) in enumerate(zip(kinds, pieces)):
            last = END_HEADERS if number == len(pieces) - 1 else 0
            self.send(frame(kind, last | (flags if kind == HEADERS else 0), stream, piece))

    def trailers(self, stream, fields):
        self._send_headers(stream, fields, END_STREAM)

    def data(self, stream, body, ends=True):
        """Sends a body, as far as the windows open; returns how much of it was sent before an answer came."""
        sent = 0
        while sent < len(body) and not self._has_answer_by_now(stream):
            room = min(FRAME_MAX, self.window, self.windows[stream], len(body) - sent)
            if room <= 0:
                self._receive()
                continue
            self.send(frame(DATA, 0, stream, body[sent:sent + room]))
            self.window, self.windows[stream] = self.window - room, self.windows[stream] - room
            sent += room
        if ends and not self.has_answer(stream):
            self.send(frame(DATA, END_STREAM, stream))
        return sent

    def ask(self, fields, body=b"", is_whole=True, trailers=None):
        """The answer to one request on a stream of its own."""
        stream = self.begin(fields, ends=is_whole and not body and not trailers)
        if body:
            self.data(stream, body, ends=is_whole and not trailers)
        if trailers:
            self.trailers(stream, trailers)
        return self.answer(stream)

    def reset(self, stream):
        self.send(frame(RST_STREAM, 0, stream, CANCEL.to_bytes(4, "big")))

    def has_answer(self, stream):
        answer = self.answers[stream]
        return answer.is_whole or answer.refused is not None or self.is_going

    def answer(self, stream):
        while not self.has_answer(stream):
            self._receive()
        answer = self.answers[stream]
        if answer.status is None and answer.refused is None:
            answer.refused = GOAWAY
        return answer

    def _has_answer_by_now(self, stream):
        """After a look at what has come, which waits for nothing."""
        while not self.is_going and (self.received or self.socket.pending() or select.select([self.socket], [], [], 0)[0]):
            self._receive()
        return self.has_answer(stream)

    def _read(self, length):
        """None: the connection has ended."""
        while len(self.received) < length:
            more = self.socket.recv(65536)
            if not more:
                return None
            self.received += more
        taken = bytes(self.received[:length])
        del self.received[:length]
        return taken

    def _receive(self):
        """Takes one frame; the end of the connection is one that says go away."""
        head = self._read(9)
        payload = head and self._read(int.from_bytes(head[:3], "big"))
        if payload is None:
            self.is_going = True
            return
        self._take(head[3], head[4], int.from_bytes(head[5:], "big"), payload)

    def _take(self, kind, flags, stream, payload):
        answer = self.answers.get(stream)
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK, 0))
            self._take_settings(payload)
        elif kind == WINDOW_UPDATE and stream:
            self.windows[stream] += int.from_bytes(payload, "big")
        elif kind == WINDOW_UPDATE:
            self.window += int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self.is_going = True
        elif kind == RST_STREAM and not answer.is_whole:
            answer.refused = RST_STREAM
        elif kind == HEADERS:
            answer.take_headers(self.decoder.decode(payload))
        elif kind == DATA:
            answer.body += payload
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            answer.is_whole = True

    def _take_settings(self, payload):
        for at in range(0, len(payload), 6):
            if int.from_bytes(payload[at:at + 2], "big") == INITIAL_WINDOW_SIZE:
                more = int.from_bytes(payload[at + 2:at + 6], "big") - WINDOW
                self.windows = {stream: window + more for stream, window in self.windows.items()}


def translated(data):
    """The header fields, the body, and whether it is whole, of a request of HTTP/1.1."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, path = first.split(b" ")[:2]
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    hosts = [value for name, value in headers if name == b"host"]
    fields = [(b":method", method), (b":path", path), (b":scheme", b"https"), *((b":authority", host) for host in hosts),
              *((name, value) for name, value in headers if name not in (b"host", *OF_CONNECTION))]
    length = dict(headers).get(b"content-length", b"")
    return fields, body, not (length.isdigit() and int(length) > len(body))


def ask_by_http_2(fields, body=b"", is_whole=True, trailers=None, **options):
    """The answer to one request of these header fields, on a connection of its own."""
    with Http2(**options) as connection:
        return connection.ask(fields, body, is_whole, trailers)
