"""Modification and anonymisation: of an instance, which is answered, and of stored resources in jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from orthanclite.core.errors import BadRequest, BodyTooLarge
from orthanclite.core.jobs import Submission
from orthanclite.core.levels import Level
from orthanclite.core.principal import Access
from orthanclite.jobs.engine import JobEngine
from orthanclite.jobs.kinds.modification import ModificationKind
from orthanclite.rest.submission import SUBMISSION_FIELDS, JobOptions, done
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.edit.instances import InstanceEditor
from orthanclite.services.edit.preview import wants_preview
from orthanclite.services.edit.uid_map import wanted_format
from orthanclite.services.ingest.arrival import IngestOrigin
from orthanclite.web.answers.responses import (
    Response,
    StreamResponse,
    bytes_response,
    json_response,
    sized_response,
)
from orthanclite.web.call import Call
from orthanclite.web.routing import Body, Router

_DICOM = "application/dicom"

_COMMON_FIELDS = {
    "Replace": "object: New values by the names of the tags, or paths into sequences",
    "Remove": "array: Tags, or paths into sequences, that are removed",
    "Keep": "array: Tags, or paths into sequences, that stay as they are",
    "Force": "boolean: Allow to replace or keep PatientID and the UIDs of the instance",
    "PrivateCreator": "string: Private creator of the private tags in Replace",
    "Transcode": "string: Transfer syntax of the result",
    "LossyQuality": "number: Quality of lossy JPEG, from 1 to 100",
    "MaskPixels": "array: Rectangles that are filled in the pixel data (docs/deidentification.md)",
    "RemoveOverlays": "boolean: Remove overlays",
    "DryRun": "boolean: Only tell what would change, for each instance",
    "DropSecondaryCaptures": "boolean: Leave secondary captures out",
    "DropBurnedInAnnotation": "boolean: Leave images out that say they have burned in annotation",
}
MODIFY_FIELDS = {**_COMMON_FIELDS, "RemovePrivateTags": "boolean: Remove the private tags"}
ANONYMIZE_FIELDS = {
    **_COMMON_FIELDS,
    "KeepPrivateTags": "boolean: Keep the private tags",
    "DicomVersion": "string: Edition of the profile: 2008, 2017c, 2021b or 2023b (the default)",
    "Profile": "array: Basic and options of PS3.15 by their names, instead of Orthanc's profile",
    "CleanWords": "array: Words that may stay in texts that an option of Profile cleans",
    "DeidentificationKey": "string: Name of a key of the configuration: same originals, same pseudonyms",
}

SOURCE_FIELDS = {
    "KeepSource": "boolean: Keep what the results are made from",
    "KeepLabels": "boolean: Give the results the labels of what they are made from",
}
JOB_FIELDS = {
    **SOURCE_FIELDS,
    "UidMap": "string: CSV or JSON: the job has an output, uid-map, that tells which identifier became which",
}
_RESOURCES_FIELD = {"Resources": "array: Orthanc identifiers of the resources, of any level"}
_LEVEL_FIELD = {
    "Level": "string: Patient, Study, Series or Instance: the highest level that gets new identifiers. By "
    "default, that of the highest identifier in Replace, or Instance"
}

_LARGEST_REQUEST = 16 << 20
"""Bytes of a request that is kept with its job."""


def instance_edit_routes(editor: InstanceEditor) -> Router:
    """The routes that give edited files, and store nothing."""
    router = Router("Instances", slow=True)

    @router.post(
        "/instances/{id}/modify",
        "Download the DICOM file, modified",
        description="Nothing is stored. SOPInstanceUID is a new one, unless it is replaced or kept.",
        body=Body(fields=MODIFY_FIELDS),
        answers=_DICOM,
        access=Access.READ,
    )
    def modify(call: Call) -> Response:
        return _of_instance(call, editor, anonymize=False)

    @router.post(
        "/instances/{id}/anonymize",
        "Download the DICOM file, anonymised",
        description="Nothing is stored. The profile is that of PS3.15 table E.1-1.",
        body=Body(fields=ANONYMIZE_FIELDS),
        answers=_DICOM,
        access=Access.READ,
    )
    def anonymize(call: Call) -> Response:
        return _of_instance(call, editor, anonymize=True)

    return router


def edit_job_routes(engine: JobEngine, kind: ModificationKind) -> Router:
    """The routes that store what they make, in jobs."""
    router = Router("Modification", slow=True)
    for level in (Level.PATIENT, Level.STUDY, Level.SERIES):
        _add_level(router, engine, kind, level)
    for anonymize in (False, True):
        _add_bulk(router, engine, kind, anonymize)
    return router


def _add_level(router: Router, engine: JobEngine, kind: ModificationKind, level: Level) -> None:
    for anonymize, verb in ((False, "modify"), (True, "anonymize")):

        def on_post(call: Call, anonymize: bool = anonymize) -> Response:
            body = request_of_job(call)
            options, origin = JobOptions.of(body), IngestOrigin.of(call.principal)
            submission = kind.of_resource(body, call.params["id"], level, anonymize, origin)
            if wants_preview(body):
                return _preview(kind, submission)
            return done(engine, options.of_submission(submission), options.synchronous)

        router.post(
            f"/{level.plural}/{{id}}/{verb}",
            f"{verb.capitalize()} one {level.label.lower()}",
            description="A job that makes new instances of all that are below the resource.",
            body=Body(fields={**_job_fields(anonymize), **SUBMISSION_FIELDS}),
            answers="application/json",
        )(on_post)


def _add_bulk(router: Router, engine: JobEngine, kind: ModificationKind, anonymize: bool) -> None:
    verb = "anonymize" if anonymize else "modify"
    level = {} if anonymize else _LEVEL_FIELD

    @router.post(
        f"/tools/bulk-{verb}",
        f"{verb.capitalize()} a set of resources",
        description="A job that makes new instances of all that are below the resources.",
        body=Body(fields={**_RESOURCES_FIELD, **level, **_job_fields(anonymize), **SUBMISSION_FIELDS}),
        answers="application/json",
    )
    def on_post(call: Call) -> Response:
        body = request_of_job(call)
        options, origin = JobOptions.of(body), IngestOrigin.of(call.principal)
        submission = kind.of_resources(body, anonymize, origin)
        if wants_preview(body):
            return _preview(kind, submission)
        return done(engine, options.of_submission(submission), options.synchronous)


def request_of_job(call: Call) -> dict[str, Any]:
    """The body of a request that becomes a job, and is kept with it.

    :raises BadFileFormat: where it is no JSON object
    :raises BodyTooLarge: where it is too large to be kept
    """
    if len(call.body) > _LARGEST_REQUEST:
        raise BodyTooLarge(f"A request that becomes a job may have {_LARGEST_REQUEST} bytes")
    return call.json_object()


def _job_fields(anonymize: bool) -> dict[str, str]:
    return {**(ANONYMIZE_FIELDS if anonymize else MODIFY_FIELDS), **JOB_FIELDS}


def _of_instance(call: Call, editor: InstanceEditor, anonymize: bool) -> Response:
    id, body = call.params["id"], call.json_object()
    if wanted_format(body):
        raise BadRequest("UidMap is an output of jobs, and an edited instance is none")
    if wants_preview(body):
        return json_response(editor.preview(id, body, anonymize))
    return _answer(editor.anonymized(id, body) if anonymize else editor.modified(id, body))


def _preview(kind: ModificationKind, submission: Submission) -> Response:
    """What a job would do, as an array that is sent while it is being made."""

    def pieces() -> Iterator[bytes]:
        separator = b"["
        for told in kind.preview(submission):
            yield separator + orjson.dumps(told)
            separator = b",\n"
        yield b"[]\n" if separator == b"[" else b"]\n"

    return StreamResponse(pieces(), "application/json")


def _answer(file: bytes | ScratchFile) -> Response:
    if isinstance(file, bytes):
        return bytes_response(file, _DICOM)
    return sized_response(file.pieces(0, file.size), file.size, _DICOM)
