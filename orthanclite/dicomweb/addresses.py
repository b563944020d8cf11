"""Under which address a client knows this server: what URLs in answers begin with."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache

from orthanclite.web.call import Call

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d{1,5})?", re.ASCII)
_PREFIX = re.compile(r"(/[\w.~%-]+)*/?", re.ASCII)
_PAIR = re.compile(r'\s*(\w+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;,\s]*)\s*', re.ASCII)
_PROTOCOLS = ("http", "https")


class Addresses:
    """Makes the addresses of DICOMweb.

    :param root: of DICOMweb in URLs, with a slash at both ends
    :param host: the one that all URLs have; empty for that of the request
    :param secure: whether URLs begin with https where no proxy says
    :param proxies: addresses and networks of proxies that are believed
    """

    def __init__(self, root: str, host: str, secure: bool, proxies: Iterable[str]) -> None:
        self._root = root.rstrip("/")
        self._host = host
        self._protocol = "https" if secure else "http"
        networks = [ipaddress.ip_network(proxy, strict=False) for proxy in proxies]

        @lru_cache(maxsize=1024)
        def is_trusted(address: str) -> bool:
            try:
                ip = ipaddress.ip_address(address)
            except ValueError:
                return False
            mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
            return any((mapped or ip) in network for network in networks)

        self._is_trusted = is_trusted

    def base(self, call: Call) -> str:
        """The address of DICOMweb as the sender of a request knows it, without a slash at its end.

        Without any host it is a path, which is relative to whatever the client has asked.
        """
        protocol, host, prefix = self._protocol, call.header("host"), ""
        if self._is_trusted(call.principal.address):
            told = _told(call)
            protocol = told.get("proto", protocol)
            host = told.get("host", host)
            prefix = told.get("prefix", "")
        host = self._host or host
        if not _HOST.fullmatch(host):
            return prefix + self._root
        return f"{protocol}://{host}{prefix}{self._root}"


def _told(call: Call) -> dict[str, str]:
    """What a proxy says of the request it passes on: ``X-Forwarded-*``, else ``Forwarded`` (RFC 7239)."""
    found = {
        "proto": _first(call.header("x-forwarded-proto")).lower(),
        "host": _first(call.header("x-forwarded-host")),
        "prefix": _first(call.header("x-forwarded-prefix")).rstrip("/"),
    }
    port = _first(call.header("x-forwarded-port"))
    if found["host"] and port.isdecimal() and ":" not in found["host"] and port not in ("80", "443"):
        found["host"] += f":{port}"
    if not found["host"]:
        found |= _forwarded(call.header("forwarded"))
    if found["proto"] not in _PROTOCOLS:
        del found["proto"]
    if not _HOST.fullmatch(found["host"]):
        del found["host"]
    if not _PREFIX.fullmatch(found["prefix"]):
        del found["prefix"]
    return found


def _first(value: str) -> str:
    return value.partition(",")[0].strip()


def _forwarded(value: str) -> dict[str, str]:
    """``host`` and ``proto`` of the first hop, which is the one nearest to the client."""
    found: dict[str, str] = {}
    position = 0
    while pair := _PAIR.match(value, position):
        name, text = pair[1].lower(), pair[2]
        if name in ("host", "proto") and name not in found:
            found[name] = re.sub(r"\\(.)", r"\1", text[1:-1]) if text[:1] == '"' else text
        position = pair.end()
        if value[position : position + 1] != ";":
            break
        position += 1
    return found
