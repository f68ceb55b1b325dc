"""README.md and app/doc, tried: each console block is typed into a shell of this host, and answers what is written below."""
import pathlib
import re
import subprocess

import pytest

from lib.client import Api
from lib.console import BLOCK, DOCUMENTS, REPOSITORY, Command, blocks_of, commands_of, type_in
from lib.leftovers import discard
from lib.recorder import new_name

TOKENS, REVOKED = pathlib.Path("/etc/pgberth/tokens"), pathlib.Path("/etc/pgberth/tokens.revoked")
BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]
ELSEWHERE = [block for block in BLOCKS if block.run_by]
TYPED = {document: commands for document in DOCUMENTS
         if (commands := [command for block in blocks_of(document) if not block.run_by for command in block.commands])}


def named(value):
    return str(value.relative_to(REPOSITORY)) if isinstance(value, pathlib.Path) else None


def cases():
    """A token shuts out whoever has none, so a document that makes one is tried alone."""
    for document, commands in TYPED.items():
        alone = any("token add" in command.text for command in commands)
        yield pytest.param(document, marks=pytest.mark.serial if alone else (), id=named(document))


@pytest.fixture
def stand_in(ports, settings):
    """Instead of the reader's `demo` at port 6123: a name that is ours, and a port that is free."""
    name, port = new_name(), str(ports.take())
    yield lambda text: re.sub(r"\b6123\b", port, re.sub(r"\bdemo", name, text))
    for each in [*Api().listed()]:
        if each.startswith((name, "ci-42")):
            Api().delete(each, purge=True)
    for path in settings.trash.iterdir():
        if path.name.startswith((name, "ci-42.")):
            discard(path)


@pytest.fixture
def no_token():
    assert not TOKENS.exists()
    kept = REVOKED.read_bytes() if REVOKED.exists() else None
    yield
    TOKENS.unlink(missing_ok=True)
    REVOKED.unlink(missing_ok=True)
    if kept is not None:
        REVOKED.write_bytes(kept)
        REVOKED.chmod(0o600)


@pytest.mark.parametrize("document", cases())
def test_what_is_typed_is_answered_as_written(document, request, stand_in, tmp_path):
    if request.node.get_closest_marker("serial"):
        request.getfixturevalue("no_token")
    commands = [Command(each.line, stand_in(each.text), stand_in(each.answer)) for each in TYPED[document]]

    answers = type_in(commands, tmp_path)

    for command, (status, said) in zip(commands, answers, strict=True):
        assert command.fits(said), f"{named(document)}:{command.line}: {command.text}\nsays: {said}\nnot:  {command.answer}"
        assert status == 0, f"{named(document)}:{command.line}: {command.text}\nends with {status}"


@pytest.mark.parametrize("document", TYPED, ids=named)
def test_nothing_is_left_of_it(document):
    """All that a document makes is purged by it."""
    made = re.findall(r"pgberth create (\S+)|storage_dir=(\w+)|\"storage_dir\": \"(\w+)\"|adopt (\w+)", "\n".join(
        command.text for command in TYPED[document]))
    ends = [command.text for command in TYPED[document] if "--purge" in command.text or "purge=true" in command.text]
    for name in {name for names in made for name in names if name}:
        assert any(re.search(rf"\b{name}\b", end) for end in ends), name


@pytest.mark.parametrize("block", ELSEWHERE, ids=lambda block: f"{named(block.document)}:{block.line}")
def test_who_runs_what_is_not_typed_here_is_there(block):
    path, _, test = block.run_by.partition("::")
    text = (REPOSITORY / path).read_text()
    if test:
        assert f"def {test}(" in text
    else:
        for command in block.commands:
            assert re.search(rf"\b{command.text.split('#')[0].strip()}(?: |$)", text, re.MULTILINE), command.text


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_each_block_is_found(document):
    text = document.read_text()
    assert text.count("```console") == len(BLOCK.findall(text)) == len(list(blocks_of(document)))
    assert len(re.findall("^<!--", text, re.MULTILINE)) == len([block for block in blocks_of(document) if block.run_by])
    fences = re.findall(r"^```(.*)$", text, re.MULTILINE)
    assert {language for language in fences[0::2]} <= {"console", "yaml", ""} and set(fences[1::2]) <= {""}
    # What one types is in such a block, where it is tried.
    drawn = "".join(re.findall(r"^```(?:yaml)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    assert not re.search(r"^\w*[$#] ", drawn, re.MULTILINE)


# ---- and that it can fail ----------------------------------------------------------------------

@pytest.mark.parametrize("written, said, fits", [
    ('{"a":1, …}', '{"a":1,"b":2}\n', True),
    ('{"a":1,\n "b":2}', '{"a":1,"b":2}', True),
    ('{"a":2, …}', '{"a":1,"b":2}', False),
    ("42", "42\n", True),
    ("42", "", False),
    ("", "42", False),
    ("", "", True),
    ("… ends", "it\nends", True),
    ("a.c", "abc", False),
])
def test_answers_are_compared(written, said, fits):
    assert Command(1, "x", written).fits(said) is fits


def test_commands_share_a_shell_and_tell_how_they_end(tmp_path):
    commands = commands_of("$ x=1; cd /\n$ echo $x $PWD\n1 /\n# echo no >&2; false\nno\nhost# cat\n", 10)

    assert [(command.line, command.text, command.answer) for command in commands] == [
        (11, "x=1; cd /", ""), (12, "echo $x $PWD", "1 /\n"), (14, "echo no >&2; false", "no\n"), (16, "cat", "")]
    assert [status for status, _ in type_in(commands, tmp_path)] == [0, 0, 1, 0]
    assert all(command.fits(said) for command, (_, said) in zip(commands, type_in(commands, tmp_path)))


# ---- the rest of what they say -----------------------------------------------------------------

@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document):
    def anchors(text):
        return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)", text, re.MULTILINE)}

    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        path, _, anchor = target.partition("#")
        place = document.parent / path if path else document
        assert place.exists(), target
        assert not anchor or anchor in anchors(place.read_text()), target
        # They are installed without the repository around them.
        assert document.name == "README.md" or place.parent == document.parent


def test_architecture_names_what_is_there():
    text = (REPOSITORY / "app/doc/architecture.md").read_text()
    modules = re.findall(r"`((?:base|model|engine|store|pg|instance|daemon|cli|host|man|doc|debian)/[\w*]*|seccomp\.json)`", text)
    others = re.findall(r"`((?:ansible|nginx|tests|vagrant)/[\w*./-]*)`", text)
    assert len(modules) > 20 and len(others) > 5
    assert [name for name in modules if not [*(REPOSITORY / "app").glob(name.rstrip("/*") + "*")]] == []
    assert [name for name in others if not [*REPOSITORY.glob(name.rstrip("/"))]] == []


def test_readme_is_short():
    assert len(DOCUMENTS[0].read_text().splitlines()) <= 150


def test_readme_counts_the_kill_points_right():
    steps = subprocess.run(["grep", "-rhoE", "--include=*.c", r'kill_point\("[^"]+"\)', REPOSITORY / "app"], check=True,
                           capture_output=True, text=True).stdout.split()
    assert f"each of {len(set(steps))} steps" in DOCUMENTS[0].read_text()
