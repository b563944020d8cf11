"""The composition root: settings become services, services become the HTTP and DICOM servers."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import uvicorn
from sqlalchemy.engine import URL, make_url

from orthanclite.config import Settings
from orthanclite.config.storage import MaximumStorageMode, PostgreSQLSettings
from orthanclite.core.main_tags import MainTags
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.index import Limits, SqlIndex
from orthanclite.services.background import Periodic, settle
from orthanclite.services.ingest import IngestOptions, IngestService
from orthanclite.services.runtime import RuntimeOptions
from orthanclite.services.sweep import OrphanSweep
from orthanclite.services.upload import UploadService
from orthanclite.storage import FileStorage

_MEGABYTE = 1 << 20
_SETTLE_INTERVAL = 0.5  # seconds between two looks for resources that have become stable
_SWEEP_DELAY = 300.0  # seconds after the start: the first minutes belong to the clients
_SWEEP_INTERVAL = 86400.0
_SHUTDOWN = 15  # seconds that requests and associations under way may take to finish

log = logging.getLogger("orthanclite.generic")


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


class Application:
    """The services of one server. ``start`` after construction, ``close`` at the end.

    :param upgrade: migrate an older database schema
    """

    def __init__(self, settings: Settings, upgrade: bool = False) -> None:
        self.settings = settings
        storage = settings.storage
        self.blobs = FileStorage(storage.directory, storage.sync)
        self.index = SqlIndex(
            database_url(settings),
            Limits(
                storage.maximum_size_mb * _MEGABYTE,
                storage.maximum_patients,
                storage.maximum_mode is MaximumStorageMode.REJECT,
            ),
            upgrade,
        )
        self.pool = ThreadPoolExecutor(settings.http.threads, "http-worker")
        self.helpers = ThreadPoolExecutor(2, "helper")
        self.runtime = _runtime(settings)
        self.dictionary = _dictionary(settings)
        self.main_tags = _main_tags(settings, self.dictionary)
        self.ingest = IngestService(
            self.index.ingest,
            self.blobs,
            self.main_tags,
            self.dictionary,
            self.runtime,
            IngestOptions(storage.overwrite, storage.compression, storage.store_md5, storage.store_dicom),
            self.helpers,
        )
        self.uploads = UploadService(
            self.ingest,
            settings.http.maximum_archive_member_mb * _MEGABYTE,
            None if storage.temporary_directory is None else str(storage.temporary_directory),
        )
        self._background = self._duties()

    def _duties(self) -> list[Periodic]:
        maintenance = self.index.maintenance
        sweep = OrphanSweep(self.blobs, maintenance, self.index.properties)
        sweep.bind()
        duties = [
            Periodic("settler", _SETTLE_INTERVAL, settle(maintenance, self.settings.storage.stable_age)),
            Periodic("sweeper", _SWEEP_INTERVAL, sweep.run, _SWEEP_DELAY),
        ]
        return duties

    def start(self) -> None:
        """Begin the background duties."""
        for duty in self._background:
            duty.start()

    def close(self) -> None:
        """End everything in the order of dependence; what is acknowledged is durable already."""
        for duty in self._background:
            duty.stop()
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.helpers.shutdown(wait=True)
        self.index.close()


def _runtime(settings: Settings) -> RuntimeOptions:
    dicom = settings.dicom
    return RuntimeOptions(
        dicom.accepted_transfer_syntaxes,
        {
            "DeflatedTransferSyntaxAccepted": dicom.deflated_accepted,
            "JpegTransferSyntaxAccepted": dicom.jpeg_accepted,
            "Jpeg2000TransferSyntaxAccepted": dicom.jpeg2000_accepted,
            "JpegLosslessTransferSyntaxAccepted": dicom.jpeg_ls_accepted,
            "JpipTransferSyntaxAccepted": dicom.jpip_accepted,
            "Mpeg2TransferSyntaxAccepted": dicom.mpeg2_accepted,
            "Mpeg4TransferSyntaxAccepted": dicom.mpeg4_accepted,
            "H265TransferSyntaxAccepted": dicom.h265_accepted,
            "RleTransferSyntaxAccepted": dicom.rle_accepted,
        },
        settings.data.default_encoding,
        dicom.unknown_sop_class_accepted,
        dicom.accepted_sop_classes,
        dicom.rejected_sop_classes,
    )


def _dictionary(settings: Settings) -> TagDictionary:
    entries = {
        entry.group << 16 | entry.element: (entry.vr, entry.name, entry.private_creator)
        for entry in settings.data.dictionary
    }
    return TagDictionary.build(entries, settings.data.load_private_dictionary)


def _main_tags(settings: Settings, dictionary: TagDictionary) -> MainTags:
    return MainTags.build(
        {
            level: [dictionary.parse_tag(name) for name in names]
            for level, names in settings.data.extra_main_tags.items()
        }
    )


class HttpServer(uvicorn.Server):
    """uvicorn, stopped by our own signal handling: the rest of the server must be closed after it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
