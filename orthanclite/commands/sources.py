"""The files that ``orthanclite import`` sends: from folders, and from ZIP and tar archives as streams."""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_SKIPPED_NAMES = {"DICOMDIR", ".DS_Store", "Thumbs.db"}
_PIECE = 1 << 20
_IN_MEMORY = 8 << 20
"""Bytes up to which a file is held in memory; larger ones are read from the disk while they are sent."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file to send. Whoever receives it calls :meth:`close` at the end."""

    name: str  # path, for a member of an archive followed by ``!`` and its name there
    size: int  # bytes
    content: bytes | IO[bytes]

    def body(self) -> bytes | IO[bytes]:
        """The content from its start."""
        if not isinstance(self.content, bytes):
            self.content.seek(0)
        return self.content

    def close(self) -> None:
        if not isinstance(self.content, bytes):
            self.content.close()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that could not be read, and why."""

    name: str
    reason: str


def find(paths: Sequence[Path], done: frozenset[str], maximum: int) -> Iterator[Source | Unreadable]:
    """Read every file below ``paths``, in a stable order.

    :param done: names to leave out, because an earlier run has dealt with them.
    :param maximum: bytes that one file may have; larger ones, and members of archives that turn out larger
        once they are uncompressed, are reported and never held in memory.
    """
    for path in paths:
        if path.is_dir():
            for file in _walk(path):
                yield from _read_any(file, done, maximum)
        else:
            yield from _read_any(path, done, maximum)


def count(paths: Sequence[Path]) -> int:
    """How many files :func:`find` will see, an archive counting as one."""
    return sum(sum(1 for _ in _walk(path)) if path.is_dir() else 1 for path in paths)


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive whose members are sent."""
    name = path.name.lower()
    return name.endswith((".zip", *TAR_SUFFIXES))


def _walk(folder: Path) -> Iterator[Path]:
    """The files below a folder; symbolic links are followed to files but not to folders, which may loop."""
    for current, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if name not in _SKIPPED_NAMES:
                yield Path(current, name)


def _read_any(path: Path, done: frozenset[str], maximum: int) -> Iterator[Source | Unreadable]:
    name = str(path)
    if name in done:
        return
    try:
        if not is_archive(path):
            yield _read_file(path, maximum)
        elif path.name.lower().endswith(".zip"):
            yield from _read_zip(path, done, maximum)
        else:
            yield from _read_tar(path, done, maximum)
    except (OSError, zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError) as exc:
        yield Unreadable(name, _explain(exc))


def _read_file(path: Path, maximum: int) -> Source | Unreadable:
    if not path.is_file():
        return Unreadable(str(path), "is not a regular file" if path.exists() else "does not exist")
    size = path.stat().st_size
    if size > maximum:
        return Unreadable(str(path), _too_large(maximum))
    return Source(str(path), size, path.read_bytes() if size <= _IN_MEMORY else path.open("rb"))


def _read_zip(path: Path, done: frozenset[str], maximum: int) -> Iterator[Source | Unreadable]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = f"{path}!{member.filename}"
            if member.is_dir() or _is_skipped(member.filename) or name in done:
                continue
            try:
                with archive.open(member) as stream:
                    yield _read_member(name, stream, maximum)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
                # RuntimeError: the member is encrypted. The other members may still be readable.
                yield Unreadable(name, _explain(exc))


def _read_tar(path: Path, done: frozenset[str], maximum: int) -> Iterator[Source | Unreadable]:
    # As a stream: the archive is uncompressed once, and never as a whole in memory or on the disk.
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            name = f"{path}!{member.name}"
            if not member.isfile() or _is_skipped(member.name) or name in done:
                continue
            stream = archive.extractfile(member)
            if stream is not None:
                with closing(stream):
                    yield _read_member(name, stream, maximum)


def _read_member(name: str, stream: IO[bytes], maximum: int) -> Source | Unreadable:
    """The bytes that really come out of a member: the size in an archive's directory may lie."""
    with SpooledTemporaryFile(_IN_MEMORY) as spool:
        size = 0
        while piece := stream.read(_PIECE):
            size += len(piece)
            if size > maximum:
                return Unreadable(name, _too_large(maximum))
            spool.write(piece)
        spool.seek(0)
        if size <= _IN_MEMORY:
            return Source(name, size, spool.read())
        # The spool is a file on the disk by now, with a descriptor of its own.
        return Source(name, size, os.fdopen(os.dup(spool.fileno()), "rb"))


def _is_skipped(member: str) -> bool:
    """Names are only shown, never used as paths; these belong to no DICOM file."""
    parts = member.replace("\\", "/").split("/")
    return parts[-1] in _SKIPPED_NAMES or "__MACOSX" in parts


def _too_large(maximum: int) -> str:
    return f"is larger than {maximum >> 20} MB"


def _explain(exc: BaseException) -> str:
    return str(exc) or type(exc).__name__
