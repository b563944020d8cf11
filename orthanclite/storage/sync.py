"""Syncing a whole file system, which is one wait for any number of new files (Linux only)."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path


def _load() -> Callable[[Path], None] | None:
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if function is None:
        return None

    def sync(folder: Path) -> None:
        """Write everything to the disk that belongs to the file system of ``folder`` (syncfs(2)).

        :raises OSError: where something could not be written
        """
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            if function(descriptor) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(folder))
        finally:
            os.close(descriptor)

    return sync


sync_file_system = _load()
"""None where the system has no such call."""
