"""Messages out of presentation data values (PS3.8 annex E)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

from orthanclite.core.errors import NetworkProtocol
from orthanclite.core.machine.budget import MemoryBudget
from orthanclite.dimse.command import Command
from orthanclite.dimse.conversation import Incoming

_PDV_HEAD = struct.Struct(">IBB")
_MAX_COMMAND = 64 * 1024  # bytes
_MAX_DATA_SET = 16 << 20
"""Bytes of a data set that is not streamed (an identifier of a query)."""


class MessageSink(Protocol):
    """The association that messages are assembled for."""

    def begin(self, command: Command, context_id: int) -> Incoming:
        """Where the data set goes that follows a command; it is finished at once where none follows.

        :raises NetworkProtocol: if the peer may not send this message.
        """
        ...


class MessageAssembly:
    """Puts the values of one association together."""

    def __init__(self, sink: MessageSink) -> None:
        self._sink = sink
        self._command = bytearray()
        self._context_id = 0
        self._incoming: Incoming | None = None  # while a data set is awaited

    def abort(self) -> None:
        """Drop the message that is being received."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.abort()

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
        incoming = self._incoming
        if incoming is None or context_id != self._context_id:
            raise NetworkProtocol("Received a data set without its command")
        incoming.write(fragment)
        if is_last:
            self._incoming = None
            incoming.finish()

    def _add_command(self, context_id: int, fragment: memoryview, is_last: bool) -> None:
        if self._incoming is not None or (self._command and context_id != self._context_id):
            raise NetworkProtocol("Received a command within another message")
        if len(self._command) + len(fragment) > _MAX_COMMAND:
            raise NetworkProtocol("Received a command that is too long")
        self._command += fragment
        self._context_id = context_id
        if not is_last:
            return
        command, self._command = Command(self._command), bytearray()
        incoming = self._sink.begin(command, context_id)
        if command.has_data_set:
            self._incoming = incoming
        else:
            incoming.finish()


class WholeDataSet:
    """A data set that is kept in memory until it is complete.

    :param budget: what all messages on their way in may take
    :param deliver: takes the complete data set
    """

    def __init__(self, budget: MemoryBudget, deliver: Callable[[bytes], None]) -> None:
        self._budget = budget
        self._deliver = deliver
        self._data = bytearray()

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes.

        :raises NetworkProtocol: if the data set is too long, or too many arrive at the same time.
        """
        if len(self._data) + len(fragment) > _MAX_DATA_SET:
            raise NetworkProtocol("Received a data set that is too long")
        if not self._budget.take(len(fragment)):
            raise NetworkProtocol("Too many messages arrive at the same time")
        self._data += fragment

    def finish(self) -> None:
        """Hand the data set on."""
        data = bytes(self._data)
        self.abort()
        self._deliver(data)

    def abort(self) -> None:
        """Drop what is held."""
        self._budget.give_back(len(self._data))
        self._data.clear()
