"""Temporary files that go away with the object that holds them, whatever becomes of an answer."""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from orthanclite.core.buffers import Buffer, View
from orthanclite.core.disk import Writing

_SMALL = 1 << 24  # bytes of a file that is rather read than mapped
_PIECE = 1 << 20  # bytes that are read at a time
_WRITING = Writing("a temporary file")


class ScratchFile:
    """A temporary file, to be written once and read from many places. Reading is thread-safe.

    It has a name until :meth:`hide`, so that another process can write into it. The file is removed with the
    last reference to this object: an answer that is sent in pieces may never come to its end.
    """

    def __init__(self, folder: Path | str | None, prefix: str) -> None:
        """:param folder: None for that of the system

        :raises CannotWriteFile: where no file can be made there.
        """
        with _WRITING:
            self._descriptor, path = tempfile.mkstemp(prefix=f"{prefix}-", dir=folder)
        self.path = Path(path)
        self._end = weakref.finalize(self, _remove, self._descriptor, str(path))

    @property
    def size(self) -> int:
        """Bytes that the file has now."""
        return os.fstat(self._descriptor).st_size

    def hide(self) -> None:
        """Take the name away: nothing is left of the file even if this process is killed."""
        if self._end.detach() is not None:
            self._end = weakref.finalize(self, _remove, self._descriptor, None)
            self.path.unlink(missing_ok=True)

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
                view = view[os.write(self._descriptor, view) :]

    def read(self, start: int, length: int) -> bytes:
        """Bytes of the file; fewer only at its end."""
        return os.pread(self._descriptor, length, start)

    def whole(self) -> Buffer:
        """All of the file: mapped where it is large; what is mapped outlives this object."""
        size = self.size
        if size <= _SMALL:
            return self.read(0, size)
        return mmap.mmap(self._descriptor, size, access=mmap.ACCESS_READ)

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from ``start`` up to ``end``, piece by piece."""
        while start < end and (piece := self.read(start, min(_PIECE, end - start))):
            yield piece
            start += len(piece)


def _remove(descriptor: int, path: str | None) -> None:
    os.close(descriptor)
    if path is not None:
        with suppress(OSError):  # its folder may be gone
            os.unlink(path)
