"""Frames of instances (PS3.18 section 10.4.1.1.5), stored or in another transfer syntax."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from orthanclite.core.errors import BadRequest, UnknownResource
from orthanclite.core.text.multipart import Part
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN, UNCOMPRESSED_SYNTAXES
from orthanclite.dicom.pixels.syntaxes import VIDEO, WRITABLE
from orthanclite.dicomweb.addresses import Addresses
from orthanclite.dicomweb.negotiation import AS_STORED, Offer, Range, choose, ranges, takes_range
from orthanclite.dicomweb.paths import INSTANCE, not_modified, uid_path, with_tag
from orthanclite.services.content.files import StoredFile
from orthanclite.services.dicomweb.frames import FrameService
from orthanclite.services.dicomweb.locator import Locator
from orthanclite.web.answers.ranges import content_response
from orthanclite.web.answers.related import related_response
from orthanclite.web.answers.responses import Response
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Router

OCTET_STREAM = "application/octet-stream"

_SYNTAX = "1.2.840.10008.1.2."
_JPEG = ("4.70", "4.50", "4.51", "4.57")
_JPEG_LS = ("4.80", "4.81")
_RLE = ("5",)
_MPEG_4 = ("4.102", "4.103", "4.104", "4.105", "4.106")
_HTJ2K = ("4.201", "4.202", "4.203")
_SYNTAXES: dict[str, tuple[str, ...]] = {
    "image/jpeg": _JPEG,
    "image/dicom-rle": _RLE,
    "image/jls": _JPEG_LS,
    "image/jp2": ("4.90", "4.91"),
    "image/jpx": ("4.92", "4.93"),
    "image/jphc": _HTJ2K,
    "image/jxl": ("4.110", "4.111", "4.112"),
    "video/mpeg": ("4.100", "4.101"),
    "video/mp4": _MPEG_4,
    "video/h265": ("4.107", "4.108"),
    # names of older editions, and of viewers
    "image/x-dicom-rle": _RLE,
    "image/x-jls": _JPEG_LS,
    "image/jhc": _HTJ2K,
    "image/dicom+jpeg": _JPEG,
    "image/dicom+rle": _RLE,
    "image/dicom+jpeg-ls": _JPEG_LS,
    "image/dicom+jp2": ("4.90", "4.91"),
    "image/dicom+jpx": ("4.92", "4.93"),
}
"""The transfer syntaxes of each media type, its default first (PS3.18 table 8.7.3-5)."""

_TYPES: dict[str, str] = {}
for _name, _ends in _SYNTAXES.items():
    for _end in _ends:
        _TYPES.setdefault(_SYNTAX + _end, _name)

_FRAMES = re.compile(r"\d{1,9}(,\d{1,9})*", re.ASCII)
_MOST_FRAMES = 100_000


def stored_type(transfer_syntax: str) -> str:
    """The media type of frames as they are stored."""
    return _TYPES.get(transfer_syntax, OCTET_STREAM)


def default_syntax(media_type: str) -> str:
    """The transfer syntax of a media type that is given without one; empty for any other type."""
    ends = _SYNTAXES.get(media_type)
    return _SYNTAX + ends[0] if ends else ""


class FrameAnswers:
    """Sends frames.

    :param lasting: whether a stored instance never changes
    """

    def __init__(self, locator: Locator, frames: FrameService, addresses: Addresses, lasting: bool) -> None:
        self._locator = locator
        self._frames = frames
        self._addresses = addresses
        self._lasting = lasting

    def answer(self, call: Call) -> Response:
        """The frames that the path names, or all of them.

        :raises BadRequest: for what are no numbers of frames.
        :raises UnknownResource: for an instance, or a frame, that is not there.
        :raises NotAcceptable: where they cannot be sent as the client accepts them.
        """
        numbers = frame_numbers(call.params.get("frames"))
        path = uid_path(call)
        file = StoredFile.of(self._locator.instance(path))
        single = len(numbers) == 1 or _is_video(file.transfer_syntax)
        accepted = ranges(call)
        chosen = choose(accepted, lambda one: _offers(one, file.transfer_syntax, single))
        syntax = chosen.transfer_syntax
        tag = f'"{file.attachment.uuid}-{syntax}-{chosen.parts}-{",".join(map(str, numbers))}"'
        if len(numbers) <= 1 and not_modified(call, tag):
            return with_tag(Response(304), tag, self._lasting)
        count = self._frames.places(file).count
        if numbers and max(numbers) > count:
            raise UnknownResource(f"There is no frame {max(numbers)}, but {count}")
        wanted = numbers or range(1, count + 1)
        media_type = f"{chosen.media_type}; transfer-syntax={syntax}"
        if len(wanted) == 1 and (not chosen.parts or takes_range(call, accepted, chosen)):
            content = self._frames.in_syntax(file, wanted[0] - 1, syntax)
            response = content_response(call, content.size, content.read, media_type)
            response.with_header("Accept-Ranges", "bytes")
        else:
            place = f"{self._addresses.base(call)}{path.text}/frames"
            parts = [self._part(file, number, syntax, media_type, place) for number in wanted]
            known = [part for part in parts if isinstance(part, Part)]
            response = related_response(
                known if len(known) == len(parts) else _made(parts), chosen.media_type
            )
        return with_tag(response, tag, self._lasting) if len(numbers) == 1 else response

    def _part(
        self, file: StoredFile, number: int, syntax: str, media_type: str, place: str
    ) -> Part | Callable[[], Part]:
        """A part of the answer, read when it is sent; or what makes it, where it has to be decoded."""
        headers = (("Content-Location", f"{place}/{number}"),)
        index = number - 1
        stored = self._frames.stored(file, index, syntax)
        if stored is not None:
            return Part(media_type, stored, stored.size, headers)

        def make() -> Part:
            content = self._frames.transcoded(file, index, syntax)
            return Part(media_type, (content,), len(content), headers)

        return make


def _made(parts: Iterable[Part | Callable[[], Part]]) -> Iterator[Part]:
    return (part if isinstance(part, Part) else part() for part in parts)


def frame_routes(root: str, answers: FrameAnswers) -> Router:
    """Routes that send frames."""
    router = Router("DICOMweb", slow=True)
    for path in (f"{root}{INSTANCE}/frames/{{frames}}", f"{root}{INSTANCE}/frames"):
        router.get(
            path,
            "Frames of an image (WADO-RS)",
            description="Frames are counted from 1, and separated by commas; without numbers, all of them.",
            query=[Arg("accept", "Media types, in place of the header Accept")],
            answers=("multipart/related", OCTET_STREAM),
        )(answers.answer)
    return router


def _offers(wanted: Range, stored: str, single: bool) -> Iterator[Offer]:
    """What can be sent to a client that accepts ``wanted``."""
    native = stored in UNCOMPRESSED_SYNTAXES
    kept = EXPLICIT_LITTLE_ENDIAN if native else stored
    for media_type, syntax in _forms(wanted, stored, kept):
        if syntax != kept and (syntax not in WRITABLE or _is_video(stored)):
            continue
        cost = 2 * (syntax != kept)
        if wanted.parts is not False:
            yield Offer(media_type, True, wanted.transfer_syntax, syntax, cost)
        if wanted.parts is not True and single:
            yield Offer(media_type, False, wanted.transfer_syntax, syntax, cost + (wanted.parts is None))


def _forms(wanted: Range, stored: str, kept: str) -> Iterator[tuple[str, str]]:
    """Media types and transfer syntaxes that ``wanted`` may mean.

    :param kept: the transfer syntax that costs no transcoding
    """
    asked, name = wanted.transfer_syntax, wanted.media_type
    if name in (OCTET_STREAM, "application/*", "*/*"):
        if asked == AS_STORED:
            yield OCTET_STREAM, kept
        elif asked:
            yield OCTET_STREAM, asked
        else:
            # A video has no uncompressed form.
            yield OCTET_STREAM, kept if _is_video(stored) else EXPLICIT_LITTLE_ENDIAN
    for media_type, ends in _SYNTAXES.items():
        family = media_type.partition("/")[0]
        if name not in (media_type, f"{family}/*"):
            continue
        syntaxes = [_SYNTAX + end for end in ends]
        if asked == AS_STORED or (not asked and name != media_type):
            yield media_type, stored if stored in syntaxes else syntaxes[0]
        elif not asked or asked in syntaxes:
            yield media_type, asked or syntaxes[0]


def frame_numbers(text: str | None) -> Sequence[int]:
    """The frames that a path names, counted from 1; none where it names none.

    :raises BadRequest: for anything else.
    """
    if text is None:
        return ()
    if not _FRAMES.fullmatch(text):
        raise BadRequest(f"Not a list of frames: {text}")
    numbers = [int(one) for one in text.split(",")]
    if not all(numbers):
        raise BadRequest("Frames are counted from 1")
    if len(numbers) > _MOST_FRAMES:
        raise BadRequest(f"At most {_MOST_FRAMES} frames are sent at once")
    return numbers


def _is_video(transfer_syntax: str) -> bool:
    return transfer_syntax.startswith(VIDEO)
