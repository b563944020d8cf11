"""JSON text in Orthanc's style, byte for byte.

Keys are sorted by code point, indentation is three spaces, ``"key" : value``; a nested object or array
that is not empty opens on a line of its own, after the blank that follows the colon; characters beyond
ASCII are written ``\\uXXXX``; there is no newline at the end. Clients compare and cache such answers, so
the text matters and not only the value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii as _quote
from typing import Any


class Raw(str):
    """Text that is JSON in this style already (rendered as a whole document): taken over as it is.

    Lets a service keep the rendering of a part, such as the tags of an instance, and embed it again.
    """

    __slots__ = ()


def dumps(value: Any) -> bytes:
    """``value`` as an Orthanc answer. Dictionaries need keys of type ``str``.

    :raises TypeError: for a value that JSON cannot hold.
    """
    return _render(value, "\n", "   ").encode("ascii")


def text_within(value: Any, depth: int) -> str:
    """``value`` as it stands within an answer, that many levels deep.

    :raises TypeError: as :func:`dumps`
    """
    return _render(value, "\n" + "   " * depth, "   ")


def dumps_error(value: Mapping[str, Any]) -> bytes:
    """``value`` as Orthanc writes the body of an error: indented by tabs, with a final newline."""
    return _render(dict(value), "\n", "\t").encode("ascii") + b"\n"


def _render(value: Any, pad: str, unit: str) -> str:
    """``value`` as JSON; ``pad`` is the line break and the indentation of the line it starts on."""
    kind = type(value)
    if kind is str:
        return _quote(value)
    if kind is dict:
        return _render_object(value, pad, unit) if value else "{}"
    if kind is list or kind is tuple:
        return _render_array(value, pad, unit) if value else "[]"
    if kind is Raw:
        return str(value) if pad == "\n" else value.replace("\n", pad)
    return _render_other(value, pad, unit)


def _render_object(value: dict[str, Any], pad: str, unit: str) -> str:
    inner = pad + unit
    lines = []
    for key in sorted(value):
        item = value[key]
        kind = type(item)
        if kind is str:
            lines.append(f"{_quote(key)} : {_quote(item)}")
        elif kind is int:
            lines.append(f"{_quote(key)} : {item}")
        elif item and kind in _CONTAINERS:
            lines.append(f"{_quote(key)} : {inner}{_render(item, inner, unit)}")
        else:
            text = _render(item, inner, unit)
            gap = inner if len(text) > 2 and text[0] in "{[" else ""
            lines.append(f"{_quote(key)} : {gap}{text}")
    return f"{{{inner}{f',{inner}'.join(lines)}{pad}}}"


def _render_array(value: Sequence[Any], pad: str, unit: str) -> str:
    inner = pad + unit
    return f"[{inner}{f',{inner}'.join([_render(item, inner, unit) for item in value])}{pad}]"


def _render_other(value: Any, pad: str, unit: str) -> str:
    """The rarer types, and subclasses of the common ones (enumerations, read-only mappings)."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _render_float(value)
    if isinstance(value, str):
        return _quote(str(value))
    if isinstance(value, Mapping):
        return _render(dict(value), pad, unit)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return _render(list(value), pad, unit)
    raise TypeError(f"Not a JSON value: {type(value).__name__}")


def _render_float(value: float) -> str:
    """As jsoncpp does: 17 significant digits, never looking like an integer."""
    if math.isnan(value):
        return "null"
    if math.isinf(value):
        return "1e+9999" if value > 0 else "-1e+9999"
    text = f"{value:.17g}"
    return text if "." in text or "e" in text else text + ".0"


_CONTAINERS = frozenset({dict, list, tuple})
