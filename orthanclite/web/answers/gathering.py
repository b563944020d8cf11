"""Pieces of an answer, as many at a time as are worth the way between a thread and the event loop."""

from __future__ import annotations

import time
from collections.abc import Iterator

from orthanclite.core.machine.buffers import View

_ENOUGH = 256 * 1024
"""Bytes that are taken at a time."""
_JOINED = 64 * 1024
"""Bytes of a piece up to which it is copied to its neighbours: that costs less than to send it by itself."""
_PATIENCE = 0.005
"""Seconds after which what is there is sent, however little it is."""


class Gathered:
    """Takes pieces from an iterator, in a thread; one thread at a time."""

    def __init__(self, pieces: Iterator[View]) -> None:
        self._pieces = pieces
        self._error: Exception | None = None

    def take(self) -> list[View]:
        """The next pieces that are not empty; none at the end.

        What the iterator raises is raised after what came before it.
        """
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        taken: list[View] = []
        size, until = 0, time.perf_counter() + _PATIENCE
        try:
            for piece in self._pieces:
                if piece:
                    taken.append(piece)
                    size += len(piece)
                if size >= _ENOUGH or (taken and time.perf_counter() > until):
                    break
        except Exception as exc:
            if not taken:
                raise
            self._error = exc
        return taken if len(taken) < 2 else _joined(taken)


def _joined(pieces: list[View]) -> list[View]:
    """The same bytes, small neighbours as one piece."""
    found: list[View] = []
    small: list[View] = []
    for piece in pieces:
        if len(piece) <= _JOINED:
            small.append(piece)
            continue
        if small:
            found.append(b"".join(small))
            small = []
        found.append(piece)
    if small:
        found.append(b"".join(small))
    return found
