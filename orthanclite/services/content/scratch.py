"""Temporary files that go away with the object that holds them, whatever becomes of an answer."""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

from orthanclite.core.machine.buffers import Buffer, View
from orthanclite.core.machine.disk import Writing

_SMALL = 1 << 24  # bytes of a file that is rather read than mapped
_PIECE = 1 << 20  # bytes that are read at a time
_WRITING = Writing("a temporary file")


class ScratchFile:
    """A temporary file, to be written once and read from many places. Reading is thread-safe.

    The file has no name, so that nothing is left of it even if this process is killed, and goes away with the
    last reference to this object: an answer that is sent in pieces may never come to its end. Another process
    may write to its ``descriptor``.
    """

    def __init__(self, folder: Path | str | None, prefix: str) -> None:
        """:param folder: None for that of the system

        :raises CannotWriteFile: where no file can be made there.
        """
        with _WRITING:
            self.descriptor, path = tempfile.mkstemp(prefix=f"{prefix}-", dir=folder)
            self._end = weakref.finalize(self, os.close, self.descriptor)
            os.unlink(path)

    @property
    def size(self) -> int:
        """Bytes that the file has now."""
        return os.fstat(self.descriptor).st_size

    def close(self) -> None:
        """Remove the file now."""
        self._end()

    def write(self, data: View) -> None:
        """Append ``data``.

        :raises FullStorage: where the disk is full.
        :raises CannotWriteFile: where it cannot be written.
        """
        view = memoryview(data)
        with _WRITING:
            while view:
                view = view[os.write(self.descriptor, view) :]

    def read(self, start: int, length: int) -> bytes:
        """Bytes of the file; fewer only at its end."""
        return os.pread(self.descriptor, length, start)

    def whole(self) -> Buffer:
        """All of the file: mapped where it is large; what is mapped outlives this object."""
        size = self.size
        if size <= _SMALL:
            return self.read(0, size)
        return mmap.mmap(self.descriptor, size, access=mmap.ACCESS_READ)

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from ``start`` up to ``end``, piece by piece."""
        while start < end and (piece := self.read(start, min(_PIECE, end - start))):
            yield piece
            start += len(piece)
