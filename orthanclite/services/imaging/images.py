"""Images of stored instances: pictures, frames, arrays.

Uncompressed frames of a moderate size are handled here, with numpy, which costs less than asking another
process. All that needs a decoder or is unusual in any way goes to a worker process.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isal import igzip

from orthanclite.core.errors import (
    BadFileFormat,
    BadRequest,
    NoPixelData,
    NotImplementedInServer,
    UnsupportedMediaType,
)
from orthanclite.dicom.pixels.operations import OPERATIONS
from orthanclite.dicom.pixels.reading.source import ImageData, PixelSource, open_native, transfer_syntax_of
from orthanclite.dicom.pixels.showing.formats import DEFAULT_QUALITY, ImageFormat
from orthanclite.dicom.pixels.showing.profiles import Profile
from orthanclite.dicom.pixels.showing.render import Mode, RenderOptions
from orthanclite.dicom.pixels.syntaxes import frame_media_type
from orthanclite.services.content.byte_cache import ByteCache
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.imaging.npz import npz
from orthanclite.services.imaging.workers import IMAGE_TIMEOUT, WorkerPool

log = logging.getLogger("orthanclite.generic")

HEADER_LIMIT = 1 << 18
"""Bytes of a header that is read in this process; a hostile one could keep it busy for long."""

FRAME_LIMIT = 1 << 26
"""Bytes of a frame that is rendered in this process."""

_SLOWEST = 2e6  # bytes of a file that the slowest codec decodes in a second

_ON_FILE = "orthanclite.dicom.pixels.operations:on_file"

_FRAME_TASK = "orthanclite.dicom.pixels.writing.transcode:frame_task"

InstanceFile = Path | bytes
"""A DICOM file: where it is, or its content where it is not stored as such."""

ImageFile = InstanceFile | ScratchFile
"""The same, or a file that was unpacked for a while."""


class Images:
    """What the image routes answer. All methods block and may be called from any thread.

    :param warn: whether an image that cannot be decoded is worth a line in the log (W003)
    """

    def __init__(self, pool: WorkerPool, cache: ByteCache | None = None, warn: bool = False) -> None:
        self._pool = pool
        self._warn = warn
        self._cache = cache or ByteCache()

    def picture(
        self,
        blob: ImageFile,
        frame: int,
        mode: Mode,
        format: ImageFormat = ImageFormat.PNG,
        quality: int = DEFAULT_QUALITY,
        options: RenderOptions | None = None,
    ) -> bytes:
        """The image file of a frame.

        :raises ParameterOutOfRange: for a frame that does not exist, JPEG of 16 bits, a result too large.
        :raises UnsupportedMediaType: for an image of a kind that cannot be decoded or shown so.
        :raises BadFileFormat: for a damaged image.
        """
        options = options or RenderOptions()
        key = (blob, frame, mode, format, quality, options) if isinstance(blob, Path) else None
        found = self._cache.get(key) if key is not None else None
        if found is not None:
            return found
        with self._failures_logged(blob):
            # The library that reads colour profiles is written in C, and they come from strangers.
            run = self.elsewhere if options.profile is Profile.SRGB else self._run
            content = run("picture", blob, frame, mode, options, format, quality)
        if key is not None:
            self._cache.put(key, content)
        return content

    def frame_count(self, blob: ImageFile) -> int:
        """The number of frames that the file holds; 1 for an instance without pixels, as the reference."""
        try:
            return int(self._run("frame_count", blob))
        except (UnsupportedMediaType, BadFileFormat):
            return 1

    def raw_frame(self, blob: ImageFile, frame: int) -> tuple[bytes, str]:
        """The stored bytes of a frame, encoded or not, and their media type.

        :raises ParameterOutOfRange: for a frame that does not exist.
        :raises BadRequest: for an instance without pixel data.
        :raises NotImplementedInServer: where it cannot be told what a frame is.
        :raises BadFileFormat: for damaged pixel data.
        """
        with as_array(), self._failures_logged(blob):
            try:
                content = self._run("raw_frame", blob, frame)
            except NoPixelData as exc:
                details = "Cannot extract a frame from a DICOM file that does not have pixel data."
                raise BadRequest(details) from exc
        with _data(blob) as data:
            return content, frame_media_type(transfer_syntax_of(data))

    def frame_places(self, blob: ImageFile) -> bytes:
        """Where the frames are, see :func:`orthanclite.dicom.pixels.operations.frame_places`.

        :raises NoPixelData: for an instance without pixel data.
        :raises UnsupportedMediaType: for an image of a kind that is not known.
        :raises BadFileFormat: for damaged pixel data.
        """
        with self._failures_logged(blob):
            return self._run("frame_places", blob)

    def transcoded_frame(self, blob: ImageFile, frame: int, transfer_syntax: str, quality: int) -> bytes:
        """One frame in another transfer syntax; errors as
        :func:`orthanclite.dicom.pixels.writing.transcode.frame_task`."""
        with self._failures_logged(blob):
            return self._pool.run(_FRAME_TASK, blob, frame, transfer_syntax, quality, timeout=_timeout(blob))

    def raw_frame_gzip(self, blob: ImageFile, frame: int) -> bytes:
        """The same, compressed by gzip."""
        content: bytes = igzip.compress(self.raw_frame(blob, frame)[0])
        return content

    def matlab(self, blob: ImageFile, frame: int) -> bytes:
        """A frame as a Matlab expression.

        :raises NotImplementedInServer: for an image of a kind that cannot be decoded.
        :raises BadFileFormat: for a damaged image.
        """
        return self._array("matlab", blob, frame)

    def frame_numpy(self, blob: ImageFile, frame: int, rescale: bool = True, compress: bool = False) -> bytes:
        """A frame as ``.npy`` or ``.npz``; errors as :meth:`matlab`."""
        content = self._array("frame_numpy", blob, frame, rescale)
        return b"".join(npz([content], len(content))) if compress else content

    @property
    def workers(self) -> int:
        """How many tasks of :meth:`elsewhere` can run at the same time."""
        return self._pool.size

    def elsewhere(self, operation: str, blob: ImageFile, *arguments: object) -> bytes:
        """Run an operation in a worker.

        :raises UnsupportedMediaType: for an image of a kind that cannot be decoded.
        :raises BadFileFormat: for a damaged image.
        """
        return self._pool.run(_ON_FILE, operation, blob, *arguments, timeout=_timeout(blob))

    def _array(self, operation: str, blob: ImageFile, *arguments: object) -> bytes:
        with as_array(), self._failures_logged(blob):
            return self._run(operation, blob, *arguments)

    @contextmanager
    def _failures_logged(self, blob: ImageFile) -> Iterator[None]:
        try:
            yield
        except (UnsupportedMediaType, BadFileFormat) as exc:
            if self._warn:
                file = blob.name if isinstance(blob, Path) else f"a file of {_size(blob)} bytes"
                log.warning("W003: The image in %s cannot be decoded: %s", file, exc.details or exc.message)
            raise

    def _run(self, operation: str, blob: ImageFile, *arguments: object) -> bytes:
        """Run an operation here where that is safe and cheap, else in a worker."""
        with _data(blob) as data, open_native(data, HEADER_LIMIT) as source:
            if source is not None and is_moderate(source):
                return OPERATIONS[operation](source, *arguments)
        return self.elsewhere(operation, blob, *arguments)


@contextmanager
def as_array() -> Iterator[None]:
    """What cannot be decoded is answered otherwise by the array routes of the reference than with a picture.

    :raises NotImplementedInServer: in place of ``UnsupportedMediaType``.
    """
    try:
        yield
    except UnsupportedMediaType as exc:
        raise NotImplementedInServer(exc.details) from exc


def is_moderate(source: PixelSource) -> bool:
    """Whether a frame is small enough to be handled in the process of the server."""
    return source.description.frame_bits <= FRAME_LIMIT * 8


def _timeout(blob: ImageFile) -> float:
    """Seconds for an image: more for a file of many frames."""
    return IMAGE_TIMEOUT + _size(blob) / _SLOWEST


def _size(blob: ImageFile) -> int:
    """Bytes of a file."""
    if isinstance(blob, ScratchFile):
        return blob.size
    return len(blob) if isinstance(blob, bytes) else blob.stat().st_size


@contextmanager
def _data(blob: ImageFile) -> Iterator[ImageData]:
    """A file, to be opened in this process."""
    if not isinstance(blob, ScratchFile):
        yield blob
        return
    with open(blob.descriptor, "rb", closefd=False) as file:
        yield file
