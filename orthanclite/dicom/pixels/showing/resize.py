"""Fitting an image into a box."""

from __future__ import annotations

import numpy as np

from orthanclite.core.errors import ParameterOutOfRange
from orthanclite.dicom.pixels.reading.description import Samples

MAX_PIXELS = 1 << 26
"""Of a resized image: an argument of the URI decides on the memory."""


def fit(image: Samples, width: int, height: int, smooth: bool) -> Samples:
    """Resize to the largest size of the same aspect within ``width`` x ``height``; 0 = free.

    :param smooth: blur before shrinking, against aliasing.
    :raises ParameterOutOfRange: for a result of more than :data:`MAX_PIXELS`.
    """
    rows, columns = image.shape[:2]
    ratios = [wanted / has for wanted, has in ((width, columns), (height, rows)) if wanted > 0]
    if not ratios:
        return image
    ratio = min(ratios)
    new_columns, new_rows = max(1, int(columns * ratio + 0.5)), max(1, int(rows * ratio + 0.5))
    if new_columns * new_rows > MAX_PIXELS:
        raise ParameterOutOfRange("The image asked for is too large")
    if smooth and ratio < 1:
        image = blur(image)
    return nearest(image, new_rows, new_columns)


def nearest(image: Samples, rows: int, columns: int) -> Samples:
    """The nearest pixel of the source for each pixel of the result."""
    return image[_centres(image.shape[0], rows)][:, _centres(image.shape[1], columns)]


def _centres(source: int, target: int) -> Samples:
    # in single precision, to fall on the same side of a tie as the reference
    centres = (np.arange(target, dtype=np.float32) + np.float32(0.5)) * (
        np.float32(source) / np.float32(target)
    )
    return np.minimum(centres.astype(np.int64), source - 1)


def blur(image: Samples) -> Samples:
    """A Gaussian of 5 x 5 pixels, u1; the border is repeated outwards, the sum is rounded down."""
    values = image.astype(np.uint32)
    for axis in (0, 1):
        padding = [(2, 2) if number == axis else (0, 0) for number in range(values.ndim)]
        padded = np.pad(values, padding, mode="edge")
        length = values.shape[axis]
        values = sum(
            np.uint32(weight) * np.take(padded, range(offset, offset + length), axis)
            for offset, weight in enumerate((1, 4, 6, 4, 1))
        )
    return (values >> np.uint32(8)).astype(np.uint8)
