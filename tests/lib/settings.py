"""Paths of the stack under test: from pgberth.conf, else the defaults."""
import configparser
import pathlib

CONFIGURATION = "/etc/pgberth/pgberth.conf"


class Settings:
    def __init__(self, path=CONFIGURATION):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(path)
        given = parser["pgberth"] if parser.has_section("pgberth") else {}
        self.root = pathlib.Path(given.get("root", "/var/lib/pgberth"))
        self.admin_user = given.get("admin_user", "pythonanywhere_helper")
        self.network = given.get("network", "pgberth0")
        self.versions = [int(major) for major in given.get("versions", "17 15 18").split()]
        self.port_min = int(given.get("port_min", 6000))
        self.port_max = int(given.get("port_max", 9999))
        self.uid_min = int(given.get("uid_min", 1900000000))
        self.uid_max = int(given.get("uid_max", 1900065535))
        self.instances = self.root / "instances"
        self.staging = self.root / "staging"
        self.trash = self.root / "trash"
