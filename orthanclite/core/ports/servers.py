"""The servers that share one index, and the duties that one of them does for all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Servers(Protocol):
    """The servers at work on the index. Each run of a server has a number, and shows that it lives."""

    id: int
    """The number of this run; 0 before :meth:`join`."""

    is_sole: bool
    """Whether there can be no other server, as the index is embedded."""

    def join(self, name: str) -> None:
        """Enter this run, and take over what a former run of the same server has left, such as its journal.

        :param name: what stays the same over restarts; no other server at work may bear it
        """
        ...

    def others(self, silent_for: float) -> int:
        """How many other servers have shown that they live within the last ``silent_for`` seconds."""
        ...

    def beat(self) -> bool:
        """Show that this run lives; False where others have given it up, and it has entered anew."""
        ...

    def adopt(self, silent_for: float) -> list[str]:
        """Take over what servers have left that did not show for ``silent_for`` seconds; their names."""
        ...

    def adopt_ownerless(self) -> bool:
        """Take over what is in the journal for servers that are forgotten already; whether there was any."""
        ...

    def leave(self) -> None:
        """End this run: it has left nothing behind."""
        ...


class Leases(Protocol):
    """Which server does a duty that only one of them is to do. Time is that of the index."""

    def take(self, holder: int, duties: Iterable[str], seconds: float) -> set[str]:
        """Take or prolong leases, which end after ``seconds``; those that ``holder`` has now."""
        ...

    def release(self, holder: int) -> None:
        """End all leases of a server."""
        ...
