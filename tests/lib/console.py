"""The console blocks of the documents: what one types after `$ ` or `# `, and below what is answered, `…` for what varies."""
import dataclasses
import pathlib
import re
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "app/doc").glob("*.md"))]
BLOCK = re.compile(r"^(?:<!-- run by: (\S+) -->\n)?```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"(\w*)[$#] (.*)")
TIMEOUT = 300  # seconds, of a whole document


@dataclasses.dataclass
class Command:
    line: int  # of the document
    text: str
    answer: str = ""

    def fits(self, output):
        """Whether that is what the document says; line breaks and indents are for the reader."""
        words = [".*".join(map(re.escape, word.split("…"))) for word in self.answer.split()]
        return re.fullmatch(r"\s*" + r"\s*".join(words) + r"\s*", output, re.DOTALL) is not None


@dataclasses.dataclass
class Block:
    document: pathlib.Path
    line: int
    run_by: str  # PATH or PATH::TEST; None: it is typed here
    commands: list


def commands_of(text, line):
    commands = []
    for number, row in enumerate(text.splitlines(), line + 1):
        typed = PROMPT.match(row)
        if typed:
            commands.append(Command(number, typed[2]))
        else:
            commands[-1].answer += row + "\n"
    return commands


def blocks_of(document):
    text = document.read_text()
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start(2))
        yield Block(document, line, match[1], commands_of(match[2], line))


def type_in(commands, directory):
    """Types them into one shell, as root, in that directory; [(exit status, what was said) of each]."""
    mark = "---- end of command"
    # As at a terminal, where curl draws no meter beside an answer.
    (directory / ".curlrc").write_text("silent\nshow-error\n")
    script = "".join(f"{command.text}\nprintf '\\n{mark} %d\\n' $?\n" for command in commands)
    done = subprocess.run(["bash", "-c", "exec 2>&1 </dev/null\n" + script], cwd=directory, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=TIMEOUT,
                          env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                               "HOME": str(directory)})
    parts = re.split(rf"\n{mark} (\d+)\n", done.stdout)
    return list(zip(map(int, parts[1::2]), parts[0::2]))
