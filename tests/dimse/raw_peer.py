"""A peer that is called, and does with each association whatever a test wants, byte by byte."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from pynetdicom.pdu import A_ASSOCIATE_RQ

from orthanclite.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    COMMAND_FIELD,
    STATUS,
    Command,
    command_pdu,
    data_pdus,
    encode_command,
)

_RESULT = 0x21
RELEASE_RESPONSE = b"\x06\0\0\0\0\x04\0\0\0\0"
ABORT = b"\x07\0\0\0\0\x04\0\0\x02\0"


@dataclass
class Call:
    """One connection, at the peer."""

    connection: socket.socket
    request: A_ASSOCIATE_RQ | None = None
    kinds: list[int] = field(default_factory=list)  # of the PDUs that were read

    def read(self) -> tuple[int, bytes]:
        """Kind and body of the next PDU; kind 0 at the end of the connection."""
        try:
            head = self._exactly(6)
            kind, body = head[0], self._exactly(int.from_bytes(head[2:], "big"))
        except OSError:
            return 0, b""
        self.kinds.append(kind)
        return kind, body

    def read_request(self) -> A_ASSOCIATE_RQ:
        """The A-ASSOCIATE-RQ, read by pynetdicom."""
        kind, body = self.read()
        assert kind == 1
        self.request = A_ASSOCIATE_RQ()
        self.request.decode(struct.pack(">BBI", 1, 0, len(body)) + body)
        return self.request

    def accept(self, result: int = 0, maximum: int = 16384, roles: bytes = b"") -> None:
        """Read the request, and answer all its contexts with their first transfer syntaxes."""
        request = self.read_request()
        items = _item(0x10, b"1.2.840.10008.3.1.1.1")
        for context in request.presentation_context:
            syntax = str(context.transfer_syntax[0]).encode()
            items += _item(_RESULT, bytes((context.context_id, 0, result, 0)) + _item(0x40, syntax))
        items += _item(0x50, _item(0x51, struct.pack(">I", maximum)) + roles)
        self.send(2, struct.pack(">HH16s16s32x", 1, 0, b"PEER", b"US") + items)

    def read_message(self) -> tuple[int, Command, bytes]:
        """Context, command and data set of the next message."""
        parts = {True: bytearray(), False: bytearray()}  # command and data set
        while True:
            kind, body = self.read()
            assert kind == 4, kind
            position = 0
            while position < len(body):
                length, context, control = struct.unpack_from(">IBB", body, position)
                parts[bool(control & 1)] += body[position + 6 : position + 4 + length]
                position += 4 + length
                if control & 2:
                    command = Command(parts[True])
                    if not control & 1 or not command.has_data_set:
                        return context, command, bytes(parts[False])

    def respond(
        self, context: int, request: Command, status: int, data: bytes | None = None, **more: int
    ) -> None:
        """Send a response; ``message_id`` and ``field`` may differ from what they should be."""
        values = {
            AFFECTED_SOP_CLASS_UID: request.sop_class_uid,
            COMMAND_FIELD: more.get("field", request.field | 0x8000),
            0x0120: more.get("message_id", request.message_id),
            0x0800: 0x0101 if data is None else 1,
            STATUS: status,
        }
        self.connection.sendall(command_pdu(context, encode_command(values)))
        if data is not None:
            self.connection.sendall(b"".join(data_pdus(context, (data,), 16384)))

    def send(self, kind: int, body: bytes) -> None:
        self.connection.sendall(struct.pack(">BBI", kind, 0, len(body)) + body)

    def finish(self) -> None:
        """Read until the other end releases or goes, and answer a release."""
        while True:
            kind, _ = self.read()
            if kind == 5:
                self.connection.sendall(RELEASE_RESPONSE)
            if kind in (0, 7):
                return

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            piece = self.connection.recv(size - len(found))
            if not piece:
                raise OSError("closed")
            found += piece
        return found


@dataclass
class RawPeer:
    """Where it listens, and what has called."""

    port: int
    calls: list[Call] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def join(self) -> None:
        """Wait until all calls are over."""
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()


@contextmanager
def raw_peer(behave: Callable[[Call], None]) -> Iterator[RawPeer]:
    """Listen on a free port; ``behave`` gets each connection, in a thread, and it is closed after that."""
    listener = socket.create_server(("127.0.0.1", 0))
    peer = RawPeer(listener.getsockname()[1])

    def serve(call: Call) -> None:
        with call.connection, suppress(OSError):  # the other end may have gone
            behave(call)

    def listen() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(15)
            call = Call(connection)
            peer.calls.append(call)
            thread = threading.Thread(target=serve, args=(call,), daemon=True)
            peer.threads.append(thread)
            thread.start()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        peer.join()


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(content)) + content
