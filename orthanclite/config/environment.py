"""Settings from environment variables and Docker secrets, named as in the image orthancteam/orthanc.

``ORTHANC__DICOM_AET`` sets ``DicomAet``, ``ORTHANC__POSTGRESQL__HOST`` sets ``Host`` of ``PostgreSQL``: one
underscore between words, two between levels. Values are JSON where they can be read as such, else text.
``ORTHANC_JSON`` holds a whole configuration. ``ORTHANC__..._SECRET`` names the file below ``/run/secrets``
that has the value, and a file there that is named like a variable acts as one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orthanclite.config import jsonc
from orthanclite.config.settings import Settings, all_rows
from orthanclite.config.table import Row, rows, sections
from orthanclite.core.errors import BadFileFormat

PREFIX = "ORTHANC__"
WHOLE = "ORTHANC_JSON"
SECRETS = Path("/run/secrets")
_SECRET_SUFFIX = "_SECRET"


@dataclass(frozen=True, slots=True)
class Override:
    """A value that replaces, or where both are objects joins, the one of the files."""

    path: tuple[str, ...]  # keys from the top level down; empty for a whole configuration
    value: object
    source: str


def overrides(environ: Mapping[str, str], secrets: Path = SECRETS) -> Iterator[Override]:
    """What the environment sets, in the order in which it is to be applied.

    :raises BadFileFormat: for an ``ORTHANC_JSON`` that is not JSON, or a secret that cannot be read.
    """
    if WHOLE in environ:
        source = f"the environment variable {WHOLE}"
        yield Override((), jsonc.parse(environ[WHOLE], source, environ), source)
    named_secrets: set[str] = set()
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        if name.endswith(_SECRET_SUFFIX) and _key_path(name)[1] is None:
            named_secrets.add(environ[name])
            file = secrets / environ[name]
            yield _override(name.removesuffix(_SECRET_SUFFIX), _read_secret(file), f'the secret "{file}"')
        else:
            yield _override(name, environ[name], f"the environment variable {name}")
    if secrets.is_dir():
        for file in sorted(secrets.glob(f"{PREFIX}*")):
            if file.is_file() and file.name not in named_secrets:
                yield _override(file.name, _read_secret(file), f'the secret "{file}"')


def variable_name(path: tuple[str, ...]) -> str:
    """The variable that sets the key at ``path``: ``("PostgreSQL", "Host")`` gives the one of its host."""
    return PREFIX + "__".join(_words(key).upper() for key in path)


def _words(key: str) -> str:
    """``HttpsCACertificates`` -> ``Https_CA_Certificates``; abbreviations stay in one piece."""
    if key in _IRREGULAR:
        return _IRREGULAR[key]
    letters = []
    for index, letter in enumerate(key):
        follows_lower = index > 0 and not key[index - 1].isupper() and key[index - 1] != "_"
        starts_word = (
            index > 0 and index + 1 < len(key) and key[index - 1].isupper() and key[index + 1].islower()
        )
        letters.append("_" + letter if letter.isupper() and (follows_lower or starts_word) else letter)
    return "".join(letters)


_IRREGULAR = {"PostgreSQL": "Postgresql", "StoreMD5ForAttachments": "Store_MD5_For_Attachments"}


def _override(name: str, text: str, source: str) -> Override:
    path, row = _key_path(name)
    return Override(path, _value(text, row), source)


def _value(text: str, row: Row | None) -> object:
    if row is not None and row.type in (str, Path, str | None, Path | None):
        # A password of digits only is still text.
        return _unquoted(text)
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def _unquoted(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def _key_path(name: str) -> tuple[tuple[str, ...], Row | None]:
    """The keys that a variable stands for, and the row of the table, if there is one."""
    first, *rest = name.removeprefix(PREFIX).split("__")
    sections_by_name = {_folded(row.key.name): row for row in sections(Settings)}
    if rest and (section := sections_by_name.get(_folded(first))) is not None:
        return _in_section(section, (section.key.name,), rest)
    known = {_folded(row.key.name): row for row in all_rows()}
    top = known.get(_folded(first))
    if top is None:
        return (_camel_case(first), *map(_camel_case, rest)), None
    return (top.key.name, *map(_camel_case, rest)), None if rest else top


def _in_section(section: Row, path: tuple[str, ...], names: list[str]) -> tuple[tuple[str, ...], Row | None]:
    for inner in sections(section.type) if len(names) > 1 else ():
        if _folded(inner.key.name) == _folded(names[0]):
            return _in_section(inner, (*path, inner.key.name), names[1:])
    known: dict[str, Row] = {_folded(row.key.name): row for row in rows(section.type)}
    row = known.get(_folded(names[0]))
    name = _camel_case(names[0]) if row is None else row.key.name
    return (*path, name, *map(_camel_case, names[1:])), row


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


def _camel_case(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _read_secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise BadFileFormat(f'Cannot read the secret "{path}": {exc}') from exc


def merge(target: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    """Put ``value`` at ``path``; objects are joined key by key, anything else is replaced."""
    if not path:
        assert isinstance(value, dict)
        for key, item in value.items():
            merge(target, (key,), item)
        return
    key, *rest = path
    if rest:
        if not isinstance(target.get(key), dict):
            target[key] = {}
        merge(target[key], tuple(rest), value)
    elif isinstance(value, dict) and isinstance(target.get(key), dict):
        merge(target[key], (), value)
    else:
        target[key] = value
