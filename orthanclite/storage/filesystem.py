"""Blobs as files, in the tree that Orthanc lays out: two levels of two hex digits, then a UUID.

A blob is written under its final name at once: nothing refers to it before the index row is committed, so a
crash leaves at most an orphan, which the sweep removes, and one fsync makes both the bytes and the new
directory entry durable (a rename after the fsync would need a second one for its folder).

The first four hex digits of the UUIDs of one process advance slowly, so that a burst of files shares its
folders: creating a file below two fresh folders costs ten times one in a folder that exists.
"""

from __future__ import annotations

import logging
import mmap
import os
import re
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from orthanclite.core.errors import CannotWriteFile, CorruptedFile, OrthancError
from orthanclite.core.machine.buffers import Buffer, View
from orthanclite.core.machine.digest import md5_of
from orthanclite.core.metrics import Metrics
from orthanclite.core.model import StoredBlob
from orthanclite.storage.sync import FileSystems, sync_file_system
from orthanclite.storage.writing import WRITING, FileBlobWriter, rewrite, sync_file, sync_together

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MARK = ".orthanclite"
_PROBE = ".orthanclite-clock"
"""A file that is written to learn the time."""
BLOBS_PER_FOLDER = 256

READ_BYTES = "orthanc_storage_read_bytes"
"""The metric of bytes that were read; of a file that is mapped, all of them."""

log = logging.getLogger("orthanclite.generic")

_ATTEMPTS = 100
"""Times that a folder is made for a file while others remove it."""
_NO_WAIT: int = getattr(os, "RWF_NOWAIT", 0)  # Linux
_hashing = ThreadPoolExecutor(2, "hashing")


class FileStorage:
    """The port ``core.ports.LocalBlobs`` on a folder.

    :param root: the storage folder (``StorageDirectory``); created when missing
    :param sync: whether a committed blob is synced to the disk (``SyncStorageArea``)
    :param direct: whether :meth:`put_hashed` writes past the file cache, data that begins at a page
    :param metrics: shown how long files take
    """

    def __init__(
        self, root: Path, sync: bool = True, direct: bool = False, metrics: Metrics | None = None
    ) -> None:
        self.root = root
        self._metrics = metrics or Metrics(enabled=False)
        self.sync = sync
        self._direct = direct
        self._lock = threading.Lock()
        self._given = 0
        self._prefix = ""
        self._folder = root
        self._file_systems = FileSystems()
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise CannotWriteFile(f'The folder "{root}" cannot be made: {exc.strerror}') from exc

    @property
    def local(self) -> FileStorage:
        return self

    def note_written(self, size: int, seconds: float) -> None:
        """Note that a file of ``size`` bytes was written, in so much time."""
        self._metrics.observe("orthanc_storage_create_duration_ms", round(seconds * 1000))
        self._metrics.add("orthanc_storage_written_bytes", size)

    def create(self) -> FileBlobWriter:
        started = time.perf_counter()
        with WRITING:
            name, folder = self._new_name()
            descriptor = self._open_to_write(folder / name, os.O_EXCL)
            if self.sync:
                self._file_systems.watch(descriptor, folder)
        return FileBlobWriter(self, name, descriptor, time.perf_counter() - started)

    def put(self, data: View) -> str:
        with self._writing() as writer:
            writer.write(data)
            writer.commit()
        return writer.uuid

    def put_unsynced(self, data: bytes) -> str:
        with self._writing() as writer:
            writer.write(data)
            writer.leave_unsynced()
        return writer.uuid

    def put_hashed(self, data: memoryview, hashed: bool) -> StoredBlob:
        md5 = _hashing.submit(md5_of, data) if hashed else None
        with self._writing() as writer:
            if self._direct:
                writer.write_direct(data)
            else:
                writer.write(data)
            writer.commit()
        return StoredBlob(writer.uuid, "" if md5 is None else md5.result())

    def put_many(self, contents: Sequence[bytes]) -> list[str | OrthancError]:
        results: list[str | OrthancError] = []
        writers: dict[int, FileBlobWriter] = {}
        for index, content in enumerate(contents):
            try:
                writer = self.create()
                results.append(writer.uuid)
                writers[index] = writer
                writer.write(content)
            except OrthancError as exc:
                self._give_up(writers.pop(index, None))
                results[index:] = [exc]
        if len(writers) > 1 and self.sync:
            # All files on their way to the disk before the first is waited for: one commit of the file
            # system's journal serves all, which halves the cost of each.
            for writer in writers.values():
                writer.start_sync()
        for index, writer in writers.items():
            try:
                writer.commit()
            except OrthancError as exc:
                self._give_up(writer)
                results[index] = exc
        return results

    def make_durable(self, uuids: Sequence[str]) -> None:
        if not self.sync:
            return
        with WRITING:
            if sync_file_system is not None:
                self._file_systems.sync()
                return
            for uuid in uuids:
                sync_file(self.path(uuid))

    def prefetch(self, uuid: str) -> None:
        """Have the system begin to read a blob into its cache of files; where it cannot, nothing happens."""
        with suppress(OSError, AttributeError):
            descriptor = os.open(self.path(uuid), os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(descriptor)

    def restore(self, blobs: Mapping[str, bytes]) -> None:
        descriptors: list[int] = []
        with WRITING:
            try:
                for uuid, data in blobs.items():
                    descriptors.append(self._open_to_write(self.path(uuid)))
                    rewrite(descriptors[-1], data)
                if self.sync:
                    sync_together(descriptors)
                    for folder in {self.path(uuid).parent for uuid in blobs}:
                        sync_file(folder)  # an entry that an earlier sync could not write
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)

    def _open_to_write(self, path: Path, flags: int = 0) -> int:
        """Open a blob, which is made where it is not there."""
        for _ in range(_ATTEMPTS):
            try:
                return os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o640)
            except FileNotFoundError:  # its folder is new, or was empty, and a delete took it away
                self._make_folder(path.parent)
        raise CannotWriteFile(f"The folder {path.parent} vanishes as soon as it is made")

    @contextmanager
    def _writing(self) -> Iterator[FileBlobWriter]:
        """A new blob, which is removed again where the block fails."""
        writer = self.create()
        try:
            yield writer
        except BaseException:
            writer.abort()
            raise

    def _give_up(self, writer: FileBlobWriter | None) -> None:
        if writer is not None:
            with suppress(CannotWriteFile):  # the sweep will remove it
                writer.abort()

    def path(self, uuid: str) -> Path:
        if not _UUID.fullmatch(uuid):
            # Names come from the index, but nothing may ever lead out of the storage folder.
            raise CorruptedFile(f"Not the name of a stored file: {uuid!r}")
        return self.root / uuid[:2] / uuid[2:4] / uuid

    def open(self, uuid: str) -> BinaryIO:
        try:
            return self.path(uuid).open("rb")
        except OSError as exc:
            raise _cannot_open(uuid, exc) from exc

    def read(self, uuid: str, start: int = 0, length: int | None = None) -> bytes:
        # By the system's own calls: each lets another thread run, and a Python file makes twice as many.
        with self._metrics.timer("orthanc_storage_read_duration_ms"):
            try:
                descriptor = os.open(self.path(uuid), os.O_RDONLY)
            except OSError as exc:
                raise _cannot_open(uuid, exc) from exc
            try:
                wanted = max(0, os.fstat(descriptor).st_size - start) if length is None else length
                data = _read_at(descriptor, start, wanted)
            except OSError as exc:
                raise CorruptedFile(f"The stored file {uuid} cannot be read: {exc.strerror}") from exc
            finally:
                os.close(descriptor)
        if len(data) != wanted:
            raise CorruptedFile(f"The stored file {uuid} is shorter than the index says")
        self._metrics.add(READ_BYTES, len(data))
        return data

    @contextmanager
    def map(self, uuid: str) -> Iterator[Buffer]:
        with self.open(uuid) as file:
            if os.fstat(file.fileno()).st_size == 0:
                yield b""
                return
            self._metrics.add(READ_BYTES, os.fstat(file.fileno()).st_size)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield data

    def read_cached(self, uuid: str, size: int) -> bytearray | None:
        if not _NO_WAIT:
            return None
        content = bytearray(size)
        try:
            descriptor = os.open(self.path(uuid), os.O_RDONLY)
            try:
                count = os.preadv(descriptor, [content], 0, _NO_WAIT)
            finally:
                os.close(descriptor)
        except OSError:
            return None
        if count != size:
            return None
        self._metrics.add(READ_BYTES, size)
        return content

    def delete(self, uuid: str) -> None:
        path = self.path(uuid)
        with self._metrics.timer("orthanc_storage_remove_duration_ms"):
            try:
                path.unlink(missing_ok=True)
            except OSError as exc:
                raise CannotWriteFile(f"The stored file {uuid} cannot be removed: {exc.strerror}") from exc
            if path.parent != self._folder:
                self._remove_if_empty(path.parent)

    def now(self) -> float:
        # The clock of a server of files may not agree with ours, and its files bear its times.
        with WRITING:
            descriptor = os.open(self.root / _PROBE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
            try:
                os.write(descriptor, b"\n")
                if self.sync:
                    os.fsync(descriptor)
                return os.fstat(descriptor).st_mtime
            finally:
                os.close(descriptor)

    def touch(self, uuid: str) -> None:
        with WRITING, suppress(FileNotFoundError):
            os.utime(self.path(uuid))

    def get_mark(self) -> str | None:
        try:
            return (self.root / _MARK).read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None

    def set_mark(self, mark: str) -> None:
        with WRITING:
            (self.root / _MARK).write_text(mark + "\n", encoding="utf-8")

    def scan(self) -> Iterator[tuple[str, int, float]]:
        for first in _subfolders(self.root):
            for second in _subfolders(first):
                for entry in _entries(second):
                    if _UUID.fullmatch(entry.name):
                        try:
                            status = entry.stat(follow_symlinks=False)
                        except FileNotFoundError:
                            continue
                        yield entry.name, status.st_size, status.st_mtime

    def _new_name(self) -> tuple[str, Path]:
        name = str(uuid.uuid4())
        with self._lock:
            left = None
            if self._given % BLOBS_PER_FOLDER == 0:
                left = self._folder
                self._prefix = name[:4]
                self._folder = self.root / name[:2] / name[2:4]
            self._given += 1
            result = self._prefix + name[4:], self._folder
        if left is not None and left != result[1]:
            self._remove_if_empty(left)  # all that was in it may be deleted already
        return result

    def _make_folder(self, folder: Path) -> None:
        """Make a folder of blobs; whoever removes one above it meanwhile is met by trying again."""
        with suppress(FileNotFoundError):
            for one in (folder.parent, folder):
                with suppress(FileExistsError):
                    os.mkdir(one, 0o750)

    def _remove_if_empty(self, folder: Path) -> None:
        """Remove a folder of blobs, and the one above, that nothing is in."""
        with suppress(OSError):
            while folder != self.root:
                os.rmdir(folder)
                folder = folder.parent


def _cannot_open(uuid: str, error: OSError) -> CorruptedFile:
    return CorruptedFile(f"The stored file {uuid} cannot be opened: {error.strerror}")


def _read_at(descriptor: int, start: int, length: int) -> bytes:
    """``length`` bytes of a file from ``start``; fewer only at its end."""
    data = os.pread(descriptor, length, start)
    if not data or len(data) == length:
        return data
    # The system reads 2 GB at most in one piece.
    return data + _read_at(descriptor, start + len(data), length - len(data))


def _subfolders(folder: Path) -> Iterator[Path]:
    for entry in sorted(_entries(folder), key=lambda entry: entry.name):
        if len(entry.name) == 2 and entry.is_dir(follow_symlinks=False):
            yield Path(entry.path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing, where it cannot be read: what is in the others counts all the same."""
    try:
        return list(os.scandir(folder))
    except FileNotFoundError:  # removed meanwhile
        return []
    except OSError as exc:
        log.warning('The folder "%s" of the storage area cannot be read: %s', folder, exc)
        return []
