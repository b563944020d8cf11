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
from sqlalchemy import (
    ColumnElement,
    Select,
    Update,
    and_,
    bindparam,
    delete,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)

from orthanclite.core.errors import CanceledJob, ClaimLost
from orthanclite.core.jobs import ARCHIVE, Change, Claim, Failure, Job, Keep, Output, State, Submission, Wish
from orthanclite.index.database.clock import DatabaseNow
from orthanclite.index.database.engines import Database
from orthanclite.index.database.session import Many, Row, Session, any_of
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.database.writer import Writer
from orthanclite.index.schema import job_outputs, jobs, servers

_NOW = DatabaseNow()
_FINAL = (State.SUCCESS, State.FAILURE)
_WAITING = (State.PENDING, State.RETRY, State.PAUSED)


def _is_in(*states: State) -> ColumnElement[bool]:
    return or_(*(jobs.c.state == state for state in states))


_SUBMIT = insert(jobs).values(
    {name: bindparam(name) for name in ("id", "kind", "priority", "permissive", "parameters", "content")}
    | {name: bindparam(name) for name in ("user_data", "secrets")}
    | {"state": State.PENDING, "created": _NOW, "due": 0.0}
    | {"progress": 0.0, "runtime": 0.0, "server": 0, "attempt": 0, "retries": 0, "wish": Wish.NONE}
    | {"error": 0, "error_details": ""}
)

_SHOWN = (
    jobs.c.id,
    jobs.c.kind,
    jobs.c.state,
    jobs.c.priority,
    jobs.c.progress,
    jobs.c.created,
    jobs.c.completed,
    jobs.c.runtime,
    jobs.c.content,
    jobs.c.user_data,
    jobs.c.error,
    jobs.c.error_details,
    jobs.c.error_payload,
    _NOW,
)
_ALL: Select[Any] = select(*_SHOWN).order_by(jobs.c.id)
_GET: Select[Any] = select(*_SHOWN).where(jobs.c.id == bindparam("job"))
_IDS = select(jobs.c.id).order_by(jobs.c.id)
_ENDINGS = select(jobs.c.id, jobs.c.completed).order_by(jobs.c.id)
_COUNTS = select(jobs.c.state, func.count()).group_by(jobs.c.state)
_NEXT_DUE = select(func.min(jobs.c.due) - _NOW).where(jobs.c.state == State.RETRY)

_CLAIMABLE = (
    select(jobs.c.id)
    .where(
        or_(
            jobs.c.state == State.PENDING,
            and_(jobs.c.state == State.RETRY, jobs.c.due <= _NOW),
            and_(jobs.c.state == State.RUNNING, jobs.c.server.not_in(select(servers.c.id))),
        ),
        any_of(jobs.c.kind, "kinds"),
    )
    .order_by(jobs.c.priority.desc(), jobs.c.created, jobs.c.id)
    .limit(1)
)
_CLAIM = (
    update(jobs)
    .where(jobs.c.id == _CLAIMABLE.with_for_update(skip_locked=True).scalar_subquery())
    .values(state=State.RUNNING, server=bindparam("me"), attempt=jobs.c.attempt + 1)
    .returning(
        jobs.c.id,
        jobs.c.kind,
        jobs.c.server,
        jobs.c.attempt,
        jobs.c.parameters,
        jobs.c.saved,
        jobs.c.progress,
        jobs.c.content,
        jobs.c.permissive,
        jobs.c.retries,
        jobs.c.runtime,
        jobs.c.wish,
        jobs.c.secrets,
    )
)

_PUT_BACK = (
    update(jobs)
    .where(
        jobs.c.state == State.RUNNING,
        jobs.c.server == bindparam("me"),
        not_(any_of(jobs.c.id, "at_work")),
    )
    .values(state=State.PENDING, server=0)
)

_MINE = (
    jobs.c.id == bindparam("job"),
    jobs.c.state == State.RUNNING,
    jobs.c.server == bindparam("me"),
    jobs.c.attempt == bindparam("try"),
)


def _given(name: str) -> Any:
    """The parameter, or what is there already where the parameter is null."""
    return func.coalesce(bindparam(name, type_=jobs.c[name].type), jobs.c[name])


_GIVEN = {name: _given(name) for name in ("progress", "content", "saved", "runtime", "retries")}
_GO_ON = update(jobs).where(*_MINE).values(_GIVEN).returning(jobs.c.wish)
_LET_GO = (
    update(jobs)
    .where(*_MINE)
    .values(
        _GIVEN
        | {name: bindparam(name) for name in ("state", "error", "error_details", "error_payload")}
        | {"server": 0, "wish": Wish.NONE, "due": _NOW + bindparam("delay")}
    )
    .returning(jobs.c.wish)
)
_COMPLETE = update(jobs).where(jobs.c.id == bindparam("job")).values(completed=_NOW)
_FORGET_SECRETS = update(jobs).where(jobs.c.id == bindparam("job")).values(secrets=None)


def _move(*states: State, **values: Any) -> Update:
    """Change a job that is in one of ``states``."""
    return update(jobs).where(jobs.c.id == bindparam("job"), _is_in(*states)).values(**values)


_EXISTS = select(jobs.c.id).where(jobs.c.id == bindparam("job"))
_PAUSE = (
    _move(State.PENDING, State.RETRY, state=State.PAUSED),
    _move(State.RUNNING, wish=Wish.PAUSE),
)
_CANCEL = (
    _move(*_WAITING, state=State.FAILURE, completed=_NOW, error=CanceledJob.code, error_details=""),
    _move(State.RUNNING, wish=Wish.CANCEL),
)
_RESUME = (_move(State.PAUSED, state=State.PENDING),)
_RESUBMIT = (
    _move(
        State.FAILURE,
        state=State.PENDING,
        completed=None,
        progress=0.0,
        runtime=0.0,
        retries=0,
        saved=None,
        error=0,
        error_details="",
        error_payload=None,
    ),
)

_DELETE = delete(jobs).where(jobs.c.id == bindparam("job"), _is_in(*_FINAL)).returning(jobs.c.id)
_CLEAR = delete(jobs)
_TRIM_JOBS = (
    delete(jobs)
    .where(
        jobs.c.id.in_(
            select(jobs.c.id)
            .where(_is_in(*_FINAL))
            .order_by(jobs.c.completed.desc(), jobs.c.id)
            .offset(bindparam("kept"))
        )
    )
    .returning(jobs.c.id)
)
_ADD_OUTPUT = insert(job_outputs).values(
    {c.name: bindparam(c.name) for c in job_outputs.c if c.name != "created"} | {"created": _NOW}
)
_TRIM_ARCHIVES = (
    delete(job_outputs)
    .where(
        job_outputs.c.key == ARCHIVE,
        job_outputs.c.uuid.in_(
            select(job_outputs.c.uuid)
            .where(job_outputs.c.key == ARCHIVE)
            .order_by(job_outputs.c.created.desc(), job_outputs.c.uuid)
            .offset(bindparam("kept"))
        ),
    )
    .returning(job_outputs.c.uuid)
)
_OUTPUTS_OF = delete(job_outputs).where(any_of(job_outputs.c.job, "ids")).returning(job_outputs.c.uuid)
_CLEAR_OUTPUTS = delete(job_outputs).returning(job_outputs.c.uuid)
_THAT_OUTPUT = (job_outputs.c.job == bindparam("job"), job_outputs.c.key == bindparam("which"))
_GET_OUTPUT = select(
    job_outputs.c.key,
    job_outputs.c.uuid,
    job_outputs.c.size,
    job_outputs.c.media_type,
    job_outputs.c.filename,
).where(*_THAT_OUTPUT)
_DELETE_OUTPUT = delete(job_outputs).where(*_THAT_OUTPUT).returning(job_outputs.c.uuid)


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
        self._writer.run(lambda tx: tx.session.run(_SUBMIT, **values))

    def get(self, id: str) -> Job | None:
        with self._database.reader() as session:
            row = session.one(_GET, job=id)
        return None if row is None else _job(row)

    def all(self) -> list[Job]:
        with self._database.reader() as session:
            return [_job(row) for row in session.all(_ALL)]

    def ids(self) -> list[str]:
        with self._database.reader() as session:
            return session.column(_IDS)

    def endings(self) -> dict[str, float | None]:
        with self._database.reader() as session:
            return dict(session.all(_ENDINGS))

    def counts(self) -> dict[State, int]:
        with self._database.reader() as session:
            return {State(state): number for state, number in session.all(_COUNTS)}

    def claim(self, server: int, kinds: Sequence[str]) -> Claim | None:
        wanted = Many(kinds)
        with self._database.reader() as session:  # an idle server writes nothing
            if session.one(_CLAIMABLE, kinds=wanted) is None:
                return None
        row = self._writer.run(lambda tx: tx.session.one(_CLAIM, kinds=wanted, me=server))
        return None if row is None else _claim(row)

    def put_back(self, server: int, at_work: Sequence[str]) -> int:
        return self._writer.run(lambda tx: tx.session.run(_PUT_BACK, me=server, at_work=Many(at_work)))

    def next_due(self) -> float | None:
        with self._database.reader() as session:
            due: float | None = session.value(_NEXT_DUE)
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
            return Wish(self._writer.run(lambda tx: _checked(tx.session.one(_GO_ON, **who, **values)))), []
        failure = change.failure or Failure(0)
        values |= {
            "state": change.state,
            "delay": change.delay,
            "error": failure.code,
            "error_details": failure.details.replace("\0", ""),  # which no text of PostgreSQL has
            "error_payload": _json_or_none(failure.payload),
        }

        def let_go(tx: Transaction) -> list[str]:
            _checked(tx.session.one(_LET_GO, **who, **values))
            if not change.state.is_final:
                return []
            tx.session.run(_COMPLETE, job=claim.id)
            if change.state is State.SUCCESS and claim.secrets:
                tx.session.run(_FORGET_SECRETS, job=claim.id)
            for output in change.outputs:
                tx.session.run(_ADD_OUTPUT, job=claim.id, **_columns(output))
            return _trim(tx.session, keep)

        return Wish.NONE, self._writer.run(let_go)

    def pause(self, id: str) -> bool:
        return self._move(id, _PAUSE) or self._exists(id)

    def resume(self, id: str) -> bool:
        return self._move(id, _RESUME)

    def cancel(self, id: str) -> bool:
        return self._move(id, _CANCEL) or self._exists(id)

    def resubmit(self, id: str) -> bool:
        return self._move(id, _RESUBMIT)

    def delete(self, id: str) -> list[str] | None:
        def operation(tx: Transaction) -> list[str] | None:
            if tx.session.one(_DELETE, job=id) is None:
                return None
            return tx.session.column(_OUTPUTS_OF, ids=Many([id]))

        return self._writer.run(operation)

    def trim(self, keep: Keep) -> list[str]:
        return self._writer.run(lambda tx: _trim(tx.session, keep))

    def clear(self) -> list[str]:
        def operation(tx: Transaction) -> list[str]:
            tx.session.run(_CLEAR)
            return tx.session.column(_CLEAR_OUTPUTS)

        return self._writer.run(operation)

    def output(self, id: str, key: str) -> Output | None:
        with self._database.reader() as session:
            row = session.one(_GET_OUTPUT, job=id, which=key)
        return None if row is None else Output(*row)

    def delete_output(self, id: str, key: str) -> str | None:
        uuid: str | None = self._writer.run(lambda tx: tx.session.value(_DELETE_OUTPUT, job=id, which=key))
        return uuid

    def _move(self, id: str, statements: Sequence[Update]) -> bool:
        """Run statements until one of them has changed the job; whether one has."""

        def operation(tx: Transaction) -> bool:
            return any(tx.session.run(statement, job=id) for statement in statements)

        return self._writer.run(operation)

    def _exists(self, id: str) -> bool:
        with self._database.reader() as session:
            return session.one(_EXISTS, job=id) is not None


def _trim(session: Session, keep: Keep) -> list[str]:
    forgotten = Many(session.column(_TRIM_JOBS, kept=keep.jobs))
    blobs = session.column(_OUTPUTS_OF, ids=forgotten) if forgotten else []
    return blobs + session.column(_TRIM_ARCHIVES, kept=keep.archives)


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
    return Claim(
        id,
        kind,
        server,
        attempt,
        orjson.loads(parameters),
        _parsed(saved),
        progress,
        orjson.loads(content),
        bool(permissive),
        retries,
        runtime,
        Wish(wish),
        _parsed(secrets) or {},
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
