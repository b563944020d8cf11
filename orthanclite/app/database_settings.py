"""Where the index is, what it may hold, and under which name this server uses it."""

from __future__ import annotations

import hashlib
import socket

from sqlalchemy.engine import URL, make_url

from orthanclite.config import Settings
from orthanclite.config.storage import MaximumStorageMode, PostgreSQLSettings
from orthanclite.index import Limits

_MEGABYTE = 1 << 20


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


def server_name(settings: Settings) -> str:
    """What identifies this server over restarts among those on one database.

    ``DatabaseServerIdentifier``, or a SHA-1 hash as Orthanc has it: of the name of the host, the AET and the
    ports. The name of a container's host is made anew with each container.
    """
    configured = settings.storage.database_server_identifier
    if configured:
        return configured
    dicom, http = settings.dicom, settings.http
    parts = (socket.gethostname(), dicom.aet, str(dicom.port), str(http.port))
    return hashlib.sha1("|".join(parts).encode(), usedforsecurity=False).hexdigest()


def limits(settings: Settings) -> Limits:
    storage = settings.storage
    return Limits(
        storage.maximum_size_mb * _MEGABYTE,
        storage.maximum_patients,
        storage.maximum_mode is MaximumStorageMode.REJECT,
    )
