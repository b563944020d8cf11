"""The members of a ZIP archive that is uploaded (PKWARE APPNOTE 6.3.10), whatever they are called.

Nobody looks at the names here. The standard library's reader decodes them, compares them, and refuses an
archive of intact images for a name in another encoding than it is marked with, for an empty one, or for a
damaged extra field.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from isal import isal_zlib

from orthanclite.dicom.reading.inflation import BrokenStream, inflated

_END = struct.Struct("<4s4H2IH")  # of the central directory (4.3.16)
_END_64 = struct.Struct("<4sQ2H2I4Q")  # 4.3.14
_LOCATOR_64 = struct.Struct("<4sIQI")  # 4.3.15
_ENTRY = struct.Struct("<4s6H3I5H2I")  # of the central directory (4.3.12)
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # 4.3.7
_STORED, _DEFLATED = 0, 8
_IN_ZIP64 = 0xFFFFFFFF
_LONGEST_COMMENT = 0xFFFF
_MOST_MEMBERS = 1_000_000
_CHUNK = 16 << 10
"""Bytes of the archive that are read at a time; they may inflate to a thousand times as many."""


class DamagedArchive(Exception):
    """An archive, or one of its members, cannot be read."""


class Member(NamedTuple):
    """A file in an archive."""

    offset: int
    """Where its local header begins."""
    method: int
    crc: int
    sent_size: int
    """Bytes that it takes in the archive."""
    size: int
    """Bytes that it says to have; what is true is seen when it is read."""
    is_folder: bool


def members(file: IO[bytes]) -> list[Member]:
    """The files of an archive, in the order of its directory; what has no content is left out.

    :raises DamagedArchive: where there is no directory; where it is empty, as in the reference; where the
        archive is made to explode: where members share their bytes, or are compressed by a method that
        shrinks zeros ten thousand times
    """
    found = list(_directory(file))
    if not found:
        raise DamagedArchive("the archive is empty")
    end = 0
    for member in sorted(found):
        if member.offset < end:
            raise DamagedArchive("the members of the archive overlap")
        if member.method not in (_STORED, _DEFLATED):
            raise DamagedArchive("the archive has a member of an unsupported compression")
        end = member.offset + _LOCAL_HEADER.size + member.sent_size
    return [member for member in found if member.sent_size and not member.is_folder]


class Reader:
    """Reads one member from its beginning to its end.

    :raises DamagedArchive: where there is none, as with all methods
    """

    def __init__(self, file: IO[bytes], member: Member) -> None:
        self._file = file
        self._member = member
        self.taken_size = 0
        """Bytes of the archive that were read so far."""
        signature, *_, name, extra = _read(file, member.offset, _LOCAL_HEADER)
        if signature != b"PK\x03\x04":
            raise DamagedArchive("a member of the archive is not where the directory says")
        self._start = member.offset + _LOCAL_HEADER.size + name + extra

    def pieces(self) -> Iterator[bytes]:
        """The content, in pieces of up to a megabyte; at the end its checksum is verified.

        :raises DamagedArchive: where it is damaged, or encrypted
        """
        stored = self._stored_pieces()
        crc = 0
        try:
            for piece in stored if self._member.method == _STORED else inflated(stored):
                crc = isal_zlib.crc32(piece, crc)
                yield piece
        except BrokenStream as exc:
            raise DamagedArchive(f"a member of the archive is damaged, or encrypted: {exc}") from exc
        if crc != self._member.crc:
            raise DamagedArchive("a member of the archive has a wrong checksum")

    def _stored_pieces(self) -> Iterator[bytes]:
        while left := self._member.sent_size - self.taken_size:
            self._file.seek(self._start + self.taken_size)
            piece = self._file.read(min(_CHUNK, left))
            if not piece:
                raise DamagedArchive("the archive is cut off")
            self.taken_size += len(piece)
            yield piece


def _directory(file: IO[bytes]) -> Iterator[Member]:
    """The entries of the central directory."""
    start, size, shift = _find_directory(file)
    file.seek(start)
    directory = file.read(size)
    position = 0
    for _ in range(_MOST_MEMBERS + 1):
        if position == len(directory):
            return
        if position + _ENTRY.size > len(directory):
            raise DamagedArchive("the directory of the archive is cut off")
        entry = _ENTRY.unpack_from(directory, position)
        if entry[0] != b"PK\x01\x02":
            raise DamagedArchive("the directory of the archive is damaged")
        method, crc, sizes = entry[4], entry[7], entry[8:10]
        name, extra, comment, offset = *entry[10:13], entry[-1]
        start = position + _ENTRY.size
        fields = directory[start + name : start + name + extra]
        sent_size, plain_size, offset = _with_zip64(sizes[0], sizes[1], offset, fields)
        is_folder = directory[start : start + name].endswith(b"/")
        yield Member(offset + shift, method, crc, sent_size, plain_size, is_folder)
        position = start + name + extra + comment
    raise DamagedArchive(f"the archive has more than {_MOST_MEMBERS} members")


def _find_directory(file: IO[bytes]) -> tuple[int, int, int]:
    """Where the central directory begins, its bytes, and what is to be added to the offsets in it."""
    length = file.seek(0, 2)
    tail_start = max(0, length - _LONGEST_COMMENT - _END.size)
    file.seek(tail_start)
    tail = file.read()
    found = tail.rfind(b"PK\x05\x06", 0, len(tail) - _END.size + 4)
    if found < 0:
        raise DamagedArchive("it has no directory")
    position = tail_start + found
    _, _, _, _, _, size, offset, _ = _END.unpack_from(tail, found)
    if position >= _LOCATOR_64.size:
        locator = _read(file, position - _LOCATOR_64.size, _LOCATOR_64)
        if locator[0] == b"PK\x06\x07":
            position -= _LOCATOR_64.size + _END_64.size
            signature, *_, size, offset = _read(file, position, _END_64)
            if signature != b"PK\x06\x06":
                raise DamagedArchive("its ZIP64 directory is not where it should be")
    # Whatever stands before the archive moves all of it.
    shift = position - size - offset
    if shift < 0 or size > length:
        raise DamagedArchive("its directory is not where it should be")
    return offset + shift, size, shift


def _with_zip64(sent_size: int, size: int, offset: int, extra: bytes) -> tuple[int, int, int]:
    """Sizes and offset, if need be from the ZIP64 extra field (4.5.3); a broken one is passed over."""
    values = [size, sent_size, offset]
    if _IN_ZIP64 not in values:
        return sent_size, size, offset
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        if kind == 1:
            end = min(len(extra), position + 4 + length)
            at = position + 4
            for number, value in enumerate(values):
                if value == _IN_ZIP64 and at + 8 <= end:
                    (values[number],) = struct.unpack_from("<Q", extra, at)
                    at += 8
            break
        position += 4 + length
    size, sent_size, offset = values
    return sent_size, size, offset


def _read(file: IO[bytes], position: int, layout: struct.Struct) -> tuple[Any, ...]:
    file.seek(position)
    data = file.read(layout.size)
    if len(data) != layout.size:
        raise DamagedArchive("the archive is cut off")
    return layout.unpack(data)
