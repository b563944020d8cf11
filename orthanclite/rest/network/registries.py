"""``/modalities`` and ``/peers`` as registries: list, show, add, remove."""

from __future__ import annotations

from typing import Any

from orthanclite.core.principal import Access
from orthanclite.core.remotes.registry import Modality, Peer
from orthanclite.services.remotes.registries import Registry
from orthanclite.web.answers.responses import Response, empty, json_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Body, Router

_MODALITY_BODY = Body(
    ("application/json",),
    {
        "AET": "string: Application entity title",
        "Host": "string: Address or name",
        "Port": "number: TCP port",
        "Manufacturer": "string: Whose habits it follows",
        "AllowEcho": "boolean",
        "AllowEventReport": "boolean",
        "AllowFind": "boolean",
        "AllowFindWorklist": "boolean",
        "AllowGet": "boolean",
        "AllowMove": "boolean",
        "AllowNAction": "boolean",
        "AllowStorageCommitment": "boolean: AllowNAction and AllowEventReport at once",
        "AllowStore": "boolean",
        "AllowTranscoding": "boolean",
        "LocalAet": "string: AET to call it with",
        "ParallelAssociations": "number: Associations over which a job sends at the same time",
        "RetrieveMethod": "string: SystemDefault, C-MOVE or C-GET",
        "Timeout": "number: Seconds; 0 for DicomScuTimeout",
        "UseDicomTls": "boolean",
    },
    'Also an array: `["AET", "host", port]` or `["AET", "host", port, "manufacturer"]`.',
)

_PEER_BODY = Body(
    ("application/json",),
    {
        "Url": "string: Root of its REST API",
        "Username": "string",
        "Password": "string",
        "HttpHeaders": "object: Headers to send",
        "CertificateFile": "string: PEM file of a client certificate",
        "CertificateKeyFile": "string",
        "CertificateKeyPassword": "string",
        "Timeout": "number: Seconds; 0 for HttpTimeout",
    },
    'Also an array: `["url"]` or `["url", "user", "password"]`.',
)


def registry_routes(modalities: Registry[Modality], peers: Registry[Peer]) -> Router:
    router = Router("Networking")
    _add_routes(router, "/modalities", "modality", "modalities", modalities, _MODALITY_BODY)
    _add_routes(router, "/peers", "peer", "peers", peers, _PEER_BODY)
    return router


def _add_routes(
    router: Router,
    root: str,
    singular: str,
    plural: str,
    registry: Registry[Modality] | Registry[Peer],
    body: Body,
) -> None:
    @router.get(root, f"List {plural}", query=[Arg("expand", "Show their configuration", "boolean")])
    def list_records(call: Call) -> Response:
        records = registry.all()
        if not call.flag("expand"):
            return json_response(sorted(records))
        shown: dict[str, Any] = {name: record.to_json() for name, record in records.items()}
        return json_response(shown)

    @router.get(root + "/{id}", f"List the operations of a {singular}")
    def list_operations(call: Call) -> Response | None:
        if registry.find(call.params["id"]) is None:
            return None
        return json_response(list(call.operations))

    @router.put(root + "/{id}", f"Add or replace a {singular}", body=body, access=Access.ADMINISTER)
    def put(call: Call) -> Response:
        registry.put(call.params["id"], call.json())
        return empty()

    @router.delete(root + "/{id}", f"Remove a {singular}", access=Access.ADMINISTER)
    def delete(call: Call) -> Response:
        registry.delete(call.params["id"])
        return empty()

    @router.get(root + "/{id}/configuration", f"Show the configuration of a {singular}")
    def configuration(call: Call) -> Response:
        return json_response(registry.get(call.params["id"]).to_json())
