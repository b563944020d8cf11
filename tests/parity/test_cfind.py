"""C-FIND against the installed Orthanc: the same queries, at all levels, get the same answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom.data
import pytest
from pydicom import config
from pydicom.charset import decode_element
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.text.matching import exact
from tests.support.records import dicom_file
from tests.support.scu import Client
from tests.support.server import REFERENCE, Server, orthanclite, reference, running

pytestmark = pytest.mark.skipif(REFERENCE is None, reason="Orthanc is not installed: nothing to compare with")

PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.1"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
CONFIG: dict[str, Any] = {
    "DicomAet": "FINDER",
    "DicomModalities": {"tester": ["TESTER", "127.0.0.1", 104]},
    "RemoteAccessAllowed": True,
    "AuthenticationEnabled": False,
    "StableAge": 1000,
}
LATIN, UTF8, GREEK = "ISO_IR 100", "ISO_IR 192", "ISO_IR 126"

Query = Mapping[str, Any]


def made() -> Iterator[bytes]:
    """Studies that differ in what queries ask for."""
    people = (
        ("ADA", "Lovelace^Ada", "F", LATIN),
        ("ada", "LOVELACE^ADA^^Lady", "F", LATIN),
        ("MÜ-1", "Müller^Jürgen", "M", LATIN),
        ("UTF", "Noël^René", "", UTF8),
        ("GR*", "Διονυσιος", "O", GREEK),
        ("UND_1", "Under_score^100%", "O", LATIN),
    )
    for number, (patient, name, sex, charset) in enumerate(people):
        for study in range(2):
            for series, modality in enumerate(("CT", "MR", "SR")[: 1 + (number + study) % 3]):
                for instance in range(1 + series):
                    root = f"1.2.{number + 1}"
                    yield dicom_file(
                        patient,
                        f"{root}.{study}",
                        f"{root}.{study}.{series}",
                        f"{root}.{study}.{series}.{instance}",
                        SpecificCharacterSet=charset,
                        PatientName=name,
                        PatientSex=sex,
                        PatientBirthDate=f"19{50 + number}0{1 + study}15",
                        StudyDate=f"20{10 + number}0{1 + study}01",
                        StudyTime=f"{10 + study}3000",
                        StudyDescription=("Head", "knee left", "")[(number + study) % 3],
                        AccessionNumber=f"ACC{number}{study}" if study else "",
                        Modality=modality,
                        SeriesNumber=str(series),
                        InstanceNumber=str(instance),
                        KVP=str(100 + number),
                        PatientComments=f"comment {number}",
                        Rows=64,
                    )


@dataclass(frozen=True)
class Pair:
    """Both servers, with the same instances."""

    reference: Server
    ours: Server


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("cfind")
    with (
        running(reference(folder / "reference", CONFIG)) as theirs,
        running(orthanclite(folder / "ours", CONFIG)) as ours,
    ):
        bundled = Path(pydicom.data.__file__).parent / "test_files"
        files = [path.read_bytes() for path in sorted(bundled.rglob("*.dcm"))]
        for data in (*made(), *files):
            for server in (theirs, ours):
                server.client.post("/instances", content=data)
        # A bundled file that only one of them takes would not be a difference of the queries.
        common = set(theirs.get("/instances")) & set(ours.get("/instances"))
        for server in (theirs, ours):
            for id in set(server.get("/instances")) - common:
                server.client.delete(f"/instances/{id}")
        yield Pair(theirs, ours)


def identifier(query: Query) -> Dataset:
    dataset = Dataset()
    for keyword, value in query.items():
        tag = tag_for_keyword(keyword) if "," not in keyword else int(keyword.replace(",", ""), 16)
        assert tag is not None
        if isinstance(value, list):
            element = DataElement(tag, "SQ", Sequence([identifier(item) for item in value]))
        else:
            vr = dictionary_VR(tag) if "," not in keyword else "UN"
            value = value if vr != "UN" else value.encode()
            element = DataElement(tag, vr, value, validation_mode=config.IGNORE)
        dataset.add(element)
    return dataset


def plain(dataset: Dataset) -> dict[str, Any]:
    """An answer, without padding and without empty sequences (1.10.1 leaves those out, 1.13 does not)."""
    shown: dict[str, Any] = {}
    for element in dataset:
        if element.VR == "SQ":
            if element.value:
                shown[str(element.tag)] = [plain(item) for item in element.value]
            continue
        decode_element(element, dataset.get("SpecificCharacterSet", "ISO_IR 6"))
        value = element.value
        if isinstance(value, bytes):
            value = value.decode("latin_1")
        values = [value] if element.VM <= 1 else list(value)
        shown[str(element.tag)] = [exact("" if item is None else str(item)) for item in values]
    return shown


def ask(server: Server, query: Query, model: str = STUDY_ROOT) -> tuple[list[dict[str, Any]], int]:
    """The answers in a canonical order, and the final status."""
    client = Client("TESTER")
    client.add_requested_context(model)
    association = client.associate("127.0.0.1", server.dicom_port)
    answers = list(association.send_c_find(identifier(query), model))
    association.release()
    found = sorted((plain(answer) for _, answer in answers if answer is not None), key=str)
    return found, answers[-1][0].get("Status", -1)


KEYS: dict[str, Query] = {
    "PATIENT": {
        "PatientID": "",
        "PatientName": "",
        "PatientSex": "",
        "NumberOfPatientRelatedStudies": "",
        "NumberOfPatientRelatedSeries": "",
        "NumberOfPatientRelatedInstances": "",
    },
    "STUDY": {
        "PatientID": "",
        "PatientName": "",
        "StudyInstanceUID": "",
        "StudyDescription": "",
        "AccessionNumber": "",
        "ModalitiesInStudy": "",
        "SOPClassesInStudy": "",
        "NumberOfStudyRelatedSeries": "",
        "NumberOfStudyRelatedInstances": "",
    },
    "SERIES": {
        "PatientID": "",
        "StudyInstanceUID": "",
        "SeriesInstanceUID": "",
        "Modality": "",
        "NumberOfSeriesRelatedInstances": "",
    },
    "IMAGE": {
        "PatientID": "",
        "StudyDate": "",
        "SeriesInstanceUID": "",
        "SOPInstanceUID": "",
        "SOPClassUID": "",
        "InstanceNumber": "",
    },
}
"""What is asked for at each level, beside the constraints."""

CONSTRAINTS: list[Query] = [
    {},
    {"PatientID": "ADA"},
    {"PatientID": "ada"},
    {"PatientID": "A*"},
    {"PatientID": "?DA"},
    {"PatientID": "ADA\\ada\\none"},
    {"PatientID": "GR*"},
    {"PatientID": "UND?1"},
    {"PatientID": "*"},
    {"PatientName": "lovelace*"},
    {"PatientName": "LOVELACE^ADA"},
    {"PatientName": "*score*"},
    {"PatientName": "*100%"},
    {"PatientName": "noSuchName"},
    {"PatientName": "m*r^j*"},
    {"PatientSex": "F"},
    {"PatientSex": "F\\M"},
    {"PatientSex": "f"},
    {"PatientSex": "*"},
    {"PatientBirthDate": "19500115"},
    {"PatientBirthDate": "19510101-19530101"},
    {"PatientBirthDate": "-19520101"},
    {"PatientBirthDate": "19530101-"},
    {"StudyDate": "20110101-20121231"},
    {"StudyDate": "20110101"},
    {"StudyTime": "110000-120000"},
    {"StudyDescription": "Head"},
    {"StudyDescription": "head"},
    {"StudyDescription": "*left"},
    {"StudyDescription": "*"},
    {"AccessionNumber": "ACC11"},
    {"AccessionNumber": "ACC?1"},
    {"StudyInstanceUID": "1.2.1.0"},
    {"StudyInstanceUID": "1.2.1.0\\1.2.2.1\\1.2.3"},
    {"Modality": "CT", "PatientID": "ADA"},
    {"SeriesNumber": "1", "PatientID": "ada"},
    {"PatientID": "ADA", "StudyDate": "20100201", "PatientSex": "F"},
    {"KVP": "", "PatientComments": "", "PatientID": "UTF"},
    {"KVP": "101"},
    {"PatientComments": "comment 2", "StudyDate": ""},
    {"PatientComments": "*3"},
    {"EthnicGroup": ""},
    {"EthnicGroup": "*", "PatientID": "ADA"},
    {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Müller*"},
    {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "noël*"},
    {"SpecificCharacterSet": "iso_ir 100", "PatientName": "Müller*"},
    {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Διον*"},
    {"PatientID": "1CT1", "0043,1012": ""},
    {"PatientID": "1CT1", "ImageType": "", "ImagePositionPatient": "", "Rows": ""},
    {"ReferencedStudySequence": [], "PatientID": "ADA"},
    {"ReferencedStudySequence": [{}], "ReferencedPatientSequence": [{}], "PatientID": "ADA"},
    {"ReferencedStudySequence": [{"ReferencedSOPClassUID": "", "ReferencedSOPInstanceUID": ""}]},
    {"StudyInstanceUID": "1.*"},
    {"StudyDate": "2011*"},
    {"PatientBirthDate": "1950011?"},
]


MAIN_TAGS = MainTags.build()


def is_comparable(level: str, constraint: Query) -> bool:
    """Whether no main tag of a lower level is constrained: those match nothing in 1.10.1, but do in 1.13."""
    homes = [MAIN_TAGS.levels_of(tag_for_keyword(name) or 0) for name, value in constraint.items() if value]
    return all(not levels or levels[0] <= Level.parse(level) for levels in homes)


def shown(value: object) -> str:
    """The name of a case."""
    if isinstance(value, Mapping):
        return ",".join(f"{name}={text}" for name, text in value.items()) or "all"
    return str(value)


@pytest.mark.parametrize(
    ("level", "constraint"),
    [(level, query) for level in KEYS for query in CONSTRAINTS if is_comparable(level, query)],
    ids=shown,
)
def test_same_answers(pair: Pair, level: str, constraint: Query) -> None:
    query = {"QueryRetrieveLevel": level, **KEYS[level], **constraint}
    model = PATIENT_ROOT if level == "PATIENT" else STUDY_ROOT
    theirs, ours = ask(pair.reference, query, model), ask(pair.ours, query, model)
    assert ours[1] == theirs[1]
    assert ours[0] == theirs[0]


@pytest.mark.parametrize("level", ["", "FOO", None, "STUDIES", "study", "PATIENT", "INSTANCES", "images"])
@pytest.mark.parametrize("model", [PATIENT_ROOT, STUDY_ROOT])
def test_levels_and_models(pair: Pair, level: str | None, model: str) -> None:
    query: dict[str, Any] = {"PatientID": "ADA", "PatientName": ""}
    if level is not None:
        query["QueryRetrieveLevel"] = level
    assert ask(pair.ours, query, model) == ask(pair.reference, query, model)


@pytest.mark.parametrize(
    ("option", "level"), [("LimitFindResults", "STUDY"), ("LimitFindInstances", "IMAGE")]
)
def test_limits(tmp_path: Path, option: str, level: str) -> None:
    query = {"QueryRetrieveLevel": level, "PatientID": ""}
    limited = {**CONFIG, option: 4}
    ends = []
    for server in (reference(tmp_path / "reference", limited), orthanclite(tmp_path / "ours", limited)):
        with running(server):
            for data in made():
                server.upload(data)
            answers, status = ask(server, query)
            few, complete = ask(server, {**query, "StudyInstanceUID": "1.2.1.0"})
            ends.append((len(answers), status, few, complete))
    assert ends[1] == ends[0]
