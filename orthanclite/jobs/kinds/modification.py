"""Modification and anonymisation of patients, studies and series, and of any set of resources."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from orthanclite.core.constants import Metadata
from orthanclite.core.errors import BadFileFormat, BadRequest, ParameterOutOfRange
from orthanclite.core.jobs import Claim, Submission
from orthanclite.core.levels import Level
from orthanclite.core.ports import Properties
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
from orthanclite.services.edit.keys import KEY_SIZE, JobKeys
from orthanclite.services.edit.planning import (
    draw_name,
    fresh_levels,
    make_plans,
    set_references,
    whole_level,
)
from orthanclite.services.edit.preview import PREVIEWED_NAME, Previewer, wants_preview
from orthanclite.services.edit.request.fields import ModificationRequest, RequestReader, refuse_unknown_syntax
from orthanclite.services.edit.request.identities import IdentityRules, refuse_collisions
from orthanclite.services.edit.sources import Sources, instances_below
from orthanclite.services.edit.uid_map import wanted_format
from orthanclite.services.ingest.arrival import IngestOrigin

_NOT_OF_THE_REQUEST = ("Resources", "UserData", "Synchronous", "Asynchronous", "Priority", "Permissive")
"""Members of a body that say nothing of what is edited how."""

_PREVIEWED_TOGETHER = 50
"""Instances that are read from the index at a time."""


class ModificationKind:
    """Jobs that modify or anonymise.

    :param server: name and version, written into what is anonymised
    """

    name = "ResourceModification"
    retries = 0

    def __init__(
        self,
        tools: EditTools,
        reader: RequestReader,
        rules: IdentityRules,
        keys: JobKeys,
        previewer: Previewer,
        properties: Properties,
        server: str,
    ) -> None:
        self._previewer = previewer
        self._tools = tools
        self._reader = reader
        self._rules = rules
        self._keys = keys
        self._properties = properties
        self._server = server

    def of_resource(
        self, body: Mapping[str, Any], id: str, level: Level, anonymize: bool, origin: IngestOrigin
    ) -> Submission:
        """The job that edits all instances of one resource.

        :param body: the request, as JSON
        :param level: at which it is edited
        :param origin: of what is stored
        :raises ParameterOutOfRange: for an unknown resource
        :raises OrthancError: for a request that is wrong or would mix up identities, see
            :class:`.RequestReader` and :class:`.IdentityRules`
        """
        request = self._read(body, anonymize)
        known = self._tools.resources.locate(id)
        if known is None:
            raise ParameterOutOfRange
        self._rules.check(request, level, {id: known}, _keep_source(body))
        return self._submission(request, body, [id], self._instances([id]), level, known, origin)

    def of_resources(self, body: Mapping[str, Any], anonymize: bool, origin: IngestOrigin) -> Submission:
        """The job that edits all instances of several resources, named by the member ``Resources``.

        An unknown resource is an instance that fails, unless there is no other.

        :raises BadFileFormat: where ``Resources`` is missing or of the wrong type
        :raises OrthancError: as :meth:`of_resource`
        """
        ids = body.get("Resources")
        if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
            raise BadFileFormat("List of strings expected in field: Resources")
        request = self._read(body, anonymize)
        level = Level.PATIENT if anonymize else _wanted_level(body, request)
        sources = sorted(set(ids))
        known = self._tools.resources.locate_many(sources)
        if sources and not known:
            raise ParameterOutOfRange
        self._rules.check(request, level, known, _keep_source(body))
        instances = self._instances(sources)
        return self._submission(request, body, sources, instances, level, None, origin)

    def begin(self, claim: Claim, is_stopping: Callable[[], bool]) -> EditRun:
        parameters = claim.parameters
        request = self._read(parameters["request"], parameters["anonymize"])
        edition = self._edition(request, parameters, self._keys.key(claim.id), claim.permissive)
        task = EditTask(
            parameters["instances"],
            edition,
            parameters["keep_source"],
            fresh_levels(request, Level(parameters["level"])),
            lists_results=parameters["source_level"] is None,
            uid_map=wanted_format(parameters["request"]),
        )
        return EditRun(claim, task, self._tools, lambda tally: _content(parameters, tally))

    def preview(self, submission: Submission) -> Iterator[dict[str, Any]]:
        """What a job would change, instance by instance, see :class:`.Previewer`."""
        parameters = submission.parameters
        request = self._read(parameters["request"], parameters["anonymize"])
        edition = self._edition(request, parameters, secrets.token_bytes(KEY_SIZE), permissive=False)
        sources, instances = Sources(self._tools.resources), parameters["instances"]
        for start in range(0, len(instances), _PREVIEWED_TOGETHER):
            ids = instances[start : start + _PREVIEWED_TOGETHER]
            for id, source in zip(ids, sources.load(ids), strict=True):
                yield self._previewer.of_source(id, source, edition)

    def _edition(
        self, request: ModificationRequest, parameters: Mapping[str, Any], key: bytes, permissive: bool
    ) -> Edition:
        """:param key: of new UIDs, where the request names none"""
        level, key = Level(parameters["level"]), request.key or key
        sources, instances = Sources(self._tools.resources), parameters["instances"]
        identifiers = sources.identifiers(instances, whole_level(request, level))
        references = set_references(request, level, key, identifiers)
        labels = frozenset(Level) if parameters["keep_labels"] else frozenset[Level]()
        return Edition(
            make_plans(request, level, key, references, parameters["name"], self._server),
            origin_of(parameters["origin"]),
            Metadata.ANONYMIZED_FROM if request.is_anonymization else Metadata.MODIFIED_FROM,
            request.transcode,
            request.lossy_quality,
            permissive,
            request.pixels,
            request.cleans_pixels,
            bool(request.key),
            # An anonymised instance has none, as in the reference: they would name it.
            labels - {Level.INSTANCE} if request.is_anonymization else labels,
        )

    def _read(self, body: Mapping[str, Any], anonymize: bool) -> ModificationRequest:
        request = self._reader.anonymization(body) if anonymize else self._reader.modification(body)
        refuse_unknown_syntax(request)
        return request

    def _instances(self, sources: Sequence[str]) -> list[str]:
        """The instances of resources in the order of their IDs, each once; an unknown ID is one of them."""
        resources = self._tools.resources
        known = resources.locate_many(sources)
        found = {id for id in sources if id not in known}
        for id, level in known.items():
            found.update(instances_below(resources, level, id))
        return sorted(found)

    def _name(self, request: ModificationRequest, body: Mapping[str, Any]) -> str:
        if not request.is_anonymization:
            return ""
        # What is only looked at takes no number.
        return PREVIEWED_NAME if wants_preview(body) else draw_name(request, self._properties)

    def _check_masks(self, request: ModificationRequest, instances: Sequence[str]) -> None:
        """Notice masks that would not mask anything.

        :raises BadRequest: where one names a resource of which no instance is edited
        """
        resources, edited = self._tools.resources, set(instances)
        known = resources.locate_many(request.pixels.resources)
        for id in sorted(request.pixels.resources):
            level = known.get(id)
            below = [] if level is None else resources.descendant_ids(level, id, Level.INSTANCE)
            if edited.isdisjoint({id, *below}):
                raise BadRequest(f"MaskPixels names a resource that is not edited: {id}")

    def _submission(
        self,
        request: ModificationRequest,
        body: Mapping[str, Any],
        sources: Sequence[str],
        instances: Sequence[str],
        level: Level,
        source_level: Level | None,
        origin: IngestOrigin,
    ) -> Submission:
        """:param source_level: that of the one resource; None for a set of them"""
        wanted_format(body)
        keep_source, keep_labels = _keep_source(body), boolean_field(body, "KeepLabels")
        if request.pixels.drops and not keep_source:
            raise BadRequest("What is dropped has no result: KeepSource cannot be false")
        self._check_masks(request, instances)
        refuse_collisions(request, Sources(self._tools.resources).identifiers(instances))
        parameters = {
            "request": {name: value for name, value in body.items() if name not in _NOT_OF_THE_REQUEST},
            "anonymize": request.is_anonymization,
            "level": int(level),
            "source_level": None if source_level is None else int(source_level),
            "sources": list(sources),
            "instances": list(instances),
            "keep_source": keep_source,
            "keep_labels": keep_labels,
            "name": self._name(request, body),
            "origin": origin_parameters(origin),
        }
        return Submission(self.name, parameters, _content(parameters, Tally()))


def _keep_source(body: Mapping[str, Any]) -> bool:
    return boolean_field(body, "KeepSource", True)


def _wanted_level(body: Mapping[str, Any], request: ModificationRequest) -> Level:
    """The level of a modification of several resources: that of the request, or of the highest identifier
    that it replaces."""
    if "Level" not in body:
        return request.replaced_level or Level.INSTANCE
    level = body["Level"]
    if not isinstance(level, str):
        raise BadFileFormat("String value expected in field: Level")
    try:
        return Level.parse(level)
    except ParameterOutOfRange as exc:
        raise ParameterOutOfRange(f"Invalid resource type '{level}'") from exc


def _content(parameters: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
    level, sources = Level(parameters["level"]), parameters["sources"]
    content: dict[str, Any] = {
        "Description": "REST API",
        "InstancesCount": len(parameters["instances"]),
        "IsAnonymization": parameters["anonymize"],
        **failures(tally),
    }
    if sources:
        content["ParentResources"] = sources
    if (transcode := parameters["request"].get("Transcode")) is not None:
        content["Transcode"] = transcode
    if parameters["source_level"] is None:
        is_over = tally.position == len(parameters["instances"])
        content["Resources"] = _results(tally) if is_over else []
        return content
    content["Resources"] = [{"ID": sources[0], "Type": Level(parameters["source_level"]).label}]
    if tally.first is not None:
        id = tally.first.at(level)
        content |= {"ID": id, "Path": f"/{level.plural}/{id}", "Type": level.label}
        content["PatientID"] = tally.first.patient
    return content


def _results(tally: Tally) -> list[dict[str, str]]:
    """The results of all levels, the instances first."""
    found = [(Level.INSTANCE, id) for id in tally.results]
    found += sorted(tally.ancestors, key=lambda one: (-one[0], one[1]))
    return [{"ID": id, "Path": f"/{level.plural}/{id}", "Type": level.label} for level, id in found]
