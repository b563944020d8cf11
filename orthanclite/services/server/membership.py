"""This server among those that share the index.

Each server shows in the index, every few seconds, that it lives. Duties that one server does for all are
done by whoever holds their lease, which ends by itself when its holder is silent. What a silent server has
left, the journal of files that it has not synced, is taken over by another one.

Silence alone proves little: a database that was away has silenced everybody. So a server judges others only
after it has itself been in touch with the database for as long as it takes to judge.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from orthanclite.core.errors import OrthancError
from orthanclite.core.ports import Leases, RuntimeSettings, Servers

BEAT = 2.0
"""Seconds between two signs of life."""
SILENCE = 20.0
"""Seconds without a sign of life after which a server counts as dead, and a lease is free."""
_MARGIN = 5.0
"""Seconds before the end of a lease at which its holder stops to rely on it."""

log = logging.getLogger("orthanclite.generic")


class Membership:
    """What this server may do, and for whom.

    :param name: identifies this server over restarts (``DatabaseServerIdentifier``)
    :param adopted: called when the journal of another server has become this one's; must not take long
    :param clock: seconds that only go forward
    """

    def __init__(
        self,
        servers: Servers,
        leases: Leases,
        name: str,
        adopted: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers = servers
        self._leases = leases
        self._name = name
        self._adopted = adopted
        self._clock = clock
        self._duties: set[str] = set()
        self._held: frozenset[str] = frozenset()
        self._held_until = 0.0
        self._last_beat = 0.0
        self._in_touch_since = 0.0
        self._last_look = 0.0  # for what nobody is to look after

    @property
    def is_sole(self) -> bool:
        """Whether there can be no other server: every duty is this one's, and nobody looks for its beat."""
        return self._servers.is_sole

    def join(self, settings: RuntimeSettings) -> None:
        """Enter this run of the server; what a former run of it has left belongs to this one.

        :param settings: forgotten unless another server is at work: what clients have set lasts as long as
            the servers that they have set it for
        """
        self._servers.join(self._name)
        self._last_beat = self._in_touch_since = self._clock()
        if self.is_sole or not self._servers.others(SILENCE):
            settings.clear()

    def holds(self, duty: str) -> Callable[[], bool]:
        """Ask for a duty that one server does; a function that tells whether it is this server's now."""
        self._duties.add(duty)
        return lambda: self.is_sole or (duty in self._held and self._clock() < self._held_until)

    def beat(self) -> None:
        """Show that this server lives, prolong its leases, and look for servers that have died."""
        now = self._clock()
        if not self._servers.beat():
            log.warning(
                "The other servers had given this one up; if that comes again, look for another server with "
                'the DatabaseServerIdentifier "%s"',
                self._name,
            )
            self._in_touch_since = now
        elif now - self._last_beat > SILENCE / 2:
            self._in_touch_since = now
        self._last_beat = now
        self._held = frozenset(self._leases.take(self._servers.id, self._duties, SILENCE))
        self._held_until = now + SILENCE - _MARGIN
        if now - self._in_touch_since >= SILENCE:
            for name in self._servers.adopt(SILENCE):
                log.warning('The server "%s" is gone: this one takes over what it has left', name)
                self._adopted()
            if now - self._last_look >= SILENCE:
                self._last_look = now
                if self._servers.adopt_ownerless():
                    log.warning("This server takes over what one that is forgotten has left in the journal")
                    self._adopted()

    def leave(self) -> None:
        """End this run: others may do its duties at once. Nothing may be left in the journal."""
        self._held = frozenset()
        try:
            self._leases.release(self._servers.id)
            self._servers.leave()
        except OrthancError as exc:
            log.warning("The end of this server cannot be told to the others, who will notice: %s", exc)
