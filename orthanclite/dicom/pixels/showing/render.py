"""What the image routes show of a frame (Orthanc Book, "REST API", downloading images)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from pydicom.dataset import Dataset

from orthanclite.core.errors import BadRequest, UnsupportedMediaType
from orthanclite.dicom.pixels.reading.decode import Frame
from orthanclite.dicom.pixels.reading.description import Samples
from orthanclite.dicom.pixels.showing.profiles import Profile
from orthanclite.dicom.pixels.showing.resize import fit
from orthanclite.dicom.pixels.showing.window import (
    Rescale,
    Window,
    modality_table,
    rescale_of,
    voi_table,
    window_of,
)

Transform = Callable[[Samples], Samples]

_TABLE_LIMIT = 1 << 17
"""Above this many possible values, computing each pixel is cheaper than a table of all values."""


class Mode(StrEnum):
    """The image routes, by their last segment."""

    PREVIEW = "preview"
    UINT8 = "image-uint8"
    UINT16 = "image-uint16"
    INT16 = "image-int16"
    RENDERED = "rendered"


class WindowFunction(StrEnum):
    """How values within a window are shown (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""

    DEFAULT = ""  # as the reference does it, which is linear-exact
    LINEAR = "linear"
    LINEAR_EXACT = "linear-exact"
    SIGMOID = "sigmoid"


@dataclass(frozen=True, slots=True)
class Region:
    """A part of an image: where it begins, and its size, in pixels; a negative size turns it over."""

    left: float
    top: float
    width: float  # 0 for all that is right of ``left``
    height: float  # 0 for all that is below ``top``
    relative: bool = False  # in parts of the size of the image, from 0 to 1, instead of pixels

    def cut(self, image: Samples) -> Samples:
        """:raises BadRequest: where the region has no pixel of the image."""
        rows, columns = image.shape[:2]
        horizontal = _stretch(self.left, self.width, columns, self.relative)
        vertical = _stretch(self.top, self.height, rows, self.relative)
        found = image[slice(*vertical), slice(*horizontal)]
        if not found.size:
            raise BadRequest("The region lies outside of the image")
        if self.width < 0:
            found = found[:, ::-1]
        return found[::-1] if self.height < 0 else found


def _stretch(start: float, size: float, total: int, relative: bool) -> tuple[int, int]:
    """The first and the last pixel of a region along one axis, the last one not included."""
    scale = total if relative else 1
    first = round(start * scale)
    last = round((start + abs(size)) * scale) if size else total
    return min(first, total), min(max(last, first + 1), total)


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """The arguments of ``rendered``; 0 and None stand for absent ones."""

    width: int = 0
    height: int = 0
    smooth: bool = False
    window_center: float | None = None
    window_width: float | None = None
    window_function: WindowFunction = WindowFunction.DEFAULT
    region: Region | None = None  # of the image, before it is fitted into the box
    profile: Profile = Profile.NONE


def render(frame: Frame, header: Dataset, index: int, mode: Mode, options: RenderOptions) -> Samples:
    """The image of a decoded frame: u1, u2 or i2; 2-D for grayscale, 3-D for colour.

    :param index: of the frame, for its functional groups.
    :raises UnsupportedMediaType: where the mode cannot show this kind of image.
    """
    if mode is Mode.PREVIEW:
        return preview(frame)
    if mode is Mode.RENDERED:
        return rendered(frame, header, index, options)
    return clamped(frame, mode)


def preview(frame: Frame) -> Samples:
    """Colour in 8 bits, or the range of the frame's values stretched to 0 ... 255."""
    if frame.is_colour:
        return to_8_bits(frame.samples)
    low, high = int(frame.samples.min()), int(frame.samples.max())
    if low == high:
        stretched = np.zeros(frame.samples.shape, np.uint8)
    else:
        # in single precision and in this order, to round as the reference does
        scale = np.float32(255) / np.float32(high - low)
        offset = np.float32(-low) * scale
        half = np.float32(0.5)
        stretched = _mapped(
            frame.samples,
            low,
            high,
            lambda values: np.floor(values.astype(np.float32) * scale + offset + half).astype(np.uint8),
        )
    return 255 - stretched if frame.photometric == "MONOCHROME1" else stretched


def to_8_bits(samples: Samples) -> Samples:
    """Colour samples reduced to their high byte."""
    shift = (samples.dtype.itemsize - 1) * 8
    return (samples >> shift).astype(np.uint8) if shift else samples


def clamped(frame: Frame, mode: Mode) -> Samples:
    """The stored values, cut to the range of the mode.

    :raises UnsupportedMediaType: for colour, except 16-bit colour in unsigned modes, shown as luminance.
    """
    kind = np.dtype({Mode.UINT8: "u1", Mode.UINT16: "u2", Mode.INT16: "i2"}[mode])
    samples = frame.samples
    if frame.is_colour:
        if samples.dtype != np.uint16 or mode is Mode.INT16:
            raise UnsupportedMediaType("A colour image has no such rendering")
        # the reference's weights, which do not quite sum up to one
        samples = samples.astype(np.uint32) @ np.array([2126, 7152, 466], np.uint32) // np.uint32(10000)
    limits = np.iinfo(kind)
    own = np.iinfo(samples.dtype)
    low, high = max(limits.min, own.min), min(limits.max, own.max)
    return np.clip(samples, low, high).astype(kind)


def rendered(frame: Frame, header: Dataset, index: int, options: RenderOptions) -> Samples:
    """The frame as a viewer shows it: windowed, then fitted into the box asked for.

    :raises UnsupportedMediaType: where 16-bit colour should be resized.
    """
    if not frame.is_colour:
        image = windowed(frame, header, index, options)
    else:
        if frame.samples.dtype != np.uint8 and (options.width or options.height):
            raise UnsupportedMediaType("Colour of more than 8 bits cannot be resized")
        image = to_8_bits(frame.samples)
    if options.region is not None:
        image = options.region.cut(image)
    image = fit(image, options.width, options.height, options.smooth)
    return 255 - image if frame.photometric == "MONOCHROME1" else image


def windowed(frame: Frame, header: Dataset, index: int, options: RenderOptions) -> Samples:
    """A grayscale frame through modality transform and window, in 8 bits, not yet inverted."""
    rescale = rescale_of(header, index)
    table = modality_table(header) if rescale.is_identity else None
    asked = options.window_center is not None or options.window_width is not None
    window = window_of(header, index)
    voi = voi_table(header) if window is None and not asked else None
    bits = table.bits if table is not None else frame.bits_stored
    window = window or Window(float(1 << (bits - 1)), float(1 << bits))
    if options.window_center is not None:
        window = replace(window, center=options.window_center)
    if options.window_width is not None:
        window = replace(window, width=options.window_width)

    def transform(stored: Samples) -> Samples:
        values = table.apply(stored) if table is not None else stored
        if voi is not None:
            shown = voi.apply(_rescaled(values, rescale)).astype(np.uint32)
            return (shown * np.uint32(255) // np.uint32((1 << voi.bits) - 1)).clip(0, 255).astype(np.uint8)
        if options.window_function in (WindowFunction.LINEAR, WindowFunction.SIGMOID):
            return _through_function(_rescaled(values, rescale), window, options.window_function)
        return _through_window(values, rescale, window)

    return _mapped(frame.samples, int(frame.samples.min()), int(frame.samples.max()), transform)


def _rescaled(values: Samples, rescale: Rescale) -> Samples:
    return values.astype(np.float64) * rescale.slope + rescale.intercept


def _through_window(values: Samples, rescale: Rescale, window: Window) -> Samples:
    """0 to 255 over the window, in single precision and in this order, to round as the reference does."""
    width = max(1.0, window.width)
    with np.errstate(over="ignore", invalid="ignore"):  # arguments may be out of all proportion
        scale = np.float32(255) / np.float32(width)
        low = np.float32(window.center - width / 2)
        offset = (np.float32(rescale.intercept) - low) * scale
        shown = values.astype(np.float32) * (np.float32(rescale.slope) * scale) + offset
        return np.nan_to_num(np.clip(np.trunc(shown), 0, 255)).astype(np.uint8)


def _through_function(values: Samples, window: Window, function: WindowFunction) -> Samples:
    """0 to 255 over the window, by a function of PS3.3 C.11.2."""
    with np.errstate(over="ignore"):
        if function is WindowFunction.SIGMOID:
            shown = 1 / (1 + np.exp(-4 * (values - window.center) / window.width))
        else:
            shown = (values - (window.center - 0.5)) / max(window.width - 1, 1e-9) + 0.5
    return np.nan_to_num(np.clip(shown, 0, 1) * 255 + 0.5).astype(np.uint8)


def _mapped(samples: Samples, low: int, high: int, transform: Transform) -> Samples:
    """``transform`` of each sample, once per possible value where those are fewer than the pixels."""
    if high - low >= min(_TABLE_LIMIT, samples.size):
        return transform(samples)
    table = transform(np.arange(low, high + 1, dtype=np.int64))
    if low == 0 and samples.dtype.kind == "u":
        return table[samples]
    return table[samples.astype(np.int32 if samples.dtype.itemsize < 4 else np.int64) - low]
