"""Texts of strangers, made safe to show."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.text.printable import printable


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_nothing_is_left_that_a_terminal_would_obey(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode("utf-8")
    if text.isprintable():
        assert shown == text


@given(st.text(alphabet=st.characters(exclude_characters="\\", exclude_categories=())))
def test_nothing_is_lost(text: str) -> None:
    shown = printable(text)
    escaped = "".join(char if char.isascii() else char.encode("unicode_escape").decode() for char in shown)
    assert escaped.encode("ascii").decode("unicode_escape") == text
