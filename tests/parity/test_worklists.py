"""Modality worklists against the plugin that is installed with Orthanc: the same files, the same answers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword

from tests.parity.test_cfind import CONFIG, Pair, Query, ask, shown
from tests.support.server import REFERENCE, orthanclite, reference, running

PLUGIN = Path("/usr/share/orthanc/plugins/libModalityWorklists.so")
pytestmark = pytest.mark.skipif(
    REFERENCE is None or not PLUGIN.exists() or shutil.which("dump2dcm") is None,
    reason="Orthanc with its worklists plugin, or dump2dcm, is not installed",
)

WORKLISTS = "1.2.840.10008.5.1.4.31"
STEP = "ScheduledProcedureStepSequence"
CODES = "ScheduledProtocolCodeSequence"
STUDIES = "ReferencedStudySequence"
PATIENTS = "ReferencedPatientSequence"

Tags = Mapping[str, Any]
"""Text by tag, items by the keyword of their sequence."""

ORDERS: tuple[tuple[str, str, Tags], ...] = (
    (
        "ISO_IR 100",
        "latin_1",
        {
            "0010,0010": "Müller^Jürgen",
            "0010,0020": "P1",
            "0010,0040": "M",
            "0008,0050": "A1",
            STEP: [
                {"0008,0060": "CT", "0040,0001": "CT1", "0040,0002": "20240115", "0040,0003": "093000"},
            ],
        },
    ),
    (
        "ISO_IR 192",
        "utf_8",
        {
            "0010,0010": "Διονυσιος^Ν",
            "0010,0020": "P2",
            "0010,0040": "O",
            "0008,0050": "A2",
            STEP: [
                {"0008,0060": "MR", "0040,0001": "MR1", "0040,0002": "20240116", "0040,0006": "Noël^René"},
            ],
        },
    ),
    (
        "ISO_IR 144",
        "iso8859_5",
        {
            "0010,0010": "Люкceмбypг",
            "0010,0020": "P3",
            "0008,0050": "",
            STEP: [
                {"0008,0060": "CT", "0040,0001": "CT2", "0040,0002": "20240117", "0040,0007": "Head"},
                {"0008,0060": "US", "0040,0001": "US1", "0040,0002": "20240118"},
            ],
        },
    ),
    (
        "ISO_IR 6",
        "ascii",
        {
            "0010,0010": "LAST^FIRST",
            "0010,0020": "p1",
            "0010,0030": "19500101",
            "0010,2180": "a\\b",
            STEP: [{"0008,0060": "CT", "0040,0001": "CT1", "0040,0002": "20240201", "0040,0003": ""}],
        },
    ),
    ("ISO_IR 100", "latin_1", {"0010,0010": "No^Step", "0010,0020": "P5", "0032,1060": "Knie"}),
    # What a modality or a server knows nothing of is often an empty sequence.
    (
        "ISO_IR 100",
        "latin_1",
        {"0010,0010": "Empty^Sequences", "0010,0020": "P6", STEP: [], STUDIES: [], PATIENTS: []},
    ),
    (
        "ISO_IR 100",
        "latin_1",
        {
            "0010,0010": "Filled^Sequences",
            "0010,0020": "P7",
            STEP: [
                {"0008,0060": "DX", CODES: []},
                {"0008,0060": "MG", CODES: [{"0008,0100": "C1"}, {"0008,0100": "C2"}]},
            ],
            STUDIES: [{"0008,1150": "1.2.3", "0008,1155": "1.2.3.4"}],
            PATIENTS: [{}],
        },
    ),
)
"""The character set, its codec, and the attributes of each worklist."""

QUERIES: list[Query] = [
    {"PatientName": ""},
    {"PatientName": "", "PatientID": "P1"},
    {"PatientName": "", "PatientID": "p1"},
    {"PatientName": "", "PatientID": "P*"},
    {"PatientName": "", "PatientID": "?1"},
    {"PatientName": "", "PatientID": "P1\\P3"},
    {"PatientName": "", "PatientID": "*"},
    {"PatientName": "last^first"},
    {"PatientName": "LAST*"},
    {"PatientName": "*first"},
    {"PatientName": "mül*", "SpecificCharacterSet": "ISO_IR 100"},
    {"PatientName": "MÜLLER^JÜRGEN", "SpecificCharacterSet": "ISO_IR 192"},
    {"PatientName": "muller*"},
    {"PatientName": "Διον*", "SpecificCharacterSet": "ISO_IR 192"},
    {"PatientName": "", "PatientSex": "M"},
    {"PatientName": "", "PatientSex": "M\\O"},
    {"PatientName": "", "AccessionNumber": "A?"},
    {"PatientName": "", "AccessionNumber": "*"},
    {"PatientName": "", "PatientBirthDate": "19490101-19510101"},
    {"PatientName": "", "PatientBirthDate": "", "EthnicGroup": "", "Occupation": ""},
    {"PatientName": "", "RequestedProcedureDescription": ""},
    {"PatientID": "", STEP: []},
    {"PatientID": "", STEP: [{"Modality": "CT"}]},
    {"PatientID": "", STEP: [{"Modality": "US", "ScheduledStationAETitle": ""}]},
    {"PatientID": "", STEP: [{"Modality": "XA"}]},
    {"PatientID": "", STEP: [{"ScheduledStationAETitle": "CT?"}]},
    {"PatientID": "", STEP: [{"ScheduledProcedureStepStartDate": "20240116-"}]},
    {"PatientID": "", STEP: [{"ScheduledProcedureStepStartDate": "20240115", "Modality": "CT"}]},
    {"PatientID": "", STEP: [{"ScheduledProcedureStepStartDate": "-20240116", "Modality": ""}]},
    {"PatientID": "", STEP: [{"ScheduledProcedureStepStartTime": "080000-100000"}]},
    {
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientName": "",
        STEP: [{"ScheduledPerformingPhysicianName": "noël*"}],
    },
    {"PatientID": "P1", STEP: [{"Modality": "CT", "ScheduledProcedureStepDescription": ""}]},
    {"StudyInstanceUID": "1.*"},
    {"PatientID": "", STEP: [{"ScheduledProcedureStepStartDate": "2024*"}]},
    {"PatientID": "P6", STEP: []},
    {"PatientID": "P6", STEP: [{"Modality": "CT"}]},
    {"PatientID": "", STUDIES: [], PATIENTS: []},
    {"PatientID": "", STUDIES: [{"ReferencedSOPInstanceUID": "1.2.3.4"}]},
    {"PatientID": "", STUDIES: [{"ReferencedSOPInstanceUID": "1.2"}]},
    {"PatientID": "", STEP: [{"Modality": "DX", CODES: []}]},
    {"PatientID": "", STEP: [{"Modality": "MG", CODES: [{"CodeValue": "C2"}]}]},
    {"PatientID": "", STEP: [{"Modality": "DX", CODES: [{"CodeValue": "C2"}]}]},
    {"PatientID": "P7", STEP: [{"Modality": "", CODES: [{"CodeValue": "C2"}]}]},
    {"PatientID": "P1", STEP: [{"Modality": "", CODES: [{"CodeValue": "C2"}]}]},
]

EMPTY_KEYS: list[Query] = [
    {"PatientID": "", STEP: [{}]},
    {"PatientID": "", STEP: [{"Modality": ""}]},
    {"PatientID": "", STEP: [{"Modality": "", "ScheduledStationAETitle": "", CODES: []}]},
    {"PatientID": "", STUDIES: [{"ReferencedSOPClassUID": "", "ReferencedSOPInstanceUID": ""}]},
    {"PatientID": "", PATIENTS: [{"ReferencedSOPClassUID": "", "ReferencedSOPInstanceUID": ""}]},
    {"PatientID": "", STUDIES: [{}], PATIENTS: [{}]},
    {"PatientID": "", STEP: [{CODES: [{"CodeValue": ""}]}]},
    {"PatientID": "", STEP: [{CODES: [{}]}]},
    {"PatientID": "P7", STEP: [{"Modality": "", CODES: [{}]}]},
    {"PatientID": "P7", STEP: [{"Modality": "MG", CODES: [{"CodeValue": ""}]}]},
]
"""Key sequences without any value: they ask for something, and select nothing away (PS3.4 C.2.2.2.6)."""


def lines(tags: Tags) -> Iterator[str]:
    """Data elements as dump2dcm reads them."""
    for name, value in tags.items():
        if isinstance(value, str):
            yield f"({name}) {dictionary_VR(name.replace(',', ''))} [{value}]"
            continue
        number = tag_for_keyword(name) or 0
        yield f"({number >> 16:04x},{number & 0xFFFF:04x}) SQ"
        for item in value:
            yield from ("(fffe,e000) -", *lines(item), "(fffe,e00d) -")
        yield "(fffe,e0dd) -"


def dump(charset: str, tags: Tags, number: int) -> str:
    """A worklist as dump2dcm reads it."""
    identifiers = {"0020,000d": f"1.2.{number}", "0040,1001": f"RP{number}"}
    meta = {"0002,0002": WORKLISTS, "0002,0003": f"1.2.3.{number}", "0008,0005": charset}
    return "\n".join(lines({**meta, **tags, **identifiers}))


@pytest.fixture(scope="module", params=["default", "utf8"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both servers with the same worklists; with and without an encoding for answers."""
    folder = tmp_path_factory.mktemp("worklists")
    (worklists := folder / "worklists").mkdir()
    for number, (charset, codec, tags) in enumerate(ORDERS):
        text = folder / "dump"
        text.write_bytes(dump(charset, tags, number).encode(codec))
        subprocess.run(["dump2dcm", str(text), str(worklists / f"{number}.wl")], check=True)
    (worklists / "notes.txt").write_text("no worklist")
    config: dict[str, Any] = {**CONFIG, "Worklists": {"Enable": True, "Database": str(worklists)}}
    if request.param == "utf8":
        config["DefaultEncoding"] = "Utf8"
    with (
        running(reference(folder / "reference", {**config, "Plugins": [str(PLUGIN)]})) as theirs,
        running(orthanclite(folder / "ours", config)) as ours,
    ):
        yield Pair(theirs, ours)


@pytest.mark.parametrize("query", QUERIES, ids=shown)
def test_same_worklists(pair: Pair, query: Query) -> None:
    theirs, ours = ask(pair.reference, query, WORKLISTS), ask(pair.ours, query, WORKLISTS)
    assert ours[1] == theirs[1]
    assert ours[0] == theirs[0]


@pytest.mark.parametrize("query", EMPTY_KEYS, ids=shown)
def test_empty_keys_select_nothing_away(pair: Pair, query: Query) -> None:
    """The reference leaves out, for some value representations, whatever has an empty sequence."""
    (theirs, _), (ours, status) = ask(pair.reference, query, WORKLISTS), ask(pair.ours, query, WORKLISTS)
    assert status == 0
    assert len(ours) == (1 if query["PatientID"] else len(ORDERS))
    for answer in theirs:
        [own] = [one for one in ours if one["(0010,0020)"] == answer["(0010,0020)"]]
        assert own.keys() == answer.keys()
        for tag, value in answer.items():
            assert all(item in own[tag] for item in value)
