"""What a client accepts, in the terms of DICOMweb (PS3.18 sections 8.7.2 to 8.7.8, RFC 9110 section 12.5.1).

A client names media ranges, with a quality each. Here a range that means several parts is told apart from one
that means a single content, and both have the media type of the content and a transfer syntax. The quality of
what could be sent is that of the most specific range that fits it. Among what is liked best, what costs least
comes first, then what the client named first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from orthanclite.core.errors import NotAcceptable
from orthanclite.web.call import Call
from orthanclite.web.media_types import MediaType, parse_accept, parse_media_type

AS_STORED = "*"
"""The transfer syntax by which a client asks for whatever is stored."""

_ANY = "*/*"
_BLANK = re.compile(" (?=json|xml|jp|rle)")


@dataclass(frozen=True, slots=True)
class Range:
    """A media range."""

    media_type: str
    """Of the content, or of the parts: ``image/jpeg``, ``image/*``, ``*/*``."""
    parts: bool | None
    """Whether several parts are meant; None for both."""
    transfer_syntax: str
    """A UID, :data:`AS_STORED`, or empty for the default of the media type."""
    quality: float

    def precision(self, offer: Offer) -> int:
        """How closely the range fits what could be sent; 0 where it does not."""
        if self.parts is not None and self.parts != offer.parts:
            return 0
        family = offer.media_type.partition("/")[0]
        if self.media_type == offer.media_type:
            precision = 6
        elif self.media_type == f"{family}/*":
            precision = 4
        elif self.media_type == _ANY:
            precision = 2 if self.parts is not None else 1
        else:
            return 0
        if self.transfer_syntax in ("", offer.asked):
            return precision + bool(self.transfer_syntax)
        return 0


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that could be sent."""

    media_type: str
    parts: bool = False
    asked: str = ""
    """The transfer syntax, or :data:`AS_STORED`, by which the client asks for it."""
    transfer_syntax: str = ""
    """The transfer syntax that it has."""
    cost: int = 0
    """How much work it makes; what is liked equally is chosen by it."""


def ranges(call: Call) -> list[Range]:
    """The media ranges of a request: of its query parameter ``accept``, else of its header.

    Who names none accepts everything.
    """
    # "+" stands for a blank in a query: few clients escape it, and media types have none.
    text = _BLANK.sub("+", ",".join(call.every("accept")))
    found = parse_accept(text if text.strip() else call.header("accept", _ANY) or _ANY)
    return [_range(one) for one in found] or [Range(_ANY, None, "", 1.0)]


def _range(found: MediaType) -> Range:
    syntax = found.parameters.get("transfer-syntax", "").strip()
    if found.name in (_ANY, "*"):
        return Range(_ANY, None, syntax, found.quality)
    if not found.name.startswith("multipart/"):
        return Range(found.name, False, syntax, found.quality)
    # Some clients write the transfer syntax into the quoted type.
    inner = parse_media_type(found.parameters.get("type", _ANY))
    return Range(
        inner.name or _ANY,
        True,
        syntax or inner.parameters.get("transfer-syntax", "").strip(),
        found.quality,
    )


def quality(wanted: Sequence[Range], offer: Offer) -> float:
    """How much a client likes what could be sent, from 0 to 1."""
    best, found = 0, 0.0
    for one in wanted:
        precision = one.precision(offer)
        if precision > best:
            best, found = precision, one.quality
    return found


def choose(wanted: Sequence[Range], offers: Iterable[Offer] | Callable[[Range], Iterable[Offer]]) -> Offer:
    """The offer that the client likes best.

    :param offers: all that can be sent, the preferred first; or what can be for one range
    :raises NotAcceptable: where it likes none.
    """
    if callable(offers):
        candidates = [offer for one in wanted if one.quality > 0 for offer in offers(one)]
    else:
        candidates = list(offers)
    best: tuple[float, int] = (0.0, 0)
    chosen: Offer | None = None
    for offer in candidates:
        rank = (quality(wanted, offer), -offer.cost)
        if rank[0] > 0 and (chosen is None or rank > best):
            best, chosen = rank, offer
    if chosen is None:
        raise NotAcceptable
    return chosen


def takes_range(call: Call, wanted: Sequence[Range], chosen: Offer) -> bool:
    """Whether a request asks for a range of a content that can be sent as such: parts have none."""
    if not call.header("range"):
        return False
    return not chosen.parts or quality(wanted, replace(chosen, parts=False)) > 0
