"""Fetching from modalities: ``retrieve`` of answers, ``/modalities/{id}/move`` and ``get``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from orthanclite.core.errors import BadFileFormat, BadParameterType, BadRequest
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import tag_key
from orthanclite.core.query import QUERY_RETRIEVE_LEVEL
from orthanclite.core.remotes.registry import RetrieveMethod
from orthanclite.core.text.fields import boolean_field, string_field
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.renderings.tags_json import Style
from orthanclite.jobs.engine import JobEngine
from orthanclite.jobs.kinds.retrieve import RetrieveKind
from orthanclite.rest.network.fields import (
    LOCAL_AET_FIELD,
    TIMEOUT_FIELD,
    ae_title,
    level_field,
    tags_of,
    timeout_field,
)
from orthanclite.rest.network.queries import answer_index, shown_query
from orthanclite.rest.submission import RETRY_FIELD, SUBMISSION_FIELDS, JobOptions, done
from orthanclite.services.retrieve.calling import Calls
from orthanclite.services.retrieve.identifiers import LEVEL_NAMES, Tags, shown_tags
from orthanclite.services.retrieve.queries import RemoteQueryService
from orthanclite.services.retrieve.retrieval import RetrieveRequest
from orthanclite.web.answers.responses import Response
from orthanclite.web.call import Call
from orthanclite.web.routing import Body, Router

_TARGET_FIELD = {"TargetAet": "string: AET that the modality sends to; by default that of this server"}
_RETRIEVE_BODY = Body(
    ("application/json", "text/plain"),
    {
        **_TARGET_FIELD,
        "RetrieveMethod": "string: C-MOVE, C-GET or SystemDefault",
        "Full": "boolean: Tags in Query are shown with number, name and type",
        "Simplify": "boolean: Tags in Query are shown by their name",
        **TIMEOUT_FIELD,
        **SUBMISSION_FIELDS,
        **RETRY_FIELD,
    },
    "Also a plain text: the AET that the modality sends to.",
)
_RESOURCES_FIELDS = {
    "Level": "string: Patient, Study, Series or Instance",
    "Resources": "array: For each resource an object of its identifiers, by tag",
    **LOCAL_AET_FIELD,
    **TIMEOUT_FIELD,
    **SUBMISSION_FIELDS,
    **RETRY_FIELD,
}
_MOST_RESOURCES = 10_000


class RetrieveKinds(NamedTuple):
    """What fetches in jobs."""

    move: RetrieveKind
    get: RetrieveKind


class _Shown(NamedTuple):
    """Identifiers of resources, and how jobs show them."""

    resources: tuple[Tags, ...]
    shown: tuple[Tags, ...]
    style: Style = Style.SHORT


def retrieve_routes(
    queries: RemoteQueryService,
    calls: Calls,
    engine: JobEngine,
    kinds: RetrieveKinds,
    dictionary: TagDictionary,
) -> Router:
    router = Router("Networking", slow=True)
    handlers = _Handlers(queries, calls, engine, kinds, dictionary)
    described = {"body": _RETRIEVE_BODY, "answers": "application/json"}

    @router.post("/queries/{id}/retrieve", "Fetch all answers", **described)
    def retrieve_all(call: Call) -> Response:
        query = queries.get(call.params["id"])
        return handlers.retrieve(call, query.modality, query.local_aet, query.level, queries.answers(query))

    @router.post("/queries/{id}/answers/{index}/retrieve", "Fetch an answer", **described)
    def retrieve_one(call: Call) -> Response:
        query = queries.get(call.params["id"])
        answer = queries.answer(query.id, answer_index(call))
        return handlers.retrieve(call, query.modality, query.local_aet, query.level, [answer])

    for name, method, fields in (
        ("move", RetrieveMethod.C_MOVE, {**_RESOURCES_FIELDS, **_TARGET_FIELD}),
        ("get", RetrieveMethod.C_GET, _RESOURCES_FIELDS),
    ):

        def fetch(call: Call, method: RetrieveMethod = method) -> Response:
            return handlers.fetch(call, method)

        router.post(
            f"/modalities/{{id}}/{name}",
            f"Fetch resources by {method.value}",
            body=Body(fields=fields),
            answers="application/json",
        )(fetch)
    return router


class _Handlers:
    def __init__(
        self,
        queries: RemoteQueryService,
        calls: Calls,
        engine: JobEngine,
        kinds: RetrieveKinds,
        dictionary: TagDictionary,
    ) -> None:
        self._queries = queries
        self._calls = calls
        self._engine = engine
        self._kinds = kinds
        self._dictionary = dictionary

    def retrieve(
        self, call: Call, modality: str, local_aet: str, level: Level, answers: Sequence[bytes]
    ) -> Response:
        """Fetch what answers tell of."""
        fields = _retrieve_fields(call)
        method = self._calls.retrieve_method(modality, _method_of(fields))
        texts = tuple(self._queries.reader.texts(answer) for answer in answers)
        request = RetrieveRequest(
            modality,
            method,
            level,
            texts,
            ae_title(fields, "TargetAet") or self._calls.own_aet,
            local_aet,
            timeout_field(fields),
        )
        return self._submit(
            fields, request, _Shown(texts, tuple(shown_tags(level, one) for one in texts), _style_of(fields))
        )

    def fetch(self, call: Call, method: RetrieveMethod) -> Response:
        """Fetch the resources that a body names."""
        fields = _resources_fields(call)
        level = level_field(fields)
        resources = tuple(self._resource(one) for one in fields["Resources"])
        request = RetrieveRequest(
            call.params["id"],
            method,
            level,
            resources,
            (ae_title(fields, "TargetAet") if method is RetrieveMethod.C_MOVE else None)
            or self._calls.own_aet,
            ae_title(fields, "LocalAet") or "",
            timeout_field(fields),
        )
        return self._submit(fields, request, _Shown(resources, resources))

    def _submit(self, fields: Mapping[str, Any], request: RetrieveRequest, shown: _Shown) -> Response:
        if len(request.resources) > _MOST_RESOURCES:
            raise BadRequest(f"At most {_MOST_RESOURCES} resources may be fetched at once")
        options = JobOptions.of(fields)
        kind = self._kinds.move if request.method is RetrieveMethod.C_MOVE else self._kinds.get
        level = {QUERY_RETRIEVE_LEVEL: LEVEL_NAMES[request.level]}
        queries = [{**one, **level} for one in shown.shown]
        submission = kind.submission(
            request,
            [{tag_key(tag): text for tag, text in sorted(one.items())} for one in queries],
            [shown_query(one, shown.style, self._dictionary) for one in queries],
            synchronous=options.synchronous,
            parameters=options.parameters,
            priority=options.priority,
            permissive=options.permissive,
            user_data=options.user_data,
        )
        return done(self._engine, submission, options.synchronous)

    def _resource(self, value: object) -> dict[int, str]:
        if not isinstance(value, dict):
            raise BadFileFormat("Expecting an object in field 'Resources elements'")
        return tags_of(value, self._dictionary)


def _retrieve_fields(call: Call) -> dict[str, Any]:
    """The members of a body that may also be the AE title itself, or empty.

    :raises BadFileFormat: for JSON that is no object
    :raises BadParameterType: for members of a wrong type
    """
    text = call.text.strip()
    if not text:
        return {}
    try:
        fields = call.json()
    except BadFileFormat:
        return {"TargetAet": text}
    if not isinstance(fields, dict):
        raise BadFileFormat("The body must be an object, or an AE title as plain text")
    for name, type_ in (("TargetAet", str), ("Timeout", int)):
        if name in fields and (not isinstance(fields[name], type_) or isinstance(fields[name], bool)):
            raise BadParameterType(f'Member "{name}" has a wrong type')
    return fields


def _resources_fields(call: Call) -> dict[str, Any]:
    expected = "Must provide a JSON body containing fields Resources and Level"
    try:
        fields = call.json_object()
    except BadFileFormat as exc:
        raise BadFileFormat(expected) from exc
    if not isinstance(fields.get("Resources"), list) or not isinstance(fields.get("Level"), str):
        raise BadFileFormat(expected)
    return fields


def _method_of(fields: Mapping[str, Any]) -> RetrieveMethod | None:
    if "RetrieveMethod" not in fields:
        return None
    return RetrieveMethod.parse(string_field(fields, "RetrieveMethod"))


def _style_of(fields: Mapping[str, Any]) -> Style:
    is_full = boolean_field(fields, "Full", False)
    if boolean_field(fields, "Simplify", False):
        return Style.SIMPLE
    return Style.FULL if is_full else Style.SHORT
