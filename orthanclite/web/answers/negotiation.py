"""Choosing a media type by the ``Accept`` header (RFC 9110 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence

from orthanclite.web.media_types import parse_accept


def negotiate(accept: str, offered: Sequence[str]) -> str | None:
    """The one of ``offered`` (the preferred first) that ``accept`` likes best; None if it likes none.

    Exact types beat ``type/*``, which beats ``*/*``; then the quality decides, then the order of ``accept``,
    then that of ``offered``. So decides the reference. Who sends no header accepts ``*/*``.

    >>> negotiate("image/*;q=0.5, image/jpeg", ["image/png", "image/jpeg"])
    'image/jpeg'
    """
    best, found = (0, 0.0), None
    for accepted in parse_accept(accept):
        for media_type in offered:
            rank = (_precision(accepted.name, media_type), accepted.quality)
            if all(rank) and rank > best:
                best, found = rank, media_type
    return found


def _precision(media_range: str, media_type: str) -> int:
    """3 for the very type, 2 for its family, 1 for everything, 0 for no match."""
    if media_range == media_type:
        return 3
    if media_range == f"{media_type.partition('/')[0]}/*":
        return 2
    return 1 if media_range in ("*/*", "*") else 0
