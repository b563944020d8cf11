"""JSON as Orthanc's configuration files are written: comments, trailing commas, environment variables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from orthanclite.core.errors import BadFileFormat

_STRING = r'"(?:[^"\\\n]|\\.)*"'
_COMMENTS = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)
_TRAILING_COMMAS = re.compile(rf"({_STRING})|,(?=\s*[\]}}])", re.DOTALL)
_VARIABLE = re.compile(r"\$\{(?P<name>[^{}:]+)(?::-(?P<default>[^{}]*))?\}")
_NOT_BLANK = re.compile(r"[^\n]")


def parse(text: str, source: str, environ: Mapping[str, str]) -> dict[str, object]:
    """The JSON object in ``text``.

    ``${NAME}`` becomes the value of the environment variable, or nothing; ``${NAME:-default}`` becomes
    ``default`` when the variable is unset. Inside a JSON string the value is escaped as it needs to be,
    elsewhere it is inserted as it is and may be any JSON.

    :raises BadFileFormat: naming source, line and column of the first error.
    """
    plain = substitute(strip_comments(text), environ)
    try:
        value = json.loads(plain)
    except json.JSONDecodeError as exc:
        raise BadFileFormat(
            f"{source} does not follow the JSON syntax: {exc.msg}, line {exc.lineno}, column {exc.colno}"
        ) from exc
    if not isinstance(value, dict):
        raise BadFileFormat(f"{source} must contain a JSON object")
    return value


def read(path: Path, environ: Mapping[str, str]) -> dict[str, object]:
    """:func:`parse` for a file.

    :raises BadFileFormat: also where the file cannot be read, or is not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise BadFileFormat(f'Cannot read the configuration file "{path}": {exc}') from exc
    return parse(text, f'"{path}"', environ)


def strip_comments(text: str) -> str:
    """``text`` without comments and trailing commas; everything else keeps its line and column."""

    def keep_strings(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[1]
        return _NOT_BLANK.sub(" ", match[0])

    return _TRAILING_COMMAS.sub(keep_strings, _COMMENTS.sub(keep_strings, text))


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """``text`` with the ``${NAME}`` and ``${NAME:-default}`` of its strings and of its raw parts replaced."""

    def value_of(match: re.Match[str]) -> str:
        return environ.get(match["name"], match["default"] or "")

    def escaped(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"] or ""
        return json.dumps(environ[name], ensure_ascii=False)[1:-1] if name in environ else default

    pieces = []
    position = 0
    for string in re.finditer(_STRING, text):
        pieces.append(_VARIABLE.sub(value_of, text[position : string.start()]))
        pieces.append(_VARIABLE.sub(escaped, string[0]))
        position = string.end()
    pieces.append(_VARIABLE.sub(value_of, text[position:]))
    return "".join(pieces)
