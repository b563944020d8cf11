"""Images of old Elscint scanners, whose pixels are in private elements (creator ELSCINT1, "PMSCT_RLE1").

Bytes are packed twice: runs of bytes (0xA5, count - 1, byte), and within the result differences of pixels,
with whole values (0x5A, low byte, high byte) where a difference does not fit a signed byte.
"""

from __future__ import annotations

from struct import pack

from pydicom.dataset import Dataset

from orthanclite.core.errors import BadFileFormat

_METHOD, _CONTENT = (0x07A1, 0x1011), (0x07A1, 0x100A)
_RUN, _WHOLE = 0xA5, 0x5A


def elscint_pixels(header: Dataset, count: int) -> bytes | None:
    """``count`` pixels of 16 bits in little endian; None where the data set has none of this kind.

    :raises BadFileFormat: where they are fewer.
    """
    method, content = (header[tag].value if tag in header else b"" for tag in (_METHOD, _CONTENT))
    text = method.decode("latin-1") if isinstance(method, bytes) else str(method)
    if text.strip(" \0") != "PMSCT_RLE1" or not isinstance(content, bytes):
        return None
    values = _undone_differences(_undone_runs(content, count * 3), count)
    if len(values) < count:
        raise BadFileFormat("The pixel data is shorter than the image")
    return pack(f"<{count}H", *values)


def _undone_runs(data: bytes, limit: int) -> bytes:
    """The bytes without runs, at most about ``limit``: a pixel has three at most."""
    result, position = bytearray(), 0
    while position < len(data) and len(result) < limit:
        if data[position] == _RUN and position + 2 < len(data):
            result += data[position + 2 : position + 3] * (data[position + 1] + 1)
            position += 3
        else:
            result.append(data[position])
            position += 1
    return bytes(result)


def _undone_differences(data: bytes, count: int) -> list[int]:
    values: list[int] = []
    value, position = 0, 0
    while position < len(data) and len(values) < count:
        byte = data[position]
        if byte == _WHOLE and position + 2 < len(data):
            value = data[position + 1] | data[position + 2] << 8
            position += 3
        else:
            value = (value + (byte ^ 0x80) - 0x80) & 0xFFFF
            position += 1
        values.append(value)
    return values
