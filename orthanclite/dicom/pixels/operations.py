"""What can be done with an image, as functions of plain arguments: the tasks of worker processes.

Each takes the file (its path, or its bytes) or an opened source, and returns the bytes to send.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from orthanclite.dicom.pixels.arrays import frame_array, instance_array, to_matlab, to_npy, to_npz
from orthanclite.dicom.pixels.decode import decode_frame
from orthanclite.dicom.pixels.formats import ImageFormat, encode_image
from orthanclite.dicom.pixels.render import Mode, RenderOptions, render
from orthanclite.dicom.pixels.source import PixelSource, open_source

Content = bytes | bytearray


def on_file(name: str, data: Path | bytes, *arguments: object) -> Content:
    """Run the operation ``name`` of this module on a file; for workers.

    :raises OrthancError: as the operation.
    """
    with open_source(data) as source:
        return OPERATIONS[name](source, *arguments)


def picture(
    source: PixelSource, index: int, mode: Mode, options: RenderOptions, format: ImageFormat, quality: int
) -> bytes:
    """The image file of a frame, see :func:`orthanclite.dicom.pixels.render.render`."""
    image = render(decode_frame(source, index), source.header, index, mode, options)
    return encode_image(image, format, quality)


def frame_numpy(source: PixelSource, index: int, rescale: bool, compress: bool) -> Content:
    """One frame as ``.npy`` or ``.npz``."""
    array = frame_array(source, index, rescale)
    return to_npz([array]) if compress else to_npy([array])


def instance_numpy(source: PixelSource, rescale: bool, compress: bool) -> Content:
    """All frames as ``.npy`` or ``.npz``."""
    array = instance_array(source, rescale)
    return to_npz([array]) if compress else to_npy([array])


def matlab(source: PixelSource, index: int) -> bytes:
    """One frame as a Matlab expression."""
    return to_matlab(decode_frame(source, index).samples).encode("ascii")


def raw_frame(source: PixelSource, index: int) -> bytes:
    """The stored bytes of one frame."""
    return source.frame_bytes(index)


def frame_count(source: PixelSource) -> bytes:
    """The number of frames, as text."""
    return str(source.frame_count()).encode("ascii")


OPERATIONS: dict[str, Callable[..., Content]] = {
    function.__name__: function
    for function in (picture, frame_numpy, instance_numpy, matlab, raw_frame, frame_count)
}
