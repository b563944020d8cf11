"""Numbers that strangers write."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.text.numbers import LARGEST, natural


@given(st.integers(0, 2**70), st.integers(0, 30))
def test_numbers_are_read_whatever_their_zeros(number: int, zeros: int) -> None:
    expected = number if number < 10**18 else LARGEST
    assert natural("0" * zeros + str(number)) == expected


@given(st.text())
def test_nothing_else_is_a_number(text: str) -> None:
    number = natural(text)
    assert (number is not None) is (bool(text) and set(text) <= set("0123456789"))


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "+1", "-1", "1_000", "1e3", "0x10", "²", "١٢", "１", "1.0", "\n1"]
)
def test_what_python_or_another_language_would_read(text: str) -> None:
    assert natural(text) is None


def test_a_million_digits_take_no_time() -> None:
    started = time.process_time()
    assert natural("9" * 1_000_000) == LARGEST
    assert natural("0" * 1_000_000) == 0
    assert time.process_time() - started < 1
