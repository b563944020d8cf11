"""Symbols that stand for what has no picture."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from PIL import Image, ImageDraw

from orthanclite.dicom.pixels.reading.description import Samples

_GROUND, _PAPER, _INK = 40, 225, 120
"""Gray values."""
_FINE = 4
"""Pixels that are drawn for one along each side: their mean makes smooth edges."""
_LINES = 5


class Symbol(StrEnum):
    """What is shown."""

    VIDEO = "video"
    DOCUMENT = "document"


def draw(symbol: Symbol, side: int) -> Samples:
    """A square picture in gray values.

    :param side: of the square, in pixels
    """
    size = side * _FINE
    image = Image.new("L", (size, size), _GROUND)
    canvas = ImageDraw.Draw(image)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x * size, y * size) for x, y in points]

    if symbol is Symbol.VIDEO:
        canvas.rounded_rectangle(at((0.1, 0.2), (0.9, 0.8)), size * 0.05, fill=_PAPER)
        canvas.polygon(at((0.4, 0.34), (0.4, 0.66), (0.66, 0.5)), fill=_GROUND)
    else:
        canvas.polygon(at((0.2, 0.1), (0.65, 0.1), (0.8, 0.25), (0.8, 0.9), (0.2, 0.9)), fill=_PAPER)
        canvas.polygon(at((0.65, 0.1), (0.65, 0.25), (0.8, 0.25)), fill=_INK)
        for line in range(_LINES):
            top = 0.36 + 0.1 * line
            canvas.rectangle(at((0.28, top), (0.72 if line < _LINES - 1 else 0.5, top + 0.03)), fill=_INK)
    return np.asarray(image.reduce(_FINE))
