"""Opening the index that the configuration names."""

from __future__ import annotations

import logging
import time

from orthanclite.app.options import database_url, limits
from orthanclite.config import Settings
from orthanclite.core.errors import DatabaseUnavailable
from orthanclite.index import SqlIndex

log = logging.getLogger("orthanclite.generic")


def open_index(settings: Settings, upgrade: bool = False) -> SqlIndex:
    """The index. A PostgreSQL server that is not up yet, as after the start of a host, is waited for.

    :param upgrade: migrate an older schema rather than refuse it
    :raises DatabaseUnavailable: where the database cannot be reached after the configured attempts
    :raises IncompatibleDatabaseVersion: for a schema that is older (without ``upgrade``) or newer
    """
    postgresql = settings.postgresql
    left = postgresql.connection_retries if postgresql.enable_index else 0
    connections = postgresql.connections if postgresql.enable_index else None
    while True:
        try:
            return SqlIndex(database_url(settings), limits(settings), upgrade, connections)
        except DatabaseUnavailable as exc:
            if left == 0:
                raise
            log.warning("Cannot connect to PostgreSQL, %d more attempts follow: %s", left, exc.details)
            left -= 1
            time.sleep(postgresql.connection_retry_interval)
