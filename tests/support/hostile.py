"""An HTTP server that does as a test says, byte by byte."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.listening import listening


@dataclass
class Received:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[socket.socket, Received], None]
"""What is done with a connection after a request; False of ``keep`` ends it."""


@dataclass
class Hostile:
    """The server; ``behave`` may be changed between requests."""

    behave: Behaviour
    port: int = 0
    requests: list[Received] = field(default_factory=list)
    arrived: list[socket.socket] = field(default_factory=list)

    @property
    def connections(self) -> int:
        return len(self.arrived)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


def answer(status: str, body: bytes = b"", *headers: str) -> Behaviour:
    """A whole answer; the connection stays open."""
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))

    def behave(connection: socket.socket, request: Received) -> None:
        connection.sendall(head.encode() + b"\r\n" + body)

    return behave


@contextmanager
def hostile(behave: Behaviour, certificate: Path | None = None) -> Iterator[Hostile]:
    """A server on a free port.

    :param certificate: PEM file of certificate and key; it then speaks TLS
    """
    server = Hostile(behave)
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    is_over = threading.Event()

    def serve(connection: socket.socket) -> None:
        server.arrived.append(connection)
        used = context.wrap_socket(connection, server_side=True) if context else connection
        with used, used.makefile("rb") as stream:
            while (request := _read(stream)) is not None and not is_over.is_set():
                server.requests.append(request)
                server.behave(used, request)

    with listening(serve) as server.port:
        try:
            yield server
        finally:
            is_over.set()


def _read(stream: object) -> Received | None:
    readline, read = stream.readline, stream.read  # type: ignore[attr-defined]
    line = readline()
    if not line:
        return None
    headers = {}
    while (text := readline().strip()) != b"":
        name, _, value = text.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return Received(line.decode().strip(), headers, read(int(headers.get("content-length", 0))))
