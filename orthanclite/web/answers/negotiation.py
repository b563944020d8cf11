"""Choosing a media type by the ``Accept`` header (RFC 9110 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence


def negotiate(accept: str, offered: Sequence[str]) -> str | None:
    """The one of ``offered`` (the preferred first) that ``accept`` likes best; None if it likes none.

    Exact types beat ``type/*``, which beats ``*/*``; then the quality decides, then the order of ``accept``,
    then that of ``offered``. So decides the reference. Who sends no header accepts ``*/*``.

    >>> negotiate("image/*;q=0.5, image/jpeg", ["image/png", "image/jpeg"])
    'image/jpeg'
    """
    best, found = (0, 0.0), None
    for media_range, quality in parse_accept(accept):
        for media_type in offered:
            precision = _precision(media_range, media_type)
            if precision and quality > 0 and (precision, quality) > best:
                best, found = (precision, quality), media_type
    return found


def parse_accept(accept: str) -> list[tuple[str, float]]:
    """The media ranges of a header, lower case and without parameters, with their quality (0 to 1)."""
    ranges = []
    for part in accept.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if media_range:
            ranges.append((media_range, _quality(parameters)))
    return ranges


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 1.0
    return 1.0


def _precision(media_range: str, media_type: str) -> int:
    """3 for the very type, 2 for its family, 1 for everything, 0 for no match."""
    if media_range == media_type:
        return 3
    if media_range == f"{media_type.partition('/')[0]}/*":
        return 2
    return 1 if media_range in ("*/*", "*") else 0
