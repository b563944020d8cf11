"""A client of pynetdicom that closes what it opens, and whose threads do not take each other's messages."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket


class _Socket(AssociationSocket):
    """pynetdicom leaves a socket open whose peer has gone; a ResourceWarning would fail the next test."""

    def close(self) -> None:
        """Close it once the other thread has what came last.

        That thread first looks whether it is connected, and takes for an abort what was a quick rejection.
        """
        dul = self._assoc.dul
        deadline = time.monotonic() + 1
        while threading.current_thread() is dul and dul.to_user_queue.queue and time.monotonic() < deadline:
            time.sleep(0.001)
        super().close()

    def _shutdown_socket(self) -> None:
        super()._shutdown_socket()
        if self.socket is not None:
            self.socket.close()


class _Gate:
    """The checkpoint of an association's reactor; closed, it keeps the reactor from taking messages.

    pynetdicom's own sign that the reactor stands there (``Association._is_paused``) is also set while it
    passes an open checkpoint, and who trusts it may find it taking his answer from the queue.
    """

    def __init__(self, association: Association) -> None:
        self._association = association
        self._changed = threading.Condition()
        self._open = True
        self._waiting = False

    def wait(self) -> None:
        with self._changed:
            self._waiting = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._open)
            self._waiting = False

    def set(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def clear(self) -> None:
        """Close it, and wait until the reactor stands at it."""
        with self._changed:
            self._open = False
            while self._has_reactor() and not self._changed.wait_for(lambda: self._waiting, 0.1):
                pass

    def _has_reactor(self) -> bool:
        return self._association.is_alive() and self._association is not threading.current_thread()


class Client(AE):
    """An application entity that requests associations."""

    def _create_socket(self, assoc: Any, address: Any, tls_args: Any) -> AssociationSocket:
        assoc._reactor_checkpoint = _Gate(assoc)
        connection = _Socket(assoc, address=address)
        connection.tls_args = tls_args
        return connection


@contextmanager
def paused(association: Association) -> Iterator[None]:
    """Keep the thread of a client's association from taking messages that the caller waits for."""
    association._reactor_checkpoint.clear()
    try:
        yield
    finally:
        association._reactor_checkpoint.set()
