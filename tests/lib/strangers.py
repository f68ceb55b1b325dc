"""The servers of this host that no test has made: the suite kills what it finds, so it does not run beside them."""
import re

import requests

from lib.recorder import TEST_NAME

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
README_NAMES = {"demo"}

TOKENS = """\
The tests call pgberth without a token, and this host has tokens: what runs here cannot be listed.
Use another host, or put the file of tokens aside while the tests run."""
STRANGERS = """\
The tests kill the engine, pgberthd and servers. These servers of this host are not the tests':
{lines}
Use another host, or take them away (pgberth rm NAME). FORCE=1 runs the tests beside them all the same."""


def is_made_by_tests(name, registered):
    """Whether a storage_dir is one that tests make and remove: by its look, or since they wrote it down."""
    return bool(TEST_NAME.match(name)) or any(name.startswith(each) for each in registered)


def strangers(views, registered):
    """Those that are neither the tests', nor the README's, nor named by a UUID as the seed's are."""
    return [view for view in views
            if not is_made_by_tests(view["storage_dir"], registered)
            and view["storage_dir"] not in README_NAMES and not UUID.fullmatch(view["storage_dir"])]


def refusal(api, registry, is_forced):
    """Why the tests must not run here, or None. Where no pgberth answers there is nothing to protect."""
    try:
        status = api.list().status_code
    except requests.ConnectionError:
        return None
    if status != 200:
        return TOKENS if status == 401 else None
    found = [] if is_forced else strangers(api.listed().values(), registry.names())
    lines = "\n".join(f"  {view['storage_dir']} ({view['state']})" for view in found)
    return STRANGERS.format(lines=lines) if found else None
