"""Media types with their parameters, in ``Content-Type`` and ``Accept`` (RFC 9110, 8.3.1 and 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MediaType:
    """One media type, or a range of them (``image/*``)."""

    name: str
    """Type and subtype in lower case."""
    parameters: Mapping[str, str]
    """By their names in lower case, without ``q``; of a name that is repeated, the first. Values are as they
    were written, but for their quotes."""
    quality: float = 1.0
    """From 0, not acceptable, to 1; means something in ``Accept`` only."""


def parse_media_type(text: str) -> MediaType:
    """One media type. Blanks around its separators are tolerated; what is no parameter is passed over.

    >>> parse_media_type('multipart/Related; TYPE="a/b; x"; start=*')
    MediaType(name='multipart/related', parameters={'type': 'a/b; x', 'start': '*'}, quality=1.0)
    """
    name, *parts = _split(text, ";")
    parameters: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if equals:
            parameters.setdefault(key.strip().lower(), _unquoted(value.strip()))
    quality = _quality(parameters.pop("q", ""))
    return MediaType(name.strip().lower(), parameters, quality)


def parse_accept(text: str) -> list[MediaType]:
    """The media ranges of an ``Accept`` header, in their order.

    >>> [(range.name, range.quality) for range in parse_accept("image/png, image/*;q=0.5")]
    [('image/png', 1.0), ('image/*', 0.5)]
    """
    ranges = [parse_media_type(item) for item in _split(text, ",")]
    return [one for one in ranges if one.name]


def _split(text: str, separator: str) -> list[str]:
    """The parts between separators that are not quoted; a quote that does not end lasts to the end."""
    if '"' not in text:
        return text.split(separator)
    parts = []
    start, is_quoted = 0, False
    for match in re.finditer(rf'\\.|["{separator}]', text, re.DOTALL):
        if match[0] == '"':
            is_quoted = not is_quoted
        elif match[0] == separator and not is_quoted:
            parts.append(text[start : match.start()])
            start = match.end()
    parts.append(text[start:])
    return parts


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return _ESCAPED.sub(r"\1", value[1:-1])
    return value


def _quality(value: str) -> float:
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 1.0
