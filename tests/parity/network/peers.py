"""The peers of the network scenarios: they answer as a script says, and note what they are asked."""

from __future__ import annotations

import io
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pydicom
from pydicom.filereader import read_dataset
from pydicom.uid import UID
from pynetdicom.dsutils import encode

from orthanclite.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    C_ECHO_RQ,
    C_FIND_RQ,
    C_GET_RQ,
    C_MOVE_RQ,
    C_STORE_RQ,
    COMMAND_DATA_SET_TYPE,
    COMMAND_FIELD,
    COMPLETED_SUBOPERATIONS,
    ERROR_COMMENT,
    FAILED_SUBOPERATIONS,
    MESSAGE_ID_RESPONDED_TO,
    N_ACTION_RQ,
    N_EVENT_REPORT_RQ,
    REMAINING_SUBOPERATIONS,
    STATUS,
    WARNING_SUBOPERATIONS,
    Command,
    Value,
    command_pdu,
    data_pdus,
    encode_command,
)
from orthanclite.dimse.status import PENDING
from tests.dimse.raw_peer import RELEASE_RESPONSE, Call, raw_peer
from tests.dimse.support import eventually
from tests.parity.network.messages import compared, made_dataset, shown_message
from tests.support.hostile import Hostile, Received, answer, hostile

_ENDS = {5: "release", 7: "abort", 0: "connection closed"}
_OPERATIONS = {
    C_STORE_RQ: "store",
    C_FIND_RQ: "find",
    C_MOVE_RQ: "move",
    C_GET_RQ: "get",
    C_ECHO_RQ: "echo",
    N_ACTION_RQ: "action",
    N_EVENT_REPORT_RQ: "event",
}
_HEADERS = ("content-type", "content-encoding", "authorization", "x-token", "host2")
_COUNTS = (REMAINING_SUBOPERATIONS, COMPLETED_SUBOPERATIONS, FAILED_SUBOPERATIONS, WARNING_SUBOPERATIONS)


@dataclass
class DicomPeer:
    """A scripted modality.

    :ivar script: the reply to an operation, or several of them, of which the last one stays
    """

    script: dict[str, Any] = field(default_factory=dict)
    port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seen: list[dict[str, Any]] = field(default_factory=list)
    _open: int = 0

    def drain(self) -> list[dict[str, Any]]:
        """The associations since the last call, once none is open."""
        assert eventually(lambda: self._open == 0)
        with self._lock:
            seen, self._seen = self._seen, []
        return seen

    def serve(self, call: Call) -> None:
        """Take one association."""
        with self._lock:
            self._open += 1
        try:
            self._serve(call)
        finally:
            with self._lock:
                self._open -= 1

    def _serve(self, call: Call) -> None:
        call.accept()
        request = call.request
        assert request is not None
        names = {"calling": request.calling_ae_title.strip(), "called": request.called_ae_title.strip()}
        seen: dict[str, Any] = {"request": names, "messages": [], "end": ""}
        with self._lock:
            self._seen.append(seen)
        syntaxes = {one.context_id: str(one.transfer_syntax[0]) for one in request.presentation_context}
        parts = {True: bytearray(), False: bytearray()}  # command and data set
        while True:
            kind, body = call.read()
            if kind != 4:
                seen["end"] = _ENDS[kind]
                if kind == 5:
                    call.connection.sendall(RELEASE_RESPONSE)
                return
            for context, control, value in _values(body):
                parts[bool(control & 1)] += value
                if not control & 2:
                    continue
                encoded = read_dataset(io.BytesIO(parts[True]), True, True)
                if control & 1 and encoded.CommandDataSetType != 0x0101:
                    continue
                message = shown_message(encoded, bytes(parts[False]), syntaxes[context])
                seen["messages"].append(message)
                command = Command(bytes(parts[True]))
                parts = {True: bytearray(), False: bytearray()}
                if not self._reply(call, context, command, syntaxes[context]):
                    seen["end"] = "abort"
                    return

    def _reply(self, call: Call, context: int, command: Command, syntax: str) -> bool:
        """Answer a message; whether the association goes on."""
        reply = self._next(_OPERATIONS[command.field])
        if reply.get("abort"):
            call.send(7, b"\0\0\0\0")
            return False
        for item in reply.get("answers", ()):
            uid = UID(syntax)
            data = encode(made_dataset(item), uid.is_implicit_VR, uid.is_little_endian)
            status = int(reply.get("pending", f"{PENDING:04X}"), 16)
            self._send(call, context, command, {STATUS: status}, data)
        if "answers" not in reply:
            for counts in reply.get("pending", ()):
                values = dict(zip(_COUNTS, counts, strict=True))
                self._send(call, context, command, {STATUS: PENDING, **values})
        final: dict[int, Value] = {STATUS: int(reply.get("status", "0000"), 16)}
        if "comment" in reply:
            final[ERROR_COMMENT] = reply["comment"]
        final |= dict(zip(_COUNTS[1:], reply.get("counts", ()), strict=False))
        self._send(call, context, command, final)
        return True

    def _next(self, operation: str) -> dict[str, Any]:
        replies: Any = self.script.get(operation, {})
        if not isinstance(replies, list):
            return dict(replies)
        return dict(replies.pop(0) if len(replies) > 1 else replies[0])

    @staticmethod
    def _send(
        call: Call, context: int, command: Command, more: dict[int, Value], data: bytes | None = None
    ) -> None:
        values: dict[int, Value] = {
            AFFECTED_SOP_CLASS_UID: command.sop_class_uid,
            COMMAND_FIELD: command.field | 0x8000,
            MESSAGE_ID_RESPONDED_TO: command.message_id,
            COMMAND_DATA_SET_TYPE: 0x0101 if data is None else 1,
            **more,
        }
        if command.has_sop_instance:
            values[AFFECTED_SOP_INSTANCE_UID] = command.sop_instance_uid
        pdus = command_pdu(context, encode_command(values))
        call.connection.sendall(pdus + b"".join(data_pdus(context, (data,), 16384) if data else ()))


@dataclass
class HttpPeer:
    """A scripted Orthanc server. ``script`` is a list of answers, with the pattern of what they answer."""

    script: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    server: Hostile | None = None

    def drain(self) -> list[dict[str, Any]]:
        """The requests since the last call, but for those that ask what is there."""
        assert self.server is not None
        requests, self.server.requests = self.server.requests, []
        return [_shown_request(one) for one in requests if "/tools/find" not in one.line]

    def behave(self, connection: socket.socket, request: Received) -> None:
        """Answer a request."""
        method, path, _ = request.line.split(" ")
        found = (one for one in self.script if re.search(one["match"], f"{method} {path}"))
        reply = next(found, {"status": 404, "text": "not scripted"})
        time.sleep(reply.get("delay", 0))
        is_json = "json" in reply
        body = json.dumps(reply["json"]) if is_json else reply.get("text", "")
        headers = [f"{name}: {value}" for name, value in reply.get("headers", {}).items()]
        headers.append(f"Content-Type: {'application/json' if is_json else 'text/plain'}")
        answer(f"{reply.get('status', 200)} X", body.encode(), *headers)(connection, request)


Peer = DicomPeer | HttpPeer


@contextmanager
def listening(role: str, script: Any) -> Iterator[Peer]:
    """A peer of a kind (``dicom`` or ``http``)."""
    if role == "http":
        http = HttpPeer(script or [])
        with hostile(http.behave) as http.server:
            http.port = http.server.port
            yield http
        return
    dicom = DicomPeer(script or {})
    with raw_peer(dicom.serve) as raw:
        dicom.port = raw.port
        yield dicom


def _values(body: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Context, control header and fragment of each value of a P-DATA-TF (PS3.8 section 9.3.5)."""
    position = 0
    while position < len(body):
        end = position + 4 + int.from_bytes(body[position : position + 4], "big")
        yield body[position + 4], body[position + 5], body[position + 6 : end]
        position = end


def _shown_request(request: Received) -> dict[str, Any]:
    method, path, _ = request.line.split(" ")
    headers = {name: value for name, value in request.headers.items() if name in _HEADERS}
    shown: dict[str, Any] = {"method": method, "path": path, "headers": headers}
    if request.body[128:132] == b"DICM":
        file = pydicom.dcmread(io.BytesIO(request.body))
        shown["body"] = {"dicom": {"syntax": str(file.file_meta.TransferSyntaxUID), **compared(file)}}
    return shown
