"""How the metadata of a series are kept: compressed, and with what they were made of.

A head in JSON tells what was put together; behind it follows, in gzip, the metadata of each instance as JSON
text with a comma between two. So a document is sent piece by piece as it is inflated, and whether it still
holds is seen without inflating it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson
from isal import isal_zlib

_FORMAT = 1
_MAGIC = b"OLDW"
_HEAD = 8
_PIECE = 1 << 20
_GZIP = 31
"""``wbits`` of a gzip stream, and not one of zlib."""
_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Member:
    """The metadata of one instance in a document."""

    instance: str  # Orthanc ID
    blob: str  # UUID of the file that they were made of
    length: int  # bytes of the text


@dataclass(frozen=True, slots=True)
class Document:
    """The metadata of a series."""

    key: str  # of all that they depend on
    members: tuple[Member, ...]
    content: bytes  # in gzip

    @staticmethod
    def build(key: str, texts: Iterable[tuple[str, str, bytes]]) -> Document:
        """A document of Orthanc IDs, UUIDs of blobs, and metadata as text."""
        members: list[Member] = []
        packer = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP)
        content = []
        for instance, blob, text in texts:
            content.append(packer.compress(b"," + text if members else text))
            members.append(Member(instance, blob, len(text)))
        content.append(packer.flush())
        return Document(key, tuple(members), b"".join(content))

    def pack(self) -> bytes:
        """The document as it is stored."""
        members = [[one.instance, one.blob, one.length] for one in self.members]
        head = orjson.dumps({"format": _FORMAT, "key": self.key, "members": members})
        return _MAGIC + len(head).to_bytes(4, "little") + head + self.content

    @staticmethod
    def unpack(data: bytes) -> Document | None:
        """A stored document; None for what is none, or of another format."""
        if data[:4] != _MAGIC:
            return None
        length = int.from_bytes(data[4:_HEAD], "little")
        try:
            head = orjson.loads(data[_HEAD : _HEAD + length])
            if head["format"] != _FORMAT:
                return None
            members = tuple(Member(*one) for one in head["members"])
            return Document(head["key"], members, data[_HEAD + length :])
        except (ValueError, TypeError, LookupError):
            return None

    @property
    def size(self) -> int:
        """Bytes of the metadata, uncompressed."""
        return sum(member.length + 1 for member in self.members)

    def pieces(self) -> Iterator[bytes]:
        """The metadata with a comma between two, piece by piece."""
        if self.size <= _PIECE:
            yield isal_zlib.decompress(self.content, _GZIP)
            return
        inflater = zlib.decompressobj(_GZIP)
        pending = self.content
        while pending:
            piece = inflater.decompress(pending, _PIECE)
            if piece:
                yield piece
            pending = inflater.unconsumed_tail

    def texts(self) -> Iterator[tuple[Member, bytes]]:
        """The metadata of each instance."""
        whole = b"".join(self.pieces())
        start = 0
        for member in self.members:
            yield member, whole[start : start + member.length]
            start += member.length + 1
