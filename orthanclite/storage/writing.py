"""Writing the files of blobs, and syncing them."""

from __future__ import annotations

import fcntl
import mmap
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from orthanclite.core.errors import CannotWriteFile
from orthanclite.core.machine.buffers import View
from orthanclite.core.machine.disk import Writing

WRITING = Writing("the storage area")

_CAN_START_SYNC = sys.platform == "linux"  # whose advice DONTNEED begins to write, and returns


class _Storage(Protocol):
    """What a writer needs of the storage that it writes to."""

    sync: bool

    def note_written(self, size: int, seconds: float) -> None: ...

    def delete(self, uuid: str) -> None: ...


class FileBlobWriter:
    """See ``core.ports.BlobWriter``. May be closed while another thread writes, whose write fails then.

    :param descriptor: of the file, which the writer closes
    :param seconds: that it took to create the file
    """

    def __init__(self, storage: _Storage, name: str, descriptor: int, seconds: float) -> None:
        self.uuid = name
        self._storage = storage
        self._descriptor = descriptor
        # Of the descriptor: once it is closed, the system gives its number to the next file that is opened.
        self._lock = threading.Lock()
        self._size = 0
        self._seconds = seconds

    def write(self, data: View) -> None:
        started = time.perf_counter()
        view = memoryview(data)
        with self._lock, WRITING:
            self._size += len(view)
            while view:
                view = view[os.write(self._opened(), view) :]
        self._seconds += time.perf_counter() - started

    def write_direct(self, data: memoryview) -> None:
        """Write data that begins at a page of memory, past the file cache where the file system can do so."""
        started = time.perf_counter()
        whole = len(data) // mmap.PAGESIZE * mmap.PAGESIZE
        written = 0
        with self._lock:
            descriptor = self._opened()
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
            with suppress(OSError, AttributeError):  # not here; what is not written now is written below
                fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_DIRECT)
                while written < whole:
                    written += os.write(descriptor, data[written:whole])
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
            self._size += written
        self._seconds += time.perf_counter() - started
        self.write(data[written:])

    def start_sync(self) -> None:
        """Begin to write to the disk what ``commit`` will wait for."""
        with self._lock, WRITING:
            _start_sync(self._opened())

    def commit(self) -> None:
        started = time.perf_counter()
        try:
            with self._lock, WRITING:
                descriptor = self._opened()
                if self._storage.sync:
                    os.fsync(descriptor)
        finally:
            self.close()
        self._storage.note_written(self._size, self._seconds + time.perf_counter() - started)

    def leave_unsynced(self) -> None:
        """Have the file complete, but not yet on the disk."""
        self.close()
        self._storage.note_written(self._size, self._seconds)

    def abort(self) -> None:
        self.close()
        self._storage.delete(self.uuid)

    def close(self) -> None:
        """Close the file, which need not be on the disk yet."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _opened(self) -> int:
        if self._descriptor < 0:
            raise CannotWriteFile("The file is closed already")
        return self._descriptor


def rewrite(descriptor: int, data: bytes) -> None:
    """Have a file hold ``data``, whatever it holds; where that is the same, readers see no change."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.ftruncate(descriptor, len(data))


def sync_together(descriptors: Sequence[int]) -> None:
    """Sync files in the time that one commit of the file system's journal takes, not one for each."""
    for descriptor in descriptors:
        _start_sync(descriptor)
    for descriptor in descriptors:
        os.fsync(descriptor)


def sync_file(path: Path) -> None:
    """Sync a file or folder, unless it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _start_sync(descriptor: int) -> None:
    """Begin to write a file to the disk, without waiting for it."""
    if _CAN_START_SYNC:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
