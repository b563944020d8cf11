"""An HTTP proxy that connects through to whom it is asked for (CONNECT, RFC 9110 section 9.3.6)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.support.listening import listening


@dataclass
class Tunnel:
    """Where it listens, and the heads of the requests that came."""

    port: int
    heads: list[str]


@contextmanager
def tunnel() -> Iterator[Tunnel]:
    """A proxy on a free port."""
    heads: list[str] = []

    def serve(client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1) or b"\r\n\r\n"
        heads.append(head.decode())
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        with socket.create_connection((host, int(port))) as target:
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=_relay, args=(target, client), daemon=True)
            back.start()
            _relay(client, target)
            back.join()

    with listening(serve) as port:
        yield Tunnel(port, heads)


def _relay(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
