"""Files that scripts for old browsers cut into several requests (``X-File-Name``, ``X-File-Size``)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from orthanclite.core.errors import BadFileFormat, BodyTooLarge
from orthanclite.web.budget import MemoryBudget

LARGEST = 128 * 1024 * 1024
"""Bytes that one file may have, and all unfinished files together."""
_MOST_FILES = 10
_PATIENCE = 60.0
"""Seconds after which a file is dropped of which no further piece has come."""


class _Unfinished:
    def __init__(self, timer: asyncio.TimerHandle) -> None:
        self.content = bytearray()
        self.timer = timer


class FilesInPieces:
    """Puts files together by their names. Used on one event loop.

    What is unfinished has its place in the budget. Where too much is unfinished, the file goes that has
    waited longest.

    :param patience: seconds, see ``_PATIENCE``
    """

    def __init__(self, budget: MemoryBudget, patience: float = _PATIENCE) -> None:
        self._budget = budget
        self._patience = patience
        self._files: OrderedDict[str, _Unfinished] = OrderedDict()
        self._size = 0  # bytes of all of them

    def add(self, name: str, size: int, piece: bytes) -> bytes | None:
        """Append to the file ``name`` of ``size`` bytes; the whole file once it is complete.

        :raises BadFileFormat: where more arrives than was announced.
        :raises BodyTooLarge: for a file larger than :data:`LARGEST`.
        """
        if size > LARGEST:
            self._drop(name)
            raise BodyTooLarge(f"A file that comes in pieces has at most {LARGEST >> 20} MB")
        file = self._renewed(name)
        file.content += piece
        self._size += len(piece)
        self._budget.hold(len(piece))
        if len(file.content) >= size:
            self._drop(name)
            if len(file.content) > size:
                raise BadFileFormat("More bytes than announced in X-File-Size")
            return bytes(file.content)
        while len(self._files) > _MOST_FILES or self._size > LARGEST:
            self._drop(next(iter(self._files)))
        return None

    def _renewed(self, name: str) -> _Unfinished:
        """The file, now the last one to be dropped."""
        timer = asyncio.get_running_loop().call_later(self._patience, self._drop, name)
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = _Unfinished(timer)
        else:
            file.timer.cancel()
            file.timer = timer
            self._files.move_to_end(name)
        return file

    def _drop(self, name: str) -> None:
        file = self._files.pop(name, None)
        if file is not None:
            file.timer.cancel()
            self._size -= len(file.content)
            self._budget.release(len(file.content))
