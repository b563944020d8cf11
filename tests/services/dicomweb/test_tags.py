"""Attributes of studies: what the index keeps of a series or an instance costs no look at the metadata."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orthanclite.core.errors import UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import Parts
from orthanclite.services.content.files import StoredFile
from orthanclite.services.dicomweb.tags import MetadataTags
from tests.support.lab import Lab, lab
from tests.support.records import dicom_file

MODALITY, SERIES_DESCRIPTION, INSTANCE_NUMBER, ROWS = 0x00080060, 0x0008103E, 0x00200013, 0x00280010


class NoMetadata:
    """Metadata that are counted, and not there."""

    def __init__(self) -> None:
        self.asked = 0

    def instance(self, id: str) -> bytes:
        self.asked += 1
        raise UnknownResource


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path) as bench:
        yield bench


def test_main_tags_of_lower_levels_come_from_the_index(bench: Lab) -> None:
    (stored,) = bench.store(dicom_file(Modality="MR"))
    instance = bench.resources.get(Level.INSTANCE, stored.ids.instance, Parts.ATTACHMENTS)
    assert instance is not None
    metadata: Any = NoMetadata()
    tags = MetadataTags(metadata, bench.resources, of_series=False)
    file = StoredFile.of(instance)
    # The series has no description, which the index knows.
    assert tags.read(file, [MODALITY, SERIES_DESCRIPTION, INSTANCE_NUMBER]) == {
        MODALITY: "MR",
        INSTANCE_NUMBER: "1",
    }
    assert metadata.asked == 0
    assert tags.read(file, [MODALITY, ROWS]) == {MODALITY: "MR"}
    assert metadata.asked == 1
