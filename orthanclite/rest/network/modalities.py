"""Calls of modalities: ``/modalities/{id}/echo``, ``store``, ``store-straight``, ``/tools/dicom-echo``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from orthanclite.core.errors import BadParameterType, ParameterOutOfRange
from orthanclite.core.principal import Access
from orthanclite.core.remotes.registry import Modality, parse_port
from orthanclite.core.text.fields import boolean_field
from orthanclite.jobs.engine import JobEngine
from orthanclite.jobs.kinds.modality_store import ModalityStoreKind, StoreRequest
from orthanclite.rest.network.fields import timeout_field
from orthanclite.rest.submission import RETRY_FIELD, SUBMISSION_FIELDS, JobOptions, done
from orthanclite.services.remotes.client import Call as ModalityCall
from orthanclite.services.remotes.client import ModalityClient, MoveOriginator
from orthanclite.services.remotes.registries import Registry
from orthanclite.services.remotes.selection import Selector, resource_ids
from orthanclite.web.answers.responses import Response, json_response, literal_object
from orthanclite.web.call import Call
from orthanclite.web.routing import Body, Router

T = TypeVar("T")

_LARGEST_ID = 0xFFFF

_ECHO_FIELDS = {
    "CheckFind": "boolean: Follow the C-ECHO by a C-FIND (by default, what DicomEchoChecksFind says)",
    "Timeout": "number: Seconds to wait for answers; 0 for no limit",
}
_STORE_BODY = Body(
    ("application/json", "text/plain"),
    {
        "Resources": "array: Orthanc identifiers, of any level",
        "LocalAet": "string: AET to call the modality by",
        "CalledAet": "string: AET to call, in place of that of the modality",
        "Host": "string: Where to call, in place of the host of the modality",
        "Port": "number: Where to call, in place of the port of the modality",
        "MoveOriginatorAet": "string: AET whose C-MOVE this is for; together with MoveOriginatorID",
        "MoveOriginatorID": "number: Message ID of that C-MOVE",
        "StorageCommitment": "boolean: Ask the modality to keep what it is sent (storage commitment)",
        "Timeout": "number: Seconds to wait for answers; 0 for no limit",
        **SUBMISSION_FIELDS,
        **RETRY_FIELD,
    },
    "Also one identifier as text, or an array of them.",
)


@dataclass(frozen=True, slots=True)
class ModalityServices:
    """What the routes need."""

    modalities: Registry[Modality]
    client: ModalityClient
    engine: JobEngine
    store: ModalityStoreKind
    selector: Selector
    check_find: bool
    """The option ``DicomEchoChecksFind``."""


def modality_routes(services: ModalityServices) -> Router:
    """The routes that call modalities."""
    router = Router("Networking", slow=True)
    _add_echo(router, services)
    _add_store(router, services)
    return router


def _add_echo(router: Router, services: ModalityServices) -> None:
    def echo(modality: Modality, fields: Mapping[str, Any]) -> Response:
        check_find = boolean_field(fields, "CheckFind", services.check_find)
        services.client.echo(ModalityCall(modality, timeout=timeout_field(fields)), check_find)
        return literal_object()

    @router.post(
        "/modalities/{id}/echo",
        "Test a modality by C-ECHO",
        body=Body(fields=_ECHO_FIELDS),
        access=Access.SEND,
    )
    def echo_modality(call: Call) -> Response:
        # The reference accepts any JSON here, and looks only into objects.
        body = call.json() if call.body.strip() else {}
        return echo(services.modalities.get(call.params["id"]), body if isinstance(body, dict) else {})

    @router.post(
        "/tools/dicom-echo",
        "Test a modality that is not registered by C-ECHO",
        body=Body(
            fields={"AET": "string", "Host": "string", "Port": "number", **_ECHO_FIELDS},
            text="Any member of the configuration of a modality; also an array as for one.",
        ),
        access=Access.SEND,
    )
    def echo_any(call: Call) -> Response:
        body = call.json()
        return echo(Modality.parse(body), body if isinstance(body, dict) else {})


def _add_store(router: Router, services: ModalityServices) -> None:
    @router.post(
        "/modalities/{id}/store",
        "Send resources to a modality by C-STORE",
        body=_STORE_BODY,
        access=Access.SEND,
    )
    def store(call: Call) -> Response:
        ids, fields = resource_ids(call.text, call.json)
        options = JobOptions.of(fields)
        modality = _called(services.modalities.get(call.params["id"]), fields)
        target = ModalityCall(modality, _aet_field(fields, "LocalAet") or "", timeout_field(fields))
        selection = services.selector.select(ids)
        originator = _originator(fields, services.client.local_aet(target))
        wants_commitment = _flag(fields, "StorageCommitment")
        request = StoreRequest(target, selection, originator, wants_commitment=wants_commitment)
        submission = services.store.submission(
            request,
            parameters=options.parameters,
            priority=options.priority,
            permissive=options.permissive,
            user_data=options.user_data,
        )
        services.selector.log(selection, call.params["id"])
        return done(services.engine, submission, options.synchronous)

    @router.post(
        "/modalities/{id}/store-straight",
        "Send a DICOM file to a modality by C-STORE, without storing it",
        body=Body(("application/dicom",), largest=0),
        access=Access.SEND,
    )
    def store_straight(call: Call) -> Response:
        modality = services.modalities.get(call.params["id"])
        sent = services.client.store_file(ModalityCall(modality), call.body)
        return json_response({"SOPClassUID": sent.class_uid, "SOPInstanceUID": sent.instance_uid})


def _called(modality: Modality, fields: Mapping[str, Any]) -> Modality:
    """A modality, as a request wants it to be called."""
    aet, host = _aet_field(fields, "CalledAet"), _typed(fields, "Host", str)
    port = _typed(fields, "Port", int)
    if host == "":
        raise ParameterOutOfRange("An empty Host cannot be called")
    return replace(
        modality,
        aet=modality.aet if aet is None else aet,
        host=modality.host if host is None else host,
        port=modality.port if port is None else parse_port(port),
    )


def _aet_field(fields: Mapping[str, Any], name: str) -> str | None:
    aet = _typed(fields, name, str)
    if aet == "":
        raise ParameterOutOfRange(f"An empty AE title cannot be used: {name}")
    return aet


def _originator(fields: Mapping[str, Any], local_aet: str) -> MoveOriginator | None:
    """Whose C-MOVE a request sends for; it is left out without an ID, as in the reference."""
    aet, message_id = _typed(fields, "MoveOriginatorAet", str), _typed(fields, "MoveOriginatorID", int)
    if message_id is not None and not 0 <= message_id <= _LARGEST_ID:
        raise ParameterOutOfRange(f"MoveOriginatorID must be in range [0..{_LARGEST_ID}]")
    if not message_id:
        return None
    if aet is not None and not (aet.isascii() and aet.isprintable() and len(aet) <= 16):
        raise ParameterOutOfRange("MoveOriginatorAet must be an AE title")
    return MoveOriginator(local_aet if aet is None else aet, message_id)


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise BadParameterType(f"Bad type of the field {name}")
    return value


def _typed(fields: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    """A member of a type; None where it is absent.

    :raises BadParameterType: where it has another type
    """
    if name not in fields:
        return None
    value = fields[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadParameterType(f"Bad type of the field {name}")
    return value
