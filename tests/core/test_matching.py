"""What a constraint means for one value: against matchers that are slow and simple."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.query import Constraint, Match, MetadataConstraint
from orthanclite.core.text.matching import exact, matches, predicate, wildcard
from orthanclite.core.text.normalize import normalize

TAG = 0x00100010

texts = st.text(alphabet="abABé*?\\ .[^", max_size=8)
patterns = st.text(alphabet="ab*?.[^", max_size=8)


def slow_match(pattern: str, text: str) -> bool:
    """Whether ``*`` and ``?`` make the pattern the text, by trying everything."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(slow_match(pattern[1:], text[index:]) for index in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and slow_match(pattern[1:], text[1:])


@given(patterns, st.text(alphabet="ab.[^\n", max_size=8))
def test_wildcards(pattern: str, text: str) -> None:
    assert wildcard(pattern)(text) is slow_match(pattern, text)


@pytest.mark.parametrize("length", [10, 100, 1000])
def test_no_pattern_takes_long(length: int) -> None:
    """Neither does one that is made to be tried in every way (ReDoS)."""
    started = time.process_time()
    for pattern in ("*a" * length + "b", "*" * length + "b", "?*" * length + "b", "*a?" * length + "b"):
        assert not matches(Constraint(TAG, Match.WILDCARD, (pattern,)), "a" * length)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "pattern",
    [
        "*" * 65 + "b",
        "*a" * 511 + "b",
        "?" * 1023 + "b",
        "*" + "?" * 1000 + "b*",
        "*" + "a?" * 500 + "b*",
        "a*" * 511 + "*b",
        "*?" * 511 + "b",
    ],
)
def test_no_pattern_takes_long_in_a_long_text(pattern: str) -> None:
    started = time.process_time()
    assert not wildcard(pattern)("a" * 64_000)
    assert time.process_time() - started < 2


@given(st.integers(4080, 4110), st.sampled_from(["*?b*", "*a?b", "*??????b*c", "a*?b?*"]))
def test_a_part_is_found_wherever_it_stands(distance: int, pattern: str) -> None:
    """Places are tried in portions, the borders between which must not show."""
    text = "a" * distance + "bc" + "a" * 20
    expression = pattern.replace("*", ".*").replace("?", ".")
    assert wildcard(pattern)(text) is (re.fullmatch(expression, text) is not None)


@given(texts, st.booleans())
def test_a_value_equals_itself(text: str, case_sensitive: bool) -> None:
    assert matches(Constraint(TAG, Match.EQUAL, (text,), case_sensitive), text)


@given(texts, texts)
def test_equality(wanted: str, text: str) -> None:
    assert matches(Constraint(TAG, Match.EQUAL, (wanted,)), text) is (normalize(wanted) == normalize(text))
    exactly = Constraint(TAG, Match.EQUAL, (wanted,), case_sensitive=True)
    assert matches(exactly, text) is (wanted.strip(" ") == text.strip(" "))


@given(st.lists(texts, min_size=1, max_size=4), texts)
def test_lists(wanted: list[str], text: str) -> None:
    """One value in common, or the whole text."""
    folded = {normalize(one) for one in wanted}
    whole = normalize(text)
    expected = whole in folded or (
        "\\" in whole and any(part.strip() in folded for part in whole.split("\\"))
    )
    assert matches(Constraint(TAG, Match.LIST, tuple(wanted)), text) is expected


dates = st.dates().map(lambda date: f"{date:%Y%m%d}".zfill(8))


@given(st.one_of(st.just(""), dates), st.one_of(st.just(""), dates), dates)
def test_ranges(lower: str, upper: str, date: str) -> None:
    expected = (not lower or int(lower) <= int(date)) and (not upper or int(date) <= int(upper))
    for case_sensitive in (False, True):
        assert matches(Constraint(TAG, Match.RANGE, (lower, upper), case_sensitive), date) is expected


@pytest.mark.parametrize(
    ("match", "values"),
    [
        (Match.EQUAL, ("",)),
        (Match.LIST, ("", "a")),
        (Match.WILDCARD, ("*",)),
        (Match.RANGE, ("", "99991231")),
    ],
)
def test_an_absent_attribute_never_matches(match: Match, values: tuple[str, ...]) -> None:
    assert not matches(Constraint(TAG, match, values), None)
    assert matches(Constraint(TAG, match, values), "")  # one that is there, and empty


def test_case_and_accents() -> None:
    for case_sensitive, expected in ((False, True), (True, False)):
        assert matches(Constraint(TAG, Match.EQUAL, ("noel",), case_sensitive), "NOËL ") is expected
        assert matches(Constraint(TAG, Match.WILDCARD, ("no*",), case_sensitive), "NOËL") is expected
        assert matches(Constraint(TAG, Match.LIST, ("x", "noël"), case_sensitive), "A\\NOËL") is expected
    # Ranges are of dates and times, in which case means nothing.
    assert matches(Constraint(TAG, Match.RANGE, ("a", "c"), case_sensitive=True), "B")


def test_padding_is_no_part_of_a_value() -> None:
    assert exact(" a b \0") == "a b"
    assert matches(Constraint(TAG, Match.EQUAL, ("1.2.3",), case_sensitive=True), "1.2.3\0")


def test_metadata_is_matched_alike() -> None:
    test = predicate(MetadataConstraint(1024, Match.WILDCARD, ("ward ?",)))
    assert [test(value) for value in ("Ward 7", "Ward 77", None)] == [True, False, False]
