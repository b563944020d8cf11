"""``/changes`` and ``/exports``: the logs that auto-routing scripts follow."""

from __future__ import annotations

from typing import Any

from orthanclite.core.constants import ChangeType
from orthanclite.core.errors import ParameterOutOfRange
from orthanclite.core.levels import Level
from orthanclite.core.model import Change, ChangesPage, Export, ExportsPage, ResourceRef
from orthanclite.core.ports import ChangeLog
from orthanclite.core.text.numbers import natural
from orthanclite.web.answers.responses import Response, empty, json_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Router

_DEFAULT_LIMIT = 100
_LARGEST_PAGE = 100_000
"""Entries of one answer, which is made in memory; `Done` tells that there are more."""
_CHANGE_TYPES = {change.label: change for change in ChangeType}

_UIDS = (
    (Level.PATIENT, "PatientID", "patient_id"),
    (Level.STUDY, "StudyInstanceUID", "study_uid"),
    (Level.SERIES, "SeriesInstanceUID", "series_uid"),
    (Level.INSTANCE, "SOPInstanceUID", "sop_uid"),
)


def changes_routes(log: ChangeLog) -> Router:
    router = Router("Tracking changes")
    page = [
        Arg("since", "Only what comes after this number", "number"),
        Arg("limit", "At most that many entries (100 by default)", "number"),
        Arg("last", "Only the last entry", "boolean"),
    ]

    def show(call: Call) -> Response:
        if call.has("last"):
            return json_response(_changes_json(log.last_change()))
        types = _types(call.argument("type"))
        if _is_negative(call.query.get("limit", "")):  # as the reference answers
            return json_response(_changes_json(ChangesPage((), True, log.last_change().last)))
        return json_response(_changes_json(log.changes(*_window(call), types)))

    def list_few_changes(call: Call) -> Response | None:
        _, limit, _ = _window(call)
        are_few = 0 < limit <= _DEFAULT_LIMIT and not call.has("type")
        return show(call) if are_few else None

    @router.get(
        "/changes",
        "List changes",
        description="What happened to the stored resources, oldest first. Repeat with `since` set to `Last`.",
        query=[
            *page,
            Arg("to", "Only what comes up to this number, the latest first to be kept", "number"),
            Arg("type", "Only these types of changes, separated by semicolons"),
        ],
        quick=list_few_changes,
    )
    def list_changes(call: Call) -> Response:
        return show(call)

    @router.delete("/changes", "Clear changes")
    def clear_changes(call: Call) -> Response:
        log.clear_changes()
        return empty()

    @router.get(
        "/exports",
        "List exports",
        description="The resources sent to other modalities, if LogExportedResources is on.",
        query=page,
    )
    def list_exports(call: Call) -> Response:
        if call.has("last"):
            return json_response(_exports_json(log.last_export()))
        since, limit, _ = _window(call)
        return json_response(_exports_json(log.exports(since, limit), since))

    @router.delete("/exports", "Clear exports")
    def clear_exports(call: Call) -> Response:
        log.clear_exports()
        return empty()

    return router


def _window(call: Call) -> tuple[int, int, int | None]:
    """``since``, ``limit`` and ``to``. One that is no number makes all three the defaults, silently."""
    numbers: dict[str, int] = {}
    for name in ("since", "limit", "to"):
        if name in call.query:
            number = natural(call.query[name])
            if number is None:
                return 0, _DEFAULT_LIMIT, None
            numbers[name] = number
    limit = min(numbers.get("limit", _DEFAULT_LIMIT), _LARGEST_PAGE)
    return numbers.get("since", 0), limit, numbers.get("to")


def _is_negative(text: str) -> bool:
    return text.startswith("-") and bool(natural(text[1:]))


def _types(text: str) -> list[ChangeType]:
    """The types named in ``text``.

    :raises ParameterOutOfRange: for an unknown one.
    """
    types = []
    for name in filter(None, text.split(";")):
        if name not in _CHANGE_TYPES:
            raise ParameterOutOfRange(f"Unknown type of change: {name}")
        types.append(_CHANGE_TYPES[name])
    return types


def _changes_json(page: ChangesPage) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Changes": [_change_json(change) for change in page.changes],
        "Done": page.done,
        "Last": page.last,
    }
    if page.changes:
        shown["First"] = page.changes[0].seq
    return shown


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "ChangeType": change.type.label,
        "Date": change.date,
        "ID": change.id,
        "Path": ResourceRef(change.level, change.id).path,
        "ResourceType": change.level.label,
        "Seq": change.seq,
    }


def _exports_json(page: ExportsPage, since: int = 0) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Done": page.done,
        "Exports": [_export_json(export) for export in page.exports],
        "Last": page.last if page.exports else since,
    }
    if page.exports:
        shown["First"] = page.exports[0].seq
    return shown


def _export_json(export: Export) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Date": export.date,
        "ID": export.id,
        "Path": ResourceRef(export.level, export.id).path,
        "RemoteModality": export.remote_modality,
        "ResourceType": export.level.label,
        "Seq": export.seq,
    }
    for level, key, name in _UIDS:
        if level <= export.level:
            shown[key] = getattr(export, name)
    return shown
