"""``/tools/find`` and ``/tools/lookup`` against the installed Orthanc: queries made of what is stored."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from orthanclite.core.levels import Level
from orthanclite.core.main_tags import DEFAULT_MAIN_TAGS, tag_key
from orthanclite.core.query import RANGE_VRS, WILDCARD_VRS
from orthanclite.dicom.dictionary import TagDictionary
from tests.parity.conftest import Pair

NEW_MAIN_TAGS = frozenset({0x00080201, 0x00400244, 0x00400245, 0x00400275})
"""Those that the installed reference reads from files, of one instance or another."""
FILE_TAGS = ("PatientPosition", "SOPClassUID", "BitsAllocated", "PhotometricInterpretation", "KVP")
DICTIONARY = TagDictionary.build()

Body = dict[str, Any]


def stored(pair: Pair, level: Level) -> dict[str, dict[int, str]]:
    """The main tags of the resources that both servers have, by ID."""
    ours = set(pair.ours.get(f"/{level.plural}"))
    found: dict[str, dict[int, str]] = {}
    for resource in pair.reference.get(f"/{level.plural}?expand&full"):
        if resource["ID"] in ours:
            shown = resource["MainDicomTags"] | resource.get("PatientMainDicomTags", {})
            found[resource["ID"]] = {
                int(key.replace(",", ""), 16): entry["Value"]
                for key, entry in shown.items()
                if isinstance(entry["Value"], str)
            }
    return found


def variants(rng: random.Random, vr: str, value: str, other: str) -> Iterator[str]:
    """Constraints that are close to a stored value."""
    yield value
    yield value.swapcase()
    yield f"{value}x"
    if other:
        yield f"{value}\\{other}"
    # Patterns with accents find nothing at all in the installed reference.
    if vr in WILDCARD_VRS and value and value.isascii():
        start = rng.randrange(len(value))
        end = rng.randrange(start, len(value)) + 1
        yield f"{value[:start]}*"
        yield f"*{value[start:end]}*"
        yield f"*{value[end:]}".lower()
        yield f"{value[:start]}?{value[start + 1 :]}"
        yield f"{value[:start]}??{value[start + 1 :]}*"
        yield "*"
    elif vr in RANGE_VRS and value.isdigit():
        low, high = sorted((value, other if other.isdigit() else value))
        yield from (f"{low}-{high}", f"{low}-", f"-{low}")


def bodies(rng: random.Random, pair: Pair, level: Level) -> list[Body]:
    """A few queries for each main tag of a level and of those above, singly and combined."""
    found: list[Body] = [{"Level": level.label, "Query": {}}]
    for home in Level:
        if home > level:
            break
        resources = list(stored(pair, home).values())
        for tag in DEFAULT_MAIN_TAGS[home]:
            # Lists meet any of several values since 1.12, which the installed reference does not know. (In
            # Japanese files the yen sign separates them.)
            values = sorted({tags[tag] for tags in resources if not {*"\\¥"} & {*tags.get(tag, "\\")}})
            if tag in NEW_MAIN_TAGS or not values:
                continue
            vr = DICTIONARY.vr(tag)
            value, other = rng.choice(values), rng.choice(values)
            chosen = list(variants(rng, vr, value, other))
            found += [
                {"Level": level.label, "Query": {tag_key(tag): text}, "CaseSensitive": rng.random() < 0.3}
                for text in (chosen if home is level else rng.sample(chosen, 2))
            ]
    singles = [body["Query"] for body in found[1:]]
    for _ in range(20):
        query = rng.choice(singles) | rng.choice(singles)
        found.append({"Level": level.label, "Query": query})
    return found


def answer(pair: Pair, body: Body, path: str = "/tools/find") -> tuple[Any, Any]:
    """What our server and the reference answer: IDs in order, or the status of a refusal."""
    results = []
    for server in (pair.ours, pair.reference):
        response = server.client.post(path, json=body)
        results.append(sorted(response.json()) if response.status_code == 200 else response.status_code)
    return results[0], results[1]


def compared(pair: Pair, level: Level, queries: list[Body]) -> list[str]:
    """The queries that have other answers, with what only one of the servers finds."""
    common = set(stored(pair, level))
    failures = []
    for body in queries:
        ours, theirs = answer(pair, body)
        if isinstance(ours, list) and isinstance(theirs, list):
            ours, theirs = sorted(common.intersection(ours)), sorted(common.intersection(theirs))
            if ours == theirs:
                continue
            failures.append(f"{body}: ours {set(ours) - set(theirs)}, reference {set(theirs) - set(ours)}")
        elif ours != theirs:
            failures.append(f"{body}: ours {ours}, reference {theirs}")
    return failures


@pytest.mark.parametrize("level", Level, ids=lambda level: level.label)
def test_main_tags(pair: Pair, level: Level) -> None:
    queries = bodies(random.Random(level), pair, level)
    assert len(queries) > 40
    failures = compared(pair, level, queries)
    assert not failures, "\n".join([f"{len(failures)} of {len(queries)} queries", *failures])


@pytest.mark.parametrize("level", [Level.STUDY, Level.INSTANCE], ids=lambda level: level.label)
def test_tags_of_files(pair: Pair, level: Level) -> None:
    """Each file tells of its instance; of a study, whose files may differ, only one is read."""
    queries: list[Body] = []
    for name in FILE_TAGS:
        values = set()
        for instance in pair.reference.get("/instances")[:40]:
            value = pair.reference.get(f"/instances/{instance}/simplified-tags").get(name)
            values |= {value} if isinstance(value, str) and value else set()
        queries += [{"Level": level.label, "Query": {name: value}} for value in sorted(values)[:4]]
    single = {
        study["ID"]
        for study in pair.reference.get("/studies?expand")
        if len(study["Series"]) == 1
        and len(pair.reference.get(f"/series/{study['Series'][0]}")["Instances"]) == 1
    }
    common = set(stored(pair, level)) & (single if level is Level.STUDY else set(stored(pair, level)))
    assert len(queries) > 5
    for body in queries:
        ours, theirs = answer(pair, body)
        assert common.intersection(ours) == common.intersection(theirs), body


def test_lower_levels_do_not_match(pair: Pair) -> None:
    for body in (
        {"Level": "Study", "Query": {"Modality": "CT"}},
        {"Level": "Patient", "Query": {"StudyDate": "*"}},
        {"Level": "Patient", "Query": {"AccessionNumber": "*"}},
        {"Level": "Series", "Query": {"InstanceNumber": "1"}},
    ):
        ours, theirs = answer(pair, body)
        assert ours == theirs, body


@pytest.mark.parametrize("level", Level, ids=lambda level: level.label)
@pytest.mark.parametrize("name", ["RequestAttributesSequence", "ReferencedStudySequence", "0008,1140"])
def test_sequences(pair: Pair, name: str, level: Level) -> None:
    """A query has strings only: a sequence may be named without a value, and equals none."""
    common = set(stored(pair, level))
    for value in ("", "1.2", "*", [], [{"ReferencedSOPInstanceUID": "1.2"}]):
        ours, theirs = answer(pair, {"Level": level.label, "Query": {name: value}})
        if isinstance(ours, list) and isinstance(theirs, list):
            ours, theirs = sorted(common.intersection(ours)), sorted(common.intersection(theirs))
        assert ours == theirs, value


def test_lookups(pair: Pair) -> None:
    """Every identifier, in another case too."""
    identifiers: set[str] = {"", "nope"}
    for level, tag in zip(Level, (0x00100020, 0x0020000D, 0x0020000E, 0x00080018), strict=True):
        identifiers.update(tags.get(tag, "") for tags in stored(pair, level).values())
    known = {id for level in Level for id in stored(pair, level)}
    for identifier in sorted(identifiers):
        results = []
        for server in (pair.ours, pair.reference):
            response = server.client.post("/tools/lookup", content=identifier.swapcase().encode())
            assert response.status_code == 200, (identifier, server.url, response.text)
            results.append(
                sorted((one["Type"], one["Path"]) for one in response.json() if one["ID"] in known)
            )
        assert results[0] == results[1], identifier


@pytest.mark.parametrize("style", [{}, {"Short": True}, {"Full": True}], ids=str)
def test_expanded(pair: Pair, style: Body) -> None:
    """The shown resources are those of GET, which are compared elsewhere."""
    for level in Level:
        body = {"Level": level.label, "Query": {"PatientID": "*"}, "Expand": True, **style}
        arguments = "".join(f"&{name.lower()}" for name in style)
        by_id = {one["ID"]: one for one in pair.ours.get(f"/{level.plural}?expand{arguments}")}
        shown = pair.ours.client.post("/tools/find", json=body).json()
        assert shown
        assert all(one == by_id[one["ID"]] for one in shown)


def test_pages(pair: Pair) -> None:
    """The reference leaves the order open; the number of matches is the same."""
    for since, limit in ((0, 3), (2, 5), (1000, 5)):
        ours, theirs = answer(
            pair, {"Level": "Study", "Query": {"PatientID": "*"}, "Since": since, "Limit": limit}
        )
        assert len(ours) == len(theirs)
