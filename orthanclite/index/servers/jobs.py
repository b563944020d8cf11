"""The queue of jobs as rows.

A server claims a job by writing its number (``servers.id``) into the row. The claim lasts as long as the
server is known to be at work: once its row is gone from ``servers``, because it has ended or was silent for
too long, its jobs are there for the others (see ``index.servers``). Each claim has a number, ``attempt``, and
each write of a worker names both: those of a server that was given up and comes to life again touch nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Update

from orthanclite.core.errors import ClaimLost
from orthanclite.core.jobs import Change, Claim, Failure, Job, Keep, Output, State, Submission, Wish
from orthanclite.index.database.engines import Database
from orthanclite.index.database.session import Many, Row, Session
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.database.writer import Writer
from orthanclite.index.servers import job_statements as sql


class SqlJobs:
    """The port ``core.ports.Jobs``."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def submit(self, submission: Submission) -> None:
        values = {
            "id": submission.id,
            "kind": submission.kind,
            "priority": submission.priority,
            "permissive": submission.permissive,
            "parameters": _json(submission.parameters),
            "content": _json(submission.content),
            "user_data": _json_or_none(submission.user_data),
            "secrets": _json_or_none(submission.secrets or None),
        }
        self._writer.run(lambda tx: tx.session.run(sql.SUBMIT, **values))

    def get(self, id: str) -> Job | None:
        with self._database.reader() as session:
            row = session.one(sql.GET, job=id)
        return None if row is None else _job(row)

    def all(self) -> list[Job]:
        with self._database.reader() as session:
            return [_job(row) for row in session.all(sql.ALL)]

    def ids(self) -> list[str]:
        with self._database.reader() as session:
            return session.column(sql.IDS)

    def endings(self) -> dict[str, float | None]:
        with self._database.reader() as session:
            return dict(session.all(sql.ENDINGS))

    def counts(self) -> dict[State, int]:
        with self._database.reader() as session:
            return {State(state): number for state, number in session.all(sql.COUNTS)}

    def claim(self, server: int, kinds: Sequence[str]) -> Claim | None:
        wanted = Many(kinds)
        with self._database.reader() as session:  # an idle server writes nothing
            if session.one(sql.CLAIMABLE, kinds=wanted) is None:
                return None
        row = self._writer.run(lambda tx: tx.session.one(sql.CLAIM, kinds=wanted, me=server))
        return None if row is None else _claim(row)

    def put_back(self, server: int, at_work: Sequence[str]) -> int:
        return self._writer.run(lambda tx: tx.session.run(sql.PUT_BACK, me=server, at_work=Many(at_work)))

    def next_due(self) -> float | None:
        with self._database.reader() as session:
            due: float | None = session.value(sql.NEXT_DUE)
        return due

    def write(self, claim: Claim, change: Change, keep: Keep) -> tuple[Wish, list[str]]:
        who = {"job": claim.id, "me": claim.server, "try": claim.attempt}
        values: dict[str, Any] = {
            "progress": change.progress,
            "content": _json_or_none(change.content),
            "saved": _json_or_none(change.saved),
            "runtime": change.runtime,
            "retries": change.retries,
        }
        if change.state is State.RUNNING:
            return Wish(self._writer.run(lambda tx: _checked(tx.session.one(sql.GO_ON, **who, **values)))), []
        failure = change.failure or Failure(0)
        values |= {
            "state": change.state,
            "delay": change.delay,
            "error": failure.code,
            "error_details": failure.details.replace("\0", ""),  # which no text of PostgreSQL has
            "error_payload": _json_or_none(failure.payload),
        }

        def let_go(tx: Transaction) -> list[str]:
            _checked(tx.session.one(sql.LET_GO, **who, **values))
            if not change.state.is_final:
                return []
            tx.session.run(sql.COMPLETE, job=claim.id)
            if change.state is State.SUCCESS and claim.secrets:
                tx.session.run(sql.FORGET_SECRETS, job=claim.id)
            for output in change.outputs:
                tx.session.run(sql.ADD_OUTPUT, job=claim.id, **_columns(output))
            return _trim(tx.session, keep)

        return Wish.NONE, self._writer.run(let_go)

    def pause(self, id: str) -> bool:
        return self._move(id, sql.PAUSE) or self._exists(id)

    def resume(self, id: str) -> bool:
        return self._move(id, sql.RESUME)

    def cancel(self, id: str) -> bool:
        return self._move(id, sql.CANCEL) or self._exists(id)

    def resubmit(self, id: str) -> bool:
        return self._move(id, sql.RESUBMIT)

    def delete(self, id: str) -> list[str] | None:
        def operation(tx: Transaction) -> list[str] | None:
            if tx.session.one(sql.DELETE, job=id) is None:
                return None
            return tx.session.column(sql.OUTPUTS_OF, ids=Many([id]))

        return self._writer.run(operation)

    def trim(self, keep: Keep) -> list[str]:
        return self._writer.run(lambda tx: _trim(tx.session, keep))

    def clear(self) -> list[str]:
        def operation(tx: Transaction) -> list[str]:
            tx.session.run(sql.CLEAR)
            return tx.session.column(sql.CLEAR_OUTPUTS)

        return self._writer.run(operation)

    def output(self, id: str, key: str) -> Output | None:
        with self._database.reader() as session:
            row = session.one(sql.GET_OUTPUT, job=id, which=key)
        return None if row is None else Output(*row)

    def delete_output(self, id: str, key: str) -> str | None:
        uuid: str | None = self._writer.run(lambda tx: tx.session.value(sql.DELETE_OUTPUT, job=id, which=key))
        return uuid

    def _move(self, id: str, statements: Sequence[Update]) -> bool:
        """Run statements until one of them has changed the job; whether one has."""

        def operation(tx: Transaction) -> bool:
            return any(tx.session.run(statement, job=id) for statement in statements)

        return self._writer.run(operation)

    def _exists(self, id: str) -> bool:
        with self._database.reader() as session:
            return session.one(sql.EXISTS, job=id) is not None


def _trim(session: Session, keep: Keep) -> list[str]:
    forgotten = Many(session.column(sql.TRIM_JOBS, kept=keep.jobs))
    blobs = session.column(sql.OUTPUTS_OF, ids=forgotten) if forgotten else []
    return blobs + session.column(sql.TRIM_ARCHIVES, kept=keep.archives)


def _checked(row: Row | None) -> str:
    if row is None:
        raise ClaimLost("The job was taken over by another worker, or forgotten")
    return str(row[0])


def _job(row: Row) -> Job:
    id, kind, state, priority, progress, created, completed, runtime, content, user_data = row[:10]
    code, details, payload, now = row[10:]
    return Job(
        id,
        kind,
        State(state),
        priority,
        progress,
        created,
        completed,
        runtime,
        orjson.loads(content),
        _parsed(user_data),
        Failure(code, details, _parsed(payload)) if code else None,
        now,
    )


def _claim(row: Row) -> Claim:
    id, kind, server, attempt, parameters, saved, progress, content, permissive = row[:9]
    retries, runtime, wish, secrets = row[9:]
    saved = _parsed(saved)
    before = None if saved is None else saved.get(sql.BEFORE)
    return Claim(
        id,
        kind,
        server,
        attempt,
        orjson.loads(parameters),
        saved if before is None else None,
        progress,
        orjson.loads(content),
        bool(permissive),
        retries,
        runtime,
        Wish(wish),
        _parsed(secrets) or {},
        before,
    )


def _columns(output: Output) -> Mapping[str, Any]:
    return {
        "key": output.key,
        "uuid": output.uuid,
        "size": output.size,
        "media_type": output.media_type,
        "filename": output.filename,
    }


def _json(value: Any) -> str:
    return orjson.dumps(value).decode("utf-8")


def _json_or_none(value: Any) -> str | None:
    return None if value is None else _json(value)


def _parsed(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)
