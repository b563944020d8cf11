"""Values with a grammar of their own: users, registries, symbolic names, dictionaries."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from orthanclite.core.constants import USER_RANGE
from orthanclite.core.errors import BadFileFormat, BadParameterType, OrthancError, ParameterOutOfRange
from orthanclite.core.levels import Level
from orthanclite.core.model import OverwriteMode
from orthanclite.core.remotes.dicomweb_server import DicomWebServer
from orthanclite.core.remotes.registry import Modality, Peer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ContentType:
    """A user-defined type of attachment."""

    number: int
    mime: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class DictionaryEntry:
    """A DICOM tag added to the dictionary.

    ``element`` is the full element number, or only its lower byte for a private tag (PS3.5 7.8.1).
    """

    group: int
    element: int
    vr: str
    name: str
    min_multiplicity: int = 1
    max_multiplicity: int = 1  # 0: unbounded
    private_creator: str = ""


def parse_overwrite(value: object) -> OverwriteMode:
    """``Never``, ``Always``, ``IfChanged``, or the Booleans of Orthanc before 1.12.7."""
    if isinstance(value, bool):
        return OverwriteMode.ALWAYS if value else OverwriteMode.NEVER
    if not isinstance(value, str):
        raise BadParameterType("must be a string or a Boolean")
    try:
        return OverwriteMode(value)
    except ValueError as exc:
        allowed = ", ".join(OverwriteMode)
        raise ParameterOutOfRange(f'must be one of {allowed}, found "{value}"') from exc


def parse_aet(value: object) -> str:
    """An application entity title: 1 to 16 characters (PS3.5 6.2, VR AE)."""
    if not isinstance(value, str):
        raise BadParameterType("must be a string")
    if not 1 <= len(value.strip()) <= 16 or "\\" in value or not value.isascii() or not value.isprintable():
        raise ParameterOutOfRange(
            "An application entity title (AET) cannot be empty or be longer than 16 characters, and is "
            "made of ASCII characters without backslash"
        )
    return value


def parse_root(value: object) -> str:
    """The path of a part of the API, given a slash at both ends; not ``/``, where Orthanc's own API is."""
    if not isinstance(value, str):
        raise BadParameterType("must be a string")
    path = value.strip("/")
    if not path or not re.fullmatch(r"[\w.~-]+(/[\w.~-]+)*", path, re.ASCII):
        raise ParameterOutOfRange(f'must be a path such as "/dicom-web/", found "{value}"')
    return f"/{path}/"


def parse_wado_root(value: object) -> str:
    """The same with a slash before it only."""
    return parse_root(value).rstrip("/")


def parse_networks(value: object) -> tuple[str, ...]:
    """IP addresses and networks."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadParameterType("must be a list of strings")
    for item in value:
        try:
            ipaddress.ip_network(item, strict=False)
        except ValueError as exc:
            raise ParameterOutOfRange(f'"{item}" is no IP address, and no network') from exc
    return tuple(value)


def parse_modalities(value: object) -> Mapping[str, Modality]:
    expected = '[ "AET", "host", port ], [ "AET", "host", port, "manufacturer" ] or an object'
    return {name: _named(name, Modality.parse, item, expected) for name, item in _registry(value).items()}


def parse_peers(value: object) -> Mapping[str, Peer]:
    expected = '[ "url" ], [ "url", "user", "password" ] or an object with "Url"'
    return {name: _named(name, Peer.parse, item, expected) for name, item in _registry(value).items()}


def parse_dicomweb_servers(value: object) -> Mapping[str, DicomWebServer]:
    expected = '[ "url" ], [ "url", "user", "password" ] or an object with "Url"'
    return {
        name: _named(name, DicomWebServer.parse, item, expected) for name, item in _registry(value).items()
    }


def parse_user_metadata(value: object) -> Mapping[str, int]:
    """Names of user metadata, each with its own number between 1024 and 65535."""
    names = {name: _user_number(name, number) for name, number in _object(value).items()}
    _refuse_shared_numbers(names)
    return names


def parse_user_content_types(value: object) -> Mapping[str, ContentType]:
    """Names of user attachments: a number, or ``[number, MIME type]``."""
    types: dict[str, ContentType] = {}
    for name, item in _object(value).items():
        if isinstance(item, list):
            if len(item) != 2 or not isinstance(item[1], str):
                raise BadFileFormat(f'"{name}" must be a number or [ number, MIME type ]')
            types[name] = ContentType(_user_number(name, item[0]), item[1])
        else:
            types[name] = ContentType(_user_number(name, item))
    _refuse_shared_numbers({name: item.number for name, item in types.items()})
    return types


def parse_extra_main_tags(value: object) -> Mapping[Level, tuple[str, ...]]:
    """Tags by level, left as the names or numbers they are written in; ``dicom`` resolves them."""
    extra: dict[Level, tuple[str, ...]] = {}
    for name, tags in _object(value).items():
        if name not in {level.label for level in Level}:
            raise ParameterOutOfRange(
                f'"{name}" is not a level: the levels are {", ".join(level.label for level in Level)}'
            )
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise BadParameterType(f'"{name}" must be an array of strings')
        extra[Level.parse(name)] = tuple(tags)
    return extra


def parse_dictionary(value: object) -> tuple[DictionaryEntry, ...]:
    """``"gggg,ee": [VR, name, minimum, maximum, private creator]``, the last three optional."""
    return tuple(_dictionary_entry(tag, item) for tag, item in _object(value).items())


_TAG = re.compile(r"([0-9a-fA-F]{4})[,-]?([0-9a-fA-F]{2}|[0-9a-fA-F]{4})")
_VR = re.compile("[A-Z]{2}")


def _dictionary_entry(tag: str, item: object) -> DictionaryEntry:
    match = _TAG.fullmatch(tag)
    if match is None:
        raise BadFileFormat(f'"{tag}" is not a DICOM tag')
    if not isinstance(item, list) or not 2 <= len(item) <= 5:
        raise BadFileFormat(f'"{tag}" must be an array of 2 to 5 values')
    vr, name, *rest = item
    if not isinstance(vr, str) or _VR.fullmatch(vr) is None or not isinstance(name, str):
        raise BadFileFormat(f'"{tag}" must start with a value representation and a name')
    multiplicity = rest[:2]
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in multiplicity):
        raise BadFileFormat(f'the multiplicities of "{tag}" must be positive integers')
    creator = rest[2] if len(rest) > 2 else ""
    if not isinstance(creator, str):
        raise BadFileFormat(f'the private creator of "{tag}" must be a string')
    return DictionaryEntry(
        group=int(match[1], 16),
        element=int(match[2], 16),
        vr=vr,
        name=name,
        min_multiplicity=multiplicity[0] if multiplicity else 1,
        max_multiplicity=multiplicity[1] if len(multiplicity) > 1 else 1,
        private_creator=creator,
    )


_NAME = re.compile(r"[A-Za-z0-9_-]+")


def _registry(value: object) -> dict[str, object]:
    entries = _object(value)
    for name in entries:
        if _NAME.fullmatch(name) is None:
            raise BadFileFormat(f'the symbolic name "{name}" must be made of letters, digits, "-" and "_"')
    return entries


def _named(name: str, parse: Callable[[object], T], item: object, expected: str) -> T:
    try:
        return parse(item)
    except OrthancError as exc:
        raise type(exc)(f'"{name}": {exc.details or "must be " + expected}') from exc


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise BadParameterType("must be an object")
    return value


def _user_number(name: str, number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise BadParameterType(f'"{name}" must be an integer')
    if number not in USER_RANGE:
        raise ParameterOutOfRange(
            f'"{name}" must be between {USER_RANGE.start} and {USER_RANGE.stop - 1}, found {number}'
        )
    return number


def _refuse_shared_numbers(names: Mapping[str, int]) -> None:
    seen: dict[int, str] = {}
    for name, number in names.items():
        if number in seen:
            raise ParameterOutOfRange(f'"{name}" and "{seen[number]}" have the same number {number}')
        seen[number] = name
