"""Studies modified and anonymised in jobs by both servers, tag by tag; each its own new UIDs."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from tests.parity.conftest import Pair
from tests.parity.corpus import Sample, is_dicom

CHOSEN = (
    "bundled/CT_small.dcm",
    "bundled/rtplan.dcm",
    "bundled/rtstruct.dcm",
    "bundled/reportsi.dcm",
    "bundled/test-SR.dcm",
    "bundled/liver_1frame.dcm",
    "charset/",
    "dcmtk/implicit/",
    "dcmtk/big-endian/",
    "dcmtk/deflated/",
    "dcmtk/undefined-lengths/",
    "dcmtk/group-lengths/",
    "dcmtk/jpeg-lossless-sv1/",
    "dcmtk/rle/",
    "made/",
)
"""Prefixes of the samples: with sequences, private elements, references, in character sets and syntaxes."""

Place = tuple[str, Any]

DRAWN = ("0010,0020", "0012,0063")
"""PatientID, which is drawn, and DeidentificationMethod, which names the release."""


def edited(pair: Pair, study: str, verb: str, body: dict[str, Any]) -> list[dict[str, Dataset]]:
    """What each server has made of a study, by the instances that it was made from."""
    found = []
    for server in (pair.ours, pair.reference):
        made = server.client.post(f"/studies/{study}/{verb}", json=body)
        assert made.status_code == 200, made.text
        sets = {}
        for instance in server.get(f"/studies/{made.json()['ID']}/instances?expand"):
            source = instance.get("ModifiedFrom") or instance["AnonymizedFrom"]
            file = server.client.get(f"/instances/{instance['ID']}/file").content
            sets[source] = pydicom.dcmread(BytesIO(file), force=True)
        server.client.delete(f"/studies/{made.json()['ID']}").raise_for_status()
        found.append(sets)
    return found


def flat(dataset: Dataset, where: str = "") -> Iterator[Place]:
    """The elements of a data set and of its items; group lengths follow from the rest."""
    for tag in sorted(dataset.keys()):
        if tag.element == 0 or tag == 0xFFFCFFFC:
            continue
        element = dataset[tag]
        place = f"{where}{tag.group:04x},{tag.element:04x}"
        if element.VR == "SQ":
            yield place, len(element.value)
            for number, item in enumerate(element.value):
                yield from flat(item, f"{place}[{number}].")
        else:
            yield place, _value(element)


def _value(element: DataElement) -> Any:
    value = element.value
    return value.rstrip(b"\0") if isinstance(value, bytes) else str(value).rstrip(" \0")


def is_new_uid(value: Any) -> bool:
    """Whether a value looks like a UID that one of the servers has made."""
    return isinstance(value, str) and value.startswith(("2.25.", "1.2.276.0.7230010.3."))


def differing(ours: Dataset, theirs: Dataset, source: Dataset, uids: dict[str, str]) -> list[str]:
    """The places where two results differ, if each UID of ours stands for one of theirs.

    Ours, or that of the study it went to, may also stand for one of the source, which the reference leaves in
    references to itself.
    """
    own = {source.StudyInstanceUID, source.SeriesInstanceUID, source.SOPInstanceUID}
    left, right = dict(flat(ours)), dict(flat(theirs))
    found = []
    for place in sorted(left.keys() | right.keys()):
        one, other = left.get(place), right.get(place)
        if one == other:
            continue
        follows = is_new_uid(one) or one == ours.StudyInstanceUID
        if place.endswith(DRAWN) or ("." in place and follows and other in own):
            continue
        if is_new_uid(one) and is_new_uid(other) and uids.setdefault(str(one), str(other)) == other:
            continue
        found.append(f"{place}: {one!r:.80} | {other!r:.80}")
    return found


@pytest.mark.filterwarnings("ignore::UserWarning")  # odd values, which both pass on
@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("modify", {"Replace": {"StudyDescription": "new", "0010,4000": "x"}, "Remove": ["StationName"]}),
        ("modify", {"RemovePrivateTags": True}),
        ("anonymize", {"DicomVersion": "2008", "Replace": {"PatientName": "A"}}),
        ("anonymize", {"DicomVersion": "2017c", "Replace": {"PatientName": "A"}, "KeepPrivateTags": True}),
    ],
)
def test_results_are_the_same(
    blank_pair: Pair, samples: dict[str, Sample], verb: str, body: dict[str, Any]
) -> None:
    problems, compared = [], 0
    for name, sample in samples.items():
        if not name.startswith(CHOSEN) or not is_dicom(sample):
            continue
        ours, theirs = blank_pair.both("POST", "/instances", content=sample.data)
        if ours.status_code != 200 or theirs.status_code != 200:
            continue  # see test_uploads
        study = ours.json()["ParentStudy"]
        left, right = edited(blank_pair, study, verb, body)
        uids: dict[str, str] = {}
        assert left.keys() == right.keys(), name
        original = pydicom.dcmread(BytesIO(sample.data), force=True)
        for source in left:
            found = differing(left[source], right[source], original, uids)
            problems += [f"{name} {line}" for line in found]
        blank_pair.both("DELETE", f"/studies/{study}")
        compared += 1
    assert not problems, "\n".join(problems)
    assert compared > 50


def given_away(pair: Pair, study: str, verb: str, body: dict[str, Any]) -> list[Dataset]:
    """The only instance that each server has made by a split or a merge; it is removed again."""
    found = []
    for server in (pair.ours, pair.reference):
        before = set(server.get("/instances"))
        answer = server.client.post(f"/studies/{study}/{verb}", json={**body, "KeepSource": True})
        assert answer.status_code == 200, answer.text
        (made,) = set(server.get("/instances")) - before
        file = server.client.get(f"/instances/{made}/file").content
        found.append(pydicom.dcmread(BytesIO(file), force=True))
        server.client.delete(f"/instances/{made}").raise_for_status()
    return found


@pytest.mark.filterwarnings("ignore::UserWarning")  # odd values, which both pass on
@pytest.mark.parametrize("verb", ["split", "merge"])
def test_what_goes_to_another_study_is_the_same(
    blank_pair: Pair, samples: dict[str, Sample], verb: str
) -> None:
    target, _ = blank_pair.both("POST", "/instances", content=samples["bundled/MR_small.dcm"].data)
    problems, compared = [], 0
    for name, sample in samples.items():
        if not name.startswith(CHOSEN) or not is_dicom(sample):
            continue
        ours, theirs = blank_pair.both("POST", "/instances", content=sample.data)
        if ours.status_code != 200 or theirs.status_code != 200:
            continue  # see test_uploads
        source = ours.json()
        if verb == "split":
            body = {"Series": [source["ParentSeries"]], "Replace": {"PatientName": "A"}}
            left, right = given_away(blank_pair, source["ParentStudy"], verb, body)
        else:
            body = {"Resources": [source["ParentStudy"]]}
            left, right = given_away(blank_pair, target.json()["ParentStudy"], verb, body)
        original = pydicom.dcmread(BytesIO(sample.data), force=True)
        problems += [f"{name} {line}" for line in differing(left, right, original, {})]
        blank_pair.both("DELETE", f"/studies/{source['ParentStudy']}")
        compared += 1
    blank_pair.both("DELETE", f"/studies/{target.json()['ParentStudy']}")
    assert not problems, "\n".join(problems)
    assert compared > 50
