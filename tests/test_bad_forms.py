"""Forms that break a rule: what JSON cannot say, and what a form says in another way."""
import pytest

from berth import assert_error

CANARY = "canary-c0ffee77aa"
FORM = "application/x-www-form-urlencoded"

# Raw text after the good fields "storage_dir=…&admin_password=…&", and the field that is to be named.
BAD = [
    *((f"port={text}", "port") for text in [
        "", "+6123", "%2B6123", "6123+", "%206123", "06123", "0x17eb", "6123abc", "6123.0", "6e3", "0", "-1", "-0",
        "80", "70968", "4294973419", "99999999999999999999", "%D9%A6%D9%A1%D9%A2%D9%A3", "6123%00", "6123%0A",
        "null", "6123&port=6124", "6123&p%6Frt=6123"]),
    *((f"version={text}", "version") for text in ["", "16", "15.0", "015", "fifteen"]),
    *((f"memory_mb={text}", "memory_mb") for text in ["", "127", "512M", "512.0", "1e3", "-512"]),
    *((f"cpus={text}", "cpus") for text in [
        "", "0", ".5", "1.", "0,5", "1e0", "inf", "nan", "0x1", "01", "+1", "-1", "0.05", "4096", "1.0.0"]),
    *((text, "labels") for text in [
        "labels=x", "labels.=x", "labels.A=x", "labels.pgberth.port=x", "labels.a=1&labels.a=2",
        f"labels.{'k' * 64}=x", f"labels.a={'v' * 256}", "labels.a=%00", "labels.a=%FF",
        "&".join(f"labels.key{number}=" for number in range(17))]),
    ("prot=6123", "prot"), ("Port=6123", "Port"), ("port%20=6123", "port "), ("port[]=6123", "port[]"),
    ("admin_password=again", "admin_password"), ("storage_dir=again", "storage_dir"),
]


@pytest.mark.parametrize("text, field", BAD, ids=[text[:40] for text, _ in BAD])
def test_bad_field_of_a_form_is_422_naming_it(new_instance, api, traces, text, field):
    instance = new_instance()

    response = api.call("POST", "/containers/", headers={"Content-Type": FORM},
                        data=f"storage_dir={instance.name}&admin_password={CANARY}&{text}")

    named = response.json()["error"].get("field") or ""
    assert named == field or (field == "labels" and named.startswith("labels.")), response.text
    assert_error(response, 422, "invalid", named)
    assert CANARY not in response.text
    assert traces.of(instance.name) == []


@pytest.mark.parametrize("text", ["", "%2e%2e", "..%2f..%2fetc", "%2e%2e%2f{}", "{}%00", "{}%0a", "{}+b", "{}%c0%af",
                                  "{}%ff", "-{}", "%252e{}"])
def test_bad_name_in_a_form_is_422(new_instance, api, traces, text):
    instance = new_instance()

    response = api.call("POST", "/containers/", headers={"Content-Type": FORM},
                        data=f"storage_dir={text.format(instance.name)}&admin_password={CANARY}")

    assert_error(response, 422, "invalid", "storage_dir")
    assert CANARY not in response.text
    assert traces.of(instance.name) == []


@pytest.mark.parametrize("text", ["", "%00", f"{CANARY}%00", f"{CANARY}%ff", f"{CANARY}%c0%af", f"{CANARY}%ed%a0%80",
                                  CANARY.ljust(1025, "x"), CANARY + "%C3%A9" * 504],
                         ids=["empty", "nul", "nul at the end", "no utf-8", "overlong", "surrogate", "1025 bytes",
                              "1025 bytes of unicode"])
def test_bad_password_in_a_form_is_422(new_instance, api, traces, text):
    instance = new_instance()

    response = api.call("POST", "/containers/", headers={"Content-Type": FORM},
                        data=f"storage_dir={instance.name}&admin_password={text}")

    assert_error(response, 422, "invalid", "admin_password")
    assert CANARY not in response.text
    assert traces.of(instance.name) == []


@pytest.mark.parametrize("text", ["port=%zz", "port=%4", "port=%", "%=1", "po%rt=1"])
def test_broken_escape_in_a_form_is_400(new_instance, api, traces, text):
    instance = new_instance()

    response = api.call("POST", "/containers/", headers={"Content-Type": FORM},
                        data=f"storage_dir={instance.name}&admin_password={CANARY}&{text}")

    assert_error(response, 400, "unreadable")
    assert CANARY not in response.text
    assert traces.of(instance.name) == []
