"""``/modalities/{id}/query`` and ``/queries``: what modalities have answered, and what is below that."""

from __future__ import annotations

import re

from orthanclite.core.errors import BadFileFormat, BadParameterType, UnknownDicomTag
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import tag_key
from orthanclite.core.principal import Access
from orthanclite.core.text.fields import boolean_field
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.renderings.tags_json import Style, format_tags
from orthanclite.rest.network.fields import (
    LOCAL_AET_FIELD,
    TIMEOUT_FIELD,
    ae_title,
    level_field,
    tags_of,
    timeout_field,
)
from orthanclite.rest.resources.views import STYLE_ARGUMENTS, array_response, style_of
from orthanclite.services.retrieve.queries import Asked, RemoteQueryService
from orthanclite.web.answers.responses import Response, empty, json_response, text_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Body, Router

_QUERY_FIELD = {"Query": "object: Text by tag; wildcards, ranges and lists as in PS3.4 C.2.2.2"}
_QUERY_BODY = Body(
    fields={
        "Level": "string: Patient, Study, Series or Instance",
        **_QUERY_FIELD,
        "Normalize": "boolean: Leave out what does not belong to the level (the default)",
        **LOCAL_AET_FIELD,
        **TIMEOUT_FIELD,
    }
)
_CHILD_BODY = Body(fields={**_QUERY_FIELD, **TIMEOUT_FIELD})
_EXPAND = Arg("expand", "If present, the answers are shown and not only their numbers", "boolean")
_BATCH = 500  # answers that are shown at a time
_NUMBER = re.compile("-?[0-9]{1,18}")

_CHILDREN = {
    Level.STUDY: ("query-studies", "query-study"),
    Level.SERIES: ("query-series", "query-series"),
    Level.INSTANCE: ("query-instances", "query-instances"),
}
"""By level, the route of a query below an answer, and the name under which the reference lists it."""


def query_routes(queries: RemoteQueryService, dictionary: TagDictionary) -> Router:
    router = Router("Networking")

    @router.post(
        "/modalities/{id}/query",
        "Query a modality",
        body=_QUERY_BODY,
        answers="application/json",
        access=Access.SEND,
        slow=_waits,
    )
    def ask(call: Call) -> Response:
        fields = _object(call)
        level = level_field(fields)
        asked = Asked(
            level,
            _query_of(fields, dictionary),
            boolean_field(fields, "Normalize", True),
            ae_title(fields, "LocalAet") or "",
            timeout_field(fields),
        )
        return _created(queries.ask(call.params["id"], asked))

    @router.get("/queries", "List the queries")
    def list_queries(call: Call) -> Response:
        return json_response(queries.ids())

    @router.get("/queries/{id}", "List the operations of a query")
    def list_operations(call: Call) -> Response:
        queries.get(call.params["id"])
        return json_response(list(call.operations))

    @router.delete("/queries/{id}", "Forget a query", access=Access.SEND)
    def delete(call: Call) -> Response:
        queries.delete(call.params["id"])
        return empty()

    @router.get("/queries/{id}/level", "Get the level of a query", answers="text/plain")
    def level(call: Call) -> Response:
        return text_response(queries.get(call.params["id"]).level.label)

    @router.get("/queries/{id}/modality", "Get the modality of a query", answers="text/plain")
    def modality(call: Call) -> Response:
        return text_response(queries.get(call.params["id"]).modality)

    @router.get("/queries/{id}/query", "Get what was asked for", query=STYLE_ARGUMENTS)
    def query(call: Call) -> Response:
        tags = dict(sorted(queries.get(call.params["id"]).tags.items()))
        return json_response(format_tags(tags, {}, style_of(call, Style.FULL), dictionary))

    _add_answers(router, queries, dictionary)
    return router


def _add_answers(router: Router, queries: RemoteQueryService, dictionary: TagDictionary) -> None:
    @router.get("/queries/{id}/answers", "List the answers", query=(_EXPAND, *STYLE_ARGUMENTS))
    def list_answers(call: Call) -> Response:
        query = queries.get(call.params["id"])
        if not call.flag("expand"):
            return json_response([str(position) for position in range(query.count)])
        style, answers = style_of(call, Style.FULL), queries.answers(query)
        batches = (
            [queries.reader.shown(answer, style) for answer in answers[start : start + _BATCH]]
            for start in range(0, len(answers), _BATCH)
        )
        return array_response(batches, len(answers))

    @router.get("/queries/{id}/answers/{index}", "List the operations of an answer")
    def list_operations(call: Call) -> Response:
        queries.answer(call.params["id"], answer_index(call))
        level = queries.get(call.params["id"]).level
        children = [listed for child, (_, listed) in _CHILDREN.items() if child > level]
        return json_response(["content", "retrieve", *children])

    @router.get("/queries/{id}/answers/{index}/content", "Get an answer", query=STYLE_ARGUMENTS)
    def content(call: Call) -> Response:
        answer = queries.answer(call.params["id"], answer_index(call))
        return json_response(queries.reader.shown(answer, style_of(call, Style.FULL)))

    for level, (name, _) in _CHILDREN.items():

        def ask_children(call: Call, level: Level = level) -> Response:
            fields = _object(call)
            tags = _query_of(fields, dictionary)
            index = answer_index(call)
            return _created(
                queries.ask_children(call.params["id"], index, level, tags, timeout_field(fields))
            )

        router.post(
            f"/queries/{{id}}/answers/{{index}}/{name}",
            f"Query the {level.plural} of an answer",
            body=_CHILD_BODY,
            answers="application/json",
            access=Access.SEND,
            slow=_waits,
        )(ask_children)


def answer_index(call: Call) -> int:
    """The number of an answer in the path; whether there is one, is not known.

    :raises BadParameterType: where it is no number
    """
    text = call.params["index"]
    if _NUMBER.fullmatch(text) is None:
        raise BadParameterType(f"An answer is named by its number, not by: {text}")
    return int(text)


def shown_query(tags: dict[int, str], style: Style, dictionary: TagDictionary) -> dict[str, object]:
    """Tags with their texts, in one of the forms of the REST API."""
    return format_tags({tag_key(tag): text for tag, text in sorted(tags.items())}, {}, style, dictionary)


def _waits(call: Call) -> bool:
    """Whether an operation waits for a modality."""
    return True


def _object(call: Call) -> dict[str, object]:
    """:raises BadFileFormat: unless the body is an object."""
    try:
        return call.json_object()
    except BadFileFormat as exc:
        raise BadFileFormat("Must provide a JSON object") from exc


def _query_of(fields: dict[str, object], dictionary: TagDictionary) -> dict[int, str]:
    value = fields.get("Query", {})
    if not isinstance(value, dict):
        raise BadFileFormat("The field Query must contain a JSON object")
    try:
        return tags_of(value, dictionary)
    except UnknownDicomTag as exc:  # no code of its own here, as in release 1.13
        raise BadFileFormat(f"Unknown DICOM tag: {exc.details}") from exc


def _created(id: str) -> Response:
    return json_response({"ID": id, "Path": f"/queries/{id}"})
