"""What queries and retrievals ask for: facts recorded from release 1.13."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.errors import BadRequest
from orthanclite.core.levels import Level
from orthanclite.core.query import COMPUTED_TAGS, QUERY_RETRIEVE_LEVEL, SPECIFIC_CHARACTER_SET
from orthanclite.core.remotes.registry import Manufacturer
from orthanclite.dicom.attributes import encode_attributes, read_attributes
from orthanclite.dicom.charsets import parse_default_encoding
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN
from orthanclite.dicom.modules import MODULE_TAGS
from orthanclite.dicom.reading.dataset import dataset_charset
from orthanclite.dicom.reading.parser import parse_dataset
from orthanclite.services.retrieve.identifiers import (
    RETRIEVE_KEYS,
    child_tags,
    find_tags,
    get_tags,
    identifier,
    move_tags,
    template,
)

DICTIONARY = TagDictionary.build()
LATIN = parse_default_encoding("Latin1")
GENERIC = Manufacturer.GENERIC
WILD = {
    "PatientID": "*",
    "PatientName": "*",
    "StudyDate": "*",
    "StudyTime": "*",
    "AccessionNumber": "A*",
    "StudyInstanceUID": "*",
    "StudyDescription": "",
    "PatientBirthDate": "1970*",
    "ModalitiesInStudy": "*",
}


def tags(**values: str) -> dict[int, str]:
    return {DICTIONARY.parse_tag(name): value for name, value in values.items()}


def sent(level: Level, manufacturer: Manufacturer = GENERIC, normalize: bool = True, **asked: str) -> object:
    found = find_tags(level, tags(**asked), manufacturer, normalize)
    return {DICTIONARY.name(tag): text for tag, text in found.items()}


@pytest.mark.parametrize(
    ("level", "keys"),
    [
        (Level.PATIENT, ["PatientID"]),
        (Level.STUDY, ["PatientID", "AccessionNumber", "StudyInstanceUID"]),
        (Level.SERIES, ["PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID"]),
        (
            Level.INSTANCE,
            ["PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"],
        ),
    ],
)
def test_the_identifiers_are_always_asked_for(level: Level, keys: list[str]) -> None:
    assert sent(level) == dict.fromkeys(keys, "")
    assert sent(level, normalize=False) == dict.fromkeys(keys, "")
    assert sent(level, Manufacturer.GE) == dict.fromkeys(keys, "*")


def test_what_does_not_belong_to_the_level_is_left_out() -> None:
    asked = {"Modality": "CT", "InstanceNumber": "1", "Rows": "2", "StudyDescription": "x", "0009,1001": "p"}
    keys = {"PatientID": "", "AccessionNumber": "", "StudyInstanceUID": ""}
    assert sent(Level.STUDY, **asked) == {**keys, "StudyDescription": "x"}
    assert sent(Level.STUDY, NumberOfStudyRelatedSeries="", SOPClassesInStudy="", ModalitiesInStudy="CT") == {
        **keys,
        "NumberOfStudyRelatedSeries": "",
        "SOPClassesInStudy": "",
        "ModalitiesInStudy": "CT",
    }
    keys["SeriesInstanceUID"] = ""
    series = {"ModalitiesInStudy": "CT", "NumberOfSeriesRelatedInstances": "", "BodyPartExamined": ""}
    assert sent(Level.SERIES, **series, **asked) == {
        **keys,
        "NumberOfSeriesRelatedInstances": "",
        "BodyPartExamined": "",
        "Modality": "CT",
        "StudyDescription": "x",
    }


def test_everything_is_sent_without_normalization() -> None:
    asked = tags(Modality="CT", Rows="2", StudyDate="*")
    for manufacturer in (GENERIC, Manufacturer.GENERIC_NO_UNIVERSAL_WILDCARD):
        assert find_tags(Level.PATIENT, asked, manufacturer, normalize=False) == {**asked, 0x00100020: ""}


def test_elements_of_commands_and_files_are_never_sent() -> None:
    asked = {0x00000100: "1", 0x00020010: "1.2", 0x00080000: "4", QUERY_RETRIEVE_LEVEL: "SERIES"}
    assert find_tags(Level.PATIENT, asked, GENERIC, normalize=False) == {0x00100020: ""}
    assert get_tags(asked) == {}


def test_habits_of_manufacturers() -> None:
    plain = dict(WILD)
    assert sent(Level.STUDY, **WILD) == plain
    assert sent(Level.STUDY, Manufacturer.VITREA, **WILD) == plain
    assert sent(Level.STUDY, Manufacturer.SIEMENS_SYNGO_CT, **WILD) == plain
    assert sent(Level.STUDY, Manufacturer.GENERIC_NO_WILDCARD_IN_DATES, **WILD) == {**plain, "StudyDate": ""}
    assert sent(Level.STUDY, Manufacturer.GENERIC_NO_UNIVERSAL_WILDCARD, **WILD) == {
        name: "" if value == "*" else value for name, value in WILD.items()
    }
    dates = {"SeriesDate": "*", "SeriesTime": "*", "StudyDate": "20200101-*"}
    without = sent(Level.SERIES, Manufacturer.GENERIC_NO_WILDCARD_IN_DATES, **dates)
    assert isinstance(without, dict)
    assert {name: without[name] for name in dates} == {**dates, "SeriesDate": ""}


def test_the_deprecated_searches_ask_for_the_main_tags_of_a_level() -> None:
    asked = template(Level.STUDY, tags(PatientID="ANA*", StudyDate="*", PatientName="*"))
    assert {DICTIONARY.name(tag): text for tag, text in asked.items()} == {
        "StudyDate": "*",
        "StudyTime": "",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "StudyDescription": "",
        "PatientID": "ANA*",
        "StudyInstanceUID": "",
        "StudyID": "",
    }
    assert 0x00400275 not in template(Level.SERIES, {})


def test_a_move_names_its_keys_and_nothing_else() -> None:
    answer = tags(StudyInstanceUID="1.1", PatientID="A", StudyDate="2020", SeriesInstanceUID="1.2")
    assert move_tags(Level.STUDY, answer) == tags(StudyInstanceUID="1.1")
    assert move_tags(Level.PATIENT, answer) == tags(PatientID="A")
    assert move_tags(Level.SERIES, answer) == tags(StudyInstanceUID="1.1", SeriesInstanceUID="1.2")
    for missing in ({}, tags(SeriesInstanceUID="1.2"), tags(StudyInstanceUID="")):
        with pytest.raises(BadRequest, match="Missing tag 0020,000d"):
            move_tags(Level.SERIES, missing)
    assert get_tags(answer) == answer


def test_what_is_below_an_answer() -> None:
    answer = tags(StudyInstanceUID="1.1", PatientID="A", SeriesInstanceUID="1.2")
    assert child_tags(Level.PATIENT, answer) == tags(PatientID="A")
    assert child_tags(Level.STUDY, answer) == tags(StudyInstanceUID="1.1")
    assert child_tags(Level.SERIES, answer) == tags(StudyInstanceUID="1.1", SeriesInstanceUID="1.2")
    with pytest.raises(BadRequest, match="Missing tag 0020,000d"):
        child_tags(Level.STUDY, tags(PatientID="A"))


@pytest.mark.parametrize(
    ("name", "asked", "term"),
    [
        ("Muller", "", "ISO_IR 100"),
        ("Müller*", "", "ISO_IR 100"),
        ("山田", "", "ISO_IR 192"),  # where the reference sends an empty value, which matches everybody
        ("Müller", "ISO_IR 192", "ISO_IR 192"),
        ("Διον", "ISO_IR 126", "ISO_IR 126"),
        ("山田", "ISO_IR 126", "ISO_IR 192"),
    ],
)
def test_texts_that_do_not_fit_switch_to_utf8(name: str, asked: str, term: str) -> None:
    given_tags = tags(PatientName=name, **({"SpecificCharacterSet": asked} if asked else {}))
    built = identifier(Level.STUDY, given_tags, DICTIONARY, LATIN)
    data = encode_attributes(built.attributes, built.charset)
    dataset = parse_dataset(data, EXPLICIT_LITTLE_ENDIAN, DICTIONARY)
    read = read_attributes(dataset, dataset_charset(dataset, "Ascii"), DICTIONARY)
    assert read[0x00100010].text == name
    assert read[SPECIFIC_CHARACTER_SET].text == term
    assert read[QUERY_RETRIEVE_LEVEL].text == "STUDY"


KNOWN = sorted({tag for level in Level for tag in MODULE_TAGS[level]} | set(COMPUTED_TAGS))
ASKED = st.dictionaries(
    st.sampled_from(KNOWN) | st.integers(0, 0xFFFFFFFF), st.sampled_from(["", "*", "a*", "x"]), max_size=12
)


@given(ASKED, st.sampled_from(Level), st.sampled_from(Manufacturer))
def test_normalization_of_any_query(asked: dict[int, str], level: Level, manufacturer: Manufacturer) -> None:
    found = find_tags(level, asked, manufacturer)
    assert set(RETRIEVE_KEYS[level]) <= set(found)
    assert all(tag >> 16 >= 8 and tag & 0xFFFF and tag != QUERY_RETRIEVE_LEVEL for tag in found)
    below = {tag for lower in Level if lower > level for tag in MODULE_TAGS[lower]} - {SPECIFIC_CHARACTER_SET}
    assert not below & set(found)
    for tag, text in found.items():
        if asked.get(tag, "*") != "*":
            assert text == asked[tag]
    # What was normalised once stays as it is.
    assert find_tags(level, found, manufacturer) == found
