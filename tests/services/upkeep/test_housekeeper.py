"""Older resources after a change of ExtraMainDicomTags, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.metrics import Metrics
from orthanclite.core.model import Parts
from orthanclite.core.query import Constraint, FindRequest, Match
from orthanclite.services.content.files import InstanceFiles
from orthanclite.services.ingest.storing import FileOptions
from orthanclite.services.upkeep.housekeeper import Housekeeper
from orthanclite.services.upkeep.reconstruct import ReconstructService
from tests.support.lab import Lab, lab
from tests.support.records import dicom_file

PATIENT_AGE, SLICE_THICKNESS, ETHNIC_GROUP = 0x00101010, 0x00180050, 0x00102160


class CountedFiles(InstanceFiles):
    """Counts the files that are read."""

    count = 0

    def head(self, file: object) -> bytes:
        self.count += 1
        return super().head(file)  # type: ignore[arg-type]


def keeper(laboratory: Lab, tags: MainTags, budget: float = 60) -> tuple[Housekeeper, CountedFiles]:
    index = laboratory.index
    files = CountedFiles(
        index.resources, laboratory.reader, laboratory.dictionary, laboratory.runtime, Metrics()
    )
    reconstruction = ReconstructService(
        index.resources,
        laboratory.blobs,
        files,
        tags,
        laboratory.dictionary,
        FileOptions(),
    )
    return Housekeeper(index.maintenance, index.properties, reconstruction, tags, budget), files


def found(laboratory: Lab, tags: MainTags, level: Level, tag: int, value: str) -> int:
    wanted = Constraint(tag, Match.EQUAL, (value,))
    return laboratory.index.search(tags).count(FindRequest(level, (wanted,)))


@pytest.fixture
def files() -> list[bytes]:
    return [
        dicom_file(
            "p",
            f"1.{study}",
            f"1.{study}.1",
            f"1.{study}.1.{number}",
            PatientAge="030Y",
            SliceThickness="2",
            EthnicGroup=f"g{study}",
        )
        for study in (1, 2)
        for number in range(3)
    ]


def test_older_resources_are_found_by_a_new_tag(
    tmp_path: Path, database_url: str, files: list[bytes]
) -> None:
    with lab(tmp_path, database=database_url) as laboratory:
        laboratory.store(*files)
        tags = MainTags.build(
            {Level.STUDY: [PATIENT_AGE], Level.INSTANCE: [SLICE_THICKNESS], Level.PATIENT: [ETHNIC_GROUP]}
        )
        assert found(laboratory, tags, Level.STUDY, PATIENT_AGE, "030Y") == 0
        housekeeper, read = keeper(laboratory, tags)
        housekeeper.run()
        assert housekeeper.is_done
        # Each instance once, its study with it, and once more each study for its copy of the patient's tags.
        assert read.count == 8
        assert found(laboratory, tags, Level.STUDY, PATIENT_AGE, "030Y") == 2
        assert found(laboratory, tags, Level.INSTANCE, SLICE_THICKNESS, "2") == 6
        # A study keeps the tags of the patient as they were received with it.
        studies = laboratory.resources.get_many(
            Level.STUDY, laboratory.resources.list_ids(Level.STUDY), Parts.NONE
        )
        assert {study.patient_tags["0010,2160"] for study in studies} == {"g1", "g2"}


def test_only_one_file_is_read_for_a_study(tmp_path: Path, database_url: str, files: list[bytes]) -> None:
    with lab(tmp_path, database=database_url) as laboratory:
        laboratory.store(*files)
        housekeeper, read = keeper(laboratory, MainTags.build({Level.STUDY: [PATIENT_AGE]}))
        housekeeper.run()
        assert read.count == 2


def test_nothing_is_read_again(tmp_path: Path, database_url: str, files: list[bytes]) -> None:
    tags = MainTags.build({Level.STUDY: [PATIENT_AGE]})
    with lab(tmp_path, database=database_url) as laboratory:
        laboratory.store(*files)
        keeper(laboratory, tags)[0].run()
        again, read = keeper(laboratory, tags)
        again.run()
        assert again.is_done
        assert read.count == 0
        # Back to the default list: the older tags are dropped, with a file for each outdated study.
        back, read = keeper(laboratory, MainTags.build())
        back.run()
        assert back.is_done
        assert read.count == 2


def test_the_work_is_done_in_small_pieces(tmp_path: Path, database_url: str, files: list[bytes]) -> None:
    tags = MainTags.build({Level.INSTANCE: [SLICE_THICKNESS]})
    with lab(tmp_path, database=database_url) as laboratory:
        laboratory.store(*files)
        first, read = keeper(laboratory, tags, budget=1e-4)
        first.run()
        assert not first.is_done
        # Another one, as after a restart, does the rest.
        second, rest = keeper(laboratory, tags)
        second.run()
        assert second.is_done
        assert read.count + rest.count == 6
        assert found(laboratory, tags, Level.INSTANCE, SLICE_THICKNESS, "2") == 6
