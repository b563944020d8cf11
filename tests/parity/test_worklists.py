"""Modality worklists against the plugin that is installed with Orthanc: the same files, the same answers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.datadict import dictionary_VR

from tests.parity.test_cfind import CONFIG, Pair, Query, ask, shown
from tests.support.server import REFERENCE, orthanclite, reference, running

PLUGIN = Path("/usr/share/orthanc/plugins/libModalityWorklists.so")
pytestmark = pytest.mark.skipif(
    REFERENCE is None or not PLUGIN.exists() or shutil.which("dump2dcm") is None,
    reason="Orthanc with its worklists plugin, or dump2dcm, is not installed",
)

WORKLISTS = "1.2.840.10008.5.1.4.31"
STEP = "ScheduledProcedureStepSequence"

ORDERS: tuple[tuple[str, str, dict[str, str], list[dict[str, str]]], ...] = (
    (
        "ISO_IR 100",
        "latin_1",
        {"0010,0010": "Müller^Jürgen", "0010,0020": "P1", "0010,0040": "M", "0008,0050": "A1"},
        [{"0008,0060": "CT", "0040,0001": "CT1", "0040,0002": "20240115", "0040,0003": "093000"}],
    ),
    (
        "ISO_IR 192",
        "utf_8",
        {"0010,0010": "Διονυσιος^Ν", "0010,0020": "P2", "0010,0040": "O", "0008,0050": "A2"},
        [{"0008,0060": "MR", "0040,0001": "MR1", "0040,0002": "20240116", "0040,0006": "Noël^René"}],
    ),
    (
        "ISO_IR 144",
        "iso8859_5",
        {"0010,0010": "Люкceмбypг", "0010,0020": "P3", "0008,0050": ""},
        [
            {"0008,0060": "CT", "0040,0001": "CT2", "0040,0002": "20240117", "0040,0007": "Head"},
            {"0008,0060": "US", "0040,0001": "US1", "0040,0002": "20240118"},
        ],
    ),
    (
        "ISO_IR 6",
        "ascii",
        {"0010,0010": "LAST^FIRST", "0010,0020": "p1", "0010,0030": "19500101", "0010,2180": "a\\b"},
        [{"0008,0060": "CT", "0040,0001": "CT1", "0040,0002": "20240201", "0040,0003": ""}],
    ),
    ("ISO_IR 100", "latin_1", {"0010,0010": "No^Step", "0010,0020": "P5", "0032,1060": "Knie"}, []),
)
"""The character set, its codec, the attributes and the steps of each worklist."""

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
]


def line(attribute: tuple[str, str]) -> str:
    tag, value = attribute
    return f"({tag}) {dictionary_VR(tag.replace(',', ''))} [{value}]"


def dump(charset: str, tags: dict[str, str], steps: list[dict[str, str]], number: int) -> str:
    """A worklist as dump2dcm reads it."""
    identifiers = {"0020,000d": f"1.2.{number}", "0040,1001": f"RP{number}"}
    lines = [f"(0002,0002) UI [{WORKLISTS}]", f"(0002,0003) UI [1.2.3.{number}]"]
    lines += map(line, ({"0008,0005": charset} | tags | identifiers).items())
    if steps:
        lines.append("(0040,0100) SQ")
        for step in steps:
            lines += ["(fffe,e000) -", *map(line, step.items())]
            lines.append("(fffe,e00d) -")
        lines.append("(fffe,e0dd) -")
    return "\n".join(lines)


@pytest.fixture(scope="module", params=["default", "utf8"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both servers with the same worklists; with and without an encoding for answers."""
    folder = tmp_path_factory.mktemp("worklists")
    (worklists := folder / "worklists").mkdir()
    for number, (charset, codec, tags, steps) in enumerate(ORDERS):
        text = folder / "dump"
        text.write_bytes(dump(charset, tags, steps, number).encode(codec))
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
