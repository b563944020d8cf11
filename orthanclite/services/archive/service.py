"""Archives for the adapters: from a request to a writer, or to a temporary file of known size."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from orthanclite.core.errors import ParameterOutOfRange
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.ports import Resources
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.uids import KNOWN_TRANSFER_SYNTAXES
from orthanclite.dicom.writing.dicomdir import DicomDirWriter, DirectoryKeys, read_keys
from orthanclite.services.archive.plan import Layout, Member, Plan, make_plan
from orthanclite.services.archive.source import MemberSource, Report, Transcoder, Transcoding
from orthanclite.services.archive.writer import ArchiveWriter
from orthanclite.services.content.blobs import BlobReader
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.server.runtime import RuntimeOptions


@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """What a client wants in one archive."""

    ids: Sequence[str]
    layout: Layout
    level: Level | None = None  # of the IDs; None where they may be of any level
    extended: bool = False
    utf8: bool | None = None  # None for the option ZipUseUtf8
    transfer_syntax: str | None = None  # None to leave the files as they are
    lossy_quality: int | None = None  # 1 to 100; None for the option DicomLossyTranscodingQuality


class ArchiveService:
    """Makes archives. Thread-safe; to be closed.

    :param utf8: names in UTF-8 where a request does not say (option ``ZipUseUtf8``)
    :param threads: how many blocks are deflated at once, for all archives together; None for one per
        processor
    """

    def __init__(
        self,
        resources: Resources,
        blobs: BlobReader,
        transcoder: Transcoder,
        dictionary: TagDictionary,
        runtime: RuntimeOptions,
        *,
        utf8: bool = False,
        threads: int | None = None,
        temporary_folder: str | None = None,
    ) -> None:
        self._resources = resources
        self._blobs = blobs
        self._transcoder = transcoder
        self._dictionary = dictionary
        self._runtime = runtime
        self._utf8 = utf8
        self._temporary_folder = temporary_folder
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 2, "archive")

    def close(self) -> None:
        """End the threads; archives that are being sent fail."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def writer(self, request: ArchiveRequest) -> ArchiveWriter:
        """A writer of the archive that was asked for; errors as :meth:`plan`."""
        return self._writer(self.plan(request), request)

    def write_plan(self, plan: Plan, request: ArchiveRequest, report: Report) -> ArchiveWriter:
        """A writer of what was planned for a request, which leaves out what it cannot read.

        :param report: told of what is left out, and of what cannot be transcoded
        """
        return self._writer(plan, request, report)

    def plan(self, request: ArchiveRequest) -> Plan:
        """What the archive that was asked for will hold.

        :raises InexistentItem: for an unknown ID, where the request names a level.
        :raises UnknownResource: for an unknown ID, where it does not.
        :raises ParameterOutOfRange: for an unknown transfer syntax or an impossible quality.
        """
        syntax, quality = request.transfer_syntax, request.lossy_quality
        if syntax is not None and syntax not in KNOWN_TRANSFER_SYNTAXES:
            raise ParameterOutOfRange(f"Unknown transfer syntax: {syntax}")
        if quality is not None and not 1 <= quality <= 100:
            raise ParameterOutOfRange(
                f"The quality of lossy transcoding must be between 1 and 100: {quality}"
            )
        return make_plan(
            self._resources,
            request.ids,
            request.layout,
            level=request.level,
            utf8=self._utf8 if request.utf8 is None else request.utf8,
            extended=request.extended,
        )

    def spool(self, request: ArchiveRequest) -> Spool:
        """The complete archive, in a temporary file that goes away with the result; errors as :meth:`plan`.

        :raises FullStorage: where the disk is full.
        """
        plan = self.plan(request)
        writer = self._writer(plan, request)
        # Lossy images get new identifiers each time: such an archive is never the same again.
        tag = None if request.transfer_syntax else plan.digest()
        return Spool(writer, tag, self._temporary_folder)

    def _writer(self, plan: Plan, request: ArchiveRequest, report: Report | None = None) -> ArchiveWriter:
        transcoding = None
        if request.transfer_syntax is not None:
            transcoding = Transcoding(self._transcoder, request.transfer_syntax, request.lossy_quality)
        # What the DICOMDIR tells of a transcoded file is read from the whole of it.
        source = MemberSource(self._blobs, transcoding, whole_transcoded=plan.media, report=report)
        is_stored = partial(self._resources.exists, Level.INSTANCE)
        if not plan.media:
            return ArchiveWriter(plan, source, self._pool, is_stored, report=report)
        # Derived from the content, so that the same medium is the same file (PS3.5 annex B.2).
        number = int(hashlib.sha256(plan.digest().encode("ascii")).hexdigest()[:32], 16)
        reader = _KeysReader(source, self._dictionary, self._runtime.default_encoding.name, plan.extended)
        directory = DicomDirWriter(f"2.25.{number}")
        return ArchiveWriter(plan, source, self._pool, is_stored, directory, reader, report)


@dataclass(frozen=True, slots=True)
class _KeysReader:
    source: MemberSource
    dictionary: TagDictionary
    default_encoding: str
    extended: bool

    def __call__(self, member: Member, first_block: bytes) -> DirectoryKeys:
        # What the DICOMDIR shows may lie behind megabytes of other elements.
        if self.source.is_one_block(member):
            return self._read(first_block)
        with self.source.whole(member) as data:
            return self._read(data)

    def _read(self, data: Buffer) -> DirectoryKeys:
        return read_keys(
            data, self.dictionary, extended=self.extended, default_encoding=self.default_encoding
        )


class Spool:
    """An archive in a temporary file without a name.

    :param tag: a text that is the same for the same bytes; None where there is none
    """

    def __init__(self, writer: ArchiveWriter, tag: str | None, folder: str | None) -> None:
        self.tag = tag
        self._file = ScratchFile(folder, "archive")
        for piece in writer.stream():
            self._file.write(piece)
        self.size = self._file.size

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes of the archive from ``start`` up to ``end``."""
        return self._file.pieces(start, end)
