"""Storage commitment: ``/modalities/{id}/storage-commitment`` and ``/storage-commitment/{id}``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from orthanclite.core.errors import BadFileFormat
from orthanclite.core.identifiers import generate_uid
from orthanclite.core.model import ResourceRef
from orthanclite.core.principal import Access
from orthanclite.core.remotes.registry import Modality
from orthanclite.rest.network.fields import TIMEOUT_FIELD, timeout_field
from orthanclite.rest.resources.views import check_identifiers
from orthanclite.services.content.outgoing import OutgoingInstance
from orthanclite.services.remotes.client import Call as ModalityCall
from orthanclite.services.remotes.client import SopReference
from orthanclite.services.remotes.registries import Registry
from orthanclite.services.remotes.requested_commitments import (
    FAILURE_REASONS,
    RequestedCommitment,
    RequestedCommitments,
)
from orthanclite.services.remotes.selection import Selector
from orthanclite.web.answers.responses import Response, json_response, literal_object
from orthanclite.web.call import Call
from orthanclite.web.routing import Body, Router

_FIELDS = {
    "Resources": "array: Orthanc identifiers, of any level",
    "DicomInstances": "array: Instances: objects with SOPClassUID and SOPInstanceUID, or arrays of both",
    **TIMEOUT_FIELD,
}


class Instances(Protocol):
    """The part of ``services.content.outgoing.OutgoingInstances`` that is used here."""

    def find(self, ids: Sequence[str]) -> Iterator[OutgoingInstance | None]: ...


@dataclass(frozen=True, slots=True)
class CommitmentServices:
    """What the routes need."""

    modalities: Registry[Modality]
    selector: Selector
    instances: Instances
    requests: RequestedCommitments
    delete: Callable[[Iterable[ResourceRef]], object]


def commitment_routes(services: CommitmentServices) -> Router:
    """The routes of storage commitment."""
    router = Router("Networking", slow=True)

    @router.post(
        "/modalities/{id}/storage-commitment",
        "Ask a modality to keep instances (storage commitment)",
        body=Body(fields=_FIELDS),
        access=Access.SEND,
    )
    def ask(call: Call) -> Response:
        fields = _fields(call)
        references = [*_of_resources(services, fields), *_of_instances(fields)]
        target = ModalityCall(services.modalities.get(call.params["id"]), timeout=timeout_field(fields))
        transaction = generate_uid()
        services.requests.request(target, transaction, references)
        return json_response({"ID": transaction, "Path": f"/storage-commitment/{transaction}"})

    @router.get("/storage-commitment/{id}", "What a modality says of the instances that it is to keep")
    def show(call: Call) -> Response:
        return json_response(_shown(services.requests.get(call.params["id"])))

    @router.post(
        "/storage-commitment/{id}/remove", "Delete the instances that a modality has promised to keep"
    )
    def remove(call: Call) -> Response:
        services.delete(services.requests.committed_resources(call.params["id"]))
        return literal_object()

    return router


def _fields(call: Call) -> dict[str, Any]:
    try:
        fields = call.json_object()
    except BadFileFormat as exc:
        raise BadFileFormat("Must provide a JSON object with a list of resources") from exc
    if not fields.keys() & {"Resources", "DicomInstances"}:
        raise BadFileFormat(
            "Empty storage commitment request, one of these fields is mandatory: "
            '"Resources" or "DicomInstances"'
        )
    return fields


def _of_resources(services: CommitmentServices, fields: dict[str, Any]) -> Iterator[SopReference]:
    """The stored instances of the resources that are named.

    :raises UnknownResource: if one is not stored
    """
    ids = fields.get("Resources", [])
    if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
        raise BadFileFormat('The "Resources" field must provide an array of Orthanc resources')
    check_identifiers(ids)
    for instance in services.instances.find(services.selector.select(ids).instances):
        if instance is not None:
            yield SopReference(instance.sop_class_uid, instance.sop_instance_uid)


def _of_instances(fields: dict[str, Any]) -> Iterator[SopReference]:
    """The instances that are named by their UIDs."""
    instances = fields.get("DicomInstances", [])
    if not isinstance(instances, list):
        raise BadFileFormat('The "DicomInstances" field must provide an array of DICOM instances')
    check_identifiers(instances)
    for one in instances:
        if isinstance(one, dict):
            uids: list[Any] = [one.get("SOPClassUID"), one.get("SOPInstanceUID")]
            expected = 'an object with 2 string fields: "SOPClassUID" and "SOPInstanceUID"'
        elif isinstance(one, list):
            uids, expected = one, "an array with 2 strings: SOP Class UID and SOP Instance UID"
        else:
            raise BadFileFormat("A JSON array or object is expected to specify one instance")
        if len(uids) != 2 or not all(isinstance(uid, str) and uid and uid.isascii() for uid in uids):
            raise BadFileFormat(f"An instance entry must provide {expected}")
        yield SopReference(*uids)


def _shown(request: RequestedCommitment) -> dict[str, Any]:
    shown: dict[str, Any] = {"RemoteAET": request.remote_aet, "Status": request.status}
    if request.answer is not None:
        shown["Success"] = [_reference(one) for one in request.answer.committed]
        shown["Failures"] = [
            {
                **_reference(one.reference),
                "FailureReason": one.reason,
                "Description": FAILURE_REASONS.get(one.reason, "Unknown failure reason"),
            }
            for one in request.answer.failed
        ]
    return shown


def _reference(instance: SopReference) -> dict[str, str]:
    return {"SOPClassUID": instance.class_uid, "SOPInstanceUID": instance.instance_uid}
