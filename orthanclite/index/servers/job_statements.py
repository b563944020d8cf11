"""The statements of :mod:`.jobs`. Where a job is named, it is the parameter ``job``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)

from orthanclite.core.errors import CanceledJob
from orthanclite.core.jobs import ARCHIVE, State, Wish
from orthanclite.index.database.clock import DatabaseNow
from orthanclite.index.database.session import any_of
from orthanclite.index.schema import job_outputs, jobs, servers

_NOW = DatabaseNow()
_FINAL = (State.SUCCESS, State.FAILURE)
_WAITING = (State.PENDING, State.RETRY, State.PAUSED)


def _is_in(*states: State) -> ColumnElement[bool]:
    return or_(*(jobs.c.state == state for state in states))


SUBMIT = insert(jobs).values(
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
ALL: Select[Any] = select(*_SHOWN).order_by(jobs.c.id)
GET: Select[Any] = select(*_SHOWN).where(jobs.c.id == bindparam("job"))
IDS = select(jobs.c.id).order_by(jobs.c.id)
ENDINGS = select(jobs.c.id, jobs.c.completed).order_by(jobs.c.id)
COUNTS = select(jobs.c.state, func.count()).group_by(jobs.c.state)
NEXT_DUE = select(func.min(jobs.c.due) - _NOW).where(jobs.c.state == State.RETRY)

CLAIMABLE = (
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
CLAIM = (
    update(jobs)
    .where(jobs.c.id == CLAIMABLE.with_for_update(skip_locked=True).scalar_subquery())
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

PUT_BACK = (
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
GO_ON = update(jobs).where(*_MINE).values(_GIVEN).returning(jobs.c.wish)
LET_GO = (
    update(jobs)
    .where(*_MINE)
    .values(
        _GIVEN
        | {name: bindparam(name) for name in ("state", "error", "error_details", "error_payload")}
        | {"server": 0, "wish": Wish.NONE, "due": _NOW + bindparam("delay")}
    )
    .returning(jobs.c.wish)
)
COMPLETE = update(jobs).where(jobs.c.id == bindparam("job")).values(completed=_NOW)
FORGET_SECRETS = update(jobs).where(jobs.c.id == bindparam("job")).values(secrets=None)


def _move(*states: State, **values: Any) -> Update:
    """Change a job that is in one of ``states``."""
    return update(jobs).where(jobs.c.id == bindparam("job"), _is_in(*states)).values(**values)


BEFORE = "before failure"
"""The member that holds what was saved, in a job that was submitted again and has saved nothing since."""
_BEFORE = f'{{"{BEFORE}":'

EXISTS = select(jobs.c.id).where(jobs.c.id == bindparam("job"))
PAUSE = (
    _move(State.PENDING, State.RETRY, state=State.PAUSED),
    _move(State.RUNNING, wish=Wish.PAUSE),
)
CANCEL = (
    _move(*_WAITING, state=State.FAILURE, completed=_NOW, error=CanceledJob.code, error_details=""),
    _move(State.RUNNING, wish=Wish.CANCEL),
)
RESUME = (_move(State.PAUSED, state=State.PENDING),)
RESUBMIT = (
    _move(
        State.FAILURE,
        state=State.PENDING,
        completed=None,
        progress=0.0,
        runtime=0.0,
        retries=0,
        saved=case(
            (jobs.c.saved.like(f"{_BEFORE}%"), jobs.c.saved), else_=_BEFORE + jobs.c.saved + literal("}")
        ),
        error=0,
        error_details="",
        error_payload=None,
    ),
)

DELETE = delete(jobs).where(jobs.c.id == bindparam("job"), _is_in(*_FINAL)).returning(jobs.c.id)
CLEAR = delete(jobs)
TRIM_JOBS = (
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
ADD_OUTPUT = insert(job_outputs).values(
    {c.name: bindparam(c.name) for c in job_outputs.c if c.name != "created"} | {"created": _NOW}
)
TRIM_ARCHIVES = (
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
OUTPUTS_OF = delete(job_outputs).where(any_of(job_outputs.c.job, "ids")).returning(job_outputs.c.uuid)
CLEAR_OUTPUTS = delete(job_outputs).returning(job_outputs.c.uuid)
_THAT_OUTPUT = (job_outputs.c.job == bindparam("job"), job_outputs.c.key == bindparam("which"))
GET_OUTPUT = select(
    job_outputs.c.key,
    job_outputs.c.uuid,
    job_outputs.c.size,
    job_outputs.c.media_type,
    job_outputs.c.filename,
).where(*_THAT_OUTPUT)
DELETE_OUTPUT = delete(job_outputs).where(*_THAT_OUTPUT).returning(job_outputs.c.uuid)
