"""The search in SQL against the in-memory matcher of ``core.matching``, on both engines."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orthanclite.core.constants import Metadata
from orthanclite.core.identifiers import hierarchy
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import DEFAULT_MAIN_TAGS, IDENTIFIER_OF, MainTags, tag_key
from orthanclite.core.model import InstanceRecord, Parts, Resource, ResourceRef
from orthanclite.core.query import (
    COMPUTED_TAGS,
    MODALITIES_IN_STUDY,
    NUMBER_OF_STUDY_RELATED_SERIES,
    Constraint,
    FindRequest,
    LabelsConstraint,
    Match,
    MetadataConstraint,
    OrderBy,
    OrderType,
)
from orthanclite.core.text.matching import predicate
from orthanclite.index import SqlIndex
from orthanclite.index.schema import COLUMNS
from orthanclite.index.search import plan as query_plan
from tests.conftest import ENGINES
from tests.support.postgres import Cluster
from tests.support.records import record

MAIN_TAGS = MainTags.build({Level.STUDY: [0x00101010], Level.SERIES: [0x00180050]})
EXTRA = {Level.STUDY: 0x00101010, Level.SERIES: 0x00180050}

PIECES = (
    "DOE", "doe", "Doe^John", "Noël", "NOEL", "É", "e\u0301", "ß", "SS", "ŸÀ", "Ω", "日本", "한국", "I", "ı",
    "İ", "ﬁ", "%", "_", "'", '"', "\\", "[a]", "*", "?", "^", " ", "=", "CT", "MR", "2020", "20200101", "0",
    ".", "1.2", "(x)", "{}", "\u00a0", "𝔘", "-", "\t", "\x1b",
)  # fmt: skip
"""What the values of resources and of queries are put together from."""


def _text(rng: random.Random) -> str:
    return "".join(rng.choices(PIECES, k=rng.choice((0, 1, 1, 2, 2, 3)))).strip()


def _tags(rng: random.Random, level: Level) -> dict[str, str]:
    wanted = [tag for tag in DEFAULT_MAIN_TAGS[level] if tag != 0x00400275]
    wanted += [EXTRA[level]] if level in EXTRA else []
    values = {tag: _text(rng) for tag in wanted if rng.random() < 0.7}
    # What has a column has one value (PS3.6).
    return {
        tag_key(tag): value.replace("\\", "/") if tag in COLUMNS[level] else value
        for tag, value in values.items()
    }


def _records(rng: random.Random) -> Iterator[InstanceRecord]:
    for number in range(70):
        patient = f"P{number // 2}-{_text(rng)}".replace("\\", "/")
        study, modality = f"1.{number}", rng.choice(("CT", "MR", "ct", "", "US"))
        patient_tags = _tags(rng, Level.PATIENT) | {"0010,0020": patient}
        study_tags = _tags(rng, Level.STUDY) | {"0020,000d": study}
        for series in range(rng.choice((1, 1, 2))):
            uid = f"{study}.{series}"
            base = record(patient, study, uid, f"{uid}.1")
            yield replace(
                base,
                ids=hierarchy(patient, study, uid, f"{uid}.1"),
                signatures=MAIN_TAGS.signatures,
                tags={
                    Level.PATIENT: patient_tags,
                    Level.STUDY: study_tags,
                    Level.SERIES: _tags(rng, Level.SERIES) | {"0020,000e": uid, "0008,0060": modality},
                    Level.INSTANCE: _tags(rng, Level.INSTANCE) | {"0008,0018": f"{uid}.1"},
                },
            )


class World:
    """An index with what is known to be in it."""

    def __init__(self, index: SqlIndex) -> None:
        self.index = index
        self.resources = {
            level: index.resources.get_many(level, index.resources.list_ids(level), Parts.SHOWN)
            for level in Level
        }
        self.by_id = {resource.id: resource for found in self.resources.values() for resource in found}

    def find(self, request: FindRequest) -> list[str]:
        return self.index.search(MAIN_TAGS).find_ids(request)

    def value(self, resource: Resource, tag: int) -> str | None:
        """The value of a main tag of the resource or of the nearest parent that has it as a main tag."""
        homes = [level for level in MAIN_TAGS.levels_of(tag) if level <= resource.level]
        if not homes:
            return None
        current = resource
        while current.level > max(homes[-1], Level.STUDY if resource.level > Level.PATIENT else homes[-1]):
            assert current.parent_id is not None
            current = self.by_id[current.parent_id]
        tags = current.tags if homes[-1] is current.level else current.patient_tags
        return tags.get(tag_key(tag))

    def expected(self, request: FindRequest) -> list[str]:
        tests = [(one.tag, predicate(one)) for one in request.constraints]
        return sorted(
            resource.id
            for resource in self.resources[request.level]
            if all(test(self.value(resource, tag)) for tag, test in tests) and resource.id > request.after
        )


def _world(index: SqlIndex) -> World:
    index.ingest.store_many(list(_records(random.Random(7))))
    return World(index)


@pytest.fixture(scope="module", params=ENGINES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if request.param == "sqlite":
        folder: Path = tmp_path_factory.mktemp("query")
        index = SqlIndex(f"sqlite:///{folder}/index")
        yield _world(index)
        index.close()
        return
    postgres: Cluster = request.getfixturevalue("postgres")
    with postgres.database() as name:
        index = SqlIndex(postgres.url(name))
        yield _world(index)
        index.close()


texts = st.lists(st.sampled_from(PIECES), max_size=3).map("".join) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=4
)
patterns = st.lists(st.sampled_from((*PIECES, "*", "?", "*")), min_size=1, max_size=5).map("".join)


@st.composite
def constraints(draw: st.DrawFn, level: Level) -> Constraint:
    tags = [tag for home in Level if home <= level for tag in MAIN_TAGS.by_level[home] if tag != 0x00400275]
    match = draw(st.sampled_from(Match))
    if match is Match.RANGE:
        values: tuple[str, ...] = (draw(texts), draw(texts))
    elif match is Match.LIST:
        values = tuple(draw(st.lists(texts, min_size=1, max_size=4)))
    else:
        values = (draw(patterns if match is Match.WILDCARD else texts),)
    return Constraint(draw(st.sampled_from(tags)), match, values, draw(st.booleans()))


@st.composite
def requests(draw: st.DrawFn) -> FindRequest:
    level = draw(st.sampled_from(Level))
    wanted = draw(st.lists(constraints(level), min_size=1, max_size=2))
    return FindRequest(level, tuple(wanted))


@given(requests(), st.integers(0, 3), st.integers(0, 5))
@settings(max_examples=200)
def test_sql_agrees_with_the_matcher(world: World, wanted: FindRequest, since: int, limit: int) -> None:
    expected = world.expected(wanted)
    search = world.index.search(MAIN_TAGS)
    assert search.find_ids(wanted) == expected, repr(wanted.constraints)
    assert search.count(wanted) == len(expected)
    page = expected[since : since + limit if limit else None]
    assert search.find_ids(replace(wanted, since=since, limit=limit)) == page
    if expected:
        assert (
            search.find_ids(replace(wanted, after=expected[0], limit=limit))
            == (expected[1 : 1 + limit if limit else None])
        )


@given(st.data(), st.sampled_from((Level.STUDY, Level.SERIES)), st.booleans())
@settings(max_examples=200)
def test_stored_values_are_found(world: World, data: st.DataObject, level: Level, exact: bool) -> None:
    """A constraint made of a stored value: equal, and with a part of it replaced by a wildcard."""
    resource = data.draw(st.sampled_from(world.resources[level]))
    tag = int(data.draw(st.sampled_from(sorted(resource.tags))).replace(",", ""), 16)
    value = resource.tags[tag_key(tag)]
    start = data.draw(st.integers(0, len(value)))
    end = data.draw(st.integers(start, len(value)))
    for match, text in ((Match.EQUAL, value), (Match.WILDCARD, f"{value[:start]}*{value[end:]}")):
        request = FindRequest(level, (Constraint(tag, match, (text,), exact),))
        found = world.find(request)
        assert found == world.expected(request)
        assert match is Match.WILDCARD or resource.id in found


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("tag", [0x00080020, 0x00100010, 0x00081030, 0x00321060])
def test_pages_of_an_order_are_disjoint_and_complete(world: World, tag: int, ascending: bool) -> None:
    request = FindRequest(Level.STUDY, order_by=(OrderBy(OrderType.TAG, tag, ascending),))
    whole = world.find(request)
    assert sorted(whole) == [study.id for study in world.resources[Level.STUDY]]
    pages = [world.find(replace(request, since=since, limit=7)) for since in range(0, len(whole) + 7, 7)]
    assert [id for page in pages for id in page] == whole
    present = [world.value(world.by_id[id], tag) is not None for id in whole]
    assert present == sorted(present, reverse=True), "what has no value comes last"


@pytest.mark.parametrize("level", [Level.PATIENT, Level.STUDY, Level.SERIES], ids=lambda level: level.label)
@pytest.mark.parametrize("probe", [1, 4, 10_000])
def test_pages_of_an_order_by_several_tags(
    world: World, level: Level, probe: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a first tag that an index has in order, and more or fewer resources that have the same value."""
    monkeypatch.setattr(query_plan, "PROBE", probe)
    for first in (0x00100010, 0x00081030, 0x00080060, 0x00080050):
        for ascending in (True, False):
            order = (OrderBy(OrderType.TAG, first, ascending), OrderBy(OrderType.TAG, 0x00100040, True))
            request = FindRequest(level, order_by=order)
            whole = world.find(request)
            for since, limit in ((0, 1), (0, 6), (3, 7), (len(whole) - 2, 5), (0, 500)):
                page = world.find(replace(request, since=since, limit=limit))
                assert page == whole[since : since + limit]


def test_numbers_are_ordered_as_numbers(world: World) -> None:
    request = FindRequest(
        Level.STUDY,
        order_by=(OrderBy(OrderType.TAG_AS_INT, NUMBER_OF_STUDY_RELATED_SERIES, False),),
    )
    counts = [len(world.by_id[id].children) for id in world.find(request)]
    assert counts == sorted(counts, reverse=True)


def test_computed_tags_are_constraints_and_answers(world: World) -> None:
    search = world.index.search(MAIN_TAGS)
    wanted = Constraint(MODALITIES_IN_STUDY, Match.LIST, ("ct", "US"))
    found = set(search.find_ids(FindRequest(Level.STUDY, (wanted,))))
    studies = world.resources[Level.STUDY]
    expected = {
        study.id
        for study in studies
        if {world.by_id[id].tags["0008,0060"].upper() for id in study.children} & {"CT", "US"}
    }
    assert found == expected
    two = Constraint(NUMBER_OF_STUDY_RELATED_SERIES, Match.EQUAL, ("2",))
    assert search.count(FindRequest(Level.STUDY, (two,))) == sum(len(s.children) == 2 for s in studies)
    tags = search.computed_tags(Level.STUDY, [study.key for study in studies], [MODALITIES_IN_STUDY])
    for study in studies:
        names = {world.by_id[id].tags["0008,0060"].upper() for id in study.children}
        assert tags[study.key][MODALITIES_IN_STUDY].upper() == "\\".join(sorted(names - {""}))


@pytest.mark.parametrize("level", Level, ids=lambda level: level.label)
def test_a_page_is_the_beginning_of_the_whole(world: World, level: Level) -> None:
    """Whatever the condition: a page may be found by other statements than the whole."""
    parent = world.resources[Level.PATIENT][0].ref
    requests = [
        FindRequest(level, labels=("none",)),
        FindRequest(level, labels_constraint=LabelsConstraint.NONE),
        FindRequest(level, metadata=(MetadataConstraint(Metadata.LAST_UPDATE, Match.WILDCARD, ("2*",)),)),
        *([FindRequest(level, parent=parent)] if level > Level.PATIENT else []),
    ]
    for tag in COMPUTED_TAGS:
        for value in ("2", "CT", "ct", "1.2.840.10008.5.1.4.1.1.2", "*", ""):
            match = Match.WILDCARD if value == "*" else Match.LIST
            for heeds_case in (False, True):
                requests.append(FindRequest(level, (Constraint(tag, match, (value,), heeds_case),)))
    for request in requests:
        whole = world.find(request)
        for since, limit in ((0, 5), (2, 3)):
            page = world.find(replace(request, since=since, limit=limit))
            assert page == whole[since : since + limit], request


def test_parents(world: World) -> None:
    for level in (Level.PATIENT, Level.STUDY, Level.SERIES):
        parent = world.resources[level][3]
        for below in Level:
            found = world.find(FindRequest(below, parent=parent.ref))
            if below > level:
                resources = world.index.resources
                assert found == resources.descendant_ids(level, parent.id, below)
                assert found[0] == resources.first_below(level, parent.id, below)
                assert resources.first_below(level, "nope", below) is None
            else:
                assert found == ([parent.id] if below is level else [])
    assert world.find(FindRequest(Level.STUDY, parent=ResourceRef(Level.PATIENT, "nope"))) == []


def test_resources_by_their_uids(world: World) -> None:
    search = world.index.search(MAIN_TAGS)
    for level in (Level.STUDY, Level.SERIES, Level.INSTANCE):
        for resource in world.resources[level]:
            lineage = [resource]
            while lineage[0].level > Level.STUDY:
                lineage.insert(0, world.by_id[lineage[0].parent_id or ""])
            uids = [one.tags[tag_key(IDENTIFIER_OF[one.level])] for one in lineage]
            assert search.ids_of_uids(uids) == [resource.id]
            for wrong in range(len(uids)):
                assert search.ids_of_uids([*uids[:wrong], "1.999", *uids[wrong + 1 :]]) == []
    assert search.ids_of_uids(["x" * 5000, "\0", "'"]) == []


def test_labels_and_metadata(world: World) -> None:
    annotations = world.index.annotations
    first, second, third = (study.id for study in world.resources[Level.STUDY][:3])
    labelled = {first: ("a", "b"), second: ("b",), third: ("B",)}
    for id, names in labelled.items():
        for name in names:
            annotations.add_label(Level.STUDY, id, name)
    annotations.set_metadata(Level.STUDY, first, 1024, "Étude 1")
    try:
        cases = {
            (("a", "b"), LabelsConstraint.ALL): {first},
            (("a", "b"), LabelsConstraint.ANY): {first, second},
            (("b",), LabelsConstraint.ALL): {first, second},
            ((), LabelsConstraint.ALL): set(world.find(FindRequest(Level.STUDY))),
        }
        for (names, combined), expected in cases.items():
            assert set(world.find(FindRequest(Level.STUDY, (), names, combined))) == expected
        everything = {study.id for study in world.resources[Level.STUDY]}
        without = FindRequest(Level.STUDY, (), ("a",), LabelsConstraint.NONE)
        assert set(world.find(without)) == everything - {first}
        unlabelled = FindRequest(Level.STUDY, labels_constraint=LabelsConstraint.NONE)
        assert set(world.find(unlabelled)) == everything - set(labelled)
        for value, case, expected in (("etude ?", False, {first}), ("etude ?", True, set())):
            wanted = MetadataConstraint(1024, Match.WILDCARD, (value,), case)
            assert set(world.find(FindRequest(Level.STUDY, metadata=(wanted,)))) == expected
    finally:
        for id, names in labelled.items():
            for name in names:
                annotations.remove_label(Level.STUDY, id, name)
        annotations.delete_metadata(Level.STUDY, first, 1024)
