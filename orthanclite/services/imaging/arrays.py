"""The frames of instances and series as one numpy array, in memory that does not grow with it.

The headers of all files are looked at first, so that what cannot be answered is refused with a status. What
is uncompressed is then read while it is sent. What needs a decoder is decoded by the worker processes before,
into temporary files.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from weakref import WeakSet

import numpy as np
import orjson

from orthanclite.core.errors import CorruptedFile
from orthanclite.core.machine.buffers import View
from orthanclite.dicom.pixels.reading.source import buffer_of, open_native
from orthanclite.dicom.pixels.showing.arrays import ArrayKind, NativeFrames, native_frames, npy_head
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.imaging.handover import OpenFile
from orthanclite.services.imaging.images import HEADER_LIMIT, Images, InstanceFile, as_array, is_moderate
from orthanclite.services.imaging.npz import npz

MAX_DECODED = 1 << 33
"""Bytes that the decoded frames of all answers under way may take on the disk."""


@dataclass(frozen=True, slots=True)
class ArrayContent:
    """An array answer."""

    length: int  # bytes
    pieces: Iterator[View]


@dataclass(frozen=True, slots=True)
class _Native:
    """Frames that are read when they are sent."""

    blob: InstanceFile
    frames: NativeFrames

    @property
    def kind(self) -> ArrayKind:
        return self.frames.kind

    def pieces(self) -> Iterator[View]:
        try:
            with buffer_of(self.blob) as buffer:
                for index in range(self.kind.frames):
                    values = np.ascontiguousarray(self.frames.frame(buffer, index))
                    yield values.data.cast("B")
        except OSError as exc:
            raise CorruptedFile(f"A file has gone while it was read: {exc.strerror}") from exc


@dataclass(frozen=True, slots=True)
class _Decoded:
    """Frames in a temporary file."""

    kind: ArrayKind
    file: ScratchFile
    start: int

    def pieces(self) -> Iterator[View]:
        return self.file.pieces(self.start, self.start + self.kind.size)


_Part = _Native | _Decoded


class ArrayService:
    """Arrays of many frames. Thread-safe; all methods block."""

    def __init__(self, images: Images, temporary_directory: Path | None = None) -> None:
        self._images = images
        self._folder = temporary_directory
        self._files: WeakSet[ScratchFile] = WeakSet()  # of all answers under way
        self._lock = threading.Lock()

    def array(
        self, blobs: Sequence[InstanceFile], rescale: bool = True, compress: bool = False
    ) -> ArrayContent:
        """The frames of one or more files, in the order given, as ``.npy`` or ``.npz``.

        :raises IncompatibleImageSize: where they differ in size.
        :raises IncompatibleImageFormat: where they differ in their channels or their type.
        :raises NotImplementedInServer: for an image of a kind that cannot be decoded, or too large a result.
        :raises BadFileFormat: for a damaged image.
        :raises FullStorage: where there is no room for what is decoded.
        """
        with as_array():
            parts = self._parts(blobs, rescale)
            kind = reduce(ArrayKind.joined, (part.kind for part in parts))
        head = npy_head((kind.frames, kind.rows, kind.columns, kind.channels), kind.type)
        length = len(head) + kind.size
        pieces = _npy(head, parts)
        if not compress:
            return ArrayContent(length, pieces)
        file = ScratchFile(self._folder, "array")
        for piece in npz(pieces, length):
            file.write(piece)
        return ArrayContent(file.size, file.pieces(0, file.size))

    def _decoded(self) -> int:
        """Bytes on the disk that answers under way take."""
        with self._lock:
            return sum(file.size for file in self._files)

    def _parts(self, blobs: Sequence[InstanceFile], rescale: bool) -> list[_Part]:
        found = [_native(blob, rescale) for blob in blobs]
        missing = [index for index, part in enumerate(found) if part is None]
        decoded = self._decode([blobs[index] for index in missing], rescale) if missing else iter(())
        return [next(decoded) if part is None else part for part in found]

    def _decode(self, blobs: Sequence[InstanceFile], rescale: bool) -> Iterator[_Decoded]:
        """Decode files, a share of them by each worker, into a file for each share."""
        shares = min(self._images.workers, len(blobs))
        files = [ScratchFile(self._folder, "array") for _ in range(shares)]
        with self._lock:
            self._files.update(files)
        found: list[_Decoded | None] = [None] * len(blobs)
        stop = threading.Event()

        def decode(share: int) -> None:
            file = files[share]
            for index in range(share, len(blobs), shares):
                if stop.is_set():
                    return
                start = file.size
                limit = MAX_DECODED - self._decoded()
                answer = self._images.elsewhere(
                    "write_frames", blobs[index], rescale, OpenFile(file.descriptor), limit
                )
                found[index] = _Decoded(ArrayKind(**orjson.loads(answer)), file, start)

        with ThreadPoolExecutor(shares) as threads:
            running = [threads.submit(decode, share) for share in range(shares)]
            try:
                for done in running:
                    done.result()
            finally:
                stop.set()
        return (part for part in found if part is not None)


def _native(blob: InstanceFile, rescale: bool) -> _Native | None:
    with open_native(blob, HEADER_LIMIT) as source:
        if source is None or not is_moderate(source):
            return None
        frames = native_frames(source, rescale)
        return None if frames is None else _Native(blob, frames)


def _npy(head: bytes, parts: Sequence[_Part]) -> Iterator[View]:
    yield head
    for part in parts:
        yield from part.pieces()
