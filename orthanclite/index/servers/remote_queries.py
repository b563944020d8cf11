"""Queries that remote modalities have answered, a row for each and one for each answer."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from sqlalchemy import bindparam, delete, insert, select, update

from orthanclite.core.levels import Level
from orthanclite.core.remotes.remote_queries import QueryLimits, RemoteQuery
from orthanclite.index.database.clock import DatabaseNow
from orthanclite.index.database.engines import Database
from orthanclite.index.database.session import Many, any_of
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.database.writer import Writer
from orthanclite.index.schema import remote_answers, remote_queries

_NOW = DatabaseNow()
_ONE = remote_queries.c.id == bindparam("query")
_GET = select(
    remote_queries.c.id,
    remote_queries.c.modality,
    remote_queries.c.level,
    remote_queries.c.tags,
    remote_queries.c.local_aet,
    remote_queries.c.count,
).where(_ONE)
_IDS = select(remote_queries.c.id).order_by(remote_queries.c.created, remote_queries.c.id)
_ADD = insert(remote_queries).values(
    {c.name: bindparam(c.name) for c in remote_queries.c if c.name not in ("created", "used")}
    | {"created": _NOW, "used": _NOW}
)
_ADD_ANSWER = insert(remote_answers).values({c.name: bindparam(c.name) for c in remote_answers.c})
_OTHERS_BY_USE = (
    select(remote_queries.c.id, remote_queries.c.size)
    .where(remote_queries.c.id != bindparam("query"))
    .order_by(remote_queries.c.used.desc(), remote_queries.c.id)
)
_USE = update(remote_queries).where(_ONE).values(used=_NOW)
_EXPIRED = select(remote_queries.c.id).where(remote_queries.c.used < _NOW - bindparam("seconds"))
_DELETE = delete(remote_queries).where(any_of(remote_queries.c.id, "ids"))
_DELETE_ANSWERS = delete(remote_answers).where(any_of(remote_answers.c.query, "ids"))
_ANSWERS = (
    select(remote_answers.c.data)
    .where(remote_answers.c.query == bindparam("query"))
    .order_by(remote_answers.c.position)
)
_ANSWER = select(remote_answers.c.data).where(
    remote_answers.c.query == bindparam("query"), remote_answers.c.position == bindparam("place")
)


class SqlRemoteQueries:
    """The port ``core.ports.RemoteQueries``."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def add(self, query: RemoteQuery, answers: Sequence[bytes], limits: QueryLimits) -> None:
        size = sum(map(len, answers))

        def operation(tx: Transaction) -> None:
            count, kept = 1, size
            surplus = []
            for id, other in tx.session.all(_OTHERS_BY_USE, query=query.id):
                count, kept = count + 1, kept + other
                if count > limits.count or kept > limits.size:
                    surplus.append(id)
            _forget(tx, surplus)
            tx.session.run(
                _ADD,
                id=query.id,
                modality=query.modality,
                level=int(query.level),
                tags=orjson.dumps(query.tags).decode("utf-8"),
                local_aet=query.local_aet,
                count=len(answers),
                size=size,
            )
            rows = [{"query": query.id, "position": i, "data": data} for i, data in enumerate(answers)]
            tx.session.run_many(_ADD_ANSWER, rows)

        self._writer.run(operation)

    def get(self, id: str) -> RemoteQuery | None:
        with self._database.reader() as session:
            row = session.one(_GET, query=id)
        if row is None:
            return None
        return RemoteQuery(row[0], row[1], Level(row[2]), orjson.loads(row[3]), row[4], row[5])

    def ids(self) -> list[str]:
        with self._database.reader() as session:
            return session.column(_IDS)

    def answers(self, id: str) -> list[bytes]:
        with self._database.reader() as session:
            return [bytes(data) for data in session.column(_ANSWERS, query=id)]

    def answer(self, id: str, position: int) -> bytes | None:
        with self._database.reader() as session:
            data = session.value(_ANSWER, query=id, place=position)
        return None if data is None else bytes(data)

    def use(self, id: str) -> None:
        self._writer.run(lambda tx: tx.session.run(_USE, query=id))

    def delete(self, id: str) -> bool:
        return bool(self._writer.run(lambda tx: _forget(tx, [id])))

    def expire(self, seconds: float) -> int:
        with self._database.reader() as session:  # a server without old queries writes nothing
            if not session.column(_EXPIRED, seconds=seconds):
                return 0
        return self._writer.run(lambda tx: _forget(tx, tx.session.column(_EXPIRED, seconds=seconds)))


def _forget(tx: Transaction, ids: Sequence[str]) -> int:
    """Remove queries with their answers; how many there were."""
    if not ids:
        return 0
    tx.session.run(_DELETE_ANSWERS, ids=Many(ids))
    return tx.session.run(_DELETE, ids=Many(ids))
