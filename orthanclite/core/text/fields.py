"""Members of JSON objects that clients send, checked for their types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orthanclite.core.errors import BadFileFormat, ParameterOutOfRange


def boolean_field(body: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """A boolean member of a JSON body.

    :raises BadFileFormat: where it has another type.
    """
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise BadFileFormat(f'Member "{name}" should be a Boolean value')
    return value


def integer_field(body: Mapping[str, Any], name: str, default: int, minimum: int = 0) -> int:
    """An integer member of a JSON body.

    :raises BadFileFormat: where it has another type.
    :raises ParameterOutOfRange: below ``minimum``.
    """
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadFileFormat(f'Member "{name}" should be an integer value')
    if value < minimum:
        raise ParameterOutOfRange(f'Member "{name}" should be at least {minimum}')
    return value


def string_field(body: Mapping[str, Any], name: str, default: str = "") -> str:
    """A text member of a JSON body.

    :raises BadFileFormat: where it has another type.
    """
    value = body.get(name, default)
    if not isinstance(value, str):
        raise BadFileFormat(f'Member "{name}" should be a string')
    return value


def strings_field(body: Mapping[str, Any], name: str) -> list[str]:
    """A member of a JSON body that is a list of texts; empty where it is absent.

    :raises BadFileFormat: where it has another type.
    """
    value = body.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadFileFormat(f"List of strings expected in field: {name}")
    return value
