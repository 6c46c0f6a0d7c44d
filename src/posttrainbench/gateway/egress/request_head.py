"""Read for which hosts the first request of an unencrypted HTTP connection is."""

import re
from urllib.parse import urlsplit

METHODS = tuple(f"{method} ".encode() for method in "GET HEAD POST PUT DELETE OPTIONS PATCH PROPFIND".split())
_HOST = re.compile(r"^host[ \t]*:[ \t]*(.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)
_PORT = re.compile(r":\d*$")


def is_incomplete_head(data: bytes) -> bool:
    """Return whether these bytes begin an HTTP request whose headers are not complete."""
    start = data.lstrip(b"\r\n")
    may_be_http = any(start.startswith(method) or method.startswith(start) for method in METHODS)
    return may_be_http and b"\n\n" not in start.replace(b"\r\n", b"\n")


def requested_hosts(data: bytes) -> list[str]:
    """Return the hosts that an HTTP request names, in lower case and without ports; empty for other bytes."""
    start = data.lstrip(b"\r\n")
    if not start.startswith(METHODS):
        return []
    line, _, headers = start.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("latin-1").partition("\n")
    hosts = _HOST.findall(headers)
    target = line.split(" ")[1]
    if "://" in target:
        try:
            hosts.append(urlsplit(target).netloc.rpartition("@")[2])
        except ValueError:
            hosts.append(target)
    return [_PORT.sub("", host).strip("[]").lower().rstrip(".") for host in hosts]
