"""What a connection has read and nobody has taken yet."""

from __future__ import annotations

import struct

_HEAD = struct.Struct(">BxI")
PDU_HEAD = _HEAD.size
_SIZE = 160 * 1024
"""Bytes read at once at most; grows for peers that send larger PDUs. Memory is taken as it is written to."""


class InputBuffer:
    """Bytes in one piece of memory, which is used again and again."""

    def __init__(self) -> None:
        self._memory = memoryview(bytearray(_SIZE))
        self._start = self._end = 0

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def next_pdu(self) -> tuple[int, int] | None:
        """Kind and bytes of the next PDU, its head included; None where they are not known yet."""
        if len(self) < PDU_HEAD:
            return None
        kind, length = _HEAD.unpack_from(self._memory, self._start)
        return kind, PDU_HEAD + length

    @property
    def has_pdu(self) -> bool:
        """Whether a whole PDU is there."""
        head = self.next_pdu
        return head is not None and len(self) >= head[1]

    def take(self, size: int) -> memoryview:
        """The next ``size`` bytes, of those that are there; valid until :meth:`room` is called."""
        start = self._start
        self._start += size
        return self._memory[start : self._start]

    def room(self, wanted: int) -> memoryview:
        """Where the next bytes are to be written to, so that ``wanted`` bytes stand in one piece."""
        if not len(self) or self._start + wanted > len(self._memory):
            rest = bytes(self._memory[self._start : self._end])
            if wanted > len(self._memory):
                self._memory = memoryview(bytearray(wanted))
            self._memory[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        return self._memory[self._end :]

    def added(self, count: int) -> None:
        """``count`` bytes were written there."""
        self._end += count
