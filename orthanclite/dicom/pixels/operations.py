"""What can be done with an image, as functions of plain arguments: the tasks of worker processes.

Each takes the file or an opened source, and returns the bytes to send.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

import numpy as np
import orjson

from orthanclite.core.errors import UnsupportedMediaType
from orthanclite.dicom.encoding import DEFLATED_LITTLE_ENDIAN
from orthanclite.dicom.pixels.reading.decode import decode_frame
from orthanclite.dicom.pixels.reading.source import ImageData, PixelPlace, PixelSource, open_source
from orthanclite.dicom.pixels.showing.arrays import ArrayKind, frame_array, to_matlab, to_npy, transform_of
from orthanclite.dicom.pixels.showing.formats import ImageFormat, encode_image
from orthanclite.dicom.pixels.showing.profiles import with_profile
from orthanclite.dicom.pixels.showing.render import Mode, RenderOptions, render
from orthanclite.dicom.pixels.syntaxes import VIDEO


def on_file(name: str, data: ImageData, *arguments: object) -> bytes:
    """Run the operation ``name`` of this module on a file; for workers.

    :raises OrthancError: as the operation.
    """
    with open_source(data) as source:
        return OPERATIONS[name](source, *arguments)


def picture(
    source: PixelSource, index: int, mode: Mode, options: RenderOptions, format: ImageFormat, quality: int
) -> bytes:
    """The image file of a frame, see :func:`orthanclite.dicom.pixels.showing.render.render`."""
    image = render(decode_frame(source, index), source.header, index, mode, options)
    image, profile = with_profile(image, source.header, options.profile)
    return encode_image(image, format, quality, profile)


def frame_numpy(source: PixelSource, index: int, rescale: bool) -> bytes:
    """One frame as ``.npy``."""
    return to_npy(frame_array(source, index, transform_of(source, index, rescale)))


def write_frames(source: PixelSource, rescale: bool, file: IO[bytes], limit: int) -> bytes:
    """Append the values of all frames to a file, one frame after the other; their kind as JSON.

    :param limit: bytes that may be written.
    :raises UnsupportedMediaType: where it is too little.
    """
    first = frame_array(source, 0, transform_of(source, 0, rescale))
    kind = ArrayKind.of(first)
    count = source.frame_count()
    if count * kind.size > limit:
        raise UnsupportedMediaType("The array is too large")
    file.write(np.ascontiguousarray(first).data)
    for index in range(1, count):
        frame = frame_array(source, index, transform_of(source, index, rescale))
        kind = kind.joined(ArrayKind.of(frame))
        file.write(np.ascontiguousarray(frame).data)
    return orjson.dumps(kind)


def matlab(source: PixelSource, index: int) -> bytes:
    """One frame as a Matlab expression."""
    return to_matlab(decode_frame(source, index).samples).encode("ascii")


def raw_frame(source: PixelSource, index: int) -> bytes:
    """The stored bytes of one frame."""
    return source.frame_bytes(index)


def frame_places(source: PixelSource) -> bytes:
    """Where the frames of a file are, as JSON; positions are in bytes from its start.

    ``frames`` is how many there are. Where each follows the other, ``start`` and ``size`` are of the first
    one. Of encapsulated frames, ``runs`` has the stretches, start and end, that each is made of. Frames that
    have to be read in another way have neither.

    :raises BadFileFormat: where the frames of encapsulated pixel data cannot be told apart.
    """
    if source.fragments is None:
        return orjson.dumps(native_places(source))
    if source.transfer_syntax.startswith(VIDEO):
        return orjson.dumps({"frames": 1, "runs": [source.fragments.all()]})
    runs = source.fragments.runs()
    return orjson.dumps({"frames": len(runs), "runs": runs})


def native_places(place: PixelPlace) -> dict[str, int]:
    """The same, of frames that are not encapsulated."""
    description, count = place.description, place.frame_count()
    swapped = place.big_endian and description.bits_allocated > 8
    unaligned = description.frame_bits % 8 and count > 1
    in_file = place.value_start > 0 and place.transfer_syntax != DEFLATED_LITTLE_ENDIAN
    if swapped or unaligned or not in_file or place.vr not in ("OB", "OW"):
        return {"frames": count}
    if place.big_endian and place.vr == "OW":
        return {"frames": count}
    return {"frames": count, "start": place.value_start, "size": (description.frame_bits + 7) // 8}


def frame_count(source: PixelSource) -> bytes:
    """The number of frames, as text."""
    return str(source.frame_count()).encode("ascii")


OPERATIONS: dict[str, Callable[..., bytes]] = {
    function.__name__: function
    for function in (picture, frame_numpy, write_frames, matlab, raw_frame, frame_places, frame_count)
}
