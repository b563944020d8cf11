"""Media types and their parameters."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.web.bodies.multipart import boundary_of
from orthanclite.web.media_types import parse_accept, parse_media_type

TOKEN = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ("application/dicom", "application/dicom", {}),
        ("", "", {}),
        (";;", "", {}),
        ("text/plain;charset", "text/plain", {}),
        ("TEXT/Plain ; Charset = UTF-8", "text/plain", {"charset": "UTF-8"}),
        ('multipart/related; type="a/b"; type=c/d', "multipart/related", {"type": "a/b"}),
        (r'a/b; x="quo\"te; y=1, z"; y=2', "a/b", {"x": 'quo"te; y=1, z', "y": "2"}),
        ('a/b; x="not closed; y=2', "a/b", {"x": '"not closed; y=2'}),
    ],
)
def test_parameters_are_kept(text: str, name: str, parameters: dict[str, str]) -> None:
    parsed = parse_media_type(text)
    assert (parsed.name, parsed.parameters) == (name, parameters)


def test_ranges_keep_their_parameters_and_order() -> None:
    ranges = parse_accept(
        'multipart/related; type="application/dicom"; transfer-syntax=1.2;q=0.3, */*; q=0.1,,image/png;q=x'
    )
    assert [(one.name, one.quality, dict(one.parameters)) for one in ranges] == [
        ("multipart/related", 0.3, {"type": "application/dicom", "transfer-syntax": "1.2"}),
        ("*/*", 0.1, {}),
        ("image/png", 1.0, {}),
    ]


@given(TOKEN, st.dictionaries(TOKEN.filter(lambda key: key != "q"), st.text(min_size=1)))
def test_what_is_written_is_read(name: str, parameters: dict[str, str]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = "; ".join([name, *(f"{key}={quoted(value)}" for key, value in parameters.items())])
    parsed = parse_media_type(text)
    assert (parsed.name, parsed.parameters) == (name, parameters)


@given(st.text())
def test_any_text_is_something(text: str) -> None:
    parse_media_type(text)
    parse_accept(text)
    boundary_of(text)


@pytest.mark.parametrize("unit", ['"', '\\"', ";", ",", '"\\', 'a"', "a=;"])
def test_no_text_takes_long(unit: str) -> None:
    started = time.process_time()
    parse_accept(unit * 40_000)
    parse_media_type(unit * 40_000)
    assert time.process_time() - started < 5
