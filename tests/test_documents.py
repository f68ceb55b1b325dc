"""What is written down, against what the code says."""
import pathlib
import re
import subprocess

import pytest
import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
APP = REPOSITORY / "app"
OPTIONS = [(name, kind, "none" if value == "NULL" else value[1:-1]) for name, kind, value in re.findall(
    r'OPTION\("(\w+)",\s+(\w+),\s+\w+,\s+("[^"]*"|NULL)', (APP / "model/config.c").read_text())]
MANUAL = (APP / "man/pgberth.conf.5").read_text()
OPERATING = (APP / "doc/operating.md").read_text()


def test_all_options_of_the_table_are_found():
    assert len(OPTIONS) == (APP / "model/config.c").read_text().count("\tOPTION(")


@pytest.mark.parametrize("name, value", [(name, value) for name, _, value in OPTIONS], ids=[name for name, _, _ in OPTIONS])
def test_manual_of_the_configuration_has_each_option_and_its_default(name, value):
    text, = re.findall(rf"^\.It Cm [^\n]*\b{name}\b[^\n]*\n(.*?)(?=^\.It|^\.El)", MANUAL, re.MULTILINE | re.DOTALL)
    assert f" {value} " in re.sub(r'["\n]', " ", text)


def test_manual_of_the_configuration_has_no_option_but_those():
    known = {name for name, _, _ in OPTIONS}
    for line in re.findall(r"^\.It Cm (.*)", MANUAL, re.MULTILINE):
        assert set(re.findall(r"\w+", line)) <= known


def test_document_of_operating_has_the_options_and_their_defaults():
    table = OPERATING[OPERATING.index("| option | default |"):].split("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| `?([^`|]+)`? \| \S", table, re.MULTILINE)
    assert len(rows) == table.count("\n") - 1
    assert sorted((name, value.strip()) for name, value in rows) == sorted((name, value) for name, _, value in OPTIONS)


def test_document_of_the_api_has_each_error():
    codes = set(re.findall(r'= \{ (\d+), "(\w+)", \d+ \}', (APP / "base/error.c").read_text()))
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", (APP / "doc/api.md").read_text(), re.MULTILINE)
    assert codes
    # nginx alone says that.
    assert sorted(rows) == sorted(codes | {("501", "not_implemented")})


def test_retry_after_is_promised_where_it_is_sent_and_nowhere_else():
    sent = {code for code, seconds in re.findall(r'= \{ \d+, "(\w+)", (\d+) \}', (APP / "base/error.c").read_text()) if int(seconds)}
    rows = re.findall(r"^\| \d+ \| `(\w+)` \| .*`Retry-After`", (APP / "doc/api.md").read_text(), re.MULTILINE)
    assert set(rows) == sent
    # None of these passes by waiting: somebody must do something.
    assert not sent & {"image_missing", "tokens_unreadable", "no_space", "no_free_port", "foreign_data", "internal", "invalid"}


def test_document_of_the_api_has_each_call():
    routes = re.findall(r'\{ "([A-Z]+)",\s+(?:"api/|(ONE|TRASH)\b)[ "]*([^",]*)"?,', (APP / "daemon/router.c").read_text())
    places = {"ONE": "containers/NAME", "TRASH": "trash", "": ""}
    calls = {f"{method} {places[place]}{rest}".replace("{trash_id}", "ID") for method, place, rest in routes}
    rows = re.findall(r"^\| `([A-Z]+ \S+?)/?` \|", (APP / "doc/api.md").read_text(), re.MULTILINE)
    assert len(routes) == (APP / "daemon/router.c").read_text().count(", SCOPE_")
    assert set(rows) == calls


def test_document_of_the_api_has_each_field_of_a_create():
    table = (APP / "model/field.c").read_text()
    fields = re.findall(r'FIELD\("(\w+)", \w+, [\w.]+,\s+(?:IN_CREATE|BOTH)\b', table)
    section = (APP / "doc/api.md").read_text().split("## Fields of POST")[1].split("##")[0]
    assert len(fields) > 10
    assert sorted(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == sorted(fields)


def test_shipped_configuration_has_the_defaults():
    shipped = re.findall(r"^; (\w+) = (.*)$", (APP / "host/pgberth.conf").read_text(), re.MULTILINE)
    assert shipped
    assert set(shipped) <= {(name, value) for name, _, value in OPTIONS}


def test_manual_and_completion_of_the_command_line_have_each_option():
    manual, completion = (APP / "man/pgberth.1").read_text().replace("\\-", "-"), (APP / "host/completion").read_text()
    for source in APP.glob("cli/*.c"):
        for option in re.findall(r'\{\s*"([a-z-]+)", OPTION_\w+,', source.read_text()):
            assert f"Fl -{option}" in manual or f" -{option} " in manual, option
            assert f"--{option}" in completion, option
    # Those of create are rows of the table of fields.
    offered = subprocess.run([APP / "build/release/pgberth", "create", "--help"], check=True, capture_output=True, text=True).stdout
    options = set(re.findall(r"--([a-z-]+)", offered)) - {"help", "usage"}
    assert {"port", "pg-version", "memory-mb", "label", "expire-purge", "tls", "url"} <= options
    for option in options:
        assert f"Fl -{option}" in manual or f" -{option} " in manual, option
        assert f"--{option}" in completion, option


def test_manual_and_completion_of_the_command_line_have_each_command():
    commands = re.findall(r'\{ (NULL|"\w+"), "(\w+)", \w+_command', (APP / "cli/main.c").read_text())
    assert commands
    for group, name in commands:
        assert f".It Cm {group.strip(chr(34)) + ' ' if group != 'NULL' else ''}{name}" in (APP / "man/pgberth.1").read_text()
        assert name in (APP / "host/completion").read_text()


@pytest.mark.parametrize("line, word, offered", [
    ("pgberth t", 1, {"token"}),
    ("pgberth create --exp", 2, {"--expires-in", "--expire-purge"}),
    ("pgberth token r", 2, {"revoke"}),
    ("pgberth create --tls ", 3, {"offered", "required"}),
    ("pgberth token add --scope ", 4, {"read", "write", "admin"}),
])
def test_completion_offers_what_fits(line, word, offered):
    script = f"""
        _init_completion() {{ cur=${{COMP_WORDS[COMP_CWORD]}}; prev=${{COMP_WORDS[COMP_CWORD - 1]}}; words=("${{COMP_WORDS[@]}}"); cword=$COMP_CWORD; }}
        source {APP}/host/completion
        COMP_WORDS=({' '.join(line.split(' ')[:word + 1])} {'""' if line.endswith(' ') else ''}) COMP_CWORD={word}
        _pgberth; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    said = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True).stdout
    assert set(said.split()) == offered


def test_package_has_the_version_of_the_program():
    version, = re.findall(r'PGBERTH_VERSION "(.*)"', (APP / "base/version.h").read_text())
    assert (APP / "debian/changelog").read_text().startswith(f"pgberth ({version}) ")


def test_everything_is_installed_below_what_is_said(tmp_path):
    subprocess.run(["make", "-s", "-C", APP, "install", f"DESTDIR={tmp_path}", "prefix=/opt/x"],
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {"opt/x/sbin/pgberthd", "opt/x/bin/pgberth", "opt/x/share/man/man8/pgberthd.8", "etc/pgberth/seccomp.json",
            "etc/pgberth/pgberth.conf", "opt/x/lib/systemd/system/pgberthd.socket"} <= found
    assert {f"opt/x/share/doc/pgberth/{path.name}" for path in APP.glob("doc/*.md")} <= found
    assert all(path.startswith(("opt/x/", "etc/")) for path in found)
    unit = (tmp_path / "opt/x/lib/systemd/system/pgberthd.service").read_text()
    assert "ExecStart=/opt/x/sbin/pgberthd -c /etc/pgberth/pgberth.conf\n" in unit
    assert not [path for path in found if b"@sbindir@" in (tmp_path / path).read_bytes() or b"@libexecdir@" in (tmp_path / path).read_bytes()]
    # What its owner wrote is left alone.
    (tmp_path / "etc/pgberth/pgberth.conf").write_text("[pgberth]\nport_min = 7000\n")
    subprocess.run(["make", "-s", "-C", APP, "install", f"DESTDIR={tmp_path}", "prefix=/opt/x"],
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert "7000" in (tmp_path / "etc/pgberth/pgberth.conf").read_text()


def test_roles_install_what_make_install_does(tmp_path):
    subprocess.run(["make", "-s", "-C", APP, "install", f"DESTDIR={tmp_path}", "prefix=/usr/local"],
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    listed = set(re.findall(r"\{ path: ([^/{\"]\S+),", (REPOSITORY / "ansible/roles/app/vars/main.yml").read_text()))
    # That one is written from a template.
    assert listed == found - {"etc/pgberth/pgberth.conf"}


@pytest.mark.parametrize("role", sorted(path.name for path in (REPOSITORY / "ansible/roles").iterdir()))
def test_switches_of_a_role_may_be_texts(role):
    """`-e app_disk_quota=true` gives a text: "false" would be true, and newer Ansible wants a boolean in a condition."""
    files = [path for path in (REPOSITORY / "ansible/roles" / role).rglob("*")
             if path.is_file() and path.parent.name in ("tasks", "templates", "vars", "handlers")]
    options = yaml.safe_load((REPOSITORY / "ansible/roles" / role / "meta/argument_specs.yml").read_text())
    for name, option in options["argument_specs"]["main"].get("options", {}).items():
        if option["type"] == "bool":
            used = [line for path in files for line in re.findall(rf"\b{name}\b(?! \| bool)", path.read_text())]
            assert not used, name
