"""Orthanc's identifiers, and UIDs."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.identifiers import generate_uid, hierarchy, orthanc_id
from orthanclite.core.levels import Level


@pytest.mark.parametrize(
    ("values", "id"),
    [
        # as sha1sum tells it
        (("",), "da39a3ee-5e6b4b0d-3255bfef-95601890-afd80709"),
        (("abc",), "a9993e36-4706816a-ba3e2571-7850c26c-9cd0d89d"),
        (("a", "b", "c"), "c74a3276-c7e3cbbf-386b6332-e627989d-fc851c00"),
    ],
)
def test_hashes(values: tuple[str, ...], id: str) -> None:
    assert orthanc_id(*values) == orthanc_id("|".join(values)) == id


@given(st.text(), st.text())
def test_their_form(first: str, second: str) -> None:
    id = orthanc_id(first, second)
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}", id)


uids = st.text(alphabet="0123456789.", max_size=64)


@given(st.text(max_size=64), uids, uids, uids)
def test_a_hierarchy_follows_from_its_identifiers(patient: str, study: str, series: str, sop: str) -> None:
    ids = hierarchy(patient, study, series, sop)
    assert [ids.at(level) for level in Level] == [ids.patient, ids.study, ids.series, ids.instance]
    assert ids.patient == orthanc_id(patient)
    assert ids.instance == orthanc_id(patient, study, series, sop)
    other = hierarchy(patient, study, series, sop + ".1")
    assert (other.patient, other.study, other.series) == (ids.patient, ids.study, ids.series)
    assert other.instance != ids.instance


def test_uids_are_new_and_valid() -> None:
    made = [generate_uid() for _ in range(1000)]
    assert len(set(made)) == 1000
    for uid in made:
        assert re.fullmatch(r"2\.25\.(0|[1-9][0-9]*)", uid)  # PS3.5 B.2, 9.1: no leading zeros
        assert len(uid) <= 64
        assert int(uid[5:]) < 2**128
