"""Memory that two processes see: bodies are received into it here, and written to the disk there."""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
import weakref
from contextlib import suppress

LARGEST = 4 << 20
"""Bytes of the largest piece."""
_SLOTS = 64
_POPULATE = 22
"""Advice to have all pages there (MADV_POPULATE_READ, Linux 5.14 and later)."""
_KEPT = 1 << 20
"""Bytes of a piece that stay allocated for the next one: memory that the system must find anew is slow."""


class SharedPiece(mmap.mmap):
    """A piece of a :class:`SharedMemory`, which goes back when nobody refers to it any more."""

    offset: int
    """Where it begins in the shared memory."""


class SharedMemory:
    """A store of pieces of memory. Thread-safe.

    A server reads bodies before it knows from whom, so that their memory must be bounded as a whole.

    :param capacity: bytes of all pieces together
    """

    def __init__(self, capacity: int = 64 << 20) -> None:
        self._free_bytes = capacity
        self._lock = threading.Lock()
        self.descriptor = _anonymous_file()
        """Of the file that is the memory."""
        weakref.finalize(self, os.close, self.descriptor)
        self.size = _SLOTS * LARGEST
        """Bytes of the file, most of which take no memory; 0 where the system does not allow it."""
        try:
            os.ftruncate(self.descriptor, self.size)
        except OSError:  # RLIMIT_FSIZE
            self.size = 0
        self._slots = list(range(self.size // LARGEST))  # the one used last is used first

    def has(self, size: int) -> bool:
        """Whether there is room for a piece, as long as nobody else takes one."""
        return size <= min(self._free_bytes, LARGEST) and bool(self._slots)

    def take(self, size: int) -> SharedPiece:
        """A piece of ``size`` bytes, with whatever is in it.

        :raises MemoryError: where there is no room
        """
        with self._lock:
            if not self.has(size):
                raise MemoryError
            self._free_bytes -= size
            slot = self._slots.pop()
        piece = SharedPiece(self.descriptor, size, flags=mmap.MAP_SHARED, offset=slot * LARGEST)
        piece.offset = slot * LARGEST
        weakref.finalize(piece, self._give_back, slot, size)
        return piece

    def populate(self, piece: mmap.mmap) -> None:
        """Provide all pages of a piece at once, which is cheaper than one by one, as they are written to."""
        with suppress(OSError):  # an older system
            piece.madvise(_POPULATE)

    def _give_back(self, slot: int, size: int) -> None:
        if size > _KEPT and hasattr(mmap, "MADV_REMOVE"):
            with mmap.mmap(self.descriptor, size, offset=slot * LARGEST) as unused:
                unused.madvise(mmap.MADV_REMOVE)
        with self._lock:
            self._slots.append(slot)
            self._free_bytes += size


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("orthanclite")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
