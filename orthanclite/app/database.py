"""Opening the index that the configuration names."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from orthanclite.app.options import database_url, limits
from orthanclite.config import Settings
from orthanclite.core.errors import (
    CannotWriteFile,
    DatabaseError,
    DatabaseUnavailable,
    IncompatibleDatabaseVersion,
)
from orthanclite.index import SqlIndex

log = logging.getLogger("orthanclite.generic")


def open_index(settings: Settings, upgrade: bool = False) -> SqlIndex:
    """The index. A PostgreSQL server that is not up yet, as after the start of a host, is waited for.

    :param upgrade: migrate an older schema rather than refuse it
    :raises DatabaseUnavailable: where the database cannot be reached after the configured attempts
    :raises DatabaseError: for a file that is no database or is damaged
    :raises IncompatibleDatabaseVersion: for a schema that is older (without ``upgrade``) or newer
    """
    if settings.postgresql.enable_index:
        with _ended_by_sigterm():
            return _wait_for_postgresql(settings, upgrade)
    url = database_url(settings)
    try:
        return SqlIndex(url, limits(settings), upgrade)
    except IncompatibleDatabaseVersion:
        raise
    except DatabaseError as exc:
        raise type(exc)(f'The index "{url.database}" cannot be used: {exc.details}') from exc


def _wait_for_postgresql(settings: Settings, upgrade: bool) -> SqlIndex:
    postgresql = settings.postgresql
    left = postgresql.connection_retries
    while True:
        try:
            return SqlIndex(database_url(settings), limits(settings), upgrade, postgresql.connections)
        except DatabaseUnavailable as exc:
            if left == 0:
                raise
            log.warning("Cannot connect to PostgreSQL, %d more attempts follow: %s", left, exc.details)
            left -= 1
            time.sleep(postgresql.connection_retry_interval)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the process within the block, with status 0.

    It would do so anyway, but for the first process of a container: the kernel gives that one only those that
    it has asked for (kill(2)). Threads that would hold up the end do not exist yet.
    """

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def sole_user(settings: Settings) -> Iterator[None]:
    """Keep other servers from the SQLite index for the length of the block.

    What one process has in memory (limits, stable events, pages of lists) would not be true beside another
    that writes. The lock is the kernel's: it ends with the process, however that ends. PostgreSQL is made for
    several servers, and needs no such thing.

    :raises DatabaseUnavailable: where another server uses the index
    """
    if settings.postgresql.enable_index:
        yield
        return
    path = Path(str(database_url(settings).database) + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    except OSError as exc:
        raise CannotWriteFile(
            f'The folder "{path.parent}" of the index cannot be used: {exc.strerror}'
        ) from exc
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise DatabaseUnavailable(f'Another server uses the index in "{path.parent}"') from exc
        yield
    finally:
        os.close(descriptor)
