"""Syncing whole file systems, which is one wait for any number of new files (Linux only).

The kernel tells of data that it could not write only to those who had the file system open before, once each.
A file system is therefore held open from before the first file is written to it. After an error the
next sync succeeds, though what the first one could not write is lost (syncfs(2), fsync(2)).
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_REPORTS_ERRORS = (5, 8)
"""The release of Linux since which syncfs tells of errors."""


def _load() -> Callable[[int], None] | None:
    if sys.platform != "linux" or _release(os.uname().release) < _REPORTS_ERRORS:
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if function is None:
        return None

    def sync(descriptor: int) -> None:
        if function(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return sync


def _release(text: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


sync_file_system = _load()
"""Writes everything to the disk that belongs to the file system of an open file (syncfs(2)).

It raises OSError where something could not be written. None where the system has no such call, or one that
hides errors.
"""


class FileSystems:
    """The file systems that files were written to, held open. Thread-safe."""

    def __init__(self) -> None:
        self._descriptors: dict[int, int] = {}  # by device
        self._lock = threading.Lock()

    def watch(self, file: int, folder: Path) -> None:
        """Hold the file system open that an open, new file of ``folder`` is on."""
        device = os.fstat(file).st_dev
        if device in self._descriptors:
            return
        with self._lock:
            if device not in self._descriptors:
                self._descriptors[device] = os.open(folder, os.O_RDONLY)

    def sync(self) -> None:
        """Write everything to the disk that belongs to them.

        :raises OSError: where something could not be written since the last call
        """
        assert sync_file_system is not None
        errors = []
        for descriptor in list(self._descriptors.values()):
            try:
                sync_file_system(descriptor)
            except OSError as exc:
                errors.append(exc)  # the others are synced all the same
        if errors:
            raise errors[0]

    def __del__(self) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
