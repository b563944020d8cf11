"""Modification and anonymisation: ``/instances/{id}/modify``, ``/instances/{id}/anonymize``."""

from __future__ import annotations

from orthanclite.core.principal import Access
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.edit.instances import InstanceEditor
from orthanclite.web.answers.responses import Response, bytes_response, sized_response
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
}
MODIFY_FIELDS = {**_COMMON_FIELDS, "RemovePrivateTags": "boolean: Remove the private tags"}
ANONYMIZE_FIELDS = {
    **_COMMON_FIELDS,
    "KeepPrivateTags": "boolean: Keep the private tags",
    "DicomVersion": "string: Edition of the profile: 2008, 2017c, 2021b or 2023b (the default)",
}


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
        return _answer(editor.modified(call.params["id"], call.json_object()))

    @router.post(
        "/instances/{id}/anonymize",
        "Download the DICOM file, anonymised",
        description="Nothing is stored. The profile is that of PS3.15 table E.1-1.",
        body=Body(fields=ANONYMIZE_FIELDS),
        answers=_DICOM,
        access=Access.READ,
    )
    def anonymize(call: Call) -> Response:
        return _answer(editor.anonymized(call.params["id"], call.json_object()))

    return router


def _answer(file: bytes | ScratchFile) -> Response:
    if isinstance(file, bytes):
        return bytes_response(file, _DICOM)
    return sized_response(file.pieces(0, file.size), file.size, _DICOM)
