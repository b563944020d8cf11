"""Which storage a server has, and what helps it: the one place that a further kind of storage is added to."""

from __future__ import annotations

from orthanclite.config import Settings
from orthanclite.core.metrics import Metrics
from orthanclite.storage import FileStorage
from orthanclite.storage.blob_process import BlobProcess
from orthanclite.storage.shared_memory import SharedMemory


def open_blobs(settings: Settings, metrics: Metrics | None = None) -> FileStorage:
    """The storage area; made where there is none.

    :raises CannotWriteFile: where it cannot be made
    """
    return FileStorage(settings.storage.directory, settings.storage.sync, metrics=metrics)


def start_blob_process(settings: Settings, blobs: FileStorage, memory: SharedMemory) -> BlobProcess | None:
    """The second process that stores large files; None where files are not stored as they come."""
    storage = settings.storage
    keeps_files = storage.store_dicom and not storage.compression and not storage.read_only
    return BlobProcess(blobs, memory) if memory.size and keeps_files else None
