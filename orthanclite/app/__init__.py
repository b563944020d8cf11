"""The composition root: settings become services, services become the HTTP and DICOM servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orthanclite.config import Settings
from orthanclite.core.errors import InexistentItem
from orthanclite.core.ports import Blobs, Maintenance, Properties

__all__ = ["openapi", "run", "stores", "upgrade"]


def run(settings: Settings) -> bool:
    """Serve until asked to stop; whether to start anew, with the configuration read again."""
    from orthanclite.app.database import sole_user
    from orthanclite.app.interruption import ended_by_signals
    from orthanclite.app.process import ServerProcess

    with ended_by_signals(), sole_user(settings):
        return ServerProcess(settings).run()


def upgrade(settings: Settings) -> None:
    """Migrate the database to the schema of this version."""
    from orthanclite.app.database import open_index, sole_user
    from orthanclite.app.interruption import ended_by_signals

    with ended_by_signals(), sole_user(settings):
        open_index(settings, upgrade=True).close()


def openapi(settings: Settings) -> dict[str, Any]:
    """The OpenAPI document of the REST API, without touching the storage area and the database."""
    from orthanclite.app.house import House
    from orthanclite.app.wiring.server import Lifecycle

    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        storage = replace(settings.storage, directory=Path(folder), index_directory=None)
        postgresql = replace(settings.postgresql, enable_index=False)
        lifecycle = Lifecycle(stop=lambda: None, restart=lambda: None)
        house = House(replace(settings, storage=storage, postgresql=postgresql), lifecycle)
        try:
            return house.application.openapi()
        finally:
            house.close()


@contextmanager
def stores(settings: Settings) -> Iterator[tuple[Maintenance, Properties, Blobs]]:
    """The index and the storage of a server, opened without serving.

    :raises InexistentItem: where there are none yet: none are made here
    """
    from orthanclite.app.database import open_index
    from orthanclite.app.storage import open_blobs

    if not settings.storage.directory.is_dir():
        raise InexistentItem(f'There is no storage area at "{settings.storage.directory}"')
    index = open_index(settings)
    try:
        yield index.maintenance, index.properties, open_blobs(settings)
    finally:
        index.close()
