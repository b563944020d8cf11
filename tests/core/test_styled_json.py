"""JSON in Orthanc's style: the same values as any JSON, in a look of its own."""

from __future__ import annotations

import json
import math
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.text.styled_json import Raw, dumps, dumps_error

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_it_is_json_of_the_same_value(value: Any) -> None:
    assert json.loads(dumps(value)) == value


@given(st.dictionaries(st.text(), values, max_size=4))
def test_so_is_the_body_of_an_error(value: dict[str, Any]) -> None:
    body = dumps_error(value)
    assert json.loads(body) == value
    assert body.endswith(b"\n")
    assert b"   " not in dumps_error({"a": {"b": [1]}})


@given(values)
def test_it_is_ascii_with_sorted_keys_and_without_blank_ends(value: Any) -> None:
    text = dumps(value).decode("ascii")
    assert text.strip() == text

    def ordered(pairs: list[tuple[str, Any]]) -> None:
        assert [key for key, _ in pairs] == sorted(key for key, _ in pairs)

    json.loads(text, object_pairs_hook=ordered)


def test_the_look_of_it() -> None:
    value = {"b": [1, "é", {}], "a": {"x": None, "y": []}, "c": [], "B": True}
    expected = (
        "{\n"
        '   "B" : true,\n'
        '   "a" : \n'
        "   {\n"
        '      "x" : null,\n'
        '      "y" : []\n'
        "   },\n"
        '   "b" : \n'
        "   [\n"
        "      1,\n"
        '      "\\u00e9",\n'
        "      {}\n"
        "   ],\n"
        '   "c" : []\n'
        "}"
    )
    assert dumps(value).decode() == expected


@given(values, st.text(min_size=1))
def test_a_rendered_part_is_taken_over(value: Any, key: str) -> None:
    raw = Raw(dumps(value).decode())
    assert dumps(raw) == dumps(value)
    assert dumps([raw, {key: raw}]) == dumps([value, {key: value}])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0"),
        (0.1, "0.10000000000000001"),
        (1e300, "1.0000000000000001e+300"),
        (-0.0, "-0.0"),
        (math.inf, "1e+9999"),
        (-math.inf, "-1e+9999"),
        (math.nan, "null"),
        (2**70, str(2**70)),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert dumps(value).decode() == text


class Word(StrEnum):
    ONE = "one"


class Number(IntEnum):
    ONE = 1


def test_subclasses_of_what_json_knows() -> None:
    assert dumps(Word.ONE) == b'"one"'
    assert dumps(Number.ONE) == b"1"
    assert dumps(MappingProxyType({"a": (1, 2)})) == dumps({"a": [1, 2]})
    assert dumps(range(2)) == dumps([0, 1])


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), [object()], {"a": b""}])
def test_what_json_cannot_hold(value: object) -> None:
    with pytest.raises(TypeError):
        dumps(value)
