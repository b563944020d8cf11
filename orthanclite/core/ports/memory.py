"""Memory into which the bodies of requests are read."""

from __future__ import annotations

import mmap
from typing import Protocol


class BodyMemory(Protocol):
    """A bounded store of pieces of memory. Thread-safe."""

    def has(self, size: int) -> bool:
        """Whether there is room for a piece of ``size`` bytes, as long as nobody else takes one."""
        ...

    def take(self, size: int) -> mmap.mmap:
        """A piece of ``size`` bytes, with whatever is in it; it goes back when nobody refers to it any more.

        :raises MemoryError: where there is no room
        """
        ...

    def populate(self, piece: mmap.mmap) -> None:
        """Have all of a piece be there: at once that is cheaper than bit by bit, as it is used."""
        ...
