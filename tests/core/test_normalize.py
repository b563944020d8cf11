"""Normalised text: what it makes equal, and what it keeps apart."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.text.normalize import normalize


@pytest.mark.parametrize(
    ("value", "normal"),
    [
        ("doe^john", "DOE^JOHN"),
        ("  padded \0\0", "PADDED"),
        ("in  the middle", "IN  THE MIDDLE"),
        ("\tTAB", "\tTAB"),
        ("Zoë Ångström", "ZOE ANGSTROM"),
        ("straße", "STRASSE"),
        ("Ærøskøbing", "ÆRØSKØBING"),  # letters of their own, not letters with an accent
        ("Σίσυφος", "ΣΙΣΥΦΟΣ"),
        ("ёлка", "ЕЛКА"),
        ("山田^太郎", "山田^太郎"),
        ("홍^길동", "홍^길동"),  # one syllable each, also where they came as letters
        (unicodedata.normalize("NFD", "홍^길동"), "홍^길동"),
        ("ﬁne", "FINE"),
        ("ＷＩＤＥ", "WIDE"),
        ("", ""),
    ],
)
def test_values(value: str, normal: str) -> None:
    assert normalize(value) == normal


@given(st.text())
def test_it_is_the_same_however_the_text_was_composed(value: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, value) for form in ("NFC", "NFD"))
    assert normalize(composed) == normalize(decomposed)


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_plain_letters_are_changed_in_case_only(value: str) -> None:
    assert normalize(value).casefold() == value.strip(" \0").casefold()
    assert normalize(normalize(value)) == normalize(value)


@given(st.text(alphabet=st.characters(max_codepoint=0x24F, categories=["L", "N"])))
def test_neither_case_nor_padding_matters_in_european_names(value: str) -> None:
    assert normalize(value) == normalize(value.upper()) == normalize(f" {value}\0")
    assert normalize(normalize(value)) == normalize(value)
