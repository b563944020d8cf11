"""Opening the index that the configuration names."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orthanclite.app.database_settings import database_url, limits, server_name
from orthanclite.config import Settings
from orthanclite.core.errors import (
    CannotWriteFile,
    DatabaseError,
    DatabaseUnavailable,
    IncompatibleConfigurations,
    IncompatibleDatabaseVersion,
    OrthancError,
)
from orthanclite.core.machine.file_modes import OTHERS
from orthanclite.index import SqlIndex

_SERVERS_LOCK = ".orthanclite-servers"
"""A file in the storage area, which all servers on one PostgreSQL database share."""

log = logging.getLogger("orthanclite.generic")


def open_index(settings: Settings, upgrade: bool = False) -> SqlIndex:
    """The index. A PostgreSQL server that is not up yet, as after the start of a host, is waited for.

    :param upgrade: migrate an older schema rather than refuse it
    :raises DatabaseUnavailable: where the database cannot be reached after the configured attempts
    :raises DatabaseError: for a file that is no database or is damaged
    :raises IncompatibleDatabaseVersion: for a schema that is older (without ``upgrade``) or newer
    """
    if settings.postgresql.enable_index:
        return _wait_for_postgresql(settings, upgrade)
    url = database_url(settings)
    _make_private(Path(str(url.database)))
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


def _make_private(index: Path) -> None:
    """Take the rights of others away from an SQLite index that an earlier version has made for everybody."""
    for suffix in ("", "-wal", "-shm", ".lock"):
        path = index.with_name(index.name + suffix)
        with suppress(OSError):  # there is none, or it is another user's
            mode = path.stat().st_mode
            if mode & OTHERS:
                path.chmod(mode & 0o777 & ~OTHERS)


@contextmanager
def sole_user(settings: Settings) -> Iterator[None]:
    """Keep other servers from what is this one's alone for the length of the block.

    A SQLite index belongs to one server: what a process has in memory (limits, stable events, pages of lists)
    would not be true beside another that writes. PostgreSQL is made for several servers, but each needs an
    identifier of its own: what one has left when it died goes to the next that bears it.

    The locks are the kernel's: they end with the process, however that ends.

    :raises DatabaseUnavailable: where another server uses the index
    :raises IncompatibleConfigurations: where another server bears the same identifier
    """
    if settings.postgresql.enable_index:
        name, folder = server_name(settings), settings.storage.directory
        # One byte of a file for each identifier, far beyond its end: a file each would never be removed.
        byte = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])
        with _locked(
            folder / _SERVERS_LOCK,
            "of the storage area",
            lambda descriptor: fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte),
            IncompatibleConfigurations(
                f'Another server with the DatabaseServerIdentifier "{name}" uses the storage area "{folder}"'
            ),
        ):
            yield
    else:
        path = Path(str(database_url(settings).database) + ".lock")
        with _locked(
            path,
            "of the index",
            lambda descriptor: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB),
            DatabaseUnavailable(f'Another server uses the index in "{path.parent}"'),
        ):
            yield


@contextmanager
def _locked(path: Path, what: str, lock: Callable[[int], None], refusal: OrthancError) -> Iterator[None]:
    """Hold a lock of a file for the length of the block.

    :param what: tells which folder it is in, for the error
    :param lock: takes the lock of a descriptor
    :raises OrthancError: the ``refusal``, where another process holds the lock
    :raises CannotWriteFile: where the file cannot be made
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    except OSError as exc:
        raise CannotWriteFile(f'The folder "{path.parent}" {what} cannot be used: {exc.strerror}') from exc
    try:
        try:
            lock(descriptor)
        except OSError as exc:
            if exc.errno in (errno.EACCES, errno.EAGAIN):
                raise refusal from exc
            log.warning('Nothing keeps a second server away, as "%s" has no locks: %s', path, exc.strerror)
        yield
    finally:
        os.close(descriptor)
