"""Images as files: PNG, JPEG and PAM."""

from __future__ import annotations

import zlib
from enum import StrEnum
from io import BytesIO
from struct import pack

import numpy as np
from isal import isal_zlib
from PIL import Image

from orthanclite.core.errors import ParameterOutOfRange
from orthanclite.dicom.pixels.reading.description import Samples

DEFAULT_QUALITY = 90
_UP = 2  # PNG filter type: the difference to the line above; the best single choice for medical images
_DEFLATE_LEVEL = 2  # of ISA-L: 20 times faster than level 6 of zlib, and files 10 % larger


class ImageFormat(StrEnum):
    """The formats of the image routes; the value is the media type."""

    PNG = "image/png"
    JPEG = "image/jpeg"
    PAM = "image/x-portable-arbitrarymap"


def encode_image(
    samples: Samples, format: ImageFormat, quality: int = DEFAULT_QUALITY, profile: bytes = b""
) -> bytes:
    """A grayscale (2-D) or RGB (3-D) array of u1, u2 or i2 as a file.

    :param quality: of JPEG, 1 to 100.
    :param profile: of its colours (ICC.1), for PNG and JPEG; empty for none
    :raises ParameterOutOfRange: for JPEG of more than 8 bits.
    """
    if format is ImageFormat.PNG:
        return encode_png(samples, profile)
    if format is ImageFormat.PAM:
        return encode_pam(samples)
    if samples.dtype != np.uint8:
        raise ParameterOutOfRange("JPEG images have 8 bits per sample")
    return encode_jpeg(samples, quality, profile)


def encode_png(samples: Samples, profile: bytes = b"") -> bytes:
    """PNG (RFC 2083); i2 is written as its two's complement, like the reference."""
    rows, columns = samples.shape[:2]
    channels = 3 if samples.ndim == 3 else 1
    depth = samples.dtype.itemsize * 8
    if depth == 16:
        samples = samples.astype(">u2" if samples.dtype.kind == "u" else ">i2")
    lines = np.ascontiguousarray(samples).view(np.uint8).reshape(rows, columns * channels * depth // 8)
    filtered = np.empty((rows, lines.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = lines[0]
    np.subtract(lines[1:], lines[:-1], out=filtered[1:, 1:])
    header = pack(">IIBBBBB", columns, rows, depth, 2 if channels == 3 else 0, 0, 0, 0)
    content: bytes = isal_zlib.compress(filtered, _DEFLATE_LEVEL)
    colours = _chunk(b"iCCP", b"ICC\0\0" + zlib.compress(profile)) if profile else b""
    chunks = (_chunk(b"IHDR", header), colours, _chunk(b"IDAT", content), _chunk(b"IEND", b""))
    return b"".join((b"\x89PNG\r\n\x1a\n", *chunks))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def encode_pam(samples: Samples) -> bytes:
    """Netpbm PAM, samples in big endian."""
    rows, columns = samples.shape[:2]
    depth, kind = (3, "RGB") if samples.ndim == 3 else (1, "GRAYSCALE")
    maximum = 255 if samples.dtype.itemsize == 1 else 65535
    header = f"P7\nWIDTH {columns}\nHEIGHT {rows}\nDEPTH {depth}\nMAXVAL {maximum}\nTUPLTYPE {kind}\nENDHDR\n"
    content: bytes = samples.astype(samples.dtype.newbyteorder(">")).tobytes()
    return header.encode("ascii") + content


def encode_jpeg(samples: Samples, quality: int, profile: bytes = b"") -> bytes:
    """Baseline JPEG of u1 samples."""
    output = BytesIO()
    Image.fromarray(np.ascontiguousarray(samples)).save(
        output, "JPEG", quality=quality, icc_profile=profile or None
    )
    return output.getvalue()
