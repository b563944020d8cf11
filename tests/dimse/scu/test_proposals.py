"""Which contexts are proposed for what is to be sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orthanclite.dimse.outgoing import Proposal
from orthanclite.dimse.scu.proposals import COMMON_CLASSES, MOST_STORAGE_PROPOSALS, storage_proposals

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
RLE, JPEG_LS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80"


def of(sop_class: str, proposals: list[Proposal]) -> list[tuple[str, ...]]:
    return [one.transfer_syntaxes for one in proposals if one.abstract_syntax == sop_class]


def test_the_proposals_of_the_reference() -> None:
    """As recorded of release 1.13 (26: with each preferred syntax)."""
    for syntax, preferred, expected in (
        (EXPLICIT, EXPLICIT, [(EXPLICIT,), (IMPLICIT, BIG)]),
        (BIG, EXPLICIT, [(BIG,), (EXPLICIT,), (IMPLICIT,)]),
        (RLE, EXPLICIT, [(RLE,), (EXPLICIT,), (IMPLICIT, BIG)]),
        (EXPLICIT, IMPLICIT, [(EXPLICIT,), (IMPLICIT,), (BIG,)]),
        (RLE, IMPLICIT, [(RLE,), (IMPLICIT,), (EXPLICIT, BIG)]),
        (EXPLICIT, JPEG_LS, [(EXPLICIT,), (JPEG_LS,), (IMPLICIT, BIG)]),
        (RLE, JPEG_LS, [(RLE,), (JPEG_LS,), (IMPLICIT, EXPLICIT, BIG)]),
    ):
        proposals, covered = storage_proposals([(CT, syntax)], preferred)
        assert of(CT, proposals) == expected
        assert proposals[0].abstract_syntax == CT
        assert covered == {(CT, syntax)}


def test_room_that_is_left_is_filled_with_common_classes() -> None:
    proposals, _ = storage_proposals([(CT, EXPLICIT)], EXPLICIT)
    assert len(proposals) == 126
    assert list(dict.fromkeys(one.abstract_syntax for one in proposals)) == [
        CT,
        *(uid for uid in COMMON_CLASSES if uid != CT),
    ]


def test_what_is_common_anyway_is_covered_without_a_place_in_front() -> None:
    proposals, covered = storage_proposals([(CT, EXPLICIT), (MR, EXPLICIT), (MR, RLE)], EXPLICIT)
    assert covered == {(CT, EXPLICIT), (MR, EXPLICIT), (MR, RLE)}
    assert [one.abstract_syntax for one in proposals[:5]] == [CT, CT, MR, MR, MR]
    assert of(MR, proposals) == [(RLE,), (EXPLICIT,), (IMPLICIT, BIG)]


needs = st.tuples(
    st.one_of(st.sampled_from(COMMON_CLASSES), st.integers(1, 300).map("1.2.3.{}".format)),
    st.sampled_from([IMPLICIT, EXPLICIT, BIG, RLE, JPEG_LS]),
)


@given(st.lists(needs, min_size=1, max_size=200), st.sampled_from([IMPLICIT, EXPLICIT, JPEG_LS]))
def test_there_are_never_too_many_and_the_first_is_always_covered(
    wanted: list[tuple[str, str]], preferred: str
) -> None:
    proposals, covered = storage_proposals(wanted, preferred)
    assert 1 <= len(proposals) <= MOST_STORAGE_PROPOSALS
    assert wanted[0] in covered <= set(wanted)
    for sop_class, syntax in covered:
        assert (syntax,) in of(sop_class, proposals)
    assert len(set(proposals)) == len(proposals)
    left = [need for need in wanted if need not in covered]
    if left:  # nothing of it would have found room
        assert len(proposals) >= MOST_STORAGE_PROPOSALS - 3
