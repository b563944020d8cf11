"""The images of instances: pictures, frames, arrays (Orthanc Book, "REST API", downloading images).

The picture routes say nothing in the body of an error, the array routes describe it: so does the reference.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from importlib.resources import files as package_files

from orthanclite.core.errors import (
    BadFileFormat,
    IncompatibleImageFormat,
    NotImplementedInServer,
    ParameterOutOfRange,
    UnknownResource,
    UnsupportedMediaType,
)
from orthanclite.dicom.pixels.showing.formats import DEFAULT_QUALITY, ImageFormat
from orthanclite.dicom.pixels.showing.render import Mode, RenderOptions
from orthanclite.services.content.files import InstanceFiles
from orthanclite.services.content.pieces import Content
from orthanclite.services.imaging.arrays import ArrayService
from orthanclite.services.imaging.images import Images
from orthanclite.services.imaging.slices import SliceService
from orthanclite.web.answers.negotiation import negotiate
from orthanclite.web.answers.ranges import content_response
from orthanclite.web.answers.responses import (
    Response,
    bytes_response,
    json_response,
    redirect,
    sized_response,
    status_only,
)
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Router

_OCTET_STREAM = "application/octet-stream"

_UNSUPPORTED = "app/images/unsupported.png"
"""Where clients are sent with ``returnUnsupportedImage``."""

_BOOLEANS = {"0": False, "false": False, "1": True, "true": True}
_FORMATS = [format.value for format in ImageFormat]
_16_BITS = [format.value for format in ImageFormat if format is not ImageFormat.JPEG]
_WHOLE = re.compile(r"([+-]?)([0-9]{1,10})", re.ASCII)
_REAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_REAL_LENGTH = 100  # characters
_WORD = 1 << 32  # numbers of frames and sizes are unsigned words in the reference

_ACCEPT = [Arg("Accept", "image/png (the default), image/jpeg or image/x-portable-arbitrarymap")]
_PICTURE_ARGUMENTS = [
    Arg("quality", f"Quality of JPEG, from 1 to 100 (default: {DEFAULT_QUALITY})", "number"),
    Arg("returnUnsupportedImage", "Redirect to a placeholder where the image cannot be decoded", "boolean"),
]
_RENDERED_ARGUMENTS = [
    *_PICTURE_ARGUMENTS,
    Arg("window-center", "Center of the window", "number"),
    Arg("window-width", "Width of the window", "number"),
    Arg("width", "Width of the box that the image is fitted into", "number"),
    Arg("height", "Height of the box that the image is fitted into", "number"),
    Arg("smooth", "Whether to smooth the image before it is shrunk", "boolean"),
]
_ARRAY_ARGUMENTS = [
    Arg("compress", "Whether to compress the array, as .npz", "boolean"),
    Arg("rescale", "Whether to apply slope and intercept to grayscale (default: true)", "boolean"),
]
_SUMMARIES = {
    Mode.PREVIEW: "Get a preview, its values stretched to the range of the picture",
    Mode.RENDERED: "Get the image as a viewer shows it, windowed and resized",
    Mode.UINT8: "Get the values, cut to 8 bits",
    Mode.UINT16: "Get the values, cut to 16 bits",
    Mode.INT16: "Get the values, cut to 16 bits with a sign",
}


def image_routes(
    images: Images, arrays: ArrayService, instances: InstanceFiles, slices: SliceService
) -> Router:
    """Routes that give the pixels of instances, frames and series."""
    router = Router("Images", slow=True)
    for mode in Mode:
        for prefix in ("/instances/{id}", "/instances/{id}/frames/{frame}"):
            _add_picture(router, prefix, mode, images, instances)
    _add_frames(router, images, instances)
    _add_matlab(router, images, instances)
    _add_numpy(router, images, instances)
    _add_volumes(router, arrays, instances, slices)
    placeholder = package_files("orthanclite.rest").joinpath("static", "unsupported.png").read_bytes()

    @router.get(f"/{_UNSUPPORTED}", "Placeholder for images that cannot be shown", answers="image/png")
    def get_placeholder(call: Call) -> Response:
        return bytes_response(placeholder, "image/png")

    return router


# -- pictures ------------------------------------------------------------------------------------


def _add_picture(router: Router, prefix: str, mode: Mode, images: Images, instances: InstanceFiles) -> None:
    possible = _16_BITS if mode in (Mode.UINT16, Mode.INT16) else _FORMATS

    @router.get(
        f"{prefix}/{mode.value}",
        _SUMMARIES[mode],
        query=_RENDERED_ARGUMENTS if mode is Mode.RENDERED else _PICTURE_ARGUMENTS,
        headers=_ACCEPT,
        answers=possible,
    )
    def get_picture(call: Call) -> Response | None:
        # A client that prefers JPEG does not get 16 bits in another format that it accepts, too.
        wanted = negotiate(call.header("accept", "*/*"), _FORMATS)
        frame = _frame(call)
        if wanted not in possible or frame is None:
            return None
        format = ImageFormat(wanted)
        try:
            blob = instances.local(call.params["id"])
            quality, options = _quality(call), _options(call, mode)
            content = images.picture(blob, frame, mode, format, quality, options)
        except (UnknownResource, ParameterOutOfRange):
            return None
        except (UnsupportedMediaType, BadFileFormat, NotImplementedInServer, IncompatibleImageFormat):
            return _unsupported(call)
        return bytes_response(content, format.value)


def _unsupported(call: Call) -> Response:
    if not call.has("returnUnsupportedImage"):
        return status_only(415)
    # relative, for servers behind a proxy that adds a prefix
    return redirect("../" * (call.path.strip("/").count("/")) + _UNSUPPORTED, 307)


def _options(call: Call, mode: Mode) -> RenderOptions:
    """The arguments of ``rendered``.

    :raises ParameterOutOfRange: for a number that is none.
    :raises UnsupportedMediaType: for a Boolean that is none.
    """
    if mode is not Mode.RENDERED:
        return RenderOptions()
    return RenderOptions(
        width=_side(call, "width"),
        height=_side(call, "height"),
        smooth=_smooth(call),
        window_center=_real(call, "window-center"),
        window_width=_real(call, "window-width"),
    )


def _quality(call: Call) -> int:
    """The argument ``quality``, also where no JPEG is asked for.

    :raises UnsupportedMediaType: for one that is out of range, or no number.
    """
    if not call.has("quality"):
        return DEFAULT_QUALITY
    quality = _word(call.argument("quality"))
    if quality is None or not 1 <= quality <= 100:
        raise UnsupportedMediaType("The quality of JPEG is between 1 and 100")
    return quality


def _side(call: Call, name: str) -> int:
    if not call.has(name):
        return 0
    side = _word(call.argument(name))
    if side is None or side >= 1 << 31:  # a negative number
        raise ParameterOutOfRange(f"Bad value for argument: {name}")
    return side


def _smooth(call: Call) -> bool:
    value = call.argument("smooth", "0")
    if value not in _BOOLEANS:
        raise UnsupportedMediaType("Boolean value expected")
    return _BOOLEANS[value]


def _real(call: Call, name: str) -> float | None:
    if not call.has(name):
        return None
    text = call.argument(name)
    value = float(text) if len(text) < _REAL_LENGTH and _REAL.fullmatch(text) else math.inf
    if not math.isfinite(value):
        raise ParameterOutOfRange(f"Bad value for argument: {name}")
    return value


# -- frames --------------------------------------------------------------------------------------


def _add_frames(router: Router, images: Images, instances: InstanceFiles) -> None:
    @router.get("/instances/{id}/frames", "List the frames of an instance by their number")
    def list_frames(call: Call) -> Response:
        return json_response(list(range(images.frame_count(instances.local(call.params["id"])))))

    @router.get(
        "/instances/{id}/frames/{frame}/raw",
        "Get a frame as it is stored",
        description="Its pixels where it is uncompressed, else its bit stream: a JPEG file, a video... "
        "A part of it, where the request asks for a range.",
        answers=(_OCTET_STREAM, "image/jpeg", "image/jp2", "video/mpeg", "video/mp4"),
    )
    def get_raw(call: Call) -> Response | None:
        frame = _frame(call)
        if frame is None:
            return None
        content, media_type = images.raw_frame(instances.local(call.params["id"]), frame)
        if not call.header("range"):
            return bytes_response(content, media_type)
        # A player jumps in a video.
        whole = Content.of(content)
        return content_response(call, whole.size, whole.read, media_type)

    @router.get(
        "/instances/{id}/frames/{frame}/raw.gz",
        "Get a frame as it is stored, compressed by gzip",
        answers="application/gzip",
    )
    def get_raw_gzip(call: Call) -> Response | None:
        frame = _frame(call)
        if frame is None:
            return None
        content = images.raw_frame_gzip(instances.local(call.params["id"]), frame)
        return bytes_response(content, "application/gzip")


# -- arrays --------------------------------------------------------------------------------------


def _add_matlab(router: Router, images: Images, instances: InstanceFiles) -> None:
    for prefix in ("/instances/{id}", "/instances/{id}/frames/{frame}"):

        @router.get(f"{prefix}/matlab", "Get the values as a Matlab expression", answers="text/plain")
        def get_matlab(call: Call) -> Response | None:
            frame = _frame(call)
            if frame is None:
                return None
            content = images.matlab(instances.local(call.params["id"]), frame)
            return bytes_response(content, "text/plain")


def _add_numpy(router: Router, images: Images, instances: InstanceFiles) -> None:
    @router.get(
        "/instances/{id}/frames/{frame}/numpy",
        "Get a frame as a numpy array",
        query=_ARRAY_ARGUMENTS,
        answers=_OCTET_STREAM,
    )
    def get_frame(call: Call) -> Response:
        rescale, compress = _array_arguments(call)
        text = call.params["frame"]
        frame = None if text.startswith("-") else _word(text)
        if frame is None:
            raise ParameterOutOfRange('Expected an unsigned integer for the "frame" argument')
        content = images.frame_numpy(instances.local(call.params["id"]), frame, rescale, compress)
        return bytes_response(content, _OCTET_STREAM)


def _add_volumes(
    router: Router, arrays: ArrayService, instances: InstanceFiles, slices: SliceService
) -> None:
    def add(path: str, summary: str, ids: Callable[[str], Sequence[str]]) -> None:
        @router.get(path, summary, query=_ARRAY_ARGUMENTS, answers=_OCTET_STREAM)
        def get_volume(call: Call) -> Response:
            rescale, compress = _array_arguments(call)
            content = arrays.array(instances.local_many(ids(call.params["id"])), rescale, compress)
            return sized_response(content.pieces, content.length, _OCTET_STREAM)

    add("/instances/{id}/numpy", "Get the frames of an instance as a numpy array", lambda id: [id])
    add(
        "/series/{id}/numpy",
        "Get the slices of a series, in their order, as a numpy array",
        lambda id: [part.instance for part in slices.ordered(id).slices],
    )


def _array_arguments(call: Call) -> tuple[bool, bool]:
    """``rescale`` and ``compress``."""
    return _boolean(call, "rescale", default=True), _boolean(call, "compress", default=False)


# -- arguments -----------------------------------------------------------------------------------


def _frame(call: Call) -> int | None:
    """The frame that the URI names, the first one where it names none; None where it is no number."""
    text = call.params.get("frame")
    return 0 if text is None else _word(text)


def _word(text: str) -> int | None:
    """A whole number of 32 bits; negative ones count from 2^32 down, as in the reference: out of any range.

    >>> _word("+07"), _word("-1"), _word("x"), _word("4294967296")
    (7, 4294967295, None, None)
    """
    match = _WHOLE.fullmatch(text)
    if match is None or int(match[2]) >= _WORD:
        return None
    return -int(match[2]) % _WORD if match[1] == "-" else int(match[2])


def _boolean(call: Call, name: str, default: bool) -> bool:
    """A Boolean argument that must be one; present without a value, it is true.

    :raises ParameterOutOfRange: where it is none.
    """
    if not call.has(name):
        return default
    value = call.argument(name)
    if value and value not in _BOOLEANS:
        raise ParameterOutOfRange(f'Expected a Boolean for GET argument "{name}", found: {value}')
    return _BOOLEANS.get(value, True)
