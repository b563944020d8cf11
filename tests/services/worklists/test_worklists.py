"""Worklists: which match a query and what is answered, where they are kept, and when they are removed."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.errors import BadFileFormat, BadRequest, ParameterOutOfRange, UnknownResource
from orthanclite.core.main_tags import MainTags
from orthanclite.dicom.attributes import Attributes, attributes_from_json
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.renderings.tags_json import Style
from orthanclite.index import SqlIndex
from orthanclite.services.search.dataset_matching import IdentifierQuery
from orthanclite.services.server.runtime import RuntimeOptions
from orthanclite.services.worklists import (
    DatabaseStore,
    FolderStore,
    WorklistOptions,
    WorklistService,
    WorklistStore,
)
from orthanclite.services.worklists.stores import StoredWorklist
from tests.support.lab import lab
from tests.support.records import dicom_file

DICTIONARY = TagDictionary.build()
STEP: dict[str, Any] = {
    "Modality": "CT",
    "ScheduledStationAETitle": "CT1",
    "ScheduledProcedureStepStartDate": "20240115",
}
ORDER: dict[str, Any] = {
    "PatientName": "Müller^Jürgen",
    "PatientID": "P1",
    "AccessionNumber": "A1",
    "StudyInstanceUID": "1.2",
    "ScheduledProcedureStepSequence": [STEP, {"Modality": "US", "ScheduledStationAETitle": "US1"}],
}


def tags(**values: Any) -> Attributes:
    return attributes_from_json(values, DICTIONARY)


def steps(**values: Any) -> Attributes:
    return tags(ScheduledProcedureStepSequence=[values])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (tags(), True),
        (tags(PatientID=""), True),
        (tags(PatientID="P1"), True),
        (tags(PatientID="p1"), False),
        (tags(PatientID="P?"), True),
        (tags(PatientID="P2\\P1"), True),
        (tags(PatientName="MÜLLER*"), True),
        (tags(PatientName="MULLER*"), False),
        (tags(EthnicGroup=""), True),
        (tags(EthnicGroup="*"), False),
        (tags(TimezoneOffsetFromUTC="+0100", QueryRetrieveLevel="STUDY"), True),
        (attributes_from_json({"0009,0010": "ACME", "0010,0000": "8"}, DICTIONARY), True),
        (tags(ScheduledProcedureStepSequence=[]), True),
        (steps(Modality="US"), True),
        (steps(Modality="US", ScheduledStationAETitle="CT1"), False),
        (steps(ScheduledProcedureStepStartDate="20240101-20240131"), True),
        (steps(ScheduledProcedureStepStartDate="20240116-"), False),
        (steps(ScheduledProtocolCodeSequence=[{"CodeValue": "X"}]), True),  # absent: selects nothing away
        (tags(ReferencedStudySequence=[{"ReferencedSOPInstanceUID": "1.2"}]), True),
    ],
)
def test_matching(query: Attributes, found: bool) -> None:
    assert IdentifierQuery(query).matches(tags(**ORDER)) is found


EMPTY = {
    "PatientID": "P2",
    "ReferencedStudySequence": [],
    "ReferencedPatientSequence": [{}],
    "ScheduledProcedureStepSequence": [
        {"Modality": "DX", "ScheduledProtocolCodeSequence": []},
        {"Modality": "MG", "ScheduledProtocolCodeSequence": [{"CodeValue": "C1"}, {"CodeValue": "C2"}]},
    ],
}
REFERENCE = {"ReferencedSOPClassUID": "", "ReferencedSOPInstanceUID": ""}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (tags(ReferencedStudySequence=[REFERENCE], ReferencedPatientSequence=[REFERENCE]), True),
        (tags(ReferencedStudySequence=[{}]), True),
        (tags(ReferencedStudySequence=[{"RelatedSeriesSequence": [{"Modality": ""}]}]), True),
        (tags(ReferencedStudySequence=[{"RelatedSeriesSequence": [{"Modality": "CT"}]}]), False),
        (tags(ReferencedStudySequence=[REFERENCE | {"ReferencedSOPInstanceUID": "1.2"}]), False),
        (tags(ReferencedPatientSequence=[REFERENCE | {"ReferencedSOPInstanceUID": "1.2"}]), False),
        (steps(Modality="DX", ScheduledProtocolCodeSequence=[{"CodeValue": ""}]), True),
        (steps(Modality="DX", ScheduledProtocolCodeSequence=[{}]), True),
        (steps(Modality="DX", ScheduledProtocolCodeSequence=[{"CodeValue": "C1"}]), False),
        (steps(Modality="MG", ScheduledProtocolCodeSequence=[{"CodeValue": "C2"}]), True),
    ],
)
def test_sequences_without_items(query: Attributes, found: bool) -> None:
    assert IdentifierQuery(query).matches(tags(**EMPTY)) is found


@pytest.mark.parametrize("asked", [{}, {"SpecificCharacterSet": "ISO_IR 100"}])
def test_an_item_without_attributes_asks_for_whole_items(asked: dict[str, Any]) -> None:
    whole = IdentifierQuery(steps(**asked)).answer(tags(**EMPTY))
    assert whole == tags(ScheduledProcedureStepSequence=EMPTY["ScheduledProcedureStepSequence"])
    nested = IdentifierQuery(steps(Modality="", ScheduledProtocolCodeSequence=[asked])).answer(tags(**EMPTY))
    assert nested == whole


SEQUENCES = ("ScheduledProcedureStepSequence", "ScheduledProtocolCodeSequence", "ReferencedStudySequence")


def data_sets(values: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Data sets of a few attributes and nested sequences."""
    texts = st.dictionaries(st.sampled_from(("PatientID", "Modality", "CodeValue")), values, max_size=2)
    return st.recursive(
        texts,
        lambda inner: st.builds(
            lambda text, sequences: text | sequences,
            texts,
            st.dictionaries(st.sampled_from(SEQUENCES), st.lists(inner, max_size=2), max_size=2),
        ),
        max_leaves=6,
    )


def single(query: Mapping[str, Any]) -> dict[str, Any]:
    """A query as the standard has it: one item in a key sequence, at most."""
    return {k: [single(v[0])] if isinstance(v, list) and v else v for k, v in query.items()}


@given(data_sets(st.just("")), data_sets(st.sampled_from(("", "A", "B"))))
def test_a_query_without_values_matches_all(query: dict[str, Any], dataset: dict[str, Any]) -> None:
    assert IdentifierQuery(tags(**single(query))).matches(tags(**dataset))


def test_names_with_regard_to_case() -> None:
    assert not IdentifierQuery(tags(PatientName="müller*"), True).matches(tags(**ORDER))


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (tags(StudyInstanceUID="1.*"), ParameterOutOfRange),
        (steps(ScheduledProcedureStepStartDate="2024011?"), ParameterOutOfRange),
        (tags(ScheduledProcedureStepSequence=[STEP, STEP]), BadRequest),
    ],
)
def test_invalid_queries(query: Attributes, error: type[Exception]) -> None:
    with pytest.raises(error):
        IdentifierQuery(query)


def test_answers_hold_what_is_asked_for_and_there() -> None:
    query = tags(PatientID="", EthnicGroup="", ScheduledProcedureStepSequence=[{"Modality": "US"}])
    assert IdentifierQuery(query).answer(tags(**ORDER)) == tags(
        PatientID="P1", ScheduledProcedureStepSequence=[{"Modality": "US"}]
    )
    whole = IdentifierQuery(tags(ScheduledProcedureStepSequence=[])).answer(tags(**ORDER))
    assert whole == tags(ScheduledProcedureStepSequence=ORDER["ScheduledProcedureStepSequence"])


@pytest.fixture(params=["folder", "database"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorklistStore]:
    if request.param == "folder":
        yield FolderStore(tmp_path / "worklists")
        return
    index = SqlIndex(f"sqlite:///{tmp_path}/worklists.db")
    yield DatabaseStore(index.properties)
    index.close()


@pytest.fixture
def service(store: WorklistStore, tmp_path: Path) -> Iterator[WorklistService]:
    with lab(tmp_path) as opened:
        yield make_service(store, opened.index)


def make_service(
    store: WorklistStore, index: SqlIndex, options: WorklistOptions | None = None
) -> WorklistService:
    return WorklistService(
        store,
        index.search(MainTags.build()),
        index.resources,
        DICTIONARY,
        RuntimeOptions(),
        options or WorklistOptions(),
    )


def test_worklists_are_made_shown_replaced_and_removed(service: WorklistService) -> None:
    id = service.create(ORDER)
    shown = service.get(id, Style.SIMPLE)
    assert shown["ID"] == id
    assert shown["Tags"]["PatientName"] == "Müller^Jürgen"
    assert shown["Tags"]["SpecificCharacterSet"] == "ISO_IR 100"
    assert shown["Tags"]["ScheduledProcedureStepSequence"][0] == STEP
    service.replace(id, {"PatientID": "P2"})
    assert service.get(id, Style.SHORT)["Tags"] == {
        "0008,0005": "ISO_IR 100",
        "0010,0020": "P2",
        "0020,000d": "1.2",
    }
    assert [entry["ID"] for entry in service.list_all(Style.FULL)] == [id]
    service.delete(id)
    assert service.list_all(Style.FULL) == []
    for action in (service.delete, lambda id: service.get(id, Style.SIMPLE)):
        with pytest.raises(UnknownResource):
            action(id)


@pytest.mark.parametrize("id", ["../secret", "..", "", "a/b", "secret", "%", "worklist/"])
def test_identifiers_lead_nowhere_else(service: WorklistService, tmp_path: Path, id: str) -> None:
    (tmp_path / "secret.wl").write_bytes(b"secret")
    with pytest.raises(UnknownResource):
        service.get(id, Style.SIMPLE)
    with pytest.raises(UnknownResource):
        service.delete(id)
    assert (tmp_path / "secret.wl").exists()


@pytest.mark.parametrize(
    "bad", [None, [], "x", {"PatientID": {}}, {"PatientID": []}, {"Rows": "many"}, {"PatientID": True}]
)
def test_bad_tags_are_refused(service: WorklistService, bad: object) -> None:
    if bad == {"PatientID": []}:
        assert service.create(bad)
        return
    with pytest.raises((BadFileFormat, ParameterOutOfRange)):
        service.create(bad)


def test_the_character_set_has_all_characters(service: WorklistService) -> None:
    japanese = service.get(service.create({"PatientName": "山田^太郎"}), Style.SIMPLE)["Tags"]
    assert (japanese["PatientName"], japanese["SpecificCharacterSet"]) == ("山田^太郎", "ISO_IR 192")
    chosen = {"PatientName": "Люкceмбypг", "SpecificCharacterSet": "ISO_IR 144"}
    assert service.get(service.create(chosen), Style.SIMPLE)["Tags"]["PatientName"] == "Люкceмбypг"
    with pytest.raises(BadFileFormat):
        service.create({"SpecificCharacterSet": "KLINGON"})


def test_a_study_uid_is_given(service: WorklistService, store: WorklistStore, tmp_path: Path) -> None:
    assert service.get(service.create({}), Style.SIMPLE)["Tags"]["StudyInstanceUID"].startswith("2.25.")
    with lab(tmp_path / "other") as opened:
        plain = make_service(store, opened.index, WorklistOptions(set_study_uid=False))
        assert "StudyInstanceUID" not in plain.get(plain.create({}), Style.SIMPLE)["Tags"]


def test_the_station_that_asks_gets_its_own(store: WorklistStore, tmp_path: Path) -> None:
    with lab(tmp_path) as opened:
        service = make_service(store, opened.index, WorklistOptions(filter_issuer_aet=True))
        service.create(ORDER)
        query = steps(Modality="")
        assert list(service.find(query, "STRANGER")) == []
        assert list(service.find(query, "US1")) == [steps(Modality="US")]
        assert list(service.find(tags(PatientID=""), "CT1")) == [tags(PatientID="P1")]
        assert len(list(service.find(tags(ScheduledProcedureStepSequence=[]), "CT1"))) == 1


def exhaust(answers: Generator[Attributes, None, bool]) -> tuple[int, bool]:
    """How many answers there are, and whether some were left out."""
    count = 0
    while True:
        try:
            next(answers)
        except StopIteration as end:
            return count, end.value
        count += 1


def test_answers_are_limited(store: WorklistStore, tmp_path: Path) -> None:
    with lab(tmp_path) as opened:
        service = make_service(store, opened.index, WorklistOptions(limit_answers=2))
        for left_out, count in ((False, 2), (True, 2)):
            while len(service.list_all(Style.SIMPLE)) < (2 if not left_out else 3):
                service.create(ORDER)
            answers = service.find(tags(PatientID=""), "ANY")
            assert exhaust(answers) == (count, left_out)


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "worklists"
    folder.mkdir()
    (folder / "broken.wl").write_bytes(b"broken")
    (folder / "note.txt").write_bytes(b"note")
    (folder / "below").mkdir()
    with lab(tmp_path) as opened:
        service = make_service(FolderStore(folder), opened.index)
        made = service.create(ORDER)
        (folder / f"{made}.wl").rename(folder / "upper.WL")
        assert [entry["ID"] for entry in service.list_all(Style.SIMPLE)] == ["upper"]
        assert len(list(service.find(tags(PatientID=""), "ANY"))) == 1
        service.housekeep()
        service.delete("upper")
        assert sorted(path.name for path in folder.iterdir()) == ["below", "broken.wl", "note.txt"]


def test_done_worklists_are_removed(store: WorklistStore, tmp_path: Path) -> None:
    with lab(tmp_path) as opened:
        service = make_service(store, opened.index)
        service.create(ORDER)
        other = service.create({**ORDER, "StudyInstanceUID": "1.99"})
        assert service.housekeep() == 0
        opened.store(dicom_file(study="1.2"))
        assert service.housekeep() == 0  # not stable yet
        opened.index.maintenance.mark_stable(time.time() + 60)
        kept = make_service(store, opened.index, WorklistOptions(delete_on_stable_study=False))
        assert kept.housekeep() == 0
        assert service.housekeep() == 1
        assert [entry["ID"] for entry in service.list_all(Style.SIMPLE)] == [other]


def test_old_worklists_are_removed(index: SqlIndex) -> None:
    store = DatabaseStore(index.properties)
    service = make_service(store, index, WorklistOptions(delete_after=24))
    old, fresh = service.create(ORDER), service.create(ORDER)
    store.put(StoredWorklist(old, store.get(old).data, time.time() - 25 * 3600))
    service.replace(old, ORDER)  # does not make it younger
    assert make_service(store, index, WorklistOptions(delete_after=0)).housekeep() == 0
    assert service.housekeep() == 1
    assert [entry["ID"] for entry in service.list_all(Style.SIMPLE)] == [fresh]
