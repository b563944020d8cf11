"""Pages of all resources of a level, in the order of their Orthanc IDs.

A page by offset costs what it skips: an entry of the index each, 40 ms for half a million on PostgreSQL. So
the first ID of each page is kept, with the place that it had. As long as no resource was added or deleted, a
later page begins at the closest place before it: who reads page after page skips nothing twice. What lies in
the second half is counted from the end.

Whether anything was added or deleted is told by the row of ``totals``, which every transaction that does
either writes: an added resource has a change of its own, whose number is the highest ever given, and with the
same number a deleted one leaves fewer resources. Each statement reads that row along with the page, in one
snapshot, so that an answer is exact whatever happens meanwhile.
"""

from __future__ import annotations

import threading
from bisect import bisect_right, insort
from typing import Any

from sqlalchemy import bindparam, select

from orthanclite.core.levels import Level
from orthanclite.index.database.session import Row, Session
from orthanclite.index.schema import TABLES, totals

DEEP = 2000
"""Resources that are skipped without further thought, and the distance of the places that are kept."""

ALL = 2**62
"""The limit of a page that has none."""

State = tuple[int, int]
"""The number of resources of a level, and the highest change number ever given."""


def _state(level: Level) -> list[Any]:
    return [
        select(totals.c[level.plural]).scalar_subquery().label("total"),
        select(totals.c.last_change).scalar_subquery().label("last_change"),
    ]


def _page(level: Level, backwards: bool = False, behind: bool = False) -> Any:
    """IDs with the state: from the first one on, from the last one, or from the parameter ``first`` on."""
    id = TABLES[level].c.public_id
    statement = select(id, *_state(level)).limit(bindparam("count")).offset(bindparam("skipped"))
    if behind:
        # Not at the beginning: PostgreSQL compares each entry that is skipped, a quarter of the time.
        statement = statement.where(id >= bindparam("first"))
    return statement.order_by(id.desc() if backwards else id)


_STATE = {level: select(totals.c[level.plural], totals.c.last_change) for level in Level}
_FORWARDS = {level: _page(level) for level in Level}
_BACKWARDS = {level: _page(level, backwards=True) for level in Level}
_BEHIND = {level: _page(level, behind=True) for level in Level}


class Landmarks:
    """The places of some IDs of one level, in one state. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: State | None = None
        self._known: list[tuple[int, str]] = []

    def closest(self, state: State, place: int) -> tuple[int, str]:
        """The last known place up to ``place``, and the ID there; the beginning where there is none."""
        with self._lock:
            if state != self._state:
                return 0, ""
            index = bisect_right(self._known, (place, "~"))  # sorts after every ID
            return self._known[index - 1] if index else (0, "")

    def add(self, state: State, place: int, id: str) -> None:
        """Remember a place, unless one close to it is known."""
        with self._lock:
            if state != self._state:
                self._state, self._known = state, []
            index = bisect_right(self._known, (place, "~"))
            if index == 0 or place - self._known[index - 1][0] >= DEEP:
                insort(self._known, (place, id))


class IdPages:
    """Reads pages. Thread-safe.

    The memory that it takes is 0.1 byte for each resource, at most.
    """

    def __init__(self) -> None:
        self._landmarks = {level: Landmarks() for level in Level}

    def page(self, session: Session, level: Level, since: int, limit: int) -> list[str]:
        """``limit`` IDs behind the first ``since`` ones, fewer at the end."""
        if since > DEEP:
            row = session.one(_STATE[level])
            assert row is not None, "the row of totals is created with the schema"
            state: State = (row[0], row[1])
            if since >= state[0]:
                return []
            page = self._jump(session, level, state, since, limit)
            if page is not None:
                return page
        rows = session.all(_FORWARDS[level], skipped=since, count=limit)
        self._learn(level, since, rows)
        return [row[0] for row in rows]

    def _jump(self, session: Session, level: Level, state: State, since: int, limit: int) -> list[str] | None:
        """The page, from the closest place that is known; None where the state is another by now."""
        total = state[0]
        place, first = self._landmarks[level].closest(state, since)
        count = min(limit, total - since)
        behind = total - since - count
        if behind < since - place:
            rows = session.all(_BACKWARDS[level], skipped=behind, count=count)[::-1]
        elif place:
            rows = session.all(_BEHIND[level], first=first, skipped=since - place, count=count)
        else:
            rows = session.all(_FORWARDS[level], skipped=since, count=count)
        if len(rows) != count or (rows and rows[0][1:] != state):
            return None
        self._learn(level, since, rows)
        return [row[0] for row in rows]

    def _learn(self, level: Level, since: int, rows: list[Row]) -> None:
        if since > DEEP and rows:
            id, total, last_change = rows[0]
            self._landmarks[level].add((total, last_change), since, id)
