"""Encoded frames on their way into a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO

from orthanclite.dicom.encoding import UNDEFINED_LENGTH
from orthanclite.dicom.writing.elements import item

_IN_MEMORY = 1 << 25  # bytes beyond which they go to a temporary file
_PIECE = 1 << 20
_END = b"\xfe\xff\xdd\xe0\0\0\0\0"


class EncodedFrames:
    """The fragments of encapsulated pixel data (PS3.5 annex A.4), one for each frame.

    Their number and size decide what stands before them: the offset table, and the compression ratio.
    """

    def __init__(self, file: IO[bytes] | None = None) -> None:
        """:param file: an empty one where they wait; None for one in memory, or temporary if they are many"""
        self._file = file or tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix="frames-")  # noqa: SIM115
        self._offsets: list[int] = []
        self._end = 0
        self.size = 0  # bytes of the frames alone

    def add(self, frame: bytes) -> None:
        """Append the bit stream of a frame."""
        fragment = item(frame + b"\0" * (len(frame) % 2))
        self._file.write(fragment)
        self._offsets.append(self._end)
        self._end += len(fragment)
        self.size += len(frame)

    def value(self) -> Iterator[bytes]:
        """The value of the pixel data. Its offset table is empty where an offset exceeds 32 bits."""
        with self._file:
            fits = self._offsets[-1] < UNDEFINED_LENGTH
            yield item(b"".join(offset.to_bytes(4, "little") for offset in self._offsets) if fits else b"")
            self._file.seek(0)
            while piece := self._file.read(_PIECE):
                yield piece
            yield _END
