"""The composition root: settings become services, services become the HTTP and DICOM servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from orthanclite.config import Settings
from orthanclite.config.options import RunOptions
from orthanclite.core.ports import BlobStore, Maintenance, Properties

__all__ = ["openapi", "run", "stores", "upgrade"]


def run(settings: Settings, options: RunOptions) -> bool:
    """Serve until asked to stop; whether to start anew, with the configuration read again."""
    from orthanclite.app.server import ServerProcess

    return ServerProcess(settings, options).run()


def upgrade(settings: Settings) -> None:
    """Migrate the database to the schema of this version."""
    from orthanclite.app.options import database_url
    from orthanclite.index import SqlIndex

    SqlIndex(database_url(settings), upgrade=True).close()


def openapi(settings: Settings) -> dict[str, Any]:
    """The OpenAPI document of the REST API."""
    from orthanclite.app.routes import rest_application
    from orthanclite.app.services import Services

    services = Services(settings)
    try:
        return rest_application(services, lambda: None, lambda: None).openapi()
    finally:
        services.close()


@contextmanager
def stores(settings: Settings) -> Iterator[tuple[Maintenance, Properties, BlobStore]]:
    """The index and the storage of a server, opened without serving."""
    from orthanclite.app.options import database_url
    from orthanclite.index import SqlIndex
    from orthanclite.storage import FileStorage

    index = SqlIndex(database_url(settings))
    try:
        yield index.maintenance, index.properties, FileStorage(settings.storage.directory)
    finally:
        index.close()
