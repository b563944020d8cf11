"""Blobs: where the bytes of attachments live."""

from orthanclite.storage.filesystem import FileStorage

__all__ = ["FileStorage"]
