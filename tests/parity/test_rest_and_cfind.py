"""``/tools/find`` and C-FIND are one search: the same queries find the same resources both ways.

Hundreds of queries made of what is stored, on both databases. Not compared, for the reference answers them
differently itself: constraints on main tags of a lower level, which ``tools/find`` never fulfils and C-FIND
reads from files; the time zone, which is no constraint in C-FIND; names together with other keys, for a
modality may ignore case in names alone, a client of the REST API in all tags or in none.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pydicom.data
import pytest
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.association import Association

from orthanclite.core.identifiers import hierarchy
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import DEFAULT_MAIN_TAGS, tag_key
from orthanclite.core.query import COMPUTED_TAGS, INSTANCE_AVAILABILITY, TIMEZONE_OFFSET_FROM_UTC
from orthanclite.dicom.dictionary import TagDictionary
from tests.parity.test_cfind import STUDY_ROOT, made
from tests.parity.test_find import variants
from tests.support.scu import Client
from tests.support.server import Server

SERVER_CONFIG = {"DicomModalities": {"tester": ["TESTER", "127.0.0.1", 104]}, "StableAge": 1000}
DICTIONARY = TagDictionary.build()
IDENTIFIERS = (0x00100020, 0x0020000D, 0x0020000E, 0x00080018)
FILE_TAGS = {0x00180060: ("101", "104"), 0x00104000: ("comment 2", "*3", "*"), 0x00280010: ("64",)}
"""Tags that only files tell, with values to look for."""

Query = dict[int, str]


@dataclass(frozen=True)
class Archive:
    """A server with studies in it, and an association with it."""

    server: Server
    association: Association

    def over_rest(self, level: Level, query: Query) -> list[str] | str:
        body = {
            "Level": level.label,
            "Query": {tag_key(tag): value for tag, value in query.items()},
            "CaseSensitive": not is_name(query),
        }
        answer = self.server.client.post("/tools/find", json=body)
        return list(answer.json()) if answer.status_code == 200 else "refused"

    def over_dicom(self, level: Level, query: Query) -> list[str] | str:
        wanted = dict.fromkeys(IDENTIFIERS[: level.value], "") | query
        found = []
        for status, answer in self.association.send_c_find(identifier(level, wanted), STUDY_ROOT):
            if status.Status not in (0xFF00, 0x0000):
                return "refused"
            if answer is not None:
                uids = [str(answer[tag].value or "") for tag in IDENTIFIERS[: level.value]]
                ids = hierarchy(*uids, *[""] * (4 - len(uids)))
                found.append(ids.at(level))
        return sorted(found)


def is_name(query: Query) -> bool:
    return all(DICTIONARY.vr(tag) == "PN" for tag in query)


def identifier(level: Level, query: Mapping[int, str]) -> Dataset:
    """The keys as they are, whether their type allows such values or not."""
    shown = Dataset()
    shown.SpecificCharacterSet = "ISO_IR 192"
    shown.QueryRetrieveLevel = "IMAGE" if level is Level.INSTANCE else level.label.upper()
    for tag, text in query.items():
        vr = DICTIONARY.vr(tag)
        value = int(text) if vr == "US" else text
        vr = vr if vr in ("US", "PN", "LT") else "LO"
        shown.add(DataElement(tag, vr, value, validation_mode=config.IGNORE))
    return shown


@pytest.fixture(scope="module")
def archive(server: Server) -> Iterator[Archive]:
    bundled = Path(pydicom.data.__file__).parent / "test_files"
    for data in (*made(), *(path.read_bytes() for path in sorted(bundled.rglob("*.dcm"))[::3])):
        server.client.post("/instances", content=data)
    client = Client("TESTER")
    client.add_requested_context(STUDY_ROOT, ImplicitVRLittleEndian)
    association = client.associate("127.0.0.1", server.dicom_port)
    assert association.is_established
    yield Archive(server, association)
    association.release()


def stored(server: Server, level: Level) -> list[Query]:
    """The main tags of the resources of a level."""
    return [
        {
            int(key.replace(",", ""), 16): value
            for key, value in resource["MainDicomTags"].items()
            if isinstance(value, str)
        }
        for resource in server.get(f"/{level.plural}?expand&short")
    ]


def queries(rng: random.Random, server: Server, level: Level) -> Iterator[Query]:
    """Queries about each main tag of the level and those above, about computed tags and tags of files."""
    singles: list[Query] = []
    for home in Level:
        if home > level:
            break
        resources = stored(server, home)
        for tag in sorted({*DEFAULT_MAIN_TAGS[home]} - {TIMEZONE_OFFSET_FROM_UTC}):
            values = sorted(value for value in {tags.get(tag, "") for tags in resources} if value)
            if values:
                chosen = list(variants(rng, DICTIONARY.vr(tag), rng.choice(values), rng.choice(values)))
                singles += [{tag: value} for value in chosen]
    yield {}
    yield from singles
    plain = [query for query in singles if not is_name(query)]
    for _ in range(40):
        yield rng.choice(plain) | rng.choice(plain)
    for tag, owner in COMPUTED_TAGS.items():
        if owner is level and tag != INSTANCE_AVAILABILITY:
            values = ["CT", "CT\\SR", "C*"] if DICTIONARY.vr(tag) == "CS" else ["1", "2", "1\\3"]
            yield from ({tag: value} for value in values)
    for tag, wanted in FILE_TAGS.items():
        yield from ({tag: value} for value in wanted)
        yield rng.choice(plain) | {tag: wanted[0]}


@pytest.mark.parametrize("level", Level, ids=lambda level: level.label)
def test_same_resources(archive: Archive, level: Level) -> None:
    asked = list(queries(random.Random(level.value), archive.server, level))
    assert len(asked) > 80
    failures, found = [], 0
    for query in asked:
        rest, dicom = archive.over_rest(level, query), archive.over_dicom(level, query)
        found += isinstance(rest, list) and bool(rest)
        if rest != dicom:
            shown = {tag_key(tag): value for tag, value in query.items()}
            failures.append(f"{shown}: tools/find {rest}, C-FIND {dicom}")
    assert not failures, "\n".join([f"{len(failures)} of {len(asked)} queries", *failures])
    assert found > len(asked) / 3
