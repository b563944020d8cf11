"""Queries that remote modalities have answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from orthanclite.core.remotes.remote_queries import QueryLimits, RemoteQuery


class RemoteQueries(Protocol):
    """The queries of all servers on the index, with their answers as encoded data sets."""

    def add(self, query: RemoteQuery, answers: Sequence[bytes], limits: QueryLimits) -> None:
        """Keep a query, and forget what is beyond ``limits``, but not this one."""
        ...

    def get(self, id: str) -> RemoteQuery | None: ...

    def ids(self) -> list[str]:
        """The identifiers, the oldest query first."""
        ...

    def answers(self, id: str) -> list[bytes]:
        """All answers in their order; none for an unknown query."""
        ...

    def answer(self, id: str, position: int) -> bytes | None:
        """One answer, counted from 0; None where there is none."""
        ...

    def use(self, id: str) -> None:
        """Note that a query is in use. Nothing happens for an unknown one."""
        ...

    def delete(self, id: str) -> bool:
        """Forget a query; whether there was one."""
        ...

    def expire(self, seconds: float) -> int:
        """Forget what was not in use for so long; how many queries."""
        ...
