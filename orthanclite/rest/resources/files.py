"""The files of instances: ``/instances/{id}/file`` and ``export``."""

from __future__ import annotations

from typing import Protocol

from orthanclite.core.principal import Access
from orthanclite.rest.resources.views import quality_argument
from orthanclite.services.content.export import FileExport
from orthanclite.services.content.files import InstanceFiles
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.content.tags import TagService
from orthanclite.web.answers.responses import (
    Response,
    StreamResponse,
    bytes_response,
    literal_object,
    sized_response,
    status_only,
)
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Body, Router

_DICOM = "application/dicom"
_DICOM_JSON = "application/dicom+json"
_DICOM_XML = "application/dicom+xml"


class FileTranscoder(Protocol):
    """Changes the transfer syntax of the file of an instance."""

    def transcode_instance(self, id: str, transfer_syntax: str, lossy_quality: int | None) -> ScratchFile:
        """The file in another transfer syntax.

        :raises ParameterOutOfRange: for an unknown transfer syntax.
        :raises NotImplementedInServer: for one that cannot be produced.
        :raises UnknownResource: for an unknown instance.
        """
        ...


def file_routes(
    files: InstanceFiles, tags: TagService, transcoder: FileTranscoder, exports: FileExport | None
) -> Router:
    """Routes that give the files of instances.

    :param exports: None unless the option ``RestApiWriteToFileSystemEnabled`` is set
    """
    router = Router("Instances")

    def get_cached_file(call: Call) -> Response | None:
        id = call.params["id"]
        if call.has("transcode") or call.header("accept").strip() in (_DICOM_JSON, _DICOM_XML):
            return None
        content = files.cached(files.locate(id))
        return None if content is None else bytes_response(content, _DICOM, _filename(call, id))

    @router.get(
        "/instances/{id}/file",
        "Download the DICOM file",
        query=[
            Arg("filename", "Name of the file in the header Content-Disposition"),
            Arg("transcode", "Transfer syntax that the file is changed to"),
            Arg("lossy-quality", "Quality of lossy JPEG, from 1 to 100", "number"),
        ],
        headers=[Arg("Accept", "application/dicom+json and application/dicom+xml are served, too")],
        answers=(_DICOM, _DICOM_JSON, _DICOM_XML),
        quick=get_cached_file,
        slow=lambda call: call.has("transcode"),
    )
    def get_file(call: Call) -> Response:
        id = call.params["id"]
        accept = call.header("accept").strip()
        if accept == _DICOM_JSON:
            return StreamResponse(tags.dicom_json(id), accept)
        if accept == _DICOM_XML:
            return StreamResponse(tags.dicom_xml(id), accept)
        filename = _filename(call, id)
        if call.has("transcode"):
            content = transcoder.transcode_instance(id, call.argument("transcode"), quality_argument(call))
            size = content.size
            return sized_response(content.pieces(0, size), size, _DICOM, filename)
        file = files.locate(id)
        return sized_response(files.chunks(file), file.attachment.size, _DICOM, filename)

    @router.post(
        "/instances/{id}/export",
        "Write the DICOM file to the file system of the server",
        description="Only with the option RestApiWriteToFileSystemEnabled. An earlier DICOM file "
        "is overwritten; any other file, and the folders of the server, are refused.",
        body=Body(("text/plain",), text="The path of the file"),
        answers="application/json",
        access=Access.SEND,
    )
    def export_file(call: Call) -> Response:
        if exports is None:
            return status_only(403)
        exports.export(call.params["id"], call.text)
        return literal_object()

    return router


def _filename(call: Call, id: str) -> str:
    return call.argument("filename") or f"{id}.dcm"
