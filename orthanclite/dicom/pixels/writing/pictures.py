"""Ordinary pictures (PNG, JPEG, PAM) as the pixel data of new images."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from itertools import chain

import numpy as np
import png
from PIL import Image

from orthanclite.core.errors import BadFileFormat, NotImplementedInServer
from orthanclite.dicom.pixels.reading.description import Samples
from orthanclite.dicom.pixels.showing.arrays import to_npy
from orthanclite.dicom.writing.elements import element

PNG, JPEG, PAM = "image/png", "image/jpeg", "image/x-portable-arbitrarymap"
MEDIA_TYPES = (PNG, JPEG, PAM)

LARGEST = 1 << 28
"""Bytes of decoded pixels above which a picture is refused."""

_MODES = {"L": "L", "P": "RGB", "LA": "L", "RGB": "RGB", "RGBA": "RGB", "PA": "RGB", "CMYK": "RGB"}


def decode_picture(data: bytes, media_type: str) -> bytes:
    """The samples of a picture as ``.npy``: u1 or u2, grayscale (2-D) or RGB (3-D); for workers.

    An alpha channel is dropped.

    :raises BadFileFormat: for a damaged picture, or one that is too large.
    :raises NotImplementedInServer: for one of a kind that is not supported, such as one bit per pixel.
    """
    if media_type == PAM:
        return to_npy(_pam(data))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=["PNG" if media_type == PNG else "JPEG"])
            _check_size(image.width, image.height, 6)
            return to_npy(_samples(image, data))
    except (OSError, ValueError, SyntaxError, png.Error, Image.DecompressionBombError) as exc:
        raise BadFileFormat(f"Not a picture of the type {media_type}, or a damaged one") from exc


def _samples(image: Image.Image, data: bytes) -> Samples:
    if image.format == "PNG" and data[24:25] == b"\x10":  # bits per sample, in the header chunk
        if data[25:26] in (b"\x02", b"\x06"):
            return _deep_colour(data)
        if data[25:26] == b"\x04":
            raise NotImplementedInServer("Gray pictures of 16 bits with an alpha channel")
        return np.asarray(image).astype("<u2")
    mode = _MODES.get(image.mode)
    if mode is None:
        raise NotImplementedInServer(f"Pictures of the kind {image.mode}")
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _deep_colour(data: bytes) -> Samples:
    """A PNG picture of 16 bits per colour, which Pillow would reduce to 8."""
    width, height, rows, information = png.Reader(bytes=data).read()
    planes = int(information["planes"])
    samples = np.fromiter(chain.from_iterable(rows), "<u2", width * height * planes)
    return np.ascontiguousarray(samples.reshape(height, width, planes)[:, :, :3])


def _pam(data: bytes) -> Samples:
    head, separator, content = data.partition(b"ENDHDR\n")
    lines = head.decode("latin-1").split("\n")
    if not separator or lines[0].strip() != "P7":
        raise BadFileFormat("Not a PAM picture")
    fields = dict(line.split(None, 1) for line in lines[1:] if len(line.split(None, 1)) == 2)
    try:
        width, height, depth, maximum = (int(fields[key]) for key in ("WIDTH", "HEIGHT", "DEPTH", "MAXVAL"))
    except (KeyError, ValueError) as exc:
        raise BadFileFormat("A PAM picture without its size") from exc
    if depth not in (1, 3) or maximum not in (255, 65535):
        raise NotImplementedInServer(f"PAM pictures of {depth} channels up to the value {maximum}")
    size = 1 if maximum == 255 else 2
    _check_size(width, height, depth * size)
    if min(width, height) < 1 or len(content) != width * height * depth * size:
        raise BadFileFormat("A PAM picture of another size than it says")
    samples = np.frombuffer(content, f">u{size}").astype(f"<u{size}")
    return samples.reshape((height, width) if depth == 1 else (height, width, depth))


def _check_size(width: int, height: int, pixel: int) -> None:
    if width * height * pixel > LARGEST or max(width, height) > 0xFFFF:
        raise BadFileFormat(f"A picture of {width} x {height} pixels is too large")


def native_elements(samples: Samples) -> dict[int, bytes]:
    """The attributes of the Image Pixel module for decoded samples (PS3.3 C.7.6.3)."""
    described = _description(samples.shape, samples.dtype.itemsize * 8, "RGB")
    described[0x7FE00010] = element(0x7FE00010, "OW", samples.tobytes())
    return described


@dataclass(frozen=True, slots=True)
class JpegHead:
    """What a JPEG file says of itself."""

    rows: int
    columns: int
    colour: bool


def read_jpeg_head(data: bytes) -> JpegHead:
    """Size and kind of a JPEG file, without decoding it.

    :raises BadFileFormat: where it is none.
    :raises NotImplementedInServer: where it is neither gray nor three colours.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=["JPEG"])
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
        raise BadFileFormat("Not a JPEG picture, or a damaged one") from exc
    if image.mode not in ("L", "RGB"):
        raise NotImplementedInServer(f"JPEG pictures of the kind {image.mode}")
    return JpegHead(image.height, image.width, image.mode == "RGB")


def encapsulated_elements(head: JpegHead) -> dict[int, bytes]:
    """The attributes of an image whose pixel data are a JPEG file as it is; without the pixel data."""
    shape = (head.rows, head.columns, 3) if head.colour else (head.rows, head.columns)
    return _description(shape, 8, "YBR_FULL_422")


def _description(shape: tuple[int, ...], bits: int, colour: str) -> dict[int, bytes]:
    is_colour = len(shape) == 3
    numbers = {
        0x00280002: 3 if is_colour else 1,  # SamplesPerPixel
        0x00280010: shape[0],
        0x00280011: shape[1],
        0x00280100: bits,
        0x00280101: bits,
        0x00280102: bits - 1,
        0x00280103: 0,
    }
    if is_colour:
        numbers[0x00280006] = 0  # PlanarConfiguration
    described = {tag: element(tag, "US", value.to_bytes(2, "little")) for tag, value in numbers.items()}
    photometric = colour if is_colour else "MONOCHROME2"
    described[0x00280004] = element(0x00280004, "CS", photometric.encode("ascii"))
    return described
