"""Comments, trailing commas and variables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.config import jsonc
from orthanclite.core.errors import BadFileFormat

# Text that looks like comments, variables' braces aside: substitution is tested on its own.
_TEXT = st.text(st.sampled_from('ab/*,"\\ \n{}[]:é'), max_size=12)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=10,
)
_NOISE = st.sampled_from(
    ["", " ", "\n", '// one, } ] " line\n', '/* , ] " */', "/* // */ // /*\n", "/**\n **/"]
)


def _render(value: Any, data: st.DataObject) -> str:
    """JSON with comments between the tokens and trailing commas."""

    def noise() -> str:
        return data.draw(_NOISE)

    def closing(parts: list[str]) -> str:
        comma = "," if parts and data.draw(st.booleans()) else ""
        return f"{','.join(parts)}{noise()}{comma}{noise()}"

    if isinstance(value, dict):
        parts = [f"{noise()}{json.dumps(k)}{noise()}:{_render(v, data)}" for k, v in value.items()]
        return f"{noise()}{{{closing(parts)}}}{noise()}"
    if isinstance(value, list):
        return f"{noise()}[{closing([_render(item, data) for item in value])}]{noise()}"
    return f"{noise()}{json.dumps(value)}{noise()}"


@given(st.dictionaries(_TEXT, _VALUES, max_size=4), st.data())
def test_comments_and_trailing_commas_change_nothing(value: dict[str, Any], data: st.DataObject) -> None:
    assert jsonc.parse(_render(value, data), "test", {}) == value


@given(st.text(max_size=60))
def test_any_text_gives_an_object_or_a_clear_refusal(text: str) -> None:
    refusal = ""
    try:
        value: object = jsonc.parse(text, '"some.json"', {})
    except BadFileFormat as exc:
        value, refusal = None, str(exc)
    assert isinstance(value, dict) or '"some.json"' in refusal


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_values_of_variables_are_escaped_inside_of_strings(value: str) -> None:
    assert jsonc.parse('{"a": "<${X}>"}', "test", {"X": value}) == {"a": f"<{value}>"}


def test_variables_outside_of_strings_are_json() -> None:
    text = '{"port": ${PORT:-8042}, "modalities": ${M}, "name": "${N:-no: name}${NOTHING}"}'
    environment = {"M": '{"a": ["A", "h", 1]}'}
    assert jsonc.parse(text, "test", environment) == {
        "port": 8042,
        "modalities": {"a": ["A", "h", 1]},
        "name": "no: name",
    }


def test_a_set_variable_wins_over_the_default() -> None:
    assert jsonc.parse('{"a": "${X:-default}"}', "test", {"X": ""}) == {"a": ""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1', "line 1"),
        ('{\n// comment\n"a" 1}', "line 3, column 5"),
        ("{'a': 1}", "line 1"),
        ("[1]", "must contain a JSON object"),
        ('{"a": 1} trailing', "Extra data"),
    ],
)
def test_errors_name_the_place(text: str, message: str) -> None:
    with pytest.raises(BadFileFormat, match=message):
        jsonc.parse(text, "test", {})


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileFormat, match="Cannot read"):
        jsonc.read(tmp_path / "absent.json", {})
    (tmp_path / "latin.json").write_bytes(b'{"Name": "\xe9"}')
    with pytest.raises(BadFileFormat, match="latin"):
        jsonc.read(tmp_path / "latin.json", {})


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "bom.json").write_bytes(b'\xef\xbb\xbf{"Name": "x"}')
    assert jsonc.read(tmp_path / "bom.json", {}) == {"Name": "x"}
