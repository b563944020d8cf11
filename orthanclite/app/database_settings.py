"""Where the index is, what it may hold, and under which name this server uses it."""

from __future__ import annotations

import hashlib
import re
import socket

from sqlalchemy.engine import URL, make_url

from orthanclite.config import Settings
from orthanclite.config.sections.storage import MaximumStorageMode, PostgreSQLSettings
from orthanclite.index import Limits

_MEGABYTE = 1 << 20
_HASH = re.compile("[0-9a-f]{8}(-[0-9a-f]{8}){4}")


def database_url(settings: Settings) -> URL:
    """Where the index is."""
    postgresql = settings.postgresql
    if postgresql.enable_index:
        return _postgresql_url(postgresql)
    return URL.create("sqlite", database=str(settings.storage.index_folder / "index-orthanclite"))


def _postgresql_url(settings: PostgreSQLSettings) -> URL:
    if settings.connection_uri:
        return make_url(settings.connection_uri).set(drivername="postgresql+psycopg")
    query = {"options": f"-csearch_path={settings.schema}"}
    if settings.enable_ssl:
        query["sslmode"] = "require"
    if settings.application_name:
        query["application_name"] = settings.application_name
    return URL.create(
        "postgresql+psycopg",
        username=settings.username,
        password=settings.password or None,
        host=settings.host,
        port=settings.port,
        database=settings.database,
        query=query,
    )


def server_identifier(settings: Settings) -> str:
    """What ``/system`` shows: ``DatabaseServerIdentifier``, or a SHA-1 hash in Orthanc's spelling.

    It is the hash of the name of the host, the AET and the ports. The name of a container's host is made anew
    with each container.
    """
    configured = settings.storage.database_server_identifier
    if configured:
        return configured
    dicom, http = settings.dicom, settings.http
    parts = (socket.gethostname(), dicom.aet, str(dicom.port), str(http.port))
    digest = hashlib.sha1("|".join(parts).encode(), usedforsecurity=False).hexdigest()
    return "-".join(digest[start : start + 8] for start in range(0, 40, 8))


def server_name(settings: Settings) -> str:
    """What identifies this server over restarts among those on one database.

    A hash stands there without dashes, as it always has: its spelling may change, and it may be copied from
    ``/system`` into the configuration, without this being another server.
    """
    identifier = server_identifier(settings)
    return identifier.replace("-", "") if _HASH.fullmatch(identifier) else identifier


def limits(settings: Settings) -> Limits:
    storage = settings.storage
    return Limits(
        storage.maximum_size_mb * _MEGABYTE,
        storage.maximum_patients,
        storage.maximum_mode is MaximumStorageMode.REJECT,
    )
