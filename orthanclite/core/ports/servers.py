"""The servers that share one index, and the duties that one of them does for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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


class MemoryServers:
    """A double of :class:`Servers`: several of them share a dictionary as if it was the index.

    :param seen: when each server has shown last, by number and name
    :param clock: the present moment in seconds
    """

    is_sole = False

    def __init__(self, seen: dict[tuple[int, str], float], clock: Callable[[], float]) -> None:
        self._seen = seen
        self._clock = clock
        self._name = ""
        self.id = 0

    def join(self, name: str) -> None:
        for known in [known for known in self._seen if known[1] == name]:
            del self._seen[known]
        self._name = name
        self._enter()

    def others(self, silent_for: float) -> int:
        since = self._clock() - silent_for
        return sum(seen >= since and number != self.id for (number, _), seen in self._seen.items())

    def beat(self) -> bool:
        known = (self.id, self._name) in self._seen
        if known:
            self._seen[self.id, self._name] = self._clock()
        else:
            self._enter()
        return known

    def adopt(self, silent_for: float) -> list[str]:
        since = self._clock() - silent_for
        dead = [one for one, seen in self._seen.items() if seen < since and one[0] != self.id]
        for one in dead:
            del self._seen[one]
        return [name for _, name in dead]

    def leave(self) -> None:
        self._seen.pop((self.id, self._name), None)

    def _enter(self) -> None:
        self.id = 1 + max([self.id, *(number for number, _ in self._seen)])
        self._seen[self.id, self._name] = self._clock()


class MemoryLeases:
    """A double of :class:`Leases` for one process.

    :param clock: the present moment in seconds
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._leases: dict[str, tuple[int, float]] = {}  # holder and end

    def take(self, holder: int, duties: Iterable[str], seconds: float) -> set[str]:
        now = self._clock()
        held = set()
        for duty in duties:
            known = self._leases.get(duty)
            if known is None or known[0] == holder or known[1] < now:
                self._leases[duty] = (holder, now + seconds)
                held.add(duty)
        return held

    def release(self, holder: int) -> None:
        self._leases = {duty: lease for duty, lease in self._leases.items() if lease[0] != holder}
