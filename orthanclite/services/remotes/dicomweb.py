"""What is asked of a DICOMweb server (PS3.18)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

import orjson

from orthanclite.core.errors import BadFileFormat, NetworkProtocol, UnknownResource
from orthanclite.core.ports.http import Answer, HttpClient, StreamedAnswer, Upload
from orthanclite.core.remotes.dicomweb_server import DicomWebServer
from orthanclite.services.remotes.excerpt import excerpt

JSON = "application/dicom+json"
_LARGEST_SEARCH = 64 << 20  # bytes of the answer of a search


@dataclass(frozen=True, slots=True)
class Request:
    """A GET below the root of a server."""

    path: str
    """Encoded, without a slash in front and without its query."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(uri: str, arguments: Mapping[str, str], headers: Mapping[str, str]) -> Request:
        """A request as a client describes it.

        :raises BadFileFormat: for a query in ``uri``, and for what leads out of the server's root
        """
        if "?" in uri or "#" in uri:
            raise BadFileFormat(f"The arguments of GET belong into a member of their own: {uri}")
        path = uri.lstrip("/")
        if ".." in path.split("/") or not path.isprintable():
            raise BadFileFormat(f"Bad URI: {uri}")
        return Request(quote(path, safe="/%,;:@!$&'()*+=~"), dict(arguments), dict(headers))

    @property
    def target(self) -> str:
        """The path with its query."""
        return f"{self.path}?{urlencode(self.arguments)}" if self.arguments else self.path

    def with_headers(self, defaults: Mapping[str, str]) -> dict[str, str]:
        """The headers of the request, and those of ``defaults`` that it does not have."""
        known = {name.lower() for name in self.headers}
        added = {name: text for name, text in defaults.items() if name.lower() not in known}
        return {**added, **self.headers}


class DicomWebClient:
    """Speaks to DICOMweb servers. Thread-safe.

    All methods raise :class:`NetworkProtocol` where a server cannot be reached, refuses or answers otherwise
    than such a server does, and :class:`UnknownResource` where it says 404.
    """

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def stream(
        self, server: DicomWebServer, request: Request, defaults: Mapping[str, str]
    ) -> AbstractContextManager[StreamedAnswer]:
        """The answer to a GET as it comes, whatever its status.

        :param defaults: headers that are sent unless the request has them
        """
        headers = request.with_headers(defaults)
        return self._http.stream(server.endpoint, "GET", request.target, headers=headers)

    def get(self, server: DicomWebServer, request: Request) -> tuple[str, Iterator[bytes]]:
        """The type and the content of what a GET answers, as it comes."""
        pieces = self._content(server, request)
        media_type = next(pieces).decode("latin-1")
        return media_type, pieces

    def _content(self, server: DicomWebServer, request: Request) -> Iterator[bytes]:
        """The media type of the answer, then its pieces: the request ends with the generator."""
        with self.stream(server, request, {}) as answer:
            if answer.status // 100 != 2:
                refuse(answer.status, answer.read(), server, request.path)
            yield answer.headers.get("content-type", "application/octet-stream").encode("latin-1", "replace")
            yield from answer.pieces()

    def search(self, server: DicomWebServer, request: Request) -> list[dict[str, Any]]:
        """The data sets that a search finds (QIDO-RS), in the DICOM JSON Model."""
        headers = request.with_headers({"Accept": JSON})
        answer = self._http.request(
            server.endpoint, "GET", request.target, headers=headers, limit=_LARGEST_SEARCH
        )
        if answer.status == 204:  # how older editions say that nothing is found
            return []
        found = _json(answer, server, request.path)
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise unexpected(answer.status, answer.body, server, request.path)
        return found

    def store(
        self, server: DicomWebServer, body: Upload, content_type: str, headers: Mapping[str, str]
    ) -> Answer:
        """Send files (STOW-RS); the answer, whatever its status."""
        sent = {"Accept": JSON, **headers, "Content-Type": content_type}
        return self._http.request(server.endpoint, "POST", "studies", headers=sent, body=body)

    def delete(self, server: DicomWebServer, path: str) -> None:
        """Have a server delete a study, a series or an instance."""
        answer = self._http.request(server.endpoint, "DELETE", path)
        if not answer.is_success:
            refuse(answer.status, answer.body, server, path)


def _json(answer: Answer, server: DicomWebServer, path: str) -> Any:
    if not answer.is_success:
        refuse(answer.status, answer.body, server, path)
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError as exc:
        raise unexpected(answer.status, answer.body, server, path) from exc


def refuse(status: int, body: bytes, server: DicomWebServer, path: str) -> NoReturn:
    """:raises OrthancError: that for an answer which is no success"""
    error = unexpected(status, body, server, path)
    raise UnknownResource(error.details) if status == 404 else error


def unexpected(status: int, body: bytes, server: DicomWebServer, path: str) -> NetworkProtocol:
    """The error for an answer that is not as it should be."""
    where = f"{server.endpoint.public_url}{path}"
    return NetworkProtocol(f"The DICOMweb server answers {status} to {where}: {excerpt(body)}")
