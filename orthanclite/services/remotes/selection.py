"""What is sent to modalities, peers and DICOMweb servers: the resources of a request, and their instances."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from orthanclite.core.constants import Metadata
from orthanclite.core.errors import BadFileFormat, BadRequest, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.machine.clock import now_utc
from orthanclite.core.model import Export, Parts, Resource, ResourceRef
from orthanclite.core.ports import ChangeLog, Resources

_IDENTIFIER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")
_MOST = 100_000
"""Resources that one request may name."""
_UIDS = {Level.STUDY: "0020,000d", Level.SERIES: "0020,000e", Level.INSTANCE: "0008,0018"}
_PATIENT_ID = "0010,0020"


def resource_ids(body: str, parse: Callable[[], object]) -> tuple[list[str], dict[str, Any]]:
    """The Orthanc identifiers of a request to send, and the members of its body.

    The body is an identifier, as it is or as a JSON string, an array of them, or an object with
    ``Resources``.

    :param body: as text
    :param parse: parses the body as JSON
    :raises BadFileFormat: for anything else
    """
    text = body.strip()
    if _IDENTIFIER.fullmatch(text):
        return [text], {}
    try:
        value = parse()
    except BadFileFormat as exc:
        raise BadFileFormat("Must provide a JSON value") from exc
    if isinstance(value, dict):
        return _identifiers(_resources(value)), value
    if not isinstance(value, str | list):
        raise BadFileFormat("Must provide a JSON object, or a JSON array of strings")
    return _identifiers([value] if isinstance(value, str) else value), {}


def _resources(fields: dict[str, Any]) -> object:
    if "Resources" not in fields:
        raise BadFileFormat('Missing field in JSON: "Resources"')
    if not isinstance(fields["Resources"], list):
        raise BadFileFormat('JSON field "Resources" must contain an array')
    return fields["Resources"]


def _identifiers(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(id, str) for id in value):
        raise BadFileFormat("Resources to be exported must be specified as a JSON array of strings")
    if len(value) > _MOST:
        raise BadRequest(f"At most {_MOST} resources may be listed, not {len(value)}")
    for id in value:
        if not _IDENTIFIER.fullmatch(id):
            raise BadFileFormat(f"This string is not a valid Orthanc identifier: {id}")
    return value


@dataclass(frozen=True, slots=True)
class Selection:
    """Stored resources to be sent."""

    resources: tuple[ResourceRef, ...]
    """As they were asked for, without repetition."""
    instances: tuple[str, ...]
    """Orthanc IDs in the order in which they are sent; one that is in two resources is there twice."""

    @property
    def content(self) -> dict[str, Any]:
        """How jobs tell of the resources (``ParentResources``, ``Resources``)."""
        if not self.resources:
            return {}
        shown = sorted(self.resources, key=lambda ref: ref.id)
        return {
            "ParentResources": [one.id for one in shown],
            "Resources": [{"ID": one.id, "Type": one.level.label} for one in shown],
        }


class Selector:
    """Finds what is to be sent, and logs that it is. Thread-safe.

    :param log: where what is sent is logged (``LogExportedResources``); None for nowhere
    """

    def __init__(self, resources: Resources, log: ChangeLog | None) -> None:
        self._resources = resources
        self._log = log

    def select(self, ids: Sequence[str]) -> Selection:
        """The instances below (or at) resources: by resource as given, study, series, then by their index.

        :raises UnknownResource: where one is not stored
        """
        refs: dict[str, ResourceRef] = {}
        instances: list[str] = []
        known = self._resources.locate_many(ids)
        for id in ids:
            level = known.get(id)
            if level is None:
                raise UnknownResource(f"Unknown resource: {id}")
            refs[id] = ResourceRef(level, id)
            instances += self._instances(level, id)
        return Selection(tuple(refs.values()), tuple(instances))

    def log(self, selection: Selection, remote: str) -> None:
        """Log that resources are sent to ``remote``, a symbolic name, if that is wanted."""
        if self._log is not None:
            for ref in selection.resources:
                if (export := self._export(ref, remote)) is not None:
                    self._log.add_export(export)

    def _instances(self, level: Level, id: str) -> Iterable[str]:
        if level is Level.INSTANCE:
            return (id,)
        if level is Level.PATIENT:
            studies = self._resources.descendant_ids(level, id, Level.STUDY)
            return [one for study in studies for one in self._instances(Level.STUDY, study)]
        ids = self._resources.descendant_ids(level, id, Level.INSTANCE)
        found = self._resources.get_many(Level.INSTANCE, ids, Parts.PARENT)
        # Series in the order of storing, as in the reference: by the first instance of each.
        first: dict[str | None, int] = {}
        for instance in found:
            first[instance.parent_id] = min(instance.key, first.get(instance.parent_id, instance.key))
        found.sort(key=lambda instance: (first[instance.parent_id], _index(instance)))
        return [instance.id for instance in found]

    def _export(self, ref: ResourceRef, remote: str) -> Export | None:
        """What the log says of a resource; None where it was deleted meanwhile."""
        uids = dict.fromkeys(_UIDS, "")
        id: str | None = ref.id
        patient_id = ""
        for level in reversed(Level):
            if level > ref.level:
                continue
            resource = None if id is None else self._resources.get(level, id, Parts.PARENT)
            if resource is None:
                return None
            if level is Level.PATIENT:
                patient_id = resource.tags.get(_PATIENT_ID, "")
            else:
                uids[level] = resource.tags.get(_UIDS[level], "")
            id = resource.parent_id
        return Export(
            0,
            ref.level,
            ref.id,
            remote,
            now_utc(),
            patient_id,
            uids[Level.STUDY],
            uids[Level.SERIES],
            uids[Level.INSTANCE],
        )


def _index(instance: Resource) -> tuple[int, int]:
    text = instance.system_metadata.get(Metadata.INDEX_IN_SERIES, "").strip()
    return (int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0), instance.key
