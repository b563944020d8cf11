"""Writing an archive: members are read and deflated by several threads, and sent in their order.

Deflating is the cost of an archive. ISA-L deflates ten times as fast as zlib and releases the GIL, so blocks
of the files are deflated ahead in a pool while earlier ones are being sent. What is ahead is bounded: memory
does not grow with the size of the archive, but for a line of its directory for each member.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from isal import isal_zlib

from orthanclite.core.errors import CorruptedFile, UnknownResource
from orthanclite.dicom.writing.dicomdir import DicomDirWriter, DirectoryKeys
from orthanclite.services.archive.plan import Member, Plan
from orthanclite.services.archive.source import Load, MemberSource, Report
from orthanclite.services.archive.zip import UNKNOWN_SIZE, ZipFormat

_LOG = logging.getLogger(__name__)

LEVEL = 3  # of ISA-L: within 5 % of the size that zlib gives by default
AHEAD = 48 * 1024 * 1024  # bytes of files that are being deflated, or deflated and not yet sent
AHEAD_BLOCKS = 256
_PIECE = 512 * 1024  # bytes that are worth a write to the network
_STEP = 32 * 1024 * 1024  # bytes of a large member after which a step ends
_RAW_DEFLATE = -15  # window bits

KeysReader = Callable[[Member, bytes], DirectoryKeys]
"""Reads what the DICOMDIR shows of a file, from its first block (the whole file, if it is no large one)."""


@dataclass(frozen=True, slots=True)
class _Block:
    """A part of a member that one worker deflates."""

    member: Member
    load: Load
    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class _Deflated:
    data: bytes
    crc: int
    size: int
    keys: DirectoryKeys | None


def _deflate(block: _Block, read_keys: KeysReader | None) -> _Deflated:
    """The work of one thread on one block.

    A block that is not the last of its member ends on a byte boundary: the blocks joined are one stream.
    """
    data = block.load()
    deflater = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, _RAW_DEFLATE)
    parts = (
        deflater.compress(data),
        deflater.flush(isal_zlib.Z_FINISH if block.last else isal_zlib.Z_SYNC_FLUSH),
    )
    keys = read_keys(block.member, data) if read_keys is not None and block.first else None
    return _Deflated(b"".join(parts), isal_zlib.crc32(data), len(data), keys)


class ArchiveWriter:
    """Produces the bytes of one archive, for one thread at a time: with :meth:`step` or as a stream.

    :param executor: deflates; shared between archives
    :param is_stored: whether an instance still exists: one deleted meanwhile is left out
    :param dicomdir: with ``read_keys``, for media
    :param report: told of members that are left out; a file that cannot be read is, then, too
    """

    def __init__(
        self,
        plan: Plan,
        source: MemberSource,
        executor: Executor,
        is_stored: Callable[[str], bool],
        dicomdir: DicomDirWriter | None = None,
        read_keys: KeysReader | None = None,
        report: Report | None = None,
    ) -> None:
        self._report = report
        self._plan = plan
        self._source = source
        self._executor = executor
        self._is_stored = is_stored
        self._dicomdir = dicomdir
        self._read_keys = read_keys
        self._zip = ZipFormat()
        self._tasks = self._blocks()
        self._pending: deque[tuple[_Block, Future[_Deflated]]] = deque()
        self._ahead = 0
        self._content = self._produce()
        self.members_done = 0
        self.uncompressed_size = 0  # bytes of the members so far

    @property
    def archive_size(self) -> int:
        """Bytes of the archive so far."""
        return self._zip.offset

    def step(self, sink: Callable[[bytes], object]) -> bool:
        """Write the next member to ``sink``, a part of a large one, or the end; False when that was all.

        :raises CorruptedFile: where a file of the storage cannot be read.
        """
        done, size = self.members_done, self.uncompressed_size
        for piece in self._content:
            sink(piece)
            # A member comes in several pieces: its head, and its blocks.
            if self.members_done > done or self.uncompressed_size - size >= _STEP:
                return True
        return False

    def stream(self) -> Iterator[bytes]:
        """The archive in pieces fit for sending.

        :raises CorruptedFile: as :meth:`step`.
        """
        held: list[bytes] = []
        size = 0
        try:
            for piece in self._content:
                held.append(piece)
                size += len(piece)
                if size >= _PIECE:
                    yield b"".join(held)
                    held.clear()
                    size = 0
            yield b"".join(held)
        finally:
            self.close()

    def close(self) -> None:
        """Give up what is being deflated ahead. A writer that has finished need not be closed."""
        for _, future in self._pending:
            future.cancel()
        self._pending.clear()

    def _blocks(self) -> Iterator[_Block]:
        for member in self._plan.members:
            loads = self._source.blocks(member)
            load, first = next(loads), True
            for following in loads:
                yield _Block(member, load, first, last=False)
                load, first = following, False
            yield _Block(member, load, first, last=True)

    def _fill(self) -> None:
        """Keep the workers busy."""
        while self._ahead < AHEAD and len(self._pending) < AHEAD_BLOCKS:
            block = next(self._tasks, None)
            if block is None:
                return
            self._ahead += _weight(block)
            future = self._executor.submit(_deflate, block, self._read_keys)
            self._pending.append((block, future))

    def _produce(self) -> Iterator[bytes]:
        crc = data_size = size = 0
        skipped: Member | None = None  # is being left out
        while True:
            self._fill()
            if not self._pending:
                break
            block, future = self._pending.popleft()
            if block.member is skipped:
                future.cancel()
                self._ahead -= _weight(block)
                continue
            deflated = self._result(block, future)
            self._ahead -= _weight(block)
            if deflated is None:
                skipped = block.member
                continue
            self._enter_directory(block.member, deflated)
            yield from self._head(block, deflated)
            if block.first:
                crc, data_size, size = deflated.crc, 0, 0
            else:
                crc = isal_zlib.crc32_combine(crc, deflated.crc, deflated.size)
            data_size += len(deflated.data)
            size += deflated.size
            self.uncompressed_size += deflated.size
            if block.last:
                self.members_done += 1
            if block.last and not block.first:
                yield deflated.data
                yield self._zip.end(crc, data_size, size)
            else:
                yield deflated.data
        yield from self._finish()

    def _head(self, block: _Block, deflated: _Deflated) -> Iterator[bytes]:
        member = block.member
        if block.first and block.last:
            yield self._zip.whole(
                member.name, member.modified, deflated.crc, len(deflated.data), deflated.size
            )
        elif block.first:
            size = UNKNOWN_SIZE if self._source.is_transcoded(member) else member.size
            yield self._zip.begin(member.name, member.modified, size)

    def _result(self, block: _Block, future: Future[_Deflated]) -> _Deflated | None:
        """The deflated block; None where its instance is left out.

        One that has been deleted since the archive was planned always is.
        """
        try:
            return future.result()
        except CorruptedFile as exc:
            member = block.member
            deleted = block.first and not self._is_stored(member.instance)
            if not deleted and not (block.first and self._report is not None):
                raise
            if self._report is not None:
                self._report(member, UnknownResource("It was deleted meanwhile") if deleted else exc)
            reason = "as it was deleted meanwhile" if deleted else f"as it cannot be read ({exc})"
            _LOG.warning("Left out of an archive, %s: %s", reason, member.instance)
            return None

    def _enter_directory(self, member: Member, deflated: _Deflated) -> None:
        if self._dicomdir is not None and deflated.keys is not None:
            path = member.name.replace("/", "\\")
            self._dicomdir.add((member.patient, member.study, member.series), path, deflated.keys)

    def _finish(self) -> Iterator[bytes]:
        if self._dicomdir is not None:
            moment = max((member.modified for member in self._plan.members), default=0x00210000)
            content = self._dicomdir.finish()
            block = _deflate(_Block(_NO_MEMBER, lambda: content, first=True, last=True), None)
            yield self._zip.whole("DICOMDIR", moment, block.crc, len(block.data), block.size)
            yield block.data
            self.uncompressed_size += block.size
        yield self._zip.finish()


def _weight(block: _Block) -> int:
    """Bytes that a block may take in memory; at least what its bookkeeping takes."""
    return max(min(block.member.size, AHEAD // 8), 4096)


_NO_MEMBER = Member("", "DICOMDIR", "", "", "", "", "", 0, False, "", 0)
