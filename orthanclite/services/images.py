"""Images of stored instances: pictures, frames, arrays.

Uncompressed frames of a moderate size are handled here, with numpy, which costs less than asking another
process. All that needs a decoder or is unusual in any way goes to a worker process.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from isal import igzip

from orthanclite.core.errors import BadFileFormat, NotImplementedInServer, UnsupportedMediaType
from orthanclite.dicom.pixels.arrays import instance_array, to_npy, to_npz
from orthanclite.dicom.pixels.description import Samples
from orthanclite.dicom.pixels.formats import DEFAULT_QUALITY, ImageFormat
from orthanclite.dicom.pixels.operations import OPERATIONS, Content
from orthanclite.dicom.pixels.render import Mode, RenderOptions
from orthanclite.dicom.pixels.source import PixelSource, open_native, transfer_syntax_of
from orthanclite.dicom.pixels.syntaxes import frame_media_type
from orthanclite.services.byte_cache import ByteCache
from orthanclite.services.workers import IMAGE_TIMEOUT, WorkerPool

HEADER_LIMIT = 1 << 18
"""Bytes of a header that is read in this process; a hostile one could keep it busy for long."""

FRAME_LIMIT = 1 << 26
"""Bytes of a frame that is rendered in this process."""

_SLOWEST = 2e6  # bytes of a file that the slowest codec decodes in a second

_ON_FILE = "orthanclite.dicom.pixels.operations:on_file"

Blob = Path | bytes
"""A DICOM file: where it is, or its content where it is not stored as such."""


class Images:
    """What the image routes answer. All methods block and may be called from any thread."""

    def __init__(self, pool: WorkerPool, cache: ByteCache | None = None) -> None:
        self._pool = pool
        self._cache = cache or ByteCache()

    def picture(
        self,
        blob: Blob,
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
        content = bytes(self._run("picture", blob, frame, mode, options, format, quality))
        if key is not None:
            self._cache.put(key, content)
        return content

    def frame_count(self, blob: Blob) -> int:
        """The number of frames that the file holds; 1 for an instance without pixels, as the reference."""
        try:
            return int(self._run("frame_count", blob))
        except (UnsupportedMediaType, BadFileFormat):
            return 1

    def raw_frame(self, blob: Blob, frame: int) -> tuple[Content, str]:
        """The stored bytes of a frame, encoded or not, and their media type.

        :raises ParameterOutOfRange: for a frame that does not exist.
        :raises NotImplementedInServer: for an instance without pixel data.
        :raises BadFileFormat: for damaged pixel data.
        """
        return self._array("raw_frame", blob, frame), frame_media_type(transfer_syntax_of(blob))

    def raw_frame_gzip(self, blob: Blob, frame: int) -> bytes:
        """The same, compressed by gzip."""
        content: bytes = igzip.compress(self.raw_frame(blob, frame)[0])
        return content

    def matlab(self, blob: Blob, frame: int) -> Content:
        """A frame as a Matlab expression.

        :raises NotImplementedInServer: for an image of a kind that cannot be decoded.
        :raises BadFileFormat: for a damaged image.
        """
        return self._array("matlab", blob, frame)

    def frame_numpy(self, blob: Blob, frame: int, rescale: bool = True, compress: bool = False) -> Content:
        """A frame as ``.npy`` or ``.npz``; errors as :meth:`matlab`."""
        return self._array("frame_numpy", blob, frame, rescale, compress)

    def instance_numpy(self, blob: Blob, rescale: bool = True, compress: bool = False) -> Content:
        """All frames as ``.npy`` or ``.npz``; errors as :meth:`matlab`."""
        return self._array("instance_numpy", blob, rescale, compress)

    def series_numpy(self, blobs: Sequence[Blob], rescale: bool = True, compress: bool = False) -> Content:
        """The frames of the slices of a series, in the order given, as ``.npy`` or ``.npz``.

        :raises IncompatibleImageSize: where they differ in size.
        :raises IncompatibleImageFormat: where they differ in type.
        :raises NotImplementedInServer: see :meth:`matlab`.
        """
        try:
            arrays = [self._slice_here(blob, rescale) for blob in blobs]
            self._slices_elsewhere(blobs, arrays, rescale)
        except UnsupportedMediaType as exc:
            raise NotImplementedInServer(exc.details) from exc
        parts = [part for part in arrays if part is not None]
        return to_npz(parts) if compress else to_npy(parts)

    def _slice_here(self, blob: Blob, rescale: bool) -> Samples | None:
        """The array of an instance that needs no worker, else None."""
        with open_native(blob, HEADER_LIMIT) as source:
            return instance_array(source, rescale) if source is not None and _is_moderate(source) else None

    def _slices_elsewhere(self, blobs: Sequence[Blob], arrays: list[Samples | None], rescale: bool) -> None:
        """Fill the gaps of ``arrays``, a share of them by each worker."""
        missing = [index for index, array in enumerate(arrays) if array is None]
        if not missing:
            return
        shares = [missing[number :: self._pool.size] for number in range(min(self._pool.size, len(missing)))]

        def decode(share: list[int]) -> None:
            for index in share:
                content = self._elsewhere("instance_numpy", blobs[index], rescale, False)
                arrays[index] = np.load(io.BytesIO(content), allow_pickle=False)

        with ThreadPoolExecutor(len(shares)) as threads:
            for done in [threads.submit(decode, share) for share in shares]:
                done.result()

    def _array(self, operation: str, blob: Blob, *arguments: object) -> Content:
        try:
            return self._run(operation, blob, *arguments)
        except UnsupportedMediaType as exc:
            # the reference answers the array routes so, its picture routes with 415
            raise NotImplementedInServer(exc.details) from exc

    def _run(self, operation: str, blob: Blob, *arguments: object) -> Content:
        """Run an operation here where that is safe and cheap, else in a worker."""
        with open_native(blob, HEADER_LIMIT) as source:
            if source is not None and _is_moderate(source):
                return OPERATIONS[operation](source, *arguments)
        return self._elsewhere(operation, blob, *arguments)

    def _elsewhere(self, operation: str, blob: Blob, *arguments: object) -> bytes:
        return self._pool.run(_ON_FILE, operation, blob, *arguments, timeout=_timeout(blob))


def _is_moderate(source: PixelSource) -> bool:
    """Whether a frame is small enough to be handled in the process of the server."""
    return source.description.frame_bits <= FRAME_LIMIT * 8


def _timeout(blob: Blob) -> float:
    """Seconds for an image: more for a file of many frames."""
    size = len(blob) if isinstance(blob, bytes) else blob.stat().st_size
    return IMAGE_TIMEOUT + size / _SLOWEST
