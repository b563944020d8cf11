"""Ports for servers that tests start."""

from __future__ import annotations

import atexit
import random
import socket
from contextlib import ExitStack
from functools import cache
from pathlib import Path

_LOWEST, _HIGHEST = 10_000, 65_535


def free_port() -> int:
    """A TCP port that nothing uses, and that no other call has been given, in this process or another one.

    A server binds it only a while after this. Until then the kernel must not give it to a connection, and
    other test processes must not choose it.
    """
    candidates = _candidates()
    for _ in range(1000):
        port = random.SystemRandom().choice(candidates)
        if _is_free(port) and _reserve(port):
            return port
    raise RuntimeError("There is no free TCP port")


@cache
def _candidates() -> range:
    """The larger of the ranges beside that from which the kernel takes the ports of connections."""
    path = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lower, upper = (int(text) for text in path.read_text().split()) if path.exists() else (32_768, 60_999)
    below, above = range(_LOWEST, lower), range(upper + 1, _HIGHEST)
    largest = max(below, above, key=len)
    return largest if len(largest) > 1000 else range(_LOWEST, _HIGHEST)


def _is_free(port: int) -> bool:
    """Whether it can be bound on every address: servers listen on all of them."""
    with socket.socket() as listener:
        # As servers do: what was closed a moment ago may be bound again.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", port))
        except OSError:
            return False
        return True


@cache
def _reservations() -> ExitStack:
    reservations = ExitStack()
    atexit.register(reservations.close)
    return reservations


def _reserve(port: int) -> bool:
    """Take a name that only one process can have, until it ends."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0orthanclite-tests-{port}")  # an abstract address: unix(7)
    except OSError:
        name.close()
        return False
    _reservations().enter_context(name)
    return True
