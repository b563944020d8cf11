"""The files of outputs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from orthanclite.core.errors import OrthancError
from orthanclite.core.jobs import Output
from orthanclite.core.ports import Blobs

_PIECE = 1 << 20  # bytes that are read at a time

log = logging.getLogger("orthanclite.jobs")


class OutputBlobs:
    """Reads, keeps and deletes the files of outputs. Thread-safe."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def read(self, output: Output, start: int, end: int) -> Iterator[bytes]:
        """The bytes of an output from ``start`` up to ``end``; also of one that is deleted meanwhile.

        :raises CorruptedFile: where its file is gone
        """
        with self._blobs.open(output.uuid) as file:
            file.seek(start)
            while start < end and (piece := file.read(min(_PIECE, end - start))):
                yield piece
                start += len(piece)

    def touch(self, uuids: Sequence[str]) -> None:
        """Keep files young that the index is to refer to: the sweep would take them for orphans."""
        for uuid in uuids:
            try:
                self._blobs.touch(uuid)
            except OrthancError as exc:
                log.warning("An output cannot be shown to be in use: %s", exc)

    def delete(self, uuids: Sequence[str]) -> None:
        """Delete the files of outputs that are forgotten."""
        for uuid in uuids:
            try:
                self._blobs.delete(uuid)
            except OrthancError as exc:  # the daily sweep removes it
                log.warning("The file of an output cannot be deleted: %s", exc)
