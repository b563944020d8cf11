"""Edits that die after the effect of a step, before it is saved: what is done again has the same effect."""

from __future__ import annotations

import io
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pydicom
import pytest

from orthanclite.core.constants import AttachmentType, ChangeType, Metadata
from orthanclite.core.events import Events
from orthanclite.core.identifiers import hierarchy
from orthanclite.core.jobs import Claim, Progress, Wish
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.metrics import Metrics
from orthanclite.core.model import OverwriteMode, Parts
from orthanclite.jobs.kinds.editing import EditTools
from orthanclite.jobs.kinds.modification import ModificationKind
from orthanclite.services.content.files import InstanceFiles
from orthanclite.services.edit.aftermath import Aftermath
from orthanclite.services.edit.batch import BatchEditor
from orthanclite.services.edit.preview import Previewer
from orthanclite.services.edit.request.fields import RequestReader
from orthanclite.services.edit.request.identities import IdentityRules
from orthanclite.services.ingest.storing import FileOptions
from orthanclite.services.resources.tree import ResourceService
from orthanclite.services.upkeep.reconstruct import ReconstructService
from tests.support.lab import ORIGIN, Lab, lab
from tests.support.records import dicom_file

STUDY = hierarchy("P", "1.2", "", "").study
COUNT = 12  # more than the first step does
IN_PLACE = {"Keep": ["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"], "Force": True}
RELABELED = {"Replace": {"StudyDescription": "new"}, "KeepLabels": True}
DATES = {"Profile": ["Basic", "RetainLongitudinalModifiedDates"]}

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "modified": ("modify", RELABELED),
    "moved": ("modify", {**RELABELED, "KeepSource": False, "UidMap": "CSV"}),
    "modified in place": ("modify", {**RELABELED, **IN_PLACE}),
    "anonymized": ("anonymize", {**DATES, "KeepLabels": True}),
    "anonymized in place": ("anonymize", {**DATES, **IN_PLACE, "KeepLabels": True}),
}


class FixedKeys:
    """Gives all jobs the same key, so that they can be compared."""

    def key(self, job: str) -> bytes:
        return b"k" * 32


@dataclass(frozen=True)
class Bench:
    """A kind of jobs, and what it works on."""

    lab: Lab
    kind: ModificationKind

    def claim(self, verb: str, body: Mapping[str, Any]) -> Claim:
        origin, anonymizes = ORIGIN, verb == "anonymize"
        submission = self.kind.of_resource(body, STUDY, Level.STUDY, anonymizes, origin)
        return Claim("j", "", 1, 1, submission.parameters, None, 0.0, {}, False, 0, 0.0, Wish.NONE)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lab with a study in two series, of which one has a single instance; all is labelled."""
    folder: Path = tmp_path_factory.mktemp("template")
    more = {"StudyDate": "20240102", "FrameOfReferenceUID": "1.2.9"}
    with lab(folder) as made:
        for number in range(COUNT):
            series = "1.2.1" if number else "1.2.2"
            (stored,) = made.store(dicom_file("P", "1.2", series, f"1.2.3.{number}", **more))
            for level in Level:
                made.index.annotations.add_label(level, stored.ids.at(level), f"of-{level.label}")
    return folder


@contextmanager
def bench(folder: Path, template: Path) -> Iterator[Bench]:
    shutil.copytree(template, folder)
    with lab(folder) as made:
        files = InstanceFiles(made.resources, made.reader, made.dictionary, made.runtime, Metrics())
        tags = MainTags.build()
        renewer = ReconstructService(made.resources, made.blobs, files, tags, made.dictionary, FileOptions())
        nothing = cast(Any, None)
        remover = ResourceService(made.resources, made.blobs, nothing, made.dictionary, nothing, Events())
        batch = BatchEditor(files, made.ingest, nothing, made.dictionary)
        tools = EditTools(
            made.resources, batch, Aftermath(renewer, made.index.annotations, remover), made.blobs
        )
        kind = ModificationKind(
            tools,
            RequestReader(made.dictionary),
            IdentityRules(made.resources, tags, OverwriteMode.ALWAYS),
            cast(Any, FixedKeys()),
            Previewer(files, made.dictionary),
            made.index.properties,
            "test",
        )
        yield Bench(made, kind)


def state(made: Lab) -> dict[str, Any]:
    """All that is stored, but for when it came."""
    found: dict[str, Any] = {}
    for level in Level:
        ids = made.resources.list_ids(level)
        for one in made.resources.get_many(level, ids, Parts.SHOWN):
            metadata = dict(one.system_metadata)
            metadata.pop(Metadata.RECEPTION_DATE, None)
            files = [(kind, file.md5, file.size) for kind, file in one.attachments.items()]
            found[f"{level.label} {one.id}"] = (one.tags, metadata, one.labels, one.children, files)
    return found


def instances(made: Lab) -> list[pydicom.Dataset]:
    ids = made.resources.list_ids(Level.INSTANCE)
    found = []
    for one in made.resources.get_many(Level.INSTANCE, ids, Parts.ATTACHMENTS):
        with made.blobs.open(one.attachments[AttachmentType.DICOM].uuid) as file:
            found.append(pydicom.dcmread(io.BytesIO(file.read())))
    return found


def run(kind: ModificationKind, claim: Claim, steps: int | None = None) -> tuple[int, Claim]:
    """Do a job to its end, or die after a number of steps: the last one is not saved then."""
    at_work, done = kind.begin(claim, lambda: False), 0
    try:
        while True:
            progress: Progress = at_work.step()
            done += 1
            if progress.done:
                assert progress.failure is None
                return done, claim
            if done == steps:
                return done, claim
            if progress.saved is not None:
                claim = with_saved(claim, progress.saved)
    finally:
        at_work.close()


def with_saved(claim: Claim, saved: Mapping[str, Any]) -> Claim:
    return Claim(claim.id, "", 1, 1, claim.parameters, saved, 0.0, {}, claim.permissive, 0, 0.0, Wish.NONE)


@pytest.mark.parametrize("request_name", REQUESTS)
def test_dying_after_any_step_changes_nothing(tmp_path: Path, template: Path, request_name: str) -> None:
    verb, body = REQUESTS[request_name]
    with bench(tmp_path / "whole", template) as one:
        steps, _ = run(one.kind, one.claim(verb, body))
        wanted = state(one.lab)
        if "in place" in request_name:
            check_labels(one)
    assert steps > 2
    for deadly in range(1, steps):
        with bench(tmp_path / str(deadly), template) as one:
            _, claim = run(one.kind, one.claim(verb, body), deadly)
            run(one.kind, claim)
            assert state(one.lab) == wanted, f"dead after step {deadly}"
            new = [
                change.id
                for change in one.lab.index.changes.changes(0, 1000).changes
                if change.type is ChangeType.NEW_INSTANCE
            ]
            assert max(Counter(new).values()) == 1
            assert len({one.FrameOfReferenceUID for one in instances(one.lab)} - {"1.2.9"}) <= 1


def check_labels(one: Bench) -> None:
    study = one.lab.resources.get(Level.STUDY, STUDY, Parts.LABELS)
    assert study is not None
    assert study.labels == ("of-Study",)
