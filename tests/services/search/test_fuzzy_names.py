"""Fuzzy names: the index finds whatever matches, and a name matches its own words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.text.matching import matches
from orthanclite.services.search.fuzzy_names import FuzzyName

NAMES = st.text("aäÉz^=- ß漢'.", max_size=20)


@given(NAMES, NAMES)
def test_the_index_leaves_nothing_out(wanted: str, name: str) -> None:
    fuzzy = FuzzyName(wanted)
    if fuzzy.matches(name):
        assert all(matches(one, name) for one in fuzzy.constraints(0x00100010))


@given(NAMES)
def test_a_name_matches_itself(name: str) -> None:
    assert FuzzyName(name).matches(name)


@pytest.mark.parametrize(
    ("wanted", "name", "is_match"),
    [
        ("smi jo", "Smith^John", True),
        ("jo smi", "Jones-Smith^Anna", True),
        ("*muller*", "Müller^Hans", True),
        ("o'br", "O'Brien^Pat", True),
        ("mith", "Smith^John", False),
        ("smith", None, False),
        ("yam", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
        ("山", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
    ],
)
def test_words(wanted: str, name: str | None, is_match: bool) -> None:
    assert FuzzyName(wanted).matches(name) is is_match
