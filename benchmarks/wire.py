"""An HTTP client that costs next to nothing, so that a benchmark measures the server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence

PIECE = 1 << 18


class Connection:
    """One keep-alive connection to 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self, method: str, path: str, body: bytes = b"", headers: str = "") -> bytes:
        """The body of the answer.

        :raises RuntimeError: for any status but 200
        """
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}"
        if body or method != "GET":
            head += f"Content-Length: {len(body)}\r\n"
        self._socket.sendall(head.encode() + b"\r\n" + body)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        answer_head, _, content = received.partition(b"\r\n\r\n")
        fields = answer_head.lower().split(b"\r\n")
        if b" 200" not in fields[0]:
            raise RuntimeError(f"{method} {path}: {answer_head.decode('latin-1')}")
        lengths = [field for field in fields if field.startswith(b"content-length:")]
        if lengths:
            pieces = [content]
            missing = int(lengths[0].split(b":")[1]) - len(content)
            while missing > 0:
                pieces.append(self._receive())
                missing -= len(pieces[-1])
            return b"".join(pieces)
        if b"transfer-encoding: chunked" in fields:
            pieces, tail = [content], content[-8:]
            while not tail.endswith(b"\r\n0\r\n\r\n"):
                pieces.append(self._receive())
                tail = (tail + pieces[-1])[-8:]
            return b"".join(pieces)  # with its chunk sizes: nobody looks at it
        pieces = [content]
        while piece := self._socket.recv(PIECE):
            pieces.append(piece)
        return b"".join(pieces)

    def drain(self, path: str, headers: str) -> int:
        """Bytes of an answer that is not kept: of a large one, keeping it costs more than sending it.

        The answer must end with the connection, or be the last one on it.

        :raises RuntimeError: for any status but 200
        """
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
        self._socket.sendall(head.encode())
        first = self._receive()
        if b" 200 " not in first.partition(b"\r\n")[0]:
            raise RuntimeError(f"GET {path}: {first[:1000].decode('latin-1')}")
        received, place = len(first), bytearray(PIECE)
        while count := self._socket.recv_into(place):
            received += count
        return received

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> bytes:
        piece = self._socket.recv(PIECE)
        if not piece:
            raise RuntimeError("The server closed the connection")
        return piece


def rate(
    port: int, connections: int, items: Sequence[object], work: Callable[[Connection, object], None]
) -> float:
    """Items per second, shared out among ``connections``."""
    clients = [Connection(port) for _ in range(connections)]
    failures: list[Exception] = []

    def run(client: Connection, share: Sequence[object]) -> None:
        try:
            for item in share:
                work(client, item)
        except Exception as exc:  # noqa: BLE001 - raised again below
            failures.append(exc)

    threads = [
        threading.Thread(target=run, args=(client, items[number::connections]))
        for number, client in enumerate(clients)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    for client in clients:
        client.close()
    if failures:
        raise failures[0]
    return len(items) / elapsed
