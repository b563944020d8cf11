"""The parameters of pictures (PS3.18 section 8.3.5)."""

from __future__ import annotations

import math
import re

from orthanclite.core.errors import BadRequest
from orthanclite.core.text.numbers import natural
from orthanclite.dicom.pixels.showing.formats import DEFAULT_QUALITY
from orthanclite.dicom.pixels.showing.profiles import Profile
from orthanclite.dicom.pixels.showing.render import Region, RenderOptions, WindowFunction
from orthanclite.web.call import Call

_NUMBER = re.compile(r"[+-]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][+-]?\d{1,2})?", re.ASCII)
_LARGEST_SIDE = 16384


def real(text: str, name: str) -> float:
    """A number.

    :raises BadRequest: for what is none.
    """
    text = text.strip()
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise BadRequest(f"Not a number: {name}={text}")
    return value


def quality(call: Call, name: str) -> int:
    """The quality of JPEG.

    :raises BadRequest: unless it is between 1 and 100.
    """
    if not call.has(name):
        return DEFAULT_QUALITY
    found = natural(call.argument(name).strip())
    if found is None or not 1 <= found <= 100:
        raise BadRequest(f"The quality of JPEG is between 1 and 100, not {call.argument(name)}")
    return found


def side(text: str, name: str) -> int:
    """A width or height in pixels.

    :raises BadRequest: for what is none.
    """
    found = natural(text.strip())
    if found is None or not 1 <= found <= _LARGEST_SIDE:
        raise BadRequest(f"Not a size in pixels: {name}={text}")
    return found


def refuse_annotations(call: Call) -> None:
    """:raises BadRequest: where text is to be burnt into the picture."""
    if call.argument("annotation").strip():
        raise BadRequest("Annotations are not burnt into pictures: the parameter annotation is not supported")


def render_options(call: Call, default_side: int = 0) -> RenderOptions:
    """``viewport``, ``window`` and ``iccprofile``.

    :param default_side: of the box without a viewport, in pixels; 0 for the size of the image
    :raises BadRequest: where they are malformed.
    """
    width = height = default_side
    region = None
    viewport = call.argument("viewport").split(",") if call.argument("viewport").strip() else []
    if viewport:
        if len(viewport) not in (2, 6):
            raise BadRequest("A viewport has a width and a height, and may have a region of four numbers")
        width, height = (side(text, "viewport") for text in viewport[:2])
        region = _region(viewport[2:])
    center, wide, function = _window(call)
    return RenderOptions(width, height, True, center, wide, function, region, _profile(call))


def _region(texts: list[str]) -> Region | None:
    """Where the region begins, and its size, in pixels of the image; a negative size turns it over."""
    if not texts or not any(text.strip() for text in texts):
        return None
    x, y, width, height = (real(text, "viewport") if text.strip() else 0.0 for text in texts)
    if x < 0 or y < 0:
        raise BadRequest("The region of a viewport begins within the image")
    return Region(x, y, width, height)


def _profile(call: Call) -> Profile:
    name = call.argument("iccprofile").strip().lower() or Profile.NONE
    try:
        return Profile(name)
    except ValueError as exc:
        raise BadRequest(f"The parameter iccprofile is no, yes or srgb, and not {name}") from exc


def _window(call: Call) -> tuple[float | None, float | None, WindowFunction]:
    text = call.argument("window").strip()
    if not text:
        return None, None, WindowFunction.DEFAULT
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (2, 3):
        raise BadRequest("A window has a center, a width and a function")
    center, width = real(parts[0], "window"), real(parts[1], "window")
    if width < 1:
        raise BadRequest("The width of a window is at least 1")
    function = WindowFunction.DEFAULT
    if len(parts) == 3:
        try:
            function = WindowFunction(parts[2].lower().replace("_", "-"))
        except ValueError as exc:
            raise BadRequest(f"Unknown function of a window: {parts[2]}") from exc
    return center, width, function
