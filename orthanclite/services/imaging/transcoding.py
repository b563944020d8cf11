"""Writing images anew: in other transfer syntaxes for downloads, for archives, and as they arrive; masked.

The work is done by worker processes: whatever a damaged image does to a codec, the server goes on.
"""

from __future__ import annotations

import logging
import mmap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile

from orthanclite.core.errors import OrthancError, ParameterOutOfRange, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.model import DicomSummary, Parts
from orthanclite.core.ports import Resources
from orthanclite.dicom.encoding import DEFLATED_LITTLE_ENDIAN, UNCOMPRESSED_SYNTAXES
from orthanclite.dicom.pixels.masking.masks import Mask, MaskedPixels
from orthanclite.dicom.pixels.syntaxes import is_transfer_syntax
from orthanclite.services.content.blobs import CHUNK, BlobReader
from orthanclite.services.content.files import StoredFile
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.imaging.handover import OpenFile
from orthanclite.services.imaging.workers import IMAGE_TIMEOUT, WorkerPool

_LOG = logging.getLogger(__name__)

_IN_WORKER = "orthanclite.dicom.pixels.writing.transcode:transcode_task"

_MASK = "orthanclite.dicom.pixels.masking.files:mask_task"

_SLOWEST = 5e5  # bytes of a file that the slowest codec writes anew in a second

DictionaryEntries = Mapping[int, tuple[str, str, str]]
"""The option ``Dictionary``: tag -> VR, name, private creator."""


@dataclass(frozen=True, slots=True)
class TranscodingOptions:
    """The settings that rule how files are transcoded."""

    lossy_quality: int = 90  # DicomLossyTranscodingQuality, 1 to 100
    dictionary: DictionaryEntries = field(default_factory=dict)
    load_private_dictionary: bool = True
    temporary_directory: Path | None = None  # None: that of the system


class TranscodingService:
    """Changes transfer syntaxes. Thread-safe; blocks while a worker is at it."""

    def __init__(
        self, pool: WorkerPool, resources: Resources, reader: BlobReader, options: TranscodingOptions
    ) -> None:
        self._pool = pool
        self._resources = resources
        self._reader = reader
        self._options = options
        self._entries = tuple(sorted(options.dictionary.items()))

    def transcode_instance(self, id: str, transfer_syntax: str, lossy_quality: int | None) -> ScratchFile:
        """The file of a stored instance in another transfer syntax.

        :raises UnknownResource: for an unknown instance, or one whose file is not kept.
        :raises OrthancError: see :meth:`transcode`.
        """
        instance = self._resources.get(Level.INSTANCE, id, Parts.ATTACHMENTS)
        if instance is None:
            raise UnknownResource
        _check(transfer_syntax)
        attachment = StoredFile.of(instance).attachment
        return self._run(self._reader.local(attachment), attachment.size, transfer_syntax, lossy_quality)

    def transcode(
        self,
        dicom: bytes | mmap.mmap,
        transfer_syntax: str,
        lossy_quality: int | None = None,
        *,
        keep_sop_uid: bool = False,
    ) -> ScratchFile:
        """``dicom`` in another transfer syntax; unchanged where it has it already.

        :param lossy_quality: 1 to 100, of lossy compression; None for ``DicomLossyTranscodingQuality``
        :param keep_sop_uid: also with lossy compression, for who gives the result another identity later
        :raises ParameterOutOfRange: for an unknown transfer syntax, or a quality out of range.
        :raises NotImplementedInServer: for one that cannot be produced, or not from such an image.
        :raises UnsupportedMediaType: for an image of a kind that cannot be decoded.
        :raises BadFileFormat: for a damaged file.
        :raises FullStorage: where there is no room for the result.
        """
        _check(transfer_syntax)
        if isinstance(dicom, bytes):
            return self._run(dicom, len(dicom), transfer_syntax, lossy_quality, keep_sop_uid)
        with self._as_file(dicom) as path:
            return self._run(path, len(dicom), transfer_syntax, lossy_quality, keep_sop_uid)

    def _run(
        self,
        data: Path | bytes,
        size: int,
        transfer_syntax: str,
        lossy_quality: int | None,
        keep_sop_uid: bool = False,
    ) -> ScratchFile:
        result = ScratchFile(self._options.temporary_directory, "transcoded")
        spool = ScratchFile(self._options.temporary_directory, "frames")
        self._pool.run(
            _IN_WORKER,
            data,
            transfer_syntax,
            self._options.lossy_quality if lossy_quality is None else lossy_quality,
            self._entries,
            self._options.load_private_dictionary,
            OpenFile(result.descriptor),
            OpenFile(spool.descriptor),
            keep_sop_uid,
            timeout=IMAGE_TIMEOUT + size / _SLOWEST,
        )
        return result

    def mask(self, dicom: bytes | mmap.mmap, masks: Sequence[Mask]) -> tuple[MaskedPixels, Buffer] | None:
        """What becomes of the pixel data of a file, and its new value; None where it has none.

        :raises ParameterOutOfRange: for a rectangle, a frame or a value that such an image does not have.
        :raises OrthancError: see :meth:`transcode`.
        """
        if isinstance(dicom, bytes):
            return self._mask(dicom, len(dicom), masks)
        with self._as_file(dicom) as path:
            return self._mask(path, len(dicom), masks)

    def _mask(
        self, data: Path | bytes, size: int, masks: Sequence[Mask]
    ) -> tuple[MaskedPixels, Buffer] | None:
        value = ScratchFile(self._options.temporary_directory, "masked")
        spool = ScratchFile(self._options.temporary_directory, "frames")
        told = self._pool.run(
            _MASK,
            data,
            [(mask.rectangles, mask.frames, mask.value) for mask in masks],
            self._entries,
            self._options.load_private_dictionary,
            OpenFile(value.descriptor),
            OpenFile(spool.descriptor),
            timeout=IMAGE_TIMEOUT + size / _SLOWEST,
        )
        masked = MaskedPixels.of(told)
        return None if masked is None else (masked, value.whole())

    @contextmanager
    def _as_file(self, data: mmap.mmap) -> Iterator[Path]:
        """A copy of mapped data for a worker: it may be too large to be passed through memory."""
        with NamedTemporaryFile(dir=self._options.temporary_directory, prefix="transcode-") as file:
            for start in range(0, len(data), CHUNK):
                file.write(data[start : start + CHUNK])
            file.flush()
            yield Path(file.name)


def _check(transfer_syntax: str) -> None:
    if not is_transfer_syntax(transfer_syntax):
        raise ParameterOutOfRange(f"Unknown transfer syntax: {transfer_syntax}")


@dataclass(frozen=True, slots=True)
class IngestTranscoding:
    """The option ``IngestTranscoding``: see :class:`.IngestTranscoder`."""

    service: TranscodingService
    target: str
    """The transfer syntax that files are stored in."""
    of_uncompressed: bool = True
    """``IngestTranscodingOfUncompressed``."""
    of_compressed: bool = True
    """``IngestTranscodingOfCompressed``."""

    def __call__(self, data: bytes | mmap.mmap, summary: DicomSummary) -> bytes | mmap.mmap | None:
        """The file in the wanted transfer syntax; None where it stays as it is.

        A file that cannot be transcoded is stored as it came, like in the reference: better than to lose it.
        """
        if summary.transfer_syntax == self.target:
            return None
        if not summary.has_pixel_data and self.target not in UNCOMPRESSED_SYNTAXES:
            return None  # reports, plans, documents: there is nothing to be compressed
        uncompressed = summary.transfer_syntax in UNCOMPRESSED_SYNTAXES - {DEFLATED_LITTLE_ENDIAN}
        if not (self.of_uncompressed if uncompressed else self.of_compressed):
            return None
        try:
            return self.service.transcode(data, self.target).whole()
        except OrthancError as exc:
            _LOG.warning("Cannot transcode %s, stored as it came: %s", summary.sop_uid, exc)
            return None
