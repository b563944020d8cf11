"""The C-MOVEs that this server has asked for, and what they have sent to this server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_FIRST_ID = 1001
_LAST_ID = 0xFFFF
_AET_LENGTH = 16


@dataclass(slots=True)
class Move:
    """A C-MOVE that is under way."""

    message_id: int
    received: list[str] = field(default_factory=list)
    """Orthanc IDs of the instances that came because of it, as long as it was under way."""


class Moves:
    """Knows which instances that come in were asked for, as they name the C-MOVE (PS3.7 section 9.1.1.1).

    A message ID is used again after all others were, as it tells one C-MOVE from the other. Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = _FIRST_ID
        self._under_way: dict[int, tuple[Move, set[str]]] = {}  # with the titles of both ends

    @contextmanager
    def begin(self, local_aet: str, modality_aet: str) -> Iterator[Move]:
        """A C-MOVE with a message ID of its own, under way within the context.

        :param local_aet: the AE title with which the modality is called
        :param modality_aet: its own
        """
        # Some modalities name themselves as the originator.
        titles = {_plain(local_aet), _plain(modality_aet)}
        with self._lock:
            move = Move(self._next)
            self._next = self._next + 1 if self._next < _LAST_ID else _FIRST_ID
            self._under_way[move.message_id] = move, titles
        try:
            yield move
        finally:
            with self._lock:
                self._under_way.pop(move.message_id, None)

    def note(self, originator: str, message_id: int, instance: str) -> None:
        """An instance has been stored whose sender names a C-MOVE.

        :param originator: AE title of whoever has asked for it
        :param instance: Orthanc ID
        """
        with self._lock:
            move, titles = self._under_way.get(message_id, (None, ()))
            if move is not None and _plain(originator) in titles:
                move.received.append(instance)


def _plain(aet: str) -> str:
    """An AE title as it arrives at the other end."""
    return aet[:_AET_LENGTH].strip()
