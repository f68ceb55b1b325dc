"""A copy of /etc for the processes of a test, whose users and sub-ids are the test's own."""
import pathlib
import shutil
import subprocess

FILES = ("subuid", "subgid")
# Of the lines that reserve the servers' user ids: a name that useradd gives to nobody; and what it was before.
RESERVER, RESERVER_WAS = "pgberth,servers", "pgberth"


class Etc:
    def __init__(self, place):
        self.place = pathlib.Path(place) / "etc"
        subprocess.run(["cp", "-a", "/etc", self.place], check=True)
        for file in FILES:
            self.write(file, "")

    def write(self, file, text):
        """In place, so that whoever has it mounted sees it. text None: there is no such file; a bytes: bytes."""
        path = self.place / file
        if path.is_dir():
            shutil.rmtree(path)
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def write_all(self, text):
        for file in FILES:
            self.write(file, text)

    def append(self, file, text):
        with (self.place / file).open("a") as stream:
            stream.write(text)

    def read(self, file):
        """With the ends of lines that it has."""
        return (self.place / file).read_bytes().decode()

    def within(self, *command):
        """The command, in a mount namespace where this is /etc; it keeps its process id."""
        return ["unshare", "--mount", "--propagation", "slave", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', self.place, *command]

    def run(self, *command, **options):
        return subprocess.run(self.within(*command), capture_output=True, text=True, timeout=60, **options)

    def ranges(self, file="subuid"):
        """(owner, first, last) of each line."""
        lines = [line.split(":") for line in self.read(file).splitlines()]
        return [(owner, int(first), int(first) + int(count) - 1) for owner, first, count in lines]
