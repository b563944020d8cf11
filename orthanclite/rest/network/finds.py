"""Searches on modalities that are answered at once: ``find-worklist``, and the deprecated ``find`` routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orthanclite.core.errors import BadFileFormat, BadParameterType
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import ACCESSION_NUMBER, PATIENT_ID, SERIES_INSTANCE_UID, STUDY_INSTANCE_UID
from orthanclite.core.principal import Access
from orthanclite.core.text.fields import boolean_field
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.renderings.tags_json import Style
from orthanclite.rest.network.fields import TIMEOUT_FIELD, tags_of, timeout_field
from orthanclite.services.retrieve.finds import DirectFinds
from orthanclite.services.retrieve.identifiers import Tags
from orthanclite.web.answers.responses import Response, json_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Body, Handler, Router

_WORKLIST_BODY = Body(
    fields={
        "Query": "object: Value by tag; sequences are arrays of objects",
        "Full": "boolean: Tags are shown with number, name and type",
        "Short": "boolean: Tags are shown by their number",
        **TIMEOUT_FIELD,
    },
    text="Also the query itself.",
)
_FIND_BODY = Body(text="An object of texts by tag.")
_LEAST_LENGTH = 3
"""Characters of an identifier without which the deprecated routes search for nothing."""

_NEEDED: dict[Level, tuple[tuple[int, ...], ...]] = {
    Level.PATIENT: (),
    Level.STUDY: ((PATIENT_ID, ACCESSION_NUMBER),),
    Level.SERIES: ((PATIENT_ID, ACCESSION_NUMBER), (STUDY_INSTANCE_UID,)),
    Level.INSTANCE: ((PATIENT_ID, ACCESSION_NUMBER), (STUDY_INSTANCE_UID,), (SERIES_INSTANCE_UID,)),
}
"""What the deprecated routes want to be given: of each of these, one at least."""


def find_routes(finds: DirectFinds, dictionary: TagDictionary) -> Router:
    router = Router("Networking", slow=True)

    @router.post(
        "/modalities/{id}/find-worklist",
        "Search the worklist of a modality",
        body=_WORKLIST_BODY,
        answers="application/json",
        access=Access.SEND,
    )
    def find_worklist(call: Call) -> Response:
        query, style, timeout = _worklist_arguments(call)
        return json_response(finds.worklist(call.params["id"], query, style, timeout))

    for level in Level:

        def find_level(call: Call, level: Level = level) -> Response | None:
            asked = _asked(call, dictionary)
            if asked is None or not _is_enough(asked, level):
                return None
            return json_response(finds.level(call.params["id"], level, asked))

        _add_deprecated(router, f"find-{level.label.lower()}", f"Search for {level.plural}")(find_level)

    def find(call: Call) -> Response | None:
        asked = _asked(call, dictionary)
        return None if asked is None else json_response(finds.nested(call.params["id"], asked))

    _add_deprecated(router, "find", "Search for patients, with their studies and series")(find)
    return router


def _add_deprecated(router: Router, name: str, summary: str) -> Callable[[Handler], Handler]:
    return router.post(
        f"/modalities/{{id}}/{name}",
        summary,
        body=_FIND_BODY,
        answers="application/json",
        access=Access.SEND,
        deprecated=True,
    )


def _worklist_arguments(call: Call) -> tuple[Mapping[str, Any], Style, int | None]:
    try:
        fields = call.json_object()
    except BadFileFormat as exc:
        raise BadFileFormat("Must provide a JSON object") from exc
    if "Query" not in fields:
        return fields, Style.SIMPLE, None
    query = fields["Query"]
    if not isinstance(query, dict):
        raise BadParameterType("The field Query must contain a JSON object")
    style = Style.FULL if boolean_field(fields, "Full", False) else Style.SIMPLE
    if boolean_field(fields, "Short", False):
        style = Style.SHORT
    return query, style, timeout_field(fields)


def _asked(call: Call, dictionary: TagDictionary) -> dict[int, str] | None:
    """The tags in the body; None where it is no object, which is not answered."""
    try:
        fields = call.json_object()
    except BadFileFormat:
        return None
    return tags_of(fields, dictionary)


def _is_enough(asked: Tags, level: Level) -> bool:
    return all(any(len(asked.get(tag, "")) >= _LEAST_LENGTH for tag in tags) for tags in _NEEDED[level])
