"""Fields of POST in JSON that break their rule: FAULTS E to G, and the fields that came later."""
import json

import pytest

from berth import assert_error

CANARY = "canary-8e2a7731d0"

# Field and its text in the JSON body; {} stands for a name of this test's own.
BAD = [
    *(("port", text) for text in [
        "null", '""', "true", "[]", "{}", '"6123"', '"6123abc"', "6123.0", "6.123e3", "6123.5", "0", "-1",
        "1", "22", "80", "443", "1023", "5432", "5999", "10000", "65535", "65536", "70968",
        "2147483648", "4294973419", "9223372036854775807", "-9223372036854775808"]),
    *(("storage_dir", text) for text in [
        "null", "6123", "true", "[]", '{"a": 1}', '""', '"."', '".."', '"..."', '"/"', '"~"', '"-"',
        '"{}/b"', '"{}/../x"', '"{}/"', '"../{}"', '"/etc/{}"', '"/{}"', '"./{}"', '"//{}"', '"~{}"',
        '"%2e%2e%2f{}"', '"{}%2e"', '" {}"', '"{} "', '"{} b"', r'"{}\tb"', r'"{}\n"', r'"{}\nb"', r'"{}\r"',
        '"{}:b"', '"{}:/etc:rw"', '"{},z"', '"{}=b"', r'"{}\"b"', '''"{}'b"''', '"{}`b`"', '"{}$(id)"',
        '"{};b"', '"{}|b"', '"{}*"', '"{}?"', r'"{}\\b"', '"{}&b"', '"{}#b"', '"{}@b"', '"{}+b"', '"{}{{b}}"',
        '"-v{}"', '"-{}"', '"--privileged{}"', '".{}"', '"_{}"', '"{}é"', '"{}e\u0301"', '"{}\uff0e\uff0f"',
        '"{}\u202eb"', '"{}\u200bb"', '"\u00a0{}"', r'"{}\u001b[31m"', r'"{}\u007f"',
        '"{}%s"' % ("x" * 51), '"{}%s"' % ("x" * 256), '"{}%s"' % ("x" * 4097)]),
    *(("admin_password", text) for text in [
        "null", "1", "true", f'["{CANARY}"]', f'{{"password": "{CANARY}"}}', '""',
        f'"{CANARY.ljust(1025, "x")}"', f'"{CANARY}{"é" * 504}"', f'"{CANARY.ljust(10_000, "x")}"',
        rf'"{CANARY}\u0000"', rf'"\u0000{CANARY}"']),
    *(("version", text) for text in [
        "null", '"15"', "15.0", "0", "-15", "14", "16", "18", "99", "true", "4294967311"]),
    *(("memory_mb", text) for text in [
        "null", '"512"', "512.0", "512.5", "0", "-1", "127", "100000000", "2147483648", "4294967808", "true"]),
    *(("cpus", text) for text in [
        "null", '"1"', "0", "0.0", "0.05", "0.0999", "-1", "4096", "1e300", "true", "[]"]),
    *(("labels", text) for text in [
        "null", '"a=b"', "[]", "1", '{"a": 1}', '{"a": null}', '{"a": {}}', '{"": "x"}', '{"A": "x"}',
        '{"a b": "x"}', '{"é": "x"}', '{"pgberth": "x"}', '{"pgberth.port": "x"}', '{"pgberthx": "x"}',
        '{"%s": "x"}' % ("k" * 64), '{"a": "%s"}' % ("v" * 256), '{"a": "%s"}' % ("é" * 128),
        r'{"a": "x\u0000"}', json.dumps({f"key{number}": "" for number in range(17)})]),
]


def body_of(fields):
    return "{%s}" % ", ".join(f'"{key}": {text}' for key, text in fields.items())


def post(api, fields):
    return api.call("POST", "/containers/", data=body_of(fields).encode(),
                    headers={"Content-Type": "application/json"})


def good_fields(instance):
    """Each field's JSON text, of an instance that must not come to be."""
    return {"storage_dir": f'"{instance.name}"', "admin_password": f'"{CANARY}"', "port": str(instance.port)}


def assert_names(response, field):
    """The error names the field, or a part of it (labels.a)."""
    named = response.json()["error"].get("field") or ""
    assert named.split(".")[0] == field, response.text
    assert_error(response, 422, "invalid", named)


@pytest.mark.parametrize("field, text", BAD, ids=[f"{field} {text[:30]}" for field, text in BAD])
def test_field_out_of_its_rule_is_422_naming_it(new_instance, api, traces, field, text):
    instance = new_instance()
    fields = good_fields(instance)
    fields[field] = text.replace("{}", instance.name) if field == "storage_dir" else text

    response = post(api, fields)

    assert_names(response, field)
    assert CANARY not in response.text
    assert traces.of(instance.name) == []


@pytest.mark.parametrize("field", ["storage_dir", "admin_password"])
def test_missing_field_is_422_naming_it(new_instance, api, traces, field):
    instance = new_instance()
    fields = good_fields(instance)
    del fields[field]

    response = post(api, fields)

    assert_error(response, 422, "invalid", field)
    assert traces.of(instance.name) == []


@pytest.mark.parametrize("field", ["port", "memory_mb", "cpus", "version"])
@pytest.mark.parametrize("text", ["9223372036854775808", "1" * 400, "1e400", "-1e400"])
def test_number_that_no_machine_holds_is_refused(new_instance, api, traces, field, text):
    instance = new_instance()

    response = post(api, {**good_fields(instance), field: text})

    error = response.json()["error"]
    assert (response.status_code, error["code"], error.get("field")) in [
        (400, "unreadable", None), (422, "invalid", field)]
    assert traces.of(instance.name) == []


@pytest.mark.parametrize("text", ["06123", "0x17eb", "+6123", "NaN", "Infinity", "6123.", ".5", "6_123", "--1"])
@pytest.mark.parametrize("field", ["port", "cpus"])
def test_number_that_is_no_json_is_400(new_instance, api, traces, field, text):
    instance = new_instance()

    response = post(api, {**good_fields(instance), field: text})

    assert_error(response, 400, "unreadable")
    assert CANARY not in response.text
    assert traces.of(instance.name) == []


def test_refusal_leaves_an_existing_instance_alone(shared, api, engine):
    view, before = shared.view(), engine.identity(shared.name)

    assert_error(shared.post(port=80), 422, "invalid", "port")
    assert_error(shared.post(admin_password=""), 422, "invalid", "admin_password")

    assert shared.view() == view
    assert engine.identity(shared.name) == before
    assert shared.value("SELECT 1") == 1
