"""build-image, with stand-ins for what takes minutes: where it gets packages from, and what a failure leaves."""
import os
import pathlib
import re
import subprocess

import pytest
import yaml

from lib.engine import Engine
from lib.waiting import wait_for

ROLE = pathlib.Path(__file__).resolve().parent.parent / "ansible/roles/image"
BUILD = ROLE / "files/build-image"
DEBIAN = "http://mirror.example/debian/ /etc/apt/sources.list.d/debian.sources:1 Debian"
SECURITY = "http://mirror.example/debian-security/ /etc/apt/sources.list.d/debian.sources:2 Debian-Security"
PGDG = "https://apt.example/pub/repos/apt/ {}:1 PostgreSQL for Debian and Ubuntu repository"
MAJOR = 99


class Build:
    """A build whose mmdebstrap notes what it is asked for, writes these bytes and fails."""

    def __init__(self, directory):
        self.directory, self.templates = directory, directory / "templates"
        self.archives, self.written = [DEBIAN, SECURITY], ""
        (directory / "bin").mkdir()

    def run(self, suite="trixie", pgdg="", packages="", major=MAJOR):
        self._stand_in("apt-get", "\n".join(["cat <<'END'", *self.archives, "END"]))
        self._stand_in("mmdebstrap", f"printf '%s\\n' \"$@\" >{self.directory}/arguments; cat >{self.directory}/sources; "
                                     f"printf %s '{self.written}'; echo 'E: unable to locate' >&2; exit 1")
        return subprocess.run([BUILD, str(major), suite, pgdg, packages, "admin", self.templates, "rebuild"], capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=60,
                              env={**os.environ, "PATH": f"{self.directory}/bin:{os.environ['PATH']}"})

    def _stand_in(self, name, text):
        path = self.directory / "bin" / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    def sources(self):
        return (self.directory / "sources").read_text().splitlines()

    def included(self):
        found, = re.findall(r"^--include=(.*)$", (self.directory / "arguments").read_text(), re.MULTILINE)
        return found.split(",")

    def suite(self):
        """Behind it: where the archive goes, and that the sources come from standard input."""
        suite, *rest = (self.directory / "arguments").read_text().splitlines()[-3:]
        assert rest == ["-", "-"]
        return suite


@pytest.fixture
def build(tmp_path):
    return Build(tmp_path)


@pytest.mark.parametrize("written", ["", "no tar", "half a tar"])
def test_build_that_fails_leaves_no_image_and_no_file(build, written):
    images = {image.id for image in Engine().client.images.list(all=True)}
    build.written = written.ljust(700, "x") if written == "half a tar" else written

    done = build.run()

    assert done.returncode != 0
    assert "unable to locate" in done.stderr and "built" not in done.stdout
    # An image of another test's may be in the making.
    wait_for(lambda: not [image for image in Engine().client.images.list(all=True) if image.id not in images], "no image is left")
    assert not [*build.templates.iterdir()]


def test_packages_of_all_and_of_one_are_named_by_major(build):
    build.run(packages="postgresql-{major}-pgvector,postgresql-99-postgis-3,hunspell-de-de")

    assert {"postgresql-99", "postgresql-99-pgvector", "postgresql-99-postgis-3", "hunspell-de-de"} <= set(build.included())


@pytest.mark.parametrize("suite, has", [("bookworm", False), ("trixie", True), ("forky", True)])
def test_old_time_zones_are_included_where_they_are_a_package_of_their_own(build, suite, has):
    build.run(suite)

    assert ("tzdata-legacy" in build.included()) is has
    assert build.suite() == suite


@pytest.mark.parametrize("major, has", [(17, False), (18, True)])
def test_compiling_of_expressions_is_included_where_it_is_a_package_of_its_own(build, major, has):
    build.run(major=major)

    assert (f"postgresql-{major}-jit" in build.included()) is has


def test_sources_are_the_mirrors_of_the_host(build):
    build.run("forky", pgdg="trixie")

    assert build.suite() == "forky"
    assert sorted(build.sources()) == [
        "deb http://mirror.example/debian-security/ forky-security main",
        "deb http://mirror.example/debian/ forky main", "deb http://mirror.example/debian/ forky-updates main"]


@pytest.mark.parametrize("text, option", [
    ("Types: deb\nURIs: https://apt.example/pub/repos/apt\nSigned-By: /etc/keys/pgdg.asc\n", "[signed-by=/etc/keys/pgdg.asc] "),
    ("deb [arch=amd64 signed-by=/etc/keys/pgdg.gpg] https://apt.example/pub/repos/apt bookworm-pgdg main\n", "[signed-by=/etc/keys/pgdg.gpg] "),
    ("deb [signed-by=/etc/keys/pgdg.gpg arch=amd64] https://apt.example/pub/repos/apt bookworm-pgdg main\n", "[signed-by=/etc/keys/pgdg.gpg] "),
    ("deb https://apt.example/pub/repos/apt bookworm-pgdg main\n", ""),
])
@pytest.mark.parametrize("pgdg, suite", [("trixie", "trixie"), ("", "forky")])
def test_source_of_pgdg_is_used_where_the_host_has_it(build, tmp_path, text, option, pgdg, suite):
    (tmp_path / "pgdg").write_text(text)
    build.archives.append(PGDG.format(tmp_path / "pgdg"))

    build.run("forky", pgdg=pgdg)

    assert build.suite() == suite
    assert f"deb {option}https://apt.example/pub/repos/apt/ {suite}-pgdg main" in build.sources()
    assert f"deb http://mirror.example/debian/ {suite} main" in build.sources()


def test_role_takes_what_the_defaults_and_the_document_say():
    options = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    rows = defaults["image_versions"]
    document = (ROLE.parent.parent.parent / "app/doc/operating.md").read_text()
    example = yaml.safe_load(re.search(r"^```yaml\n(image_extensions.*?)^```", document, re.MULTILINE | re.DOTALL).group(1))

    assert set(defaults) == set(options)
    for each in [*rows, *example["image_versions"]]:
        assert set(each) <= set(options["image_versions"]["options"])
    assert [{**each, "packages": None} for each in example["image_versions"]] == [{**each, "packages": None} for each in rows]
    assert [f"{each['major']}" for each in sorted(rows, key=lambda each: each["major"])] == ["15", "17", "18"]
