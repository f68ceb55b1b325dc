"""A process that swaps directories for links while they are being removed, and trees for it."""
import os
import pathlib
import subprocess

SWAP = (pathlib.Path(__file__).resolve().parent / "swap.pl").read_text()


def make_pairs(directory, count, target, uid=0):
    """Makes `count` directories with content, each with a link to the target beside it."""
    for number in range(count):
        one, other = directory / f"d{number}", directory / f"s{number}"
        (one / "below").mkdir(parents=True)
        (one / "kept").write_text("mine")
        (one / "below/kept").write_text("mine")
        other.symlink_to(target)
        for path in (one, one / "below", one / "kept", one / "below/kept", other):
            os.chown(path, uid, uid, follow_symlinks=False)


class Racer:
    """A process, of that user, that exchanges the pairs of a directory from now on, without pause, and wherever the
    directory goes: it holds it open. It stays at the pair that a remover, who finds them in the same order, is at or comes
    to next, until that is gone: each pair is a race of its own. After it: swaps made, and pairs raced for (those that went
    while they were being exchanged)."""

    def __init__(self, directory, uid=0):
        self.directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self.process = subprocess.Popen(["perl", "-e", SWAP, str(self.directory)], pass_fds=[self.directory], user=uid, group=uid,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.swaps = self.raced = 0

    def __enter__(self):
        assert self.process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_):
        said, _ = self.process.communicate()
        os.close(self.directory)
        assert self.process.returncode == 0, "the racer ended before its time"
        self.swaps, self.raced = map(int, said.split())


def naive_removal(directory):
    """A bad remover for comparison: it asks what a path is, and then uses the path."""
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if os.path.isdir(path) and not os.path.islink(path):
            naive_removal(path)
        else:
            os.unlink(path)
    os.rmdir(directory)
