"""From a JSON value to the Python value of a setting, with errors that name key, source and expectation."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from orthanclite.config.table import Key
from orthanclite.core.errors import BadParameterType, OrthancError, ParameterOutOfRange


@dataclass(frozen=True, slots=True)
class Where:
    """The place of a value, for messages and for relative paths."""

    path: str  # e.g. ``PostgreSQL.Port``
    source: str  # the file or the environment variable that sets it
    base: Path  # the folder to which relative paths refer

    def wrong_type(self, value: object, expected: str) -> BadParameterType:
        shown = type_name(value)
        return BadParameterType(
            f'The configuration option "{self.path}" in {self.source} must be {expected}, found {shown}'
        )

    def out_of_range(self, explanation: str) -> ParameterOutOfRange:
        return ParameterOutOfRange(f'The configuration option "{self.path}" in {self.source} {explanation}')


def convert(key: Key, type_: Any, value: object, where: Where) -> Any:
    """The Python value of a setting.

    :raises BadParameterType: where the JSON type is not the one of the key.
    :raises ParameterOutOfRange: where the value is outside of what the key allows.
    """
    if key.parse is not None:
        return _parsed(key, value, where)
    result = _by_type(type_, value, where)
    if isinstance(result, int) and not isinstance(result, bool):
        _check_range(key, result, where)
    if key.choices and result is not None and str(result) not in key.choices:
        raise where.out_of_range(f"must be one of {', '.join(key.choices)}, found {result!r}")
    if key.path and isinstance(result, Path):
        return where.base / result
    return result


def type_name(value: object) -> str:
    """The JSON name of a value's type, with the value where it is short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the Boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f'the string "{value}"' if len(value) <= 40 else "a string"
    return "an array" if isinstance(value, list) else "an object"


def expectation(type_: Any) -> str:
    """What a type wants, in words: ``an integer``, ``an array of strings``..."""
    origin = get_origin(type_)
    if origin in (Union, types.UnionType):
        wanted = [expectation(item) for item in get_args(type_) if item is not type(None)]
        return " or ".join(wanted)
    if origin is tuple:
        return f"an array of {_PLURALS.get(get_args(type_)[0], 'values')}"
    if origin is not None and issubclass(origin, Mapping):
        return "an object"
    return _NAMES.get(type_, "a string")


_NAMES: dict[Any, str] = {bool: "a Boolean (true or false)", int: "an integer", float: "a number"}
_PLURALS: dict[Any, str] = {str: "strings", int: "integers", Path: "strings"}


def _parsed(key: Key, value: object, where: Where) -> Any:
    assert key.parse is not None
    try:
        return key.parse(value)
    except OrthancError as exc:
        # The same class, so that the code of the error is that of the reference.
        raise type(exc)(
            f'Configuration option "{where.path}" in {where.source}: {exc.details or exc.message}'
        ) from exc


def _by_type(type_: Any, value: object, where: Where) -> Any:
    origin = get_origin(type_)
    if origin in (Union, types.UnionType):
        return _by_type(next(t for t in get_args(type_) if t is not type(None)), value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise where.wrong_type(value, expectation(type_))
        return tuple(_by_type(get_args(type_)[0], item, where) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise where.wrong_type(value, "an object")
        return {name: _entry(get_args(type_)[1], name, item, where) for name, item in value.items()}
    return _scalar(type_, value, where)


def _entry(type_: Any, name: str, value: object, where: Where) -> Any:
    return _by_type(type_, value, Where(f"{where.path}.{name}", where.source, where.base))


def _scalar(type_: Any, value: object, where: Where) -> Any:
    if type_ is Any:
        return value
    if type_ is bool:
        if isinstance(value, bool):
            return value
    elif type_ is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif isinstance(value, str):
        if type_ is Path:
            return Path(value)
        return _member(type_, value, where) if issubclass(type_, Enum) else value
    raise where.wrong_type(value, expectation(type_))


def _member(type_: type[Enum], value: str, where: Where) -> Enum:
    for member in type_:
        if str(member.value) == value:
            return member
    allowed = ", ".join(str(member.value) for member in type_)
    raise where.out_of_range(f'must be one of {allowed}, found "{value}"')


def _check_range(key: Key, value: int, where: Where) -> None:
    if key.minimum is not None and value < key.minimum:
        raise where.out_of_range(f"must be at least {key.minimum}, found {value}")
    if key.maximum is not None and value > key.maximum:
        raise where.out_of_range(f"must be at most {key.maximum}, found {value}")
