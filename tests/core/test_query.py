"""From the notation of a request to constraints (PS3.4 C.2.2.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.errors import BadRequest, ParameterOutOfRange
from orthanclite.core.levels import Level
from orthanclite.core.query import (
    COMPUTED_TAGS,
    COUNTED_LEVELS,
    MAXIMUM_ALTERNATIVES,
    MAXIMUM_CONDITIONS,
    MAXIMUM_LABELS,
    MAXIMUM_ORDER,
    MAXIMUM_PATTERN,
    MAXIMUM_REQUESTED_TAGS,
    MAXIMUM_SET_ALTERNATIVES,
    MODALITIES_IN_STUDY,
    RANGE_VRS,
    SOP_CLASSES_IN_STUDY,
    WILDCARD_VRS,
    Constraint,
    FindRequest,
    Match,
    MetadataConstraint,
    OrderBy,
    OrderType,
    constraint,
    metadata_constraint,
    requested_tags,
)
from orthanclite.core.text.matching import matches

NAME, DATE, STUDY_UID = 0x00100010, 0x00080020, 0x0020000D


@pytest.mark.parametrize(
    ("vr", "value", "match", "values"),
    [
        ("PN", "DOE^JOHN", Match.EQUAL, ("DOE^JOHN",)),
        ("PN", " DOE \0", Match.EQUAL, ("DOE",)),
        ("PN", "DOE*", Match.WILDCARD, ("DOE*",)),
        ("PN", "D?E", Match.WILDCARD, ("D?E",)),
        ("PN", "A\\ B ", Match.LIST, ("A", "B")),
        ("PN", "A*\\B", Match.LIST, ("A*", "B")),  # wildcards in a list are literal
        ("PN", "SMITH-JONES", Match.EQUAL, ("SMITH-JONES",)),
        ("UI", "1.2\\1.3", Match.LIST, ("1.2", "1.3")),
        ("DA", "20240131", Match.EQUAL, ("20240131",)),
        ("DA", "20240101-20240131", Match.RANGE, ("20240101", "20240131")),
        ("DA", "20240101 - 20240131", Match.RANGE, ("20240101", "20240131")),
        ("DA", "-20240131", Match.RANGE, ("", "20240131")),
        ("DA", "20240101-", Match.RANGE, ("20240101", "")),
        ("TM", "1000-1100", Match.RANGE, ("1000", "1100")),
        ("DT", "20240101100000-20240101110000", Match.RANGE, ("20240101100000", "20240101110000")),
        # A hyphen may be that of an offset from UTC (PS3.5 6.2).
        ("DT", "20240101100000-0500", Match.EQUAL, ("20240101100000-0500",)),
        ("DT", "20240101100000-0500-", Match.RANGE, ("20240101100000-0500", "")),
        (
            "DT",
            "20240101100000-0500-20240101110000-0500",
            Match.RANGE,
            ("20240101100000-0500", "20240101110000-0500"),
        ),
        ("DT", "2023-2024", Match.RANGE, ("2023", "2024")),
    ],
)
def test_notations(vr: str, value: str, match: Match, values: tuple[str, ...]) -> None:
    made = constraint(NAME, vr, value)
    assert made is not None
    assert (made.match, made.values) == (match, values)


@pytest.mark.parametrize("value", ["", " ", "\0", "  \0\0"])
@pytest.mark.parametrize("vr", ["PN", "DA", "UI", "IS", "SQ"])
def test_an_empty_value_matches_everything(vr: str, value: str) -> None:
    assert constraint(NAME, vr, value) is None


@pytest.mark.parametrize("value", ["-", " - ", "--"])
def test_a_range_that_is_open_at_both_ends(value: str) -> None:
    made = constraint(DATE, "DA", value)
    assert made is None or made.values != ("", "")


@given(st.sampled_from(sorted({"DA", "TM", "DT", "UI", "IS", "DS", "US", "FL", "AT", "OB", "SQ"})), st.text())
def test_wildcards_belong_to_texts(vr: str, text: str) -> None:
    """PS3.4 C.2.2.2.4: dates, times, UIDs and numbers have none."""
    value = text.replace("\\", "") + "*" + "x"
    with pytest.raises(ParameterOutOfRange, match="Wildcards are not allowed on tag 0008,0020"):
        constraint(DATE, vr, value)


def test_representations_do_not_overlap() -> None:
    assert not WILDCARD_VRS & RANGE_VRS


@pytest.mark.parametrize("tag", [MODALITIES_IN_STUDY, SOP_CLASSES_IN_STUDY])
def test_what_a_study_has_several_of_is_a_list(tag: int) -> None:
    made = constraint(tag, "CS", "CT")
    assert made is not None
    assert (made.match, made.values) == (Match.LIST, ("CT",))
    assert matches(made, "CT\\MR")
    wild = constraint(tag, "CS", "C*")
    assert wild is not None
    assert wild.match is Match.WILDCARD


@given(st.sampled_from(sorted(WILDCARD_VRS | {"UI"})), st.text(alphabet="aB^= .1", min_size=1, max_size=12))
def test_a_plain_value_finds_itself(vr: str, value: str) -> None:
    made = constraint(NAME, vr, value)
    assert made is None or matches(made, value)


@given(st.dates(), st.dates())
def test_a_range_holds_its_ends(first: object, second: object) -> None:
    lower, upper = sorted((f"{first:%Y%m%d}".zfill(8), f"{second:%Y%m%d}".zfill(8)))
    made = constraint(DATE, "DA", f"{lower}-{upper}")
    assert made is not None
    assert matches(made, lower)
    assert matches(made, upper)


def test_metadata() -> None:
    assert metadata_constraint(1, "a").match is Match.EQUAL
    assert metadata_constraint(1, "a*").match is Match.WILDCARD
    assert metadata_constraint(1, "a*\\b").values == ("a*", "b")
    assert metadata_constraint(1, "a*\\b").match is Match.LIST


def test_types_of_order() -> None:
    for member in OrderType:
        assert OrderType.parse(member.value.upper()) is member
        assert member.is_metadata is ("Metadata" in member.value)
    with pytest.raises(BadRequest, match="nonsense"):
        OrderType.parse("nonsense")


def test_what_is_counted_is_below_what_it_describes() -> None:
    for tag, counted in COUNTED_LEVELS.items():
        assert Level(COMPUTED_TAGS[tag]) < counted


def test_a_value_that_asks_for_too_much_is_refused() -> None:
    assert constraint(NAME, "PN", "*" + "a" * (MAXIMUM_PATTERN - 1)) is not None
    assert constraint(NAME, "PN", "a" * 1_000_000) is not None
    assert constraint(STUDY_UID, "UI", "\\".join(["1"] * MAXIMUM_ALTERNATIVES)) is not None
    for tag, vr, value in (
        (NAME, "PN", "*" + "a" * MAXIMUM_PATTERN),
        (STUDY_UID, "UI", "\\".join(["1"] * (MAXIMUM_ALTERNATIVES + 1))),
        (MODALITIES_IN_STUDY, "CS", "\\".join(["CT"] * (MAXIMUM_SET_ALTERNATIVES + 1))),
    ):
        with pytest.raises(BadRequest, match=r"[Aa]t most"):
            constraint(tag, vr, value)
    for value in ("?" * (MAXIMUM_PATTERN + 1), "\\" * MAXIMUM_ALTERNATIVES):
        with pytest.raises(BadRequest, match=r"[Aa]t most"):
            metadata_constraint(1024, value)


def test_a_search_that_asks_for_too_much_is_refused() -> None:
    one, other = Constraint(STUDY_UID, Match.EQUAL, ("1",)), MetadataConstraint(1024, Match.EQUAL, ("1",))
    order = OrderBy(OrderType.TAG, STUDY_UID)
    FindRequest(
        Level.STUDY,
        (one,) * (MAXIMUM_CONDITIONS - 1),
        ("label",) * MAXIMUM_LABELS,
        metadata=(other,),
        order_by=(order,) * MAXIMUM_ORDER,
    )
    for fields in (
        {"constraints": (one,) * MAXIMUM_CONDITIONS, "metadata": (other,)},
        {"labels": ("label",) * (MAXIMUM_LABELS + 1)},
        {"order_by": (order,) * (MAXIMUM_ORDER + 1)},
    ):
        with pytest.raises(BadRequest, match="At most"):
            FindRequest(Level.STUDY, **fields)  # type: ignore[arg-type]
    assert requested_tags([1, 2, 1]) == (1, 2)
    with pytest.raises(BadRequest, match="At most"):
        requested_tags(range(MAXIMUM_REQUESTED_TAGS + 1))
