"""What is asked of a peer: other servers that have Orthanc's REST API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from orthanclite.core.errors import NetworkProtocol
from orthanclite.core.main_tags import SOP_INSTANCE_UID, tag_key
from orthanclite.core.model import Resource
from orthanclite.core.ports.http import Answer, HttpClient, Upload
from orthanclite.core.remotes.endpoints import Endpoint
from orthanclite.services.remotes.excerpt import excerpt

_DICOM_TYPE = 1
"""The number of the attachment that is the DICOM file."""
_UPLOAD_HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON_HEADERS = {"Content-Type": "application/json"}
_STORED = ("Success", "AlreadyStored")


class PeerClient:
    """Speaks to peers. Thread-safe.

    All methods raise :class:`NetworkProtocol` where a peer cannot be reached, refuses, or answers otherwise
    than such a server does.
    """

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def system(self, endpoint: Endpoint) -> Any:
        """What the peer says of itself (``/system``)."""
        answer = self._http.request(endpoint, "GET", "system")
        return _json(_checked(answer, endpoint, "system"), endpoint, "system")

    def store(self, endpoint: Endpoint, body: bytes | Upload) -> Any:
        """Hand a file on as it is; the JSON that the peer answers."""
        return self._post(endpoint, body, _UPLOAD_HEADERS)

    def upload(self, endpoint: Endpoint, body: bytes | Upload, gzipped: bool) -> None:
        """Have the peer store a file; raises, too, where it answers that it has not."""
        headers = {**_UPLOAD_HEADERS, "Content-Encoding": "gzip"} if gzipped else _UPLOAD_HEADERS
        answer = self._post(endpoint, body, headers)
        if not isinstance(answer, dict) or answer.get("Status") not in _STORED:
            raise NetworkProtocol(f"The peer has not stored the instance: {excerpt(orjson.dumps(answer))}")

    def held(self, endpoint: Endpoint, instances: Sequence[Resource]) -> dict[str, str | None]:
        """The MD5 of the files that the peer has of some instances, by Orthanc ID.

        Older servers tell that there is one, but not its MD5 (None). An instance that is not in the answer
        may be there all the same: peers have limits.

        :param instances: with their main tags
        """
        uids = "\\".join(instance.tags.get(tag_key(SOP_INSTANCE_UID), "") for instance in instances)
        query = {
            "Level": "Instance",
            "Query": {"SOPInstanceUID": uids},
            "Expand": False,
            "ResponseContent": ["Attachments"],
        }
        answer = self._http.request(
            endpoint, "POST", "tools/find", headers=_JSON_HEADERS, body=orjson.dumps(query)
        )
        found = _json(_checked(answer, endpoint, "tools/find"), endpoint, "tools/find")
        if not isinstance(found, list):
            raise _unexpected(answer, endpoint, "tools/find")
        return dict(entry for one in found if (entry := _held(one)) is not None)

    def md5(self, endpoint: Endpoint, id: str) -> str | None:
        """The MD5 of the file that the peer has of an instance; None where it has none, or does not tell."""
        path = f"instances/{id}/attachments/dicom/md5"
        answer = self._http.request(endpoint, "GET", path)
        text = answer.body[:64].decode("latin-1").strip()
        return text if answer.is_success and len(text) == 32 else None

    def _post(self, endpoint: Endpoint, body: bytes | Upload, headers: Mapping[str, str]) -> Any:
        answer = self._http.request(endpoint, "POST", "instances", headers=headers, body=body)
        return _json(_checked(answer, endpoint, "instances"), endpoint, "instances")


def _held(value: object) -> tuple[str, str | None] | None:
    """What an item of the answer of a search says of a file: an instance, and its MD5."""
    if isinstance(value, str):
        return value, None
    if not isinstance(value, dict) or not isinstance(id := value.get("ID"), str):
        return None
    for attachment in value.get("Attachments") or ():
        if isinstance(attachment, dict) and attachment.get("ContentType") == _DICOM_TYPE:
            md5 = attachment.get("UncompressedMD5")
            return id, md5 if isinstance(md5, str) else ""
    return id, None


def _checked(answer: Answer, endpoint: Endpoint, path: str) -> Answer:
    if not answer.is_success:
        raise _unexpected(answer, endpoint, path)
    return answer


def _json(answer: Answer, endpoint: Endpoint, path: str) -> Any:
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError as exc:
        raise _unexpected(answer, endpoint, path) from exc


def _unexpected(answer: Answer, endpoint: Endpoint, path: str) -> NetworkProtocol:
    return NetworkProtocol(
        f"The peer answers {answer.status} to {endpoint.public_url}{path}: {excerpt(answer.body)}"
    )
