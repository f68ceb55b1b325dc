"""Bodies that are no request: FAULTS A to D."""
import gzip

import pytest

from berth import assert_error

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
CANARY = "canary-5f1d9c4b7e"
# As long as a name of the tests, for which it stands.
NAME = b"@@@storage@@@"
GOOD = b'{"storage_dir": "%s", "admin_password": "canary-5f1d9c4b7e", "port": 0}' % NAME

# Content type, body, status, code, field. Where a body would be read at all, port 0 refuses it.
BODIES = {
    "A empty": (JSON, b"", 400, "unreadable", None),
    "A empty without a type": (None, b"", 400, "unreadable", None),
    "A whitespace": (JSON, b" \r\n\t ", 400, "unreadable", None),
    "A null": (JSON, b"null", 400, "unreadable", None),
    "A true": (JSON, b"true", 400, "unreadable", None),
    "A number": (JSON, b"6123", 400, "unreadable", None),
    "A array": (JSON, b"[]", 400, "unreadable", None),
    "A array of the object": (JSON, b"[" + GOOD + b"]", 400, "unreadable", None),
    "A string": (JSON, b'"canary-5f1d9c4b7e"', 400, "unreadable", None),
    "A empty object": (JSON, b"{}", 422, "invalid", "storage_dir"),
    "A truncated": (JSON, GOOD[:-1], 400, "unreadable", None),
    "A truncated in a string": (JSON, GOOD[:50], 400, "unreadable", None),
    "A trailing bytes": (JSON, GOOD + b"x", 400, "unreadable", None),
    "A nul after the object": (JSON, GOOD + b"\0", 400, "unreadable", None),
    "A two documents": (JSON, GOOD + GOOD, 400, "unreadable", None),
    "A trailing comma": (JSON, GOOD.replace(b"}", b",}"), 400, "unreadable", None),
    "A comment": (JSON, GOOD.replace(b"{", b"{/* canary-5f1d9c4b7e */"), 400, "unreadable", None),
    "A single quotes": (JSON, GOOD.replace(b'"', b"'"), 400, "unreadable", None),
    "A unquoted keys": (JSON, b"{port: 6123}", 400, "unreadable", None),
    "A not json": (JSON, b"storage_dir=x&admin_password=canary-5f1d9c4b7e", 400, "unreadable", None),
    "A 16 KiB": (JSON, GOOD.ljust(16384), 422, "invalid", "port"),
    "A 16 KiB and one": (JSON, GOOD.ljust(16385), 413, "too_large", None),
    "A 1 MB": (JSON, GOOD.ljust(2**20), 413, "too_large", None),
    "A 1 MB form": (FORM, b"admin_password=" + b"x" * 2**20, 413, "too_large", None),
    "A empty form": (FORM, b"", 422, "invalid", "storage_dir"),

    "B no type": (None, GOOD, 415, "unsupported_media_type", None),
    "B text": ("text/plain", GOOD, 415, "unsupported_media_type", None),
    "B xml": ("application/xml", b"<x/>", 415, "unsupported_media_type", None),
    "B multipart": ("multipart/form-data; boundary=x",
                    b'--x\r\nContent-Disposition: form-data; name="port"\r\n\r\n1\r\n--x--\r\n',
                    415, "unsupported_media_type", None),
    "B jsonx": ("application/jsonx", GOOD, 415, "unsupported_media_type", None),
    "B json list": ("application/json, text/plain", GOOD, 415, "unsupported_media_type", None),
    "B utf-16": ("application/json; charset=utf-16", GOOD, 415, "unsupported_media_type", None),
    "B utf-8": ("application/json; charset=utf-8", GOOD, 422, "invalid", "port"),
    "B capitals": ("APPLICATION/JSON", GOOD, 422, "invalid", "port"),
    "B form with charset": (FORM + "; charset=UTF-8", b"", 422, "invalid", "storage_dir"),
    "B form as json": (JSON, b"port=1", 400, "unreadable", None),

    "C byte order mark": (JSON, b"\xef\xbb\xbf" + GOOD, 400, "unreadable", None),
    "C utf-16": (JSON, GOOD.decode().encode("utf-16"), 400, "unreadable", None),
    "C utf-32": (JSON, GOOD.decode().encode("utf-32"), 400, "unreadable", None),
    "C invalid utf-8": (JSON, GOOD.replace(b"canary", b"\xff\xfe"), 400, "unreadable", None),
    "C overlong utf-8": (JSON, GOOD.replace(b"canary", b"\xc0\xaf"), 400, "unreadable", None),
    "C surrogate": (JSON, GOOD.replace(b"canary", b"\xed\xa0\x80"), 400, "unreadable", None),
    "C escaped lone surrogate": (JSON, GOOD.replace(b"canary", rb"\ud800"), 400, "unreadable", None),
    "C raw newline in a string": (JSON, GOOD.replace(b"canary", b"a\nb"), 400, "unreadable", None),
    "C nul in a password": (JSON, GOOD.replace(b"canary", rb"a\u0000"), 422, "invalid", "admin_password"),
    "C nul in a name": (JSON, GOOD.replace(NAME, NAME + rb"\u0000"), 422, "invalid", "storage_dir"),

    "D duplicate": (JSON, GOOD.replace(b"}", b', "port": 6123}'), 422, "invalid", "port"),
    "D duplicate by escape": (JSON, GOOD.replace(b"}", rb', "p\u006frt": 6123}'), 422, "invalid", "port"),
    "D duplicate password": (JSON, GOOD.replace(b"}", b', "admin_password": "x"}'),
                             422, "invalid", "admin_password"),
    "D unknown": (JSON, GOOD.replace(b"port", b"prot"), 422, "invalid", "prot"),
    "D wrong case": (JSON, GOOD.replace(b"port", b"Port"), 422, "invalid", "Port"),
    "D proto": (JSON, GOOD.replace(b"port", b"__proto__"), 422, "invalid", "__proto__"),
    "D label of forms": (JSON, GOOD.replace(b"port", b"labels.a"), 422, "invalid", "labels.a"),
}


# For what may be no JSON to one reader and a wrong field to another.
REFUSED = [(400, "unreadable"), (422, "invalid")]


@pytest.mark.parametrize("media, body, status, code, field", BODIES.values(), ids=BODIES)
def test_body_is_refused(new_instance, api, traces, media, body, status, code, field):
    instance = new_instance()

    response = api.call("POST", "/containers/", data=body.replace(NAME, instance.name.encode()),
                        headers={"Content-Type": media})

    assert_error(response, status, code, field)
    assert CANARY not in response.text
    assert traces.of(instance.name) == []


@pytest.mark.parametrize("body", [
    b"[" * 8000, b'{"labels":' * 1500, b'{"port":' + b"[" * 3000 + b"]" * 3000 + b"}",
], ids=["arrays", "objects", "closed"])
def test_deep_nesting_is_refused(api, body):
    response = api.call("POST", "/containers/", data=body, headers={"Content-Type": JSON})

    assert (response.status_code, response.json()["error"]["code"]) in REFUSED



def test_thousand_keys_are_refused(api):
    fields = {f"key{number}": 1 for number in range(1000)}

    response = api.call("POST", "/containers/", json=fields)

    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid")


def test_nul_in_a_key_is_refused(api):
    body = rb'{"po\u0000rt": 1}'

    response = api.call("POST", "/containers/", data=body, headers={"Content-Type": JSON})

    assert (response.status_code, response.json()["error"]["code"]) in REFUSED


def test_compressed_body_is_415(new_instance, api, traces):
    instance = new_instance()
    body = gzip.compress(GOOD.replace(NAME, instance.name.encode()))

    response = api.call("POST", "/containers/", data=body,
                        headers={"Content-Type": JSON, "Content-Encoding": "gzip"})

    assert_error(response, 415, "unsupported_media_type")
    assert traces.of(instance.name) == []


def test_parameter_of_the_query_is_no_field(new_instance, api, traces):
    instance = new_instance()

    response = api.call("POST", f"/containers/?port={instance.port}", json=instance.fields(port=None))

    assert_error(response, 422, "invalid", "port")
    assert traces.of(instance.name) == []
