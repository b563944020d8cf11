"""Requests of edits as nobody describes them: each is refused or carried out, and no error is unexpected.

``FUZZ_EXAMPLES`` asks for more examples than the few of a usual run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orthanclite.core.errors import OrthancError
from orthanclite.core.levels import Level
from tests.jobs.test_interrupted_edits import bench, template
from tests.support.lab import ORIGIN

__all__ = ["template"]  # a fixture

EXAMPLES = 30 * int(os.environ.get("FUZZ_EXAMPLES", "3"))

ODD: list[Any] = [None, True, 0, -1, 10**30, 1e300, "", "\0", "é\u202e", "\\", "9" * 400, [], {}, [[]], [{}]]
NAMES = [
    "PatientID",
    "PatientName",
    "StudyInstanceUID",
    "SOPInstanceUID",
    "StudyDate",
    "SpecificCharacterSet",
    "PixelData",
    "Rows",
    "PixelSpacing",
    "RequestAttributesSequence",
    "TransferSyntaxUID",
    "0009,0010",
    "0009,1001",
    "fffe,e000",
    "7fe0,0010",
    "0008,0000",
    "6000,3000",
    "NoSuchTag",
    "",
]
INDICES = ["[0]", "[*]", "[-1]", "[99999999999]", "[", "[]", ""]
paths = st.builds(
    lambda steps, last: ".".join([*(f"{name}{index}" for name, index in steps), last]),
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(INDICES)), max_size=2),
    st.sampled_from(NAMES),
)
VALUES = ["1.2.3", "20240101", "A\\B", "data:;base64,AAAA", "ISO_IR 100"]
values = st.recursive(
    st.sampled_from([*ODD, *VALUES]) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(paths, inner, max_size=2),
    max_leaves=4,
)
odd = st.sampled_from(ODD)
MASK = {"Rectangles": [[0, 0, 1, 1]]}
MASKS = [MASK, {**MASK, "Frames": [7]}, {**MASK, "Value": 9}]
MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "Replace": st.dictionaries(paths, values, max_size=3) | odd,
    "Remove": st.lists(paths, max_size=3) | odd,
    "Keep": st.lists(paths, max_size=3) | odd,
    "Force": st.booleans() | odd,
    "KeepPrivateTags": st.booleans() | odd,
    "RemovePrivateTags": st.booleans() | odd,
    "KeepSource": st.booleans() | odd,
    "KeepLabels": st.booleans() | odd,
    "PrivateCreator": st.text(max_size=3) | odd,
    "DicomVersion": st.sampled_from(["2008", "2017c", "2021b", "2023b"]) | odd,
    "Profile": st.lists(st.sampled_from(["Basic", "RetainUIDs", "CleanGraphics", "x"]), max_size=3) | odd,
    "CleanWords": st.lists(st.text(max_size=3), max_size=2) | odd,
    "DeidentificationKey": odd,
    "Transcode": st.sampled_from(["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5", "x"]) | odd,
    "LossyQuality": st.integers() | odd,
    "UidMap": st.sampled_from(["CSV", "JSON", "x"]) | odd,
    "MaskPixels": st.lists(st.sampled_from([*MASKS, *ODD]), max_size=3) | odd,
    "Resources": st.lists(odd, max_size=2) | odd,
}
"""What each member may be, and what not."""


def likely(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: MEMBERS[name] for name in names})


bodies = st.sets(st.sampled_from(sorted(MEMBERS)), max_size=4).flatmap(lambda names: likely(sorted(names)))


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of odd values
@pytest.mark.timeout(60 + EXAMPLES)
def test_any_request_is_refused_or_carried_out(
    tmp_path_factory: pytest.TempPathFactory,
    template: Path,
) -> None:
    carried_out = refused = 0
    with bench(tmp_path_factory.mktemp("lab") / "lab", template) as one:
        study = one.lab.resources.list_ids(Level.STUDY)[0]

        @settings(max_examples=EXAMPLES)
        @given(body=bodies, anonymize=st.booleans(), forced=st.booleans())
        def check(body: dict[str, Any], anonymize: bool, forced: bool) -> None:
            nonlocal carried_out, refused
            try:
                sent = orjson.loads(orjson.dumps({"Force": True, **body} if forced else body))
            except TypeError:  # no client can send that
                return
            try:
                submission = one.kind.of_resource(sent, study, Level.STUDY, anonymize, ORIGIN)
            except OrthancError:
                refused += 1
                return
            told = list(one.kind.preview(submission))
            assert len(told) == len(submission.parameters["instances"])
            carried_out += 1

        check()
    assert refused > 10
    assert carried_out > 3
