"""How the programs are built: what an attacker who finds a bug in them would have to get past."""
import platform
import re
import subprocess

import pytest

from lib.stack import REPOSITORY

PROGRAMS = [REPOSITORY / "app/build/release" / name for name in ("pgberthd", "pgberth")]
# What the compiler writes down of each file of ours.
FLAGS = ["-O2", "-fPIE", "-fstack-protector-strong", "-fstack-clash-protection", "-ftrivial-auto-var-init=zero",
         "-fno-delete-null-pointer-checks", "-fno-strict-overflow", "-fno-strict-aliasing",
         *{"x86_64": ["-fcf-protection=full"], "aarch64": ["-mbranch-protection=standard"]}.get(platform.machine(), [])]
# Functions that glibc checks the bounds of, each with its plain form.
CHECKED = ["snprintf", "vsnprintf", "memcpy"]

of_each_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)


def readelf(program, *options):
    return subprocess.run(["readelf", "--wide", *options, program], check=True, capture_output=True, text=True).stdout


def imported(program):
    return set(re.findall(r" UND (\w+)", readelf(program, "--dyn-syms")))


@of_each_program
def test_program_lies_at_another_address_each_time(program):
    assert re.search(r"Type: +DYN", readelf(program, "--file-header"))
    assert re.search(r"FLAGS_1.*\bPIE\b", readelf(program, "--dynamic"))


@of_each_program
def test_program_is_bound_before_it_begins_and_read_only_then(program):
    dynamic = readelf(program, "--dynamic")

    assert "GNU_RELRO" in readelf(program, "--program-headers")
    assert re.search(r"FLAGS_1.*\bNOW\b", dynamic)
    assert not re.search(r"TEXTREL|RPATH|RUNPATH", dynamic)


@of_each_program
def test_nothing_is_both_written_and_run(program):
    segments = re.findall(r"^ +(LOAD|GNU_STACK) +(?:0x\w+ +){5}([RWE ]{3})", readelf(program, "--program-headers"), re.MULTILINE)

    assert {kind for kind, _ in segments} == {"LOAD", "GNU_STACK"}
    assert [segment for segment in segments if "W" in segment[1] and "E" in segment[1]] == []


@of_each_program
def test_stack_and_bounds_are_checked(program):
    names = imported(program)

    assert "__stack_chk_fail" in names
    assert {name for name in CHECKED if f"__{name}_chk" in names}, "no function with checked bounds"


@of_each_program
def test_every_file_is_compiled_with_every_flag(program):
    units = re.findall(r"DW_AT_producer.*: (GNU C.*|.*clang.*)", readelf(program, "--debug-dump=info", "--dwarf-depth=1"))

    assert len(units) > 10
    for flag in FLAGS:
        assert [unit for unit in units if flag not in unit.split()] == [], flag
