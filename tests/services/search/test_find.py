"""The search service over a real index and real files."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from orthanclite.core.errors import BadRequest, ParameterOutOfRange
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.metrics import Metrics
from orthanclite.core.query import FindRequest, OrderBy, OrderType
from orthanclite.services.content.file_tags import FileTags
from orthanclite.services.content.files import CACHE_MISSES, InstanceFiles
from orthanclite.services.search import find as module
from orthanclite.services.search.find import Answers, FindOptions, FindService, Values
from orthanclite.services.search.requested_tags import RequestedTags
from tests.support.lab import Lab, lab
from tests.support.records import dicom_file

PATIENT_ID, STUDY_DATE, PATIENT_POSITION, MODALITIES = 0x00100020, 0x00080020, 0x00185100, 0x00080061
COUNT = 12

Item = TypeVar("Item")


class Desk:
    """The service with the counter of the files that it reads."""

    def __init__(self, laboratory: Lab, options: FindOptions) -> None:
        tags, index = MainTags.build(), laboratory.index
        self.metrics = Metrics(True)
        files = InstanceFiles(
            index.resources, laboratory.reader, laboratory.dictionary, laboratory.runtime, self.metrics
        )
        search = index.search(tags)
        requested = RequestedTags(
            search, index.resources, files, FileTags(files, laboratory.dictionary), tags
        )
        self.find = FindService(search, index.resources, requested, tags, laboratory.dictionary, options)

    def request(self, query: dict[int, str], **fields: object) -> FindRequest:
        wanted = [self.find.constraint(tag, value) for tag, value in query.items()]
        return FindRequest(Level.STUDY, tuple(one for one in wanted if one), **fields)  # type: ignore[arg-type]

    @property
    def files_read(self) -> int:
        return int(self.metrics.get(CACHE_MISSES))


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder: Path = tmp_path_factory.mktemp("find")
    with lab(folder) as made:
        made.store(
            *(
                dicom_file(
                    f"p{number}",
                    f"1.{number}",
                    f"1.{number}.1",
                    f"1.{number}.1.1",
                    StudyDate=f"202401{number + 1:02}",
                    PatientPosition="HFS" if number % 2 else "FFS",
                )
                for number in range(COUNT)
            )
        )
        yield made


@pytest.fixture
def desk(laboratory: Lab) -> Desk:
    return Desk(laboratory, FindOptions())


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAGE", 2)
    monkeypatch.setattr(module, "_PAGE", 5)
    monkeypatch.setattr(module, "_BATCH", 2)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("since", [0, 1, 5, 11, 12, 30])
@pytest.mark.parametrize("limit", [0, 1, 3, 8, 12])
def test_pages_are_the_whole(laboratory: Lab, desk: Desk, since: int, limit: int) -> None:
    everything = laboratory.resources.list_ids(Level.STUDY)
    expected = everything[since : since + limit if limit else None]
    pages = list(desk.find.pages(FindRequest(Level.STUDY, since=since, limit=limit)))
    assert [id for page in pages for id in page] == expected
    assert all(pages)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("since", [0, 1, 4, 9])
@pytest.mark.parametrize("limit", [0, 1, 2, 5])
def test_matches_of_files_are_counted_after_the_test(desk: Desk, since: int, limit: int) -> None:
    everything = desk.find.ids(desk.request({PATIENT_POSITION: "HFS"}))
    assert len(everything) == COUNT // 2
    request = desk.request({PATIENT_POSITION: "HFS"}, since=since, limit=limit)
    assert desk.find.ids(request) == everything[since : since + limit if limit else None]


@pytest.mark.usefixtures("small_pages")
def test_order_holds_for_matches_of_files(desk: Desk) -> None:
    newest = (OrderBy(OrderType.TAG, STUDY_DATE, ascending=False),)
    request = desk.request({PATIENT_POSITION: "hf*"}, order_by=newest, limit=2)
    answers = list(desk.find.answers(request, [STUDY_DATE]))
    assert [answer[STUDY_DATE] for answer in answers] == ["20240112", "20240110"]


def test_only_candidates_are_read(desk: Desk) -> None:
    assert len(desk.find.ids(desk.request({PATIENT_POSITION: "HFS", PATIENT_ID: "p1"}))) == 1
    assert desk.files_read == 1
    assert len(desk.find.ids(desk.request({PATIENT_ID: "p1", STUDY_DATE: "2024-"}))) == 1
    assert desk.files_read == 1


@pytest.mark.usefixtures("small_pages")
def test_a_caller_who_stops_stops_the_search(desk: Desk) -> None:
    answers = desk.find.answers(desk.request({PATIENT_POSITION: "*"}), [PATIENT_ID, PATIENT_POSITION])
    next(answers)
    answers.close()
    assert desk.files_read <= 4


def test_files_are_not_read_to_filter_unless_allowed(laboratory: Lab) -> None:
    desk = Desk(laboratory, FindOptions(filter_by_files=False))
    assert desk.find.ids(desk.request({PATIENT_POSITION: "HFS"})) == []
    assert desk.files_read == 0
    (answer,) = desk.find.answers(desk.request({PATIENT_ID: "p1"}), [PATIENT_POSITION, MODALITIES])
    assert answer == {PATIENT_POSITION: "HFS", MODALITIES: "CT"}


def drained(generator: Generator[Item, None, bool]) -> tuple[list[Item], bool]:
    """What a generator yields, and what it returns."""
    items: list[Item] = []
    while True:
        try:
            items.append(next(generator))
        except StopIteration as end:
            return items, bool(end.value)


@pytest.mark.parametrize(
    ("limit", "found", "is_cut"), [(0, 5, True), (3, 3, False), (5, 5, False), (6, 5, True), (100, 5, True)]
)
def test_the_limit_of_the_server(laboratory: Lab, limit: int, found: int, is_cut: bool) -> None:
    desk = Desk(laboratory, FindOptions(limit_results=5))
    pages = desk.find.pages(FindRequest(Level.STUDY, limit=limit))
    given, cut = drained(pages)
    assert (sum(map(len, given)), cut) == (found, is_cut)


def test_nothing_is_cut_where_all_fit(laboratory: Lab) -> None:
    desk = Desk(laboratory, FindOptions(limit_results=COUNT, limit_instances=1))
    answers = desk.find.answers(FindRequest(Level.STUDY), [PATIENT_ID])
    given, cut = drained(answers)
    assert (len(given), cut) == (COUNT, False)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("bound", [0, 4])
@pytest.mark.parametrize("limit", [0, 2, 4, 5])
@pytest.mark.parametrize("since", [0, 3])
@pytest.mark.parametrize("is_filtered", [True, False])
def test_answers_are_those_of_the_pages(
    laboratory: Lab, bound: int, limit: int, since: int, is_filtered: bool
) -> None:
    """With a test of files or of values, or without; whatever the limits."""
    desk = Desk(laboratory, FindOptions(limit_results=bound))
    position = desk.find.constraint(PATIENT_POSITION, "HFS")
    assert position is not None
    request = FindRequest(Level.STUDY, (position,) if is_filtered else (), since=since, limit=limit)
    pages, cut = drained(desk.find.pages(request))
    expected = laboratory.resources.get_many(Level.STUDY, [id for page in pages for id in page])
    ids = [{PATIENT_ID: study.patient_tags["0010,0020"]} for study in expected]

    def shown(answers: Answers) -> tuple[list[dict[int, object]], bool]:
        given, was_cut = drained(answers)
        return [{PATIENT_ID: values[PATIENT_ID]} for values in given], was_cut

    assert shown(desk.find.answers(request, [PATIENT_ID])) == (ids, cut)
    if is_filtered:
        plain = FindRequest(Level.STUDY, since=since, limit=limit)
        assert shown(desk.find.answers(plain, [PATIENT_ID], [position])) == (ids, cut)

        def accepts(values: Values) -> bool:
            return values[PATIENT_POSITION] == "HFS"

        tags = [PATIENT_ID, PATIENT_POSITION]
        assert shown(desk.find.answers(plain, tags, accepts=accepts)) == (ids, cut)


def test_counts(desk: Desk) -> None:
    assert desk.find.count(desk.request({STUDY_DATE: "20240103-"})) == COUNT - 2
    with pytest.raises(BadRequest):
        desk.find.count(desk.request({PATIENT_POSITION: "HFS"}))


def test_bad_constraints(desk: Desk) -> None:
    with pytest.raises(ParameterOutOfRange):
        desk.find.constraint(STUDY_DATE, "2024*")
    assert desk.find.constraint(STUDY_DATE, "-") is None


def test_lookup(desk: Desk) -> None:
    assert [ref.level for ref in desk.find.lookup("P3")] == [Level.PATIENT]
    assert [ref.level for ref in desk.find.lookup("1.3.1.1")] == [Level.INSTANCE]
    assert desk.find.lookup("1.3.*") == []
