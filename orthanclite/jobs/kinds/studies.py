"""Splitting a study, and merging others into one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from orthanclite.core.errors import UnknownResource
from orthanclite.core.jobs import Claim, Submission
from orthanclite.core.levels import Level
from orthanclite.core.text.fields import boolean_field
from orthanclite.jobs.kinds.editing import (
    EditRun,
    EditTask,
    EditTools,
    Tally,
    failures,
    origin_of,
    origin_parameters,
)
from orthanclite.services.edit.batch import Edition
from orthanclite.services.edit.keys import JobKeys
from orthanclite.services.edit.planning import fresh_levels, make_plans, set_references, whole_level
from orthanclite.services.edit.request.identities import refuse_collisions
from orthanclite.services.edit.sources import Sources
from orthanclite.services.edit.studies import StudyChange, StudyChanges
from orthanclite.services.ingest.arrival import IngestOrigin


class _StudyKind:
    """Gives instances to another study."""

    name: ClassVar[str]
    retries = 0

    def __init__(self, tools: EditTools, changes: StudyChanges, keys: JobKeys) -> None:
        self._tools = tools
        self._changes = changes
        self._keys = keys

    def begin(self, claim: Claim, is_stopping: Callable[[], bool]) -> EditRun:
        parameters = claim.parameters
        change = StudyChange(parameters["replace"], parameters["remove"], Level(parameters["level"]))
        request, key, level = self._changes.request(change), self._keys.key(claim.id), change.level
        instances = parameters["instances"]
        identifiers = Sources(self._tools.resources).identifiers(instances, whole_level(request, level))
        references = set_references(request, level, key, identifiers)
        edition = Edition(
            make_plans(request, level, key, references),
            origin_of(parameters["origin"]),
            permissive=claim.permissive,
            labels=frozenset(Level) if parameters["keep_labels"] else frozenset(),
        )
        task = EditTask(instances, edition, parameters["keep_source"], fresh_levels(request, level))
        return EditRun(claim, task, self._tools, lambda tally: _content(parameters, tally))

    def _submission(
        self,
        id: str,
        change: StudyChange,
        instances: Sequence[str],
        body: Mapping[str, Any],
        origin: IngestOrigin,
        target: Mapping[str, str],
    ) -> Submission:
        """:param target: what the content tells of the new study from the beginning"""
        identifiers = Sources(self._tools.resources).identifiers(instances)
        refuse_collisions(self._changes.request(change), identifiers)
        parameters = {
            "replace": change.replace,
            "remove": change.remove,
            "level": int(change.level),
            "instances": list(instances),
            "keep_source": boolean_field(body, "KeepSource"),
            "keep_labels": boolean_field(body, "KeepLabels"),
            "target": target,
            "origin": origin_parameters(origin),
        }
        return Submission(self.name, parameters, _content(parameters, Tally()), id=id)

    def _refuse_unknown(self, study: str, error: str) -> None:
        if not self._tools.resources.exists(Level.STUDY, study):
            raise UnknownResource(error)


class SplitKind(_StudyKind):
    """Jobs that make a new study of a part of one."""

    name = "SplitStudy"

    def of_study(self, study: str, body: Mapping[str, Any], origin: IngestOrigin) -> Submission:
        """The job that splits a study.

        :param body: the request, as JSON
        :raises UnknownResource: for an unknown study, and for what is not of it
        :raises OrthancError: for a request that is wrong, see :class:`.StudyChanges`
        """
        self._refuse_unknown(study, f"Cannot split unknown study {study}")
        id = str(uuid.uuid4())
        target = {"TargetStudyUID": self._changes.new_uid(study, self._keys.key(id))}
        instances = self._changes.instances_of(study, body)
        return self._submission(id, self._changes.split(body), instances, body, origin, target)


class MergeKind(_StudyKind):
    """Jobs that give instances to a study that there is."""

    name = "MergeStudy"

    def of_study(self, study: str, body: Mapping[str, Any], origin: IngestOrigin) -> Submission:
        """The job that merges resources into a study; see :meth:`SplitKind.of_study`."""
        self._refuse_unknown(study, f"Cannot merge into an unknown study: {study}")
        instances, change = self._changes.instances_for(study, body), self._changes.merge(study)
        target = {"TargetStudy": study}
        return self._submission(str(uuid.uuid4()), change, instances, body, origin, target)


def _content(parameters: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
    target = {} if tally.first is None else {"TargetStudy": tally.first.study}
    return {
        "Description": "REST API",
        "InstancesCount": len(parameters["instances"]),
        **failures(tally),
        **parameters["target"],
        **target,
    }
