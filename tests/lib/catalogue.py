"""Requests that no client should send, byte by byte, and the refusal that each of them gets.

Rows are named by the catalogue's letter and number: A body, B its type, C encoding, D structure, E port, F storage_dir, G
password, H method and path, I headers; then the fields that came later. Where a body would be taken but for what its row
is about, the port 0 refuses it, so that no row makes anything."""
import dataclasses
import gzip
import hashlib
import json
import zlib

from lib import nginx
from lib.http_2 import GOAWAY, RST_STREAM

CANARY = "canary-5f1d9c4b7e"
# These stand for a name and a port of the row's own, as long as those are, and for an instance that is there.
NAME, PORT, SHARED = "@@@storage@@@", "@@@@", "%%%shared%%%%"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
HOST = b"Host: localhost\r\n"
GOOD = f'{{"storage_dir": "{NAME}", "admin_password": "{CANARY}", "port": 0}}'.encode()


@dataclasses.dataclass
class Row:
    """data: all that is sent. code None: an answer without a body. allow: the methods that a 405 names."""
    data: bytes
    status: int
    code: str = None
    field: str = None
    allow: set = None
    tls: bool = True


def request(method, path, headers=b"", body=b"", host=HOST):
    return method.encode() + b" " + path.encode("latin-1") + b" HTTP/1.1\r\n" + host + headers + b"\r\n" + body


def post(body, media=JSON, headers=b"", path="/api/containers/"):
    kind = f"Content-Type: {media}\r\n".encode() if media else b""
    return request("POST", path, kind + headers + b"Content-Length: %d\r\n" % len(body), body)


def unframed(headers, body=b""):
    """A POST whose length is in these headers, or nowhere."""
    return request("POST", "/api/containers/", b"Content-Type: application/json\r\n" + headers, body)


ROWS = {}


def add(name, *row, **options):
    assert name not in ROWS, name
    ROWS[name] = Row(*row, **options)


# ---- A to D: bodies --------------------------------------------------------------------------

UNREADABLE = (400, "unreadable", None)
MEDIA = (415, "unsupported_media_type", None)
TOO_LARGE = (413, "too_large", None)


def invalid(field):
    return (422, "invalid", field)


def swapped(old, new):
    return GOOD.replace(old, new)


BODIES = {
    "A1 empty": (JSON, b"", UNREADABLE),
    "A1 empty without a type": (None, b"", UNREADABLE),
    "A1 empty form": (FORM, b"", invalid("storage_dir")),
    "A2 whitespace": (JSON, b" \r\n\t ", UNREADABLE),
    "A3 null": (JSON, b"null", UNREADABLE),
    "A3 true": (JSON, b"true", UNREADABLE),
    "A3 number": (JSON, b"6123", UNREADABLE),
    "A4 array": (JSON, b"[]", UNREADABLE),
    "A4 array of the object": (JSON, b"[" + GOOD + b"]", UNREADABLE),
    "A5 string": (JSON, f'"{CANARY}"'.encode(), UNREADABLE),
    "A6 empty object": (JSON, b"{}", invalid("storage_dir")),
    "A7 truncated": (JSON, GOOD[:-1], UNREADABLE),
    "A7 truncated in a string": (JSON, GOOD[:50], UNREADABLE),
    "A8 trailing byte": (JSON, GOOD + b"x", UNREADABLE),
    "A8 nul after the object": (JSON, GOOD + b"\0", UNREADABLE),
    "A9 two documents": (JSON, GOOD + GOOD, UNREADABLE),
    "A10 trailing comma": (JSON, swapped(b"}", b",}"), UNREADABLE),
    "A11 comment": (JSON, swapped(b"{", b"{/* %s */" % CANARY.encode()), UNREADABLE),
    "A11 comment of a line": (JSON, b"// %s\n" % CANARY.encode() + GOOD, UNREADABLE),
    "A12 single quotes": (JSON, swapped(b'"', b"'"), UNREADABLE),
    "A12 unquoted keys": (JSON, b"{port: 6123}", UNREADABLE),
    "A12 no json": (JSON, f"storage_dir=x&admin_password={CANARY}".encode(), UNREADABLE),
    "A16 16 KiB": (JSON, GOOD.ljust(16384), invalid("port")),
    "A16 16 KiB and one": (JSON, GOOD.ljust(16385), TOO_LARGE),
    "A16 1 MB": (JSON, GOOD.ljust(2**20), TOO_LARGE),
    "A16 1 MB form": (FORM, b"admin_password=" + b"x" * 2**20, TOO_LARGE),

    "B21 no type": (None, GOOD, MEDIA),
    "B21 empty type": ("", GOOD, MEDIA),
    "B22 text": ("text/plain", GOOD, MEDIA),
    "B22 xml": ("application/xml", b"<x/>", MEDIA),
    "B23 form that is json": (FORM, GOOD, UNREADABLE),
    "B23 form with a field that is json": (FORM, b"port=6123&" + GOOD, invalid(None)),
    "B23 json that is a form": (JSON, b"port=1", UNREADABLE),
    "B23 form with a charset": (FORM + "; charset=UTF-8", b"", invalid("storage_dir")),
    "B24 multipart": ("multipart/form-data; boundary=x",
                      b'--x\r\nContent-Disposition: form-data; name="port"\r\n\r\n1\r\n--x--\r\n', MEDIA),
    "B25 utf-16": ("application/json; charset=utf-16", GOOD, MEDIA),
    "B25 latin-1": ("application/json; charset=iso-8859-1", GOOD, MEDIA),
    "B25 utf-16 form": (FORM + "; charset=utf-16", GOOD, MEDIA),
    "B25 utf-8 is read": ("application/json; charset=utf-8", GOOD, invalid("port")),
    "B26 capitals are read": ("APPLICATION/JSON", GOOD, invalid("port")),
    "B27 jsonx": ("application/jsonx", GOOD, MEDIA),
    "B27 patch": ("application/json-patch+json", GOOD, MEDIA),
    "B27 list": ("application/json, text/plain", GOOD, MEDIA),

    "C29 byte order mark": (JSON, b"\xef\xbb\xbf" + GOOD, UNREADABLE),
    "C30 utf-16": (JSON, GOOD.decode().encode("utf-16"), UNREADABLE),
    "C30 utf-32": (JSON, GOOD.decode().encode("utf-32"), UNREADABLE),
    "C31 invalid utf-8": (JSON, swapped(b"canary", b"\xff\xfe"), UNREADABLE),
    "C32 overlong": (JSON, swapped(b"canary", b"\xc0\xaf"), UNREADABLE),
    "C33 surrogate": (JSON, swapped(b"canary", b"\xed\xa0\x80"), UNREADABLE),
    "C33 escaped lone surrogate": (JSON, swapped(b"canary", rb"\ud800"), UNREADABLE),
    "C34 nul in a password": (JSON, swapped(b"canary", rb"a\u0000"), invalid("admin_password")),
    "C34 nul in a name": (JSON, swapped(NAME.encode(), NAME.encode() + rb"\u0000"), invalid("storage_dir")),
    "C34 nul in a key": (JSON, swapped(b"port", rb"po\u0000rt"), UNREADABLE),
    "C35 newline in a string": (JSON, swapped(b"canary", b"a\nb"), UNREADABLE),
    "C35 escape in a string": (JSON, swapped(b"canary", b"a\x1bb"), UNREADABLE),
    "C36 noncharacter in a name": (JSON, swapped(NAME.encode(), NAME.encode() + b"\xef\xbf\xbe"), invalid("storage_dir")),

    "D37 duplicate": (JSON, swapped(b"}", b', "port": 6123}'), invalid("port")),
    "D37 duplicate password": (JSON, swapped(b"}", b', "admin_password": "x"}'), invalid("admin_password")),
    "D38 duplicate by escape": (JSON, swapped(b"}", rb', "p\u006frt": 6123}'), invalid("port")),
    "D39 unknown": (JSON, swapped(b"port", b"prot"), invalid("prot")),
    "D39 label of forms": (JSON, swapped(b"port", b"labels.a"), invalid("labels.a")),
    "D40 wrong case": (JSON, swapped(b"port", b"Port"), invalid("Port")),
    "D41 2048 arrays": (JSON, b"[" * 2048, UNREADABLE),
    "D41 2049 arrays": (JSON, b"[" * 2049, UNREADABLE),
    "D41 2047 closed": (JSON, b'{"port":' + b"[" * 2047 + b"]" * 2047 + b"}", invalid("storage_dir")),
    "D41 3000 closed": (JSON, b'{"port":' + b"[" * 3000 + b"]" * 3000 + b"}", UNREADABLE),
    "D41 1500 objects": (JSON, b'{"labels":' * 1500, UNREADABLE),
    "D41 a million arrays": (JSON, b"[" * 10**6, TOO_LARGE),
    "D42 1000 keys": (JSON, json.dumps({f"key{number}": 1 for number in range(1000)}).encode(), invalid("key0")),
    "D42 100000 keys": (JSON, json.dumps({f"key{number}": 1 for number in range(10**5)}).encode(), TOO_LARGE),
    "D43 proto": (JSON, swapped(b"port", b"__proto__"), invalid("__proto__")),
    "D44 1 MB key": (JSON, swapped(b"port", b"x" * 10**6), TOO_LARGE),
    "D44 15 KB key": (JSON, swapped(b"port", b"x" * 15000), invalid("x" * 63)),
}
for name, (media, body, outcome) in BODIES.items():
    add(name, post(body, media), *outcome)
for encoding, pack in {"gzip": gzip.compress, "deflate": zlib.compress, "br": bytes, "gzip, identity": bytes}.items():
    add(f"A19 {encoding}", post(pack(GOOD), headers=f"Content-Encoding: {encoding}\r\n".encode()), *MEDIA)
add("A19 identity is read", post(GOOD, headers=b"Content-Encoding: identity\r\n"), *invalid("port"))
# nginx takes the first of two types; from 1.23 on it passes on both, divided by a comma.
add("B28 json and text", post(GOOD, headers=b"Content-Type: text/plain\r\n"),
    *(MEDIA if nginx.version() >= (1, 23) else invalid("port")))
add("B28 text and json", post(GOOD, "text/plain", b"Content-Type: application/json\r\n"), *MEDIA)

CHUNKED = b"Transfer-Encoding: chunked\r\n"
ENDLESS = b"40000000\r\n" + b" " * 65536
for name, headers, body, outcome in [
        ("A14 shorter than the body", b"Content-Length: 50\r\n", GOOD, UNREADABLE),
        ("A15 no length", b"", b"", UNREADABLE),
        ("A15 negative", b"Content-Length: -1\r\n", b"", UNREADABLE),
        ("A15 plus", b"Content-Length: +5\r\n", b"", UNREADABLE),
        ("A15 2^64", b"Content-Length: 18446744073709551616\r\n", b"", UNREADABLE),
        ("A15 list", b"Content-Length: 5,5\r\n", b"", UNREADABLE),
        ("A15 empty length", b"Content-Length: \r\n", b"", UNREADABLE),
        ("A15 hexadecimal", b"Content-Length: 0x10\r\n", b"", UNREADABLE),
        ("A16 16 KiB and one announced", b"Content-Length: 16385\r\n", b"", TOO_LARGE),
        ("A17 1 GB announced", b"Content-Length: 1073741824\r\n", b" " * 65536, TOO_LARGE),
        ("A17 1 GB in a chunk", CHUNKED, ENDLESS, TOO_LARGE),
        ("A18 chunks", CHUNKED, b"2\r\n{}\r\n0\r\n\r\n", invalid("storage_dir")),
        ("A18 20 KiB in chunks", CHUNKED, (b"1000\r\n" + b" " * 0x1000 + b"\r\n") * 5 + b"0\r\n\r\n", TOO_LARGE),
        ("A18 broken chunk", CHUNKED, b"zz\r\n{}\r\n", UNREADABLE),
        ("A20 expectation of another kind", b"Expect: 999\r\nContent-Length: %d\r\n" % len(GOOD), GOOD, invalid("port")),
]:
    add(name, unframed(headers, body), *outcome)

# ---- E to G: fields of JSON ------------------------------------------------------------------


def with_field(field, text):
    fields = {"storage_dir": f'"{NAME}"', "admin_password": f'"{CANARY}"', "port": PORT, field: text}
    return post("{{{}}}".format(", ".join(f'"{key}": {value}' for key, value in fields.items() if value)).encode())


def short(text):
    text = text.encode("unicode_escape").decode()
    return text if len(text) <= 40 else f"{text[:30]}... {len(text)}"


# Field: number in the catalogue: texts that are its value in the JSON, {} standing for the row's name. "": it is missing.
FIELDS = {
    "port": {
        "E45": ["null", '""', "true", "[]", "{}"], "E46": ['"@@@@"', '"@@@@abc"'],
        "E47": ["6123.0", "6.123e3", "6123.5"], "E48": ["0", "-1", "-0"],
        "E49": ["1", "22", "80", "443", "1023"], "E50": ["65535", "65536", "70968"],
        "E51": ["2147483648", "4294973419", "9223372036854775807", "-9223372036854775808"],
        "E53": ["5432", "5999", "10000", "32768"]},
    "storage_dir": {
        "F55": ["", "null", "6123", "true", "[]", '{"a": 1}', '""'],
        "F56": ['"."', '".."', '"..."', '"{}/b"', '"{}/../x"', '"{}/.."', '"{}/"', '"../{}"', '"./{}"', '"//{}"', '"//"'],
        "F57": ['"/"', '"~"', '"~{}"', '"/{}"', '"/etc/{}"', '"/proc/self/root"', '"/var/lib/pgberth"', '"/var/lib/docker"'],
        "F58": ['"%2e%2e%2f{}"', '"{}%2e"', '"%252e%252e%252f{}"'],
        "F59": ['"{}%s"' % ("x" * 51), '"{}%s"' % ("x" * 256), '"{}%s"' % ("x" * 4097)],
        "F60": ['" {}"', '"{} "', '"{} b"', r'"{}\tb"', r'"{}\n"', r'"{}\nb"', r'"{}\r"', '"{}:b"', '"{}:/etc:rw"',
                '"{},z"', '"{}=b"', r'"{}\"b"', '''"{}'b"''', '"{}`b`"', '"{}$(id)"', '"{};b"', '"{}|b"', '"{}*"', '"{}?"',
                r'"{}\\b"', '"{}&b"', '"{}#b"', '"{}@b"', '"{}+b"', '"{}{b}"', r'"{}\u001b[31m"', r'"{}\u007f"'],
        "F61": ['"-"', '"-{}"'], "F62": ['"-v{}"', '"--privileged{}"'],
        "F63": ['"{}é"', '"{}e\u0301"', '"{}\uff0e\uff0e\uff0f"', '"{}\u202eb"', '"{}\u200bb"', '"\u00a0{}"'],
        "F68": ['".{}"', '"_{}"', '"lost+found"'], "F69": ['"%s"' % hashlib.sha256(b"a container's id").hexdigest()]},
    "admin_password": {
        "G70": ["", "null", "1", "true", f'["{CANARY}"]', f'{{"password": "{CANARY}"}}', '""'],
        "G71": [f'"{CANARY.ljust(1025, "x")}"', f'"{CANARY}{"é" * 504}"', f'"{CANARY.ljust(10_000, "x")}"'],
        "G75": [rf'"{CANARY}\u0000"', rf'"\u0000{CANARY}"']},
    "version": {"J98": ["null", '"15"', "15.0", "0", "-15", "14", "16", "99", "true", "4294967311"]},
    "disk_mb": {"J98": ["null", '"512"', "512.0", "0", "-512", "511", "100000000", "4294967808", "true"]},
    "memory_mb": {"J98": ["null", '"512"', "512.0", "512.5", "0", "-1", "127", "100000000", "2147483648", "4294967808", "true"]},
    "cpus": {"J98": ["null", '"1"', "0", "0.0", "0.05", "0.0999", "-1", "4096", "1e300", "true", "[]"]},
    "labels": {"J99": [
        "null", '"a=b"', "[]", "1", '{"a": 1}', '{"a": null}', '{"a": {}}', '{"": "x"}', '{"A": "x"}', '{"a b": "x"}',
        '{"é": "x"}', '{"pgberth": "x"}', '{"pgberth.port": "x"}', '{"pgberthx": "x"}', '{"%s": "x"}' % ("k" * 64),
        '{"a": "%s"}' % ("v" * 256), '{"a": "%s"}' % ("é" * 128), r'{"a": "x\u0000"}',
        json.dumps({f"key{number}": "" for number in range(17)})]},
    "expires_in": {"J98": ["null", '"60"', "-1", "1.5", "315360001", "true"]},
    "expire_purge": {"J98": ["null", '"true"', "1", "[]"]},
}
for field, numbers in FIELDS.items():
    for number, texts in numbers.items():
        for text in texts:
            value = text.replace("{}", NAME) if field == "storage_dir" else text
            add(f"{number} {field} {short(text)}", with_field(field, value), *invalid(field))

OVERFLOWS = ["9223372036854775808", "1" * 400, "1e400", "-1e400"]
NO_NUMBERS = ["06123", "0x17eb", "+6123", "NaN", "Infinity", "6123.", ".5", "6_123", "--1"]
for field in ("port", "memory_mb", "disk_mb", "cpus", "version"):
    for text in OVERFLOWS:
        add(f"E51 {field} too large {short(text)}", with_field(field, text), *invalid(field))
    for text in NO_NUMBERS:
        add(f"E52 {field} no number {short(text)}", with_field(field, text), *UNREADABLE)

# ---- the same in forms -----------------------------------------------------------------------

# Text after the good fields, by the field that is to be named.
FORMS = {
    "port": {
        "E45": ["port=", "port=null"], "E46": ["port=6123abc"], "E47": ["port=6123.0", "port=6e3"],
        "E48": ["port=0", "port=-1", "port=-0"], "E49": ["port=80"], "E50": ["port=70968"],
        "E51": ["port=4294973419", "port=99999999999999999999"],
        "E52": ["port=+6123", "port=%2B6123", "port=6123+", "port=%206123", "port=06123", "port=0x17eb",
                "port=%D9%A6%D9%A1%D9%A2%D9%A3", "port=6123%00", "port=6123%0A"],
        "D37": ["port=6123&port=6124"], "D38": ["port=6123&p%6Frt=6123"]},
    "version": {"J98": ["version=", "version=16", "version=15.0", "version=015", "version=fifteen"]},
    "disk_mb": {"J98": [f"disk_mb={text}" for text in ["", "0", "511", "1G", "512.0"]]},
    "memory_mb": {"J98": [f"memory_mb={text}" for text in ["", "127", "512M", "512.0", "1e3", "-512"]]},
    "cpus": {"J98": [f"cpus={text}" for text in ["", "0", ".5", "1.", "0,5", "1e0", "inf", "nan", "0x1", "01", "+1", "-1",
                                                "0.05", "4096", "1.0.0"]]},
    "labels": {"J99": ["labels=x", "labels.=x", "labels.A=x", "labels.pgberth.port=x", f"labels.{'k' * 64}=x",
                       f"labels.a={'v' * 256}", "labels.a=%00", "&".join(f"labels.key{number}=" for number in range(17))]},
    "labels.a": {"D37": ["labels.a=1&labels.a=2"], "C31": ["labels.a=%FF"]},
    "expire_purge": {"J98": ["expire_purge=yes", "expire_purge="]},
    "prot": {"D39": ["prot=6123"]}, "Port": {"D40": ["Port=6123"]}, "port ": {"D39": ["port%20=6123"]},
    "port[]": {"D39": ["port[]=6123"]},
    "admin_password": {"D37": ["admin_password=again"]}, "storage_dir": {"D37": ["storage_dir=again"]},
}
START = f"storage_dir={NAME}&admin_password={CANARY}&"


def form(text):
    return post(text.encode(), FORM)


for field, numbers in FORMS.items():
    for number, texts in numbers.items():
        for text in texts:
            add(f"{number} form {short(text)}", form(START + text), *invalid(field))
for number, texts in {"F55": [""], "F58": ["%2e%2e", "..%2f..%2fetc", "%2e%2e%2f{}", "%252e{}"], "F59": ["{}" + "x" * 51],
                      "F60": ["{}%0a", "{}+b"], "F61": ["-{}"], "C31": ["{}%ff"], "C32": ["{}%c0%af"],
                      "C34": ["{}%00"]}.items():
    for text in texts:
        add(f"{number} form storage_dir={short(text)}",
            form(f"storage_dir={text.replace('{}', NAME)}&admin_password={CANARY}"), *invalid("storage_dir"))
for number, text in {"G70 form empty": "", "G75 form nul": "%00", "G75 form nul at the end": f"{CANARY}%00",
                     "C31 form password": f"{CANARY}%ff", "C32 form password": f"{CANARY}%c0%af",
                     "C33 form password": f"{CANARY}%ed%a0%80", "G71 form 1025 bytes": CANARY.ljust(1025, "x"),
                     "G71 form 1025 bytes of unicode": CANARY + "%C3%A9" * 504}.items():
    add(number, form(f"storage_dir={NAME}&admin_password={text}"), *invalid("admin_password"))
for text in ["port=%zz", "port=%4", "port=%", "%=1", "po%rt=1", "po%00rt=1", "%ff=1"]:
    add(f"H83 form {text}", form(START + text), *UNREADABLE)

# ---- H: method and path ----------------------------------------------------------------------

# Path below /api and the methods it has.
RESOURCES = {
    "/containers/": {"GET", "HEAD", "POST"},
    f"/containers/{SHARED}/": {"GET", "HEAD", "PATCH", "DELETE"},
    f"/containers/{SHARED}/start": {"POST"},
    f"/containers/{SHARED}/stop": {"POST"},
    f"/containers/{SHARED}/restart": {"POST"},
    f"/containers/{SHARED}/adopt": {"POST"},
    f"/containers/{SHARED}/password": {"PUT"},
    f"/containers/{SHARED}/logs": {"GET", "HEAD"},
    f"/containers/{SHARED}/certificate": {"GET", "HEAD"},
    "/trash/": {"GET", "HEAD"},
    "/purge": {"POST"},
    "/health": {"GET", "HEAD"},
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "FOO")
METHOD = (405, "method_not_allowed")
NOT_FOUND = (404, "not_found")
OURS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}

for path, allowed in RESOURCES.items():
    for method in METHODS:
        if method not in allowed:
            add(f"H81 {method} {path}", request(method, "/api" + path), *((405,) if method == "HEAD" else METHOD),
                allow=allowed)
add("H81 TRACE", request("TRACE", "/api/health"), *METHOD, allow=OURS)
add("H81 CONNECT", request("CONNECT", "localhost:443"), *UNREADABLE[:2])
add("H81 method of 2 KB", request("X" * 2048, "/api/health"), *METHOD, allow={"GET", "HEAD"})
add("H81 method in small letters", request("get", "/api/health"), *UNREADABLE[:2])
add("H82 capitals", request("GET", "/API/health"), *NOT_FOUND)
for path in ["/", "/index.html", "/apix", "/api/../etc/passwd", "/api", "/api/", "/api/containerss/",
             f"/api/containers/{SHARED}/nope", f"/api/containers/{SHARED}/start/x", "/api/containers//start",
             "/api/metrics.json", "/api/create", "/api/containers/../images/json", "/api/health;x=1",
             f"/api/containers/..;/{SHARED}/stop", "/_pgberth/404"]:
    add(f"H82 {path}", request("GET", path), *NOT_FOUND)
for text in ["a%0d%0ab", "a%ff", "a%1b", "a%10", "%7f"]:
    for method in ("GET", "DELETE"):
        add(f"H83 {method} {text}", request(method, f"/api/containers/{text}/"), *UNREADABLE[:2])
for name, path in {"nul": "/api/containers/%00/", "above the root": "/api/../../etc/passwd", "bad escape": "/api/%zz",
                   "raw bytes": "/api/containers/\xff/", "control byte": "/api/containers/\x01"}.items():
    add(f"H83 {name}", request("GET", path), *UNREADABLE[:2])
add("H84 parameter of no call", request("GET", "/api/health?x=1"), *invalid("x"))
add("H84 field in the query", post(GOOD, path="/api/containers/?port=1"), *invalid("port"))
add("H84 broken escape", request("GET", "/api/containers/?limit=%zz"), *UNREADABLE[:2])
add("H84 twice", request("GET", "/api/containers/?limit=1&limit=1"), *invalid("limit"))
add("H84 nul", request("GET", "/api/containers/?after=a%00"), *invalid("after"))
add("H84 10 KB", request("GET", "/api/containers/?limit=" + "1" * 10_000), 414, "unreadable")
add("H84 path of 10 KB", request("GET", "/api/" + "x" * 10_000), 414, "unreadable")
for text in ["-v", ".hidden", "..%2f..%2fimages%2fjson", "a%2fb", "a%20b", "x" * 64, hashlib.sha256().hexdigest(), "*", "a:b",
             "%c3%a9", "..;", "a%3fb"]:
    for method in ("GET", "DELETE"):
        add(f"H85 {method} {short(text)}", request(method, f"/api/containers/{text}/"), *NOT_FOUND)
add("H86 absolute form without a path", request("GET", "https://localhost"), *NOT_FOUND)
add("H86 plain http", request("GET", "/api/health"), *UNREADABLE[:2], tls=False)

# ---- I: headers ------------------------------------------------------------------------------


def get(headers=b"", path="/api/containers/", host=HOST):
    return request("GET", path, headers, host=host)


FORBIDDEN = (403, "forbidden")
for name, data, outcome in [
        ("I90 two lengths", unframed(b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"), UNREADABLE),
        ("I90 conflicting lengths", unframed(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{} "), UNREADABLE),
        ("I90 length and chunks", unframed(b"Content-Length: 2\r\n" + CHUNKED, b"2\r\n{}\r\n0\r\n\r\n"), UNREADABLE),
        ("I90 unknown transfer encoding", unframed(b"Transfer-Encoding: xchunked\r\n"), (501, "not_implemented", None)),
        ("I90 chunks twice", unframed(b"Transfer-Encoding: chunked, chunked\r\n"), (501, "not_implemented", None)),
        ("I90 nul in a header", get(b"X-Nul: a\0b\r\n"), UNREADABLE),
        ("I90 folded header", get(b"X-Folded: a\r\n b\r\n"), UNREADABLE),
        ("I90 space before the colon", get(b"Content-Type : x\r\n"), UNREADABLE),
        ("I91 header of 70 KB", get(b"X-Long: " + b"x" * 70_000 + b"\r\n"), UNREADABLE),
        ("I91 1000 headers", get(b"".join(b"X-%d: %s\r\n" % (number, b"x" * 40) for number in range(1000))), UNREADABLE),
        ("I92 no host", get(host=b""), UNREADABLE),
        ("I92 two hosts", get(host=HOST + HOST), UNREADABLE),
        ("I92 empty host", get(host=b"Host: \r\n"), UNREADABLE),
        ("I92 host with a slash", get(host=b"Host: localhost/x\r\n"), UNREADABLE),
        ("I93 authorization of 9 KB", get(b"Authorization: Bearer " + b"x" * 9000 + b"\r\n"), UNREADABLE),
        ("I93 two authorizations", get(b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"), UNREADABLE),
        ("I94 html is wanted", get(b"Accept: text/html\r\n", "/api/nope"), NOT_FOUND),
        ("I96 version of tomorrow", b"GET /api/health HTTP/9.9\r\n" + HOST + b"\r\n", (505, "unreadable")),
        ("I96 1.0 without a host", b"GET /api/containers/ HTTP/1.0\r\n\r\n", FORBIDDEN),
        ("I96 no http at all", b"GARBAGE\r\n\r\n", UNREADABLE),
        ("I96 http 2 in clear text", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", UNREADABLE),
        # A method and a path that only these ask for.
        ("I89 method of a header", request("GET", "/api/purge", b"X-HTTP-Method-Override: POST\r\n"), METHOD),
        ("I89 path of a header", get(b"X-Original-URL: /api/health\r\nX-Rewrite-URL: /api/health\r\n", "/api/nope"), NOT_FOUND),
]:
    add(name, data, *outcome)
for value in [b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example", b"evil.example:443", b"192.0.2.1"]:
    for method in ("GET", "POST"):
        add(f"I92 {method} for {value.decode()}", request(method, "/api/containers/", host=b"Host: " + value + b"\r\n"),
            *FORBIDDEN)
for header in [b"Origin: https://evil.example", b"Origin: null", b"Origin: https://localhost.evil.example",
               b"Sec-Fetch-Site: cross-site"]:
    add(f"I92 GET {header.decode()}", get(header + b"\r\n"), *FORBIDDEN)
    add(f"I92 POST {header.decode()}", form(START).replace(HOST, HOST + header + b"\r\n"), *FORBIDDEN)

# ---- by HTTP/2 ---------------------------------------------------------------------------------

# Rows about what only HTTP/1.1 has: its chunks, lines and versions. What HTTP/2 can say instead is in HTTP_2_ROWS.
HTTP_1_ALONE = {
    "A18 chunks", "A18 broken chunk", "I90 length and chunks", "I90 unknown transfer encoding", "I90 chunks twice",
    "H86 absolute form without a path", "H86 plain http", "I96 version of tomorrow", "I96 1.0 without a host",
    "I96 no http at all", "I96 http 2 in clear text"}
# A header field that is none: the stream ends; from 1.25 on nginx answers 400.
BAD_FIELD = None if nginx.version() >= (1, 25) else RST_STREAM
# Rows that break the protocol, for which nginx ends the stream or, the header fields being lost, the connection.
HTTP_2_ENDS = {
    "I90 nul in a header": BAD_FIELD, "I90 folded header": BAD_FIELD, "I90 space before the colon": BAD_FIELD,
    "I91 header of 70 KB": GOAWAY, "I91 1000 headers": GOAWAY}


@dataclasses.dataclass
class Http2Row:
    """A request of these fields, and the refusal of it: a status and a code (None: it is served), or the kind of a frame."""
    fields: list
    status: int = None
    code: str = None
    field: str = None
    refused: int = None
    body: bytes = b""
    is_whole: bool = True
    trailers: list = None
    allow: set = None


METHOD_2, PATH_2, SCHEME_2, HOST_2 = GET_2 = [
    (b":method", b"GET"), (b":path", b"/api/containers/"), (b":scheme", b"https"), (b":authority", b"localhost")]
POST_2 = [(b":method", b"POST"), *GET_2[1:], (b"content-type", b"application/json")]
HUGE = (b"content-length", b"1073741824")


def to(path, method=METHOD_2):
    return [method, (b":path", path), SCHEME_2, HOST_2]


HTTP_2_ROWS = {
    "I96 h2 is served": Http2Row(GET_2, 200),
    "I96 h2 host as a header": Http2Row([*GET_2[:3], (b"host", b"localhost")], 200),
    "I96 h2 underscores": Http2Row([*GET_2, (b"content_length", b"5")], 200),
    "I96 h2 20 KB of what nobody reads": Http2Row([*GET_2, (b"x-long", b"x" * 20_000)], 200),
    **{f"I96 h2 {name}": Http2Row(fields, *UNREADABLE) for name, fields in {
        "no method": GET_2[1:],
        "no path": [METHOD_2, SCHEME_2, HOST_2],
        "no scheme": [METHOD_2, PATH_2, HOST_2],
        "no host": GET_2[:3],
        "nothing but a method": [METHOD_2],
        "two paths": [*GET_2, (b":path", b"/api/health")],
        "path after a header": [METHOD_2, SCHEME_2, HOST_2, (b"x-a", b"b"), PATH_2, PATH_2],
        "two methods": [METHOD_2, *GET_2],
        "two schemes": [SCHEME_2, *GET_2],
        "empty path": to(b""),
        "path without a slash": to(b"api/health"),
        "path that is a query": to(b"?x"),
        "path with a space": to(b"/api/hea lth"),
        "absolute path": to(b"https://localhost/api/health"),
        "asterisk": to(b"*", (b":method", b"OPTIONS")),
        "unknown pseudo-header": [*GET_2, (b":foo", b"x")],
        "pseudo-header of answers": [*GET_2, (b":status", b"200")],
        "scheme that is none": [*GET_2[:2], (b":scheme", b"f!oo"), HOST_2],
        "method with a space": [(b":method", b"G T"), *GET_2[1:]],
        "method in small letters": [(b":method", b"get"), *GET_2[1:]],
        "empty method": [(b":method", b""), *GET_2[1:]],
        "connect": [(b":method", b"CONNECT"), HOST_2],
        "connect to websockets": [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET_2[1:]],
        "two hosts": [*GET_2, (b"host", b"evil.example")],
        "authorization of 31 KB": [*GET_2, (b"authorization", b"x" * 31_000)],
    }.items()},
    "I96 h2 connect with a path": Http2Row([(b":method", b"CONNECT"), *GET_2[1:]], *METHOD, allow=OURS),
    "I96 h2 another host": Http2Row([*GET_2[:3], (b":authority", b"evil.example")], *FORBIDDEN),
    "I96 h2 path of 31 KB": Http2Row(to(b"/api/" + b"x" * 31_000), 414, "unreadable"),
    "I96 h2 capitals": Http2Row([*GET_2, (b"X-Capitals", b"x")], *(() if BAD_FIELD else UNREADABLE), refused=BAD_FIELD),
    "I96 h2 newline in a value": Http2Row([*GET_2, (b"x-a", b"b\r\nx: y")], *(() if BAD_FIELD else UNREADABLE), refused=BAD_FIELD),
    "I96 h2 nul in a value": Http2Row([*GET_2, (b"x-a", b"b\0")], *(() if BAD_FIELD else UNREADABLE), refused=BAD_FIELD),
    "I96 h2 field without a name": Http2Row([*GET_2, (b"", b"x")], refused=GOAWAY),
    "A15 h2 body without a length": Http2Row(POST_2, *invalid("storage_dir"), body=b"{}"),
    "A15 h2 length above the body": Http2Row([*POST_2, (b"content-length", b"20")], *UNREADABLE, body=b"{}"),
    "A15 h2 length below the body": Http2Row([*POST_2, (b"content-length", b"2")], *UNREADABLE, body=b"{}  "),
    "A16 h2 20 KB without a length": Http2Row(POST_2, *TOO_LARGE, body=b" " * 20_000),
    "A16 h2 1 MB without a length or an end": Http2Row(POST_2, *TOO_LARGE, body=b" " * 2**20, is_whole=False),
    "A18 h2 transfer encoding": Http2Row([*POST_2, (b"transfer-encoding", b"xchunked")], 501, "not_implemented", body=b"{}"),
    "A18 h2 trailers": Http2Row(POST_2, refused=GOAWAY, body=b"{}", trailers=[(b"x-trailer", b"x")]),
    "A20 h2 expectation": Http2Row([*POST_2, (b"expect", b"100-continue")], *invalid("storage_dir"), body=b"{}"),
    # Refused before the body counts, whatever its length.
    **{f"A17 h2 1 GB announced, {name}": Http2Row([*fields, HUGE], *outcome, is_whole=False) for name, fields, outcome in [
        ("no host", POST_2[:3], UNREADABLE), ("bad escape", to(b"/api/%zz"), UNREADABLE),
        ("no path", [METHOD_2, SCHEME_2, HOST_2], UNREADABLE), ("no path of ours", to(b"/nope"), TOO_LARGE),
        ("to a page of nginx's", to(b"/_pgberth/413"), (*NOT_FOUND, None))]},
    "A17 h2 1 GB announced, trace": Http2Row([*to(b"/api/health", (b":method", b"TRACE")), HUGE], *METHOD, is_whole=False,
                                             allow=OURS),
}

# ---- what only looks bad, and is served ------------------------------------------------------

HEALTH = "/api/health"
PATCH = f"/api/containers/{SHARED}/"


def patch(body, media=JSON, headers=b""):
    return post(body, media, headers, PATCH).replace(b"POST ", b"PATCH ", 1)


SERVED = {
    "A18 chunks": request("PATCH", PATCH, b"Content-Type: application/json\r\n" + CHUNKED,
                          b'7\r\n{"cpus"\r\n4\r\n: 1}\r\n0\r\n\r\n'),
    "A20 expect 100-continue": patch(b'{"cpus": 1}', headers=b"Expect: 100-continue\r\n"),
    "A20 expect something else": patch(b'{"cpus": 1}', headers=b"Expect: 999\r\n"),
    "B23 form": patch(b"cpus=1", FORM),
    "B25 utf-8 in quotes": patch(b'{"cpus": 1}', 'application/json; charset="UTF-8"'),
    "B26 capitals": patch(b'{"cpus": 1}', "APPLICATION/JSON"),
    "C29 escapes": patch(rb'{"\u0063pus": 1}'),
    "H82 no last slash": get(path=PATCH.rstrip("/")),
    "H82 two slashes": get(path="//api//health"),
    "H82 dot": get(path="/api/./health"),
    "H82 up and down": get(path="/x/../api/health"),
    "H82 escaped letters": get(path="/%61pi/h%65alth"),
    "H84 empty query": get(path="/api/health?"),
    "H86 absolute form": get(path="https://localhost/api/health"),
    # Host decides, not what no browser sends.
    "H86 absolute form of another host": get(path="https://evil.example/api/health"),
    "I87 proxy": get(b"Proxy: http://127.0.0.1:1\r\n", HEALTH),
    "I88 underscores": get(b"X_Forwarded_For: 192.0.2.1\r\nContent_Length: 5\r\nX-Forwarded-For: 192.0.2.1\r\n"),
    "I89 other method and path": get(b"X-HTTP-Method-Override: DELETE\r\nX-Original-URL: /etc\r\n", PATCH),
    "I90 bare newlines": get().replace(b"\r\n", b"\n"),
    "I91 100 headers": get(b"".join(b"X-%d: x\r\n" % number for number in range(100))),
    "I93 basic": get(b"Authorization: Basic dXNlcjpwYXNz\r\n"),
    "I93 no ascii": get(b"Authorization: Bearer \xff\xfe\r\n"),
    "I94 any kind of answer": get(b"Accept: text/html, */*;q=0\r\n"),
    "I95 idempotency key": get(b"Idempotency-Key: " + b"k" * 1024 + b"\r\n"),
    "I95 empty idempotency key": get(b"Idempotency-Key: \r\n"),
    "I96 1.0": b"GET /api/health HTTP/1.0\r\n" + HOST + b"\r\n",
}
SERVED_BY_HTTP_1_ALONE = {"A18 chunks", "H86 absolute form", "H86 absolute form of another host", "I90 bare newlines", "I96 1.0"}

PASSWORDS = {
    "G70 one byte": "x",
    "G71 1024 bytes": "p" * 1024,
    "G71 1024 bytes of unicode": "é" * 512,
    "G72 quotes": """it's "quoted" ''""",
    "G72 backslash": r"back\slash\\n\'",
    "G72 dollar quotes": "$$;$pw$ --",
    "G72 sql": "'; DROP ROLE pythonanywhere_helper; --",
    "G72 escape string": "E'\\n'",
    "G73 format": "%s%n%08x ${HOME} `id` $(id)",
    "G73 form characters": "a&b=c+d %26;e",
    "G74 only spaces": "   ",
    "G74 spaces around": "  pass word  ",
    "G75 control characters": "tab\tnewline\nescape\x1bdelete\x7f",
    "G76 composed": "caf\u00e9",
    "G76 decomposed": "cafe\u0301",
    "G76 no-break space": "a\u00a0b",
    "G76 soft hyphen": "a\u00adb",
    "G76 ligature": "\ufb01ne",
    "G76 right to left": "\u05d0\u05d1a",
    "G77 emoji": "\U0001f418\U0001f512",
    "G77 unassigned": "a\u0378b",
    "G77 noncharacter": "a\ufffeb",
    "G78 md5 lookalike": "md5" + hashlib.md5(b"x").hexdigest(),
    "G78 scram lookalike": "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2E=$" + "A" * 43 + "=:" + "B" * 43 + "=",
}
