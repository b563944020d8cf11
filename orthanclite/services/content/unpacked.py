"""Files that are stored deflated, unpacked once for all who read parts of them."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orthanclite.dicom.encoding import DEFLATED_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN
from orthanclite.services.content.blobs import BlobReader, Reader
from orthanclite.services.content.files import StoredFile
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.content.single_flight import SingleFlight

_WORTH_IT = 1 << 20
"""Bytes of a compressed blob's content from which on it is unpacked; less is inflated for each who asks."""
_CAPACITY = 1 << 30
"""Bytes of all files that are unpacked, and of the largest one."""
_MOST = 64
"""Files that are unpacked: each is open as long as it is kept."""
_UNUSED = 120.0
"""Seconds since the last use after which an unpacked file goes away."""


class Inflater(Protocol):
    """Writes the file of an instance anew."""

    def transcode_instance(self, id: str, transfer_syntax: str, lossy_quality: int | None) -> ScratchFile: ...


@dataclass(frozen=True, slots=True)
class ReadableFile:
    """The file of an instance, any part of which can be read at little cost."""

    transfer_syntax: str
    size: int  # bytes
    pixel_data_offset: int | None
    read: Reader
    local: Callable[[], Path | bytes | ScratchFile]
    """All of it for another process, see :meth:`.BlobReader.local`."""


class UnpackedFiles:
    """Gives the files of instances as they can be read piece by piece. Thread-safe.

    A file in the deflated transfer syntax is in explicit little endian then.

    :param folder: of temporary files; None for that of the system
    """

    def __init__(
        self, reader: BlobReader, inflater: Inflater, folder: str | None, capacity: int = _CAPACITY
    ) -> None:
        self._reader = reader
        self._inflater = inflater
        self._folder = folder
        self._capacity = capacity
        self._flights = SingleFlight[ScratchFile]()
        self._unpacked: OrderedDict[str, tuple[ScratchFile, float]] = OrderedDict()
        self._lock = threading.Lock()

    def readable(self, file: StoredFile) -> ReadableFile:
        """A file, unpacked if it has to be.

        :raises UnknownResource: where it is deleted meanwhile.
        :raises BadFileFormat: where a deflated one is broken.
        :raises CorruptedFile: where a compressed blob is broken.
        :raises FullStorage: where there is no room for it.
        """
        attachment = file.attachment
        deflated = file.transfer_syntax == DEFLATED_LITTLE_ENDIAN
        worth_it = _WORTH_IT <= attachment.size <= self._capacity
        if not deflated and not (attachment.compressed and worth_it):
            return ReadableFile(
                file.transfer_syntax,
                attachment.size,
                file.pixel_data_offset,
                lambda start, length: self._reader.read(attachment, start, length),
                lambda: self._reader.local(attachment),
            )
        scratch = self._scratch(file, deflated)
        return ReadableFile(
            EXPLICIT_LITTLE_ENDIAN if deflated else file.transfer_syntax,
            scratch.size,
            None if deflated else file.pixel_data_offset,
            scratch.read,
            lambda: scratch,
        )

    def forget_unused(self) -> None:
        """Remove what has not been read for some minutes."""
        with self._lock:
            while self._unpacked:
                uuid, (_, used) = next(iter(self._unpacked.items()))
                if time.monotonic() - used < _UNUSED:
                    break
                del self._unpacked[uuid]

    def _scratch(self, file: StoredFile, deflated: bool) -> ScratchFile:
        uuid = file.attachment.uuid
        with self._lock:
            found = self._unpacked.pop(uuid, None)
            if found is not None:
                self._unpacked[uuid] = (found[0], time.monotonic())
                return found[0]
        return self._flights.do(uuid, lambda: self._unpack(file, deflated))

    def _unpack(self, file: StoredFile, deflated: bool) -> ScratchFile:
        if deflated:
            scratch = self._inflater.transcode_instance(file.id, EXPLICIT_LITTLE_ENDIAN, None)
        else:
            scratch = ScratchFile(self._folder, "unpacked")
            for piece in self._reader.chunks(file.attachment):
                scratch.write(piece)
        with self._lock:
            self._unpacked[file.attachment.uuid] = (scratch, time.monotonic())
            used = sum(one.size for one, _ in self._unpacked.values())
            while used > self._capacity or len(self._unpacked) > _MOST:
                # Whoever reads it still holds it.
                _, (dropped, _) = self._unpacked.popitem(last=False)
                used -= dropped.size
        return scratch
