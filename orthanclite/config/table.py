"""How a configuration key is declared: one line of a settings dataclass.

The fields of the dataclasses in this package are the table of all keys. The settings, the checks, the
commented default file (``orthanclite --config``) and ``docs/configuration.md`` are made from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_type_hints


class Fate(Enum):
    """What becomes of a key."""

    HONOURED = "honoured"
    LATER = "not implemented yet"
    INERT = "no effect"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Key:
    """A configuration key, apart from its Python type."""

    name: str
    help: str
    default: object  # in JSON form
    fate: Fate = Fate.HONOURED
    why: str = ""  # for a key that is not honoured: the reason, shown to the user
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    path: bool = False  # a file or folder, relative to the folder of the configuration
    optional: bool = False  # unset by default; ``default`` is then only an example
    secret: bool = False
    parse: Callable[[Any], Any] | None = None  # instead of the conversion that the type tells
    refuse: Callable[[Any], str | None] | None = None  # why this value cannot be accepted, or None


@dataclass(frozen=True, slots=True)
class Row:
    """A key with where its value goes."""

    key: Key
    type: Any
    field: str


_META = "orthanclite.key"
_SECTION = "orthanclite.section"


def setting(
    name: str,
    default: Any,
    help: str,
    *,
    example: object = None,
    **options: Any,
) -> Any:
    """A dataclass field fed by the configuration key ``name``.

    :param default: the Python value when the key is absent.
    :param example: the JSON shown: commented out for a key that is unset by default, else as the default,
        where the Python value is not written in JSON as it is.
    :param options: further attributes of :class:`Key`.
    """
    shown = _to_json(default) if example is None else example
    key = Key(name, help, shown, optional=default is None, **options)
    return _field(default, {_META: key})


def section(name: str, default: Any, help: str) -> Any:
    """A dataclass field that holds the settings of a nested object ``name``."""
    return _field(default, {_SECTION: Key(name, help, {})})


def group(default: Any) -> Any:
    """A dataclass field that holds settings whose keys stand at the top level of the configuration."""
    return _field(default, {})


def inert(name: str, type: Any, default: object, why: str, *, fate: Fate = Fate.INERT, **options: Any) -> Row:
    """A key that is known and checked but feeds no setting."""
    return Row(Key(name, why, default, fate=fate, why=why, **options), type, "")


def rows(settings: type[Any]) -> Iterator[Row]:
    """The keys of one settings dataclass, in their order; nested sections and groups left out."""
    hints = get_type_hints(settings)
    for item in dataclasses.fields(settings):
        if (key := item.metadata.get(_META)) is not None:
            yield Row(key, hints[item.name], item.name)


def sections(settings: type[Any]) -> Iterator[Row]:
    """The nested objects of a settings dataclass; their ``type`` is another settings dataclass."""
    hints = get_type_hints(settings)
    for item in dataclasses.fields(settings):
        if (key := item.metadata.get(_SECTION)) is not None:
            yield Row(key, hints[item.name], item.name)


def nested(settings: type[Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Row]]:
    """All sections, those inside of others too, with the names that lead to each."""
    for row in sections(settings):
        here = (*path, row.key.name)
        yield here, row
        yield from nested(row.type, here)


def groups(settings: type[Any]) -> Iterator[tuple[str, type[Any]]]:
    """The groups of a settings dataclass: field name and dataclass."""
    hints = get_type_hints(settings)
    for item in dataclasses.fields(settings):
        if not item.metadata and dataclasses.is_dataclass(hints[item.name]):
            yield item.name, hints[item.name]


def _field(default: Any, metadata: dict[str, Key]) -> Any:
    shown = not any(key.secret for key in metadata.values())
    if default.__hash__ is None:  # dataclasses refuse such a default, as it would be shared
        return dataclasses.field(
            default_factory=lambda: type(default)(default), repr=shown, metadata=metadata
        )
    return dataclasses.field(default=default, repr=shown, metadata=metadata)


def _to_json(value: Any) -> object:
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str | dict | list):
        return value
    return str(value)
