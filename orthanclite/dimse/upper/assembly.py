"""Messages out of presentation data values (PS3.8 annex E): C-STORE is served here, the rest elsewhere."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

from pynetdicom.pdu_primitives import P_DATA

from orthanclite.core.errors import NetworkProtocol
from orthanclite.dimse.command import (
    C_STORE_RQ,
    StoreRequest,
    command_field,
    parse_store_request,
    store_response,
)
from orthanclite.dimse.scp.store import IncomingInstance

_PDV_HEAD = struct.Struct(">IBB")
_LAST_COMMAND = 0x03  # control byte of the last fragment of a command
_MAX_COMMAND = 64 * 1024  # bytes
_MAX_IDENTIFIER = 16 << 20
"""Bytes of the data set of a message other than C-STORE (a query)."""


class MessageSink(Protocol):
    """The association that messages are assembled for."""

    def begin_instance(self, request: StoreRequest, context_id: int) -> IncomingInstance:
        """:raises NetworkProtocol: if this peer may not send this instance."""
        ...

    def take_value(self, value: P_DATA) -> bool:
        """Take a part of a message that is no C-STORE; whether it was the last one."""
        ...


class MessageAssembly:
    """Puts the values of one association together.

    :param answer: sends an encoded PDU
    """

    def __init__(self, sink: MessageSink, answer: Callable[[bytes], None]) -> None:
        self._sink = sink
        self._answer = answer
        self._command = bytearray()
        self._context_id = 0
        self._instance: IncomingInstance | None = None
        self._forwarded = (
            -1
        )  # bytes of the data set handed to pynetdicom so far; -1 while a command is awaited

    def abort(self) -> None:
        """Drop the message that is being received."""
        if self._instance is not None:
            self._instance.abort()
            self._instance = None

    def add(self, body: memoryview) -> None:
        """Take the values of one P-DATA-TF.

        :param body: valid during this call only
        :raises NetworkProtocol: if they are not what may come next.
        """
        pos, end = 0, len(body)
        while pos < end:
            if end - pos < 6:
                raise NetworkProtocol("Truncated presentation data value")
            length, context_id, control = _PDV_HEAD.unpack_from(body, pos)
            after = pos + 4 + length
            if length < 2 or after > end:
                raise NetworkProtocol("Invalid length of a presentation data value")
            self._add_value(context_id, control, body[pos + 6 : after])
            pos = after

    def _add_value(self, context_id: int, control: int, fragment: memoryview) -> None:
        is_last = bool(control & 2)
        if control & 1:
            self._add_command(context_id, fragment, is_last)
            return
        if self._instance is not None and context_id == self._context_id:
            self._instance.write(fragment)
            if is_last:
                self._finish_instance(self._instance)
        elif self._forwarded >= 0 and context_id == self._context_id:
            self._forward(control, fragment)
        else:
            raise NetworkProtocol("Received a data set without its command")

    def _add_command(self, context_id: int, fragment: memoryview, is_last: bool) -> None:
        if self._instance is not None or self._forwarded >= 0:
            raise NetworkProtocol("Received a command within a data set")
        if len(self._command) + len(fragment) > _MAX_COMMAND:
            raise NetworkProtocol("Received a command that is too long")
        self._command += fragment
        self._context_id = context_id
        if not is_last:
            return
        command, self._command = bytes(self._command), bytearray()
        field = command_field(command)
        if field == C_STORE_RQ:
            self._instance = self._begin(parse_store_request(command), context_id)
            return
        self._forwarded = 0
        self._forward(_LAST_COMMAND, memoryview(command))

    def _forward(self, control: int, fragment: memoryview) -> None:
        """Let pynetdicom assemble a message that is not a C-STORE."""
        self._forwarded += len(fragment)
        if self._forwarded > _MAX_IDENTIFIER:
            raise NetworkProtocol("Received a data set that is too long")
        value = P_DATA()
        value.presentation_data_value_list = [[self._context_id, bytes((control,)) + fragment]]  # type: ignore[list-item]
        if self._sink.take_value(value):
            self._forwarded = -1

    def _begin(self, request: StoreRequest, context_id: int) -> IncomingInstance:
        if not request.has_data_set:
            raise NetworkProtocol("C-STORE without a data set")
        return self._sink.begin_instance(request, context_id)

    def _finish_instance(self, instance: IncomingInstance) -> None:
        self._instance = None
        status, comment = instance.finish()
        self._answer(store_response(instance.request, self._context_id, status, comment))
