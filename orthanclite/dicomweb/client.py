"""The DICOMweb client over REST: ``{root}/servers``, as Orthanc's plugin has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orthanclite.core.errors import BadFileFormat, BadRequest
from orthanclite.core.jobs import RETRY, Submission
from orthanclite.core.levels import Level
from orthanclite.core.principal import Access
from orthanclite.core.remotes.dicomweb_server import DicomWebServer
from orthanclite.core.text.fields import string_field
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.jobs.engine import JobEngine
from orthanclite.jobs.kinds.dicomweb_retrieve import RetrieveKind, without_headers
from orthanclite.jobs.kinds.dicomweb_stow import StowKind
from orthanclite.jobs.options import JobOptions
from orthanclite.services.remotes.dicomweb import DicomWebClient, Request
from orthanclite.services.remotes.registries import Registry
from orthanclite.services.remotes.selection import Selector, resource_ids
from orthanclite.web.answers.responses import Response, StreamResponse, json_response, literal_object
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Body, Router

_MOST_RESOURCES = 100_000
_OPERATIONS = ["get", "retrieve", "stow", "wado", "qido"]
_LEVELS = {
    Level.STUDY: ("studies", "Study", "StudyInstanceUID"),
    Level.SERIES: ("series", "Series", "SeriesInstanceUID"),
    Level.INSTANCE: ("instances", "Instance", "SOPInstanceUID"),
}

_SERVER = Body(
    fields={
        "Url": "string: Root of its DICOMweb services",
        "Username": "string",
        "Password": "string",
        "HttpHeaders": "object: Headers to send",
        "CertificateFile": "string: PEM file of a client certificate",
        "CertificateKeyFile": "string",
        "CertificateKeyPassword": "string",
        "Timeout": "number: Seconds; 0 for HttpTimeout",
        "HasDelete": "boolean: It deletes when asked",
        "HasWadoRsUniversalTransferSyntax": "boolean: It knows transfer-syntax=* (the default)",
    },
    text='Also an array: `["url"]` or `["url", "user", "password"]`.',
)
_REQUEST_FIELDS = {
    "Uri": "string: Path below the root of the server",
    "Arguments": "object: Arguments of GET",
    "HttpHeaders": "object: Headers to send",
}
_JOB_FIELDS = {
    "Synchronous": "boolean: Answer once the job has ended",
    "Asynchronous": "boolean: Answer at once, with the job",
    "Priority": "number: Priority of the job",
    "Permissive": "boolean: The job succeeds although some instances have failed",
    "UserData": "any: Kept with the job",
    RETRY: "number: How many times in a row the job is tried again",
}


@dataclass(frozen=True, slots=True)
class ClientServices:
    """What the routes of the client need."""

    servers: Registry[DicomWebServer]
    client: DicomWebClient
    selector: Selector
    engine: JobEngine
    stow: StowKind
    retrieve: RetrieveKind
    dictionary: TagDictionary


def client_routes(root: str, services: ClientServices) -> Router:
    router = Router("DICOMweb client", slow=True)
    _add_registry(router, f"{root}/servers", services.servers)
    _add_requests(router, f"{root}/servers/{{name}}", services)
    _add_jobs(router, f"{root}/servers/{{name}}", services)
    return router


def _add_registry(router: Router, path: str, servers: Registry[DicomWebServer]) -> None:
    @router.get(path, "List DICOMweb servers", query=[Arg("expand", "Show their configuration", "boolean")])
    def list_servers(call: Call) -> Response:
        records = servers.all()
        if not call.flag("expand"):
            return json_response(sorted(records))
        return json_response({name: record.to_json() for name, record in records.items()})

    @router.get(f"{path}/{{name}}", "List the operations of a DICOMweb server")
    def operations(call: Call) -> Response:
        server = servers.get(call.params["name"])
        return json_response([*_OPERATIONS, "delete"] if server.has_delete else _OPERATIONS)

    @router.put(
        f"{path}/{{name}}", "Add or replace a DICOMweb server", body=_SERVER, access=Access.ADMINISTER
    )
    def put(call: Call) -> Response:
        servers.put(call.params["name"], call.json())
        return literal_object()

    @router.delete(f"{path}/{{name}}", "Remove a DICOMweb server", access=Access.ADMINISTER)
    def delete(call: Call) -> Response:
        servers.delete(call.params["name"])
        return literal_object()


def _add_requests(router: Router, path: str, services: ClientServices) -> None:
    servers, client = services.servers, services.client

    @router.post(
        f"{path}/get",
        "Get what a DICOMweb server answers",
        body=Body(fields=_REQUEST_FIELDS),
        answers="application/octet-stream",
        access=Access.SEND,
    )
    def get(call: Call) -> Response:
        request = _request(call.json_object())
        media_type, pieces = client.get(servers.get(call.params["name"]), request)
        return StreamResponse(pieces, media_type)

    @router.post(
        f"{path}/qido",
        "Search at a DICOMweb server",
        body=Body(fields=_REQUEST_FIELDS),
        answers="application/json",
        access=Access.SEND,
    )
    def qido(call: Call) -> Response:
        request = _request(call.json_object())
        found = client.search(servers.get(call.params["name"]), request)
        return json_response([_simplified(one, services.dictionary) for one in found])

    @router.post(
        f"{path}/delete",
        "Have a DICOMweb server delete a resource",
        body=Body(
            fields={
                "Level": "string: Study, Series or Instance",
                **{uid: "string" for _, _, uid in _LEVELS.values()},
            }
        ),
        answers="application/json",
        access=Access.SEND,
    )
    def delete(call: Call) -> Response:
        name, fields = call.params["name"], call.json_object()
        server = servers.get(name)
        if not server.has_delete:
            raise BadFileFormat(f'This DICOMweb server does not delete, by its property "HasDelete": {name}')
        level = Level.parse(string_field(fields, "Level"))
        if level is Level.PATIENT:
            raise BadFileFormat("Patients cannot be deleted")
        segments: list[str] = []
        for each in (one for one in _LEVELS if one <= level):
            segment, _, key = _LEVELS[each]
            segments += [segment, _uid(fields, key)]
        client.delete(server, "/".join(segments))
        return literal_object()


def _add_jobs(router: Router, path: str, services: ClientServices) -> None:
    engine = services.engine

    @router.post(
        f"{path}/stow",
        "Send resources to a DICOMweb server",
        body=Body(
            fields={
                "Resources": "array: Orthanc identifiers, of any level",
                "HttpHeaders": "object: Headers to send",
                **_JOB_FIELDS,
            }
        ),
        answers="application/json",
        access=Access.SEND,
    )
    def stow(call: Call) -> Response:
        name, fields = call.params["name"], call.json_object()
        services.servers.get(name)
        ids, _ = resource_ids("", lambda: fields)
        selection = services.selector.select(ids)
        options = JobOptions.of(fields)
        submission = services.stow.submission(name, selection, _texts(fields, "HttpHeaders"))
        services.selector.log(selection, name)
        return _answer(engine, submission, options)

    @router.post(
        f"{path}/retrieve",
        "Retrieve resources from a DICOMweb server",
        body=Body(
            fields={
                "Resources": "array: Objects with Study, and Series and Instance if wanted: UIDs",
                "GetArguments": "object: Arguments of GET",
                "HttpHeaders": "object: Headers to send",
                **_JOB_FIELDS,
            }
        ),
        answers="application/json",
        access=Access.WRITE,
    )
    def retrieve(call: Call) -> Response:
        fields = call.json_object()
        arguments = _texts(fields, "GetArguments")
        requests = [Request(path, arguments) for path in _paths(fields)]
        options = JobOptions.of(fields)
        submission = services.retrieve.submission(
            call.params["name"], requests, _texts(fields, "HttpHeaders")
        )
        return _answer(engine, submission, options)

    @router.post(
        f"{path}/wado",
        "Retrieve what a DICOMweb server answers to a request",
        body=Body(fields={**_REQUEST_FIELDS, **_JOB_FIELDS}),
        answers="application/json",
        access=Access.WRITE,
    )
    def wado(call: Call) -> Response:
        fields = call.json_object()
        request = _request(fields)
        options = JobOptions.of(fields, synchronous=False)
        submission = services.retrieve.submission(
            call.params["name"], [without_headers(request)], request.headers
        )
        return _answer(engine, submission, options)


def _answer(engine: JobEngine, submission: Submission, options: JobOptions) -> Response:
    """The job, or what it has come to."""
    submission = options.of_submission(submission)
    if options.synchronous:
        return json_response(engine.perform(submission))
    id = engine.submit(submission)
    return json_response({"ID": id, "Path": f"/jobs/{id}"})


def _request(fields: Mapping[str, Any]) -> Request:
    uri = string_field(fields, "Uri")
    if not uri:
        raise BadFileFormat('A JSON object with the member "Uri" is expected')
    return Request.of(uri, _texts(fields, "Arguments"), _texts(fields, "HttpHeaders"))


def _texts(fields: Mapping[str, Any], name: str) -> dict[str, str]:
    """A member with texts by their names; empty where it is absent."""
    value = fields.get(name, {})
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise BadFileFormat(f'Member "{name}" should be an object with strings')
    return value


def _paths(fields: Mapping[str, Any]) -> Sequence[str]:
    """The resources that ``Resources`` names, as paths below the root of a server."""
    resources = fields.get("Resources")
    if not isinstance(resources, list) or not all(isinstance(one, dict) for one in resources):
        raise BadFileFormat('The body must be a JSON object containing an array "Resources"')
    if len(resources) > _MOST_RESOURCES:
        raise BadRequest(f"At most {_MOST_RESOURCES} resources may be listed, not {len(resources)}")
    paths = []
    for resource in resources:
        segments: list[str] = []
        given = [level for level, (_, key, _) in _LEVELS.items() if resource.get(key)]
        for level in (one for one in _LEVELS if one <= max(given, default=Level.STUDY)):
            segment, key, _ = _LEVELS[level]
            segments += [segment, _uid(resource, key)]
        paths.append("/".join(segments))
    return paths


def _uid(fields: Mapping[str, Any], key: str) -> str:
    uid = string_field(fields, key)
    if not uid:
        raise BadFileFormat(f'Missing "{key}" field in the body')
    if not all(letter.isascii() and (letter.isalnum() or letter in ".-_") for letter in uid):
        raise BadFileFormat(f"This is no UID: {uid}")
    return uid


def _simplified(model: Mapping[str, Any], dictionary: TagDictionary) -> dict[str, Any]:
    """A data set with its tags' names, and the first value of each as text."""
    shown: dict[str, Any] = {}
    for key, attribute in sorted(model.items()):
        try:
            tag = int(key, 16)
        except ValueError:
            continue
        if len(key) != 8 or not isinstance(attribute, dict):
            continue
        values = attribute.get("Value")
        value = values[0] if isinstance(values, list) and values else ""
        if isinstance(value, dict) and attribute.get("vr") == "PN":
            value = value.get("Alphabetic", "")
        shown[key] = {
            "Element": tag & 0xFFFF,
            "Group": tag >> 16,
            "Name": dictionary.name(tag),
            "Value": value if isinstance(value, str | int | float) else "",
            "vr": attribute.get("vr", ""),
        }
    return shown
