"""The double in memory of ``core.ports.RemoteQueries``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from orthanclite.core.remotes.remote_queries import QueryLimits, RemoteQuery


class MemoryRemoteQueries:
    """The port ``core.ports.RemoteQueries``.

    :param clock: the present moment in seconds, which goes on with each call
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rows: dict[str, _Row] = {}

    def add(self, query: RemoteQuery, answers: Sequence[bytes], limits: QueryLimits) -> None:
        self._rows[query.id] = _Row(replace(query, count=len(answers)), list(answers), self._clock())
        count = size = 0
        for id, row in sorted(self._rows.items(), key=lambda item: (-item[1].used, item[0])):
            count, size = count + 1, size + sum(map(len, row.answers))
            if id != query.id and (count > limits.count or size > limits.size):
                del self._rows[id]

    def get(self, id: str) -> RemoteQuery | None:
        row = self._rows.get(id)
        return None if row is None else row.query

    def ids(self) -> list[str]:
        return list(self._rows)

    def answers(self, id: str) -> list[bytes]:
        row = self._rows.get(id)
        return [] if row is None else list(row.answers)

    def answer(self, id: str, position: int) -> bytes | None:
        answers = self.answers(id)
        return answers[position] if 0 <= position < len(answers) else None

    def use(self, id: str) -> None:
        if id in self._rows:
            self._rows[id].used = self._clock()

    def delete(self, id: str) -> bool:
        return self._rows.pop(id, None) is not None

    def expire(self, seconds: float) -> int:
        limit = self._clock() - seconds
        old = [id for id, row in self._rows.items() if row.used < limit]
        for id in old:
            del self._rows[id]
        return len(old)


@dataclass(slots=True)
class _Row:
    query: RemoteQuery
    answers: list[bytes]
    used: float
