"""The commented default configuration and the page of the documentation, made from the table of keys."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from enum import StrEnum

from orthanclite.config.convert import expectation
from orthanclite.config.environment import variable_name
from orthanclite.config.settings import Settings, chapters
from orthanclite.config.table import Fate, Key, Row, rows, sections

_INDENT = "  "


def default_file() -> str:
    """A configuration with every key at its default, explained; keys that are unset are commented out."""
    nested = {row.key.name: row for row in sections(Settings)}
    entries: list[str] = []
    for title, chapter in chapters():
        heading = f"{_INDENT}/**\n{_INDENT} * {title}\n{_INDENT} **/\n\n"
        for position, row in enumerate(chapter):
            text = _section(row, _INDENT) if row.key.name in nested else _entry(row, _INDENT)
            entries.append((heading if position == 0 else "") + text)
    return "{\n" + _joined(entries) + "}\n"


def documentation() -> str:
    """``docs/configuration.md``."""
    lines = [_PREFACE]
    for title, chapter in chapters():
        lines.append(f"\n## {title}\n")
        for row in chapter:
            if row.type in {section.type for section in sections(Settings)}:
                lines.extend(_documented_section(row, (row.key.name,)))
            else:
                lines.append(_documented(row, ()))
    return "\n".join(lines).rstrip("\n") + "\n"


def _documented_section(section: Row, path: tuple[str, ...]) -> Iterator[str]:
    yield f"{section.key.help}\n"
    for row in rows(section.type):
        yield _documented(row, path)
    for row in sections(section.type):
        inner = (*path, row.key.name)
        yield f"\n### {'.'.join(inner)}\n"
        yield from _documented_section(row, inner)


def _joined(entries: list[str]) -> str:
    """The entries with a comma after each but the last; a commented one can thus be uncommented."""
    return ",\n\n".join(entries) + "\n"


def _section(row: Row, indent: str) -> str:
    inner = [_entry(item, indent + _INDENT) for item in rows(row.type)]
    inner += [_section(item, indent + _INDENT) for item in sections(row.type)]
    return f'{_comment(row.key.help, indent)}\n{indent}"{row.key.name}" : {{\n{_joined(inner)}{indent}}}'


def _entry(row: Row, indent: str) -> str:
    value = json.dumps(row.key.default, ensure_ascii=False)
    mark = "// " if row.key.optional else ""
    return f'{_comment(_explanation(row.key), indent)}\n{indent}{mark}"{row.key.name}" : {value}'


def _explanation(key: Key) -> str:
    if key.fate is Fate.HONOURED or key.fate is Fate.REFUSED:
        return key.help
    if key.fate is Fate.INERT:
        return f"No effect here: {key.why}."
    return f"{key.help} No effect yet: {key.why}."


def _comment(text: str, indent: str) -> str:
    width = 100 - len(indent)
    return "\n".join(f"{indent}// {line}" for line in textwrap.wrap(text, width))


def _documented(row: Row, path: tuple[str, ...]) -> str:
    key = row.key
    value = json.dumps(key.default, ensure_ascii=False)
    shown = f"unset, e.g. `{value}`" if key.optional else f"`{value}`"
    return (
        f"- **`{key.name}`** ({', '.join(_type_of(row))}; default: {shown})  \n"
        f"  {_explanation(key)}  \n"
        f"  `{variable_name((*path, key.name))}`"
    )


def _members(type_: object) -> tuple[str, ...]:
    """The values of an enumeration; none for another type."""
    if isinstance(type_, type) and issubclass(type_, StrEnum):
        return tuple(str(member) for member in type_)
    return ()


def _type_of(row: Row) -> Iterator[str]:
    key = row.key
    if key.parse is None:
        yield expectation(row.type).removeprefix("an ").removeprefix("a ")
    else:
        names: dict[type, str] = {dict: "object", list: "array", str: "string"}
        yield names.get(type(key.default), "value")
    if choices := key.choices or _members(row.type):
        yield "one of " + ", ".join(choices)
    if key.minimum is not None:
        yield f"at least {key.minimum}"
    if key.maximum is not None:
        yield f"at most {key.maximum}"


_PREFACE = """\
# Configuration

<!-- Made by `python -m orthanclite.config`; do not edit. -->

`orthanclite` starts with defaults that only let this host in. `orthanclite CONFIG...` reads Orthanc's JSON
files: each `CONFIG` is a file, or a folder of which all `*.json` are read in the order of their names.
`orthanclite --config=FILE` writes a commented file with every key.

- C and C++ comments and trailing commas are accepted.
- As with Orthanc, two files may not define the same top-level key.
- `${NAME}` is replaced by an environment variable, `${NAME:-default}` by `default` where it is unset. Outside
  of strings the value may be any JSON: `"HttpPort" : ${PORT:-8042}`.
- Relative paths refer to the folder of the first `CONFIG`, or to the current folder without any.
- A key that nobody knows is reported in the log. A value of a wrong type stops the server with a message that
  names the key, the file and what was expected.

## Environment variables

Every key can be set, or replaced, by an environment variable, as in the image `orthancteam/orthanc`:
`ORTHANC__`, then the words of the key in capitals with one underscore between words and two between levels.
The variable stands below each key. Its value is JSON where it can be read as such, else text. Where both are
objects, as with `ORTHANC__DICOM_MODALITIES='{"pacs": ["PACS", "10.0.0.1", 104]}'`, they are joined.

`ORTHANCLITE_DEFAULTS` names a file with what holds where neither a file nor a variable says otherwise; the
Docker image uses it. `ORTHANC_JSON` holds a whole configuration that is applied before the other variables.
`ORTHANC__..._SECRET` names a file below `/run/secrets` with the value, and a file there that is called like a
variable is read as one."""
