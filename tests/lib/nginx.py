"""The nginx of this host, whose versions differ in what they let through."""
import functools
import re
import subprocess


@functools.cache
def version():
    said = subprocess.run(["/usr/sbin/nginx", "-v"], check=True, capture_output=True, text=True).stderr
    return tuple(map(int, re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", said).groups()))
