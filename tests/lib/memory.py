"""What lies in the memory of a process."""
import contextlib
import pathlib
import re

PAGE = 4096
MAPPING = re.compile(r"(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)")
THERE = 3 << 62  # of an entry in pagemap: present, or swapped
NOT_MEMORY = ("[vvar]", "[vvar_vclock]", "[vdso]", "[vsyscall]")


def pages_there(pagemap, start, end):
    """Runs of pages that have been touched, as places and lengths: most of a thread's stack has not."""
    pagemap.seek(start // PAGE * 8)
    entries = pagemap.read((end - start) // PAGE * 8)
    there = [bool(int.from_bytes(entries[at:at + 8], "little") & THERE) for at in range(0, len(entries), 8)]
    first = None
    for number, is_there in enumerate([*there, False]):
        if is_there and first is None:
            first = number
        elif not is_there and first is not None:
            yield start + first * PAGE, (number - first) * PAGE
            first = None


def contents(pid):
    """Each run of touched pages, with the name of its mapping."""
    proc = pathlib.Path("/proc") / str(pid)
    with open(proc / "mem", "rb", buffering=0) as memory, open(proc / "pagemap", "rb", buffering=0) as pagemap:
        for line in (proc / "maps").read_text().splitlines():
            start, end, rights, name = MAPPING.match(line).groups()
            if "r" not in rights or name in NOT_MEMORY:
                continue
            for place, length in pages_there(pagemap, int(start, 16), int(end, 16)):
                with contextlib.suppress(OSError):  # it has gone
                    memory.seek(place)
                    yield name or "anonymous", place, memory.read(length)


def places_of(pid, *needles):
    """Where in the process's memory each of the texts is, with what is around it."""
    wanted = re.compile(b"|".join(re.escape(needle.encode()) for needle in needles))
    return [f"{name} at {place + hit.start():#x}: {content[max(hit.start() - 40, 0):hit.end() + 40]!r}"
            for name, place, content in contents(pid) for hit in wanted.finditer(content)]
