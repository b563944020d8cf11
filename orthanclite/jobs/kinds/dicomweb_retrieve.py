"""Instances that are fetched from a DICOMweb server (``DicomWebWadoRetrieveClient``).

A request that was broken off is made again: what has come of it is here already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orthanclite.core.jobs import Claim, Failure, Progress, Submission
from orthanclite.core.remotes.dicomweb_server import DicomWebServer
from orthanclite.services.ingest.upload import UploadService
from orthanclite.services.remotes.dicomweb import DicomWebClient, Request
from orthanclite.services.remotes.registries import Registry
from orthanclite.services.remotes.wado import WadoRetrieval

_STEP = 0.5  # seconds
_MEGABYTE = 1 << 20


class RetrieveKind:
    """Fetches instances from DICOMweb servers."""

    name = "DicomWebWadoRetrieveClient"
    retries = 0

    def __init__(
        self, servers: Registry[DicomWebServer], client: DicomWebClient, uploads: UploadService
    ) -> None:
        self._servers = servers
        self._client = client
        self._uploads = uploads

    def submission(
        self,
        server: str,
        requests: Sequence[Request],
        headers: Mapping[str, str],
    ) -> Submission:
        """The job that makes requests, one after the other.

        :param requests: without headers
        :param headers: sent with each of them; they are secrets of the job
        :raises InexistentItem: for an unknown server
        """
        self._servers.get(server)
        own = {
            "server": server,
            "requests": [[request.path, dict(request.arguments)] for request in requests],
        }
        return Submission(self.name, own, _content(server, 0, 0, 0), secrets=headers)

    def begin(self, claim: Claim, is_stopping: Callable[[], bool]) -> _RetrieveRun:
        headers = claim.secrets
        requests = [Request(path, arguments, headers) for path, arguments in claim.parameters["requests"]]
        server = self._servers.get(claim.parameters["server"])
        return _RetrieveRun(
            claim, requests, lambda request: WadoRetrieval(self._client, self._uploads, server, request)
        )


class _RetrieveRun:
    def __init__(
        self,
        claim: Claim,
        requests: Sequence[Request],
        retrieve: Callable[[Request], WadoRetrieval],
    ) -> None:
        saved = claim.saved or {"next": 0, "stored": 0, "size": 0, "failed": 0, "why": None}
        self._server: str = claim.parameters["server"]
        self._is_permissive = claim.permissive
        self._requests = requests
        self._retrieve = retrieve
        self._saved: dict[str, Any] = dict(saved)
        self._current: WadoRetrieval | None = None

    def step(self) -> Progress:
        if self._saved["next"] >= len(self._requests):
            return self._end()
        if self._current is None:
            self._current = self._retrieve(self._requests[self._saved["next"]])
        current = self._current
        current.advance(_STEP)
        if not current.is_over:
            return Progress(self._fraction, self._content(current))
        self._close_current()
        self._saved["next"] += 1
        self._saved["stored"] += current.stored
        self._saved["size"] += current.size
        self._saved["failed"] += len(current.failures)
        if current.failures and self._saved["why"] is None:
            error = current.failures[0]
            self._saved["why"] = [error.code, str(error)]
        if self._saved["next"] >= len(self._requests):
            return self._end()
        return Progress(self._fraction, self._content(), saved=self._saved)

    def close(self) -> None:
        self._close_current()

    def _close_current(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            current.close()

    @property
    def _fraction(self) -> float:
        return float(self._saved["next"]) / max(len(self._requests), 1)

    def _end(self) -> Progress:
        why, failed = self._saved["why"], self._saved["failed"]
        failure = None
        if why is not None and not self._is_permissive:
            failure = Failure(why[0], f"{failed} instances are not stored, the first one as: {why[1]}")
        return Progress(1, self._content(), done=True, saved=self._saved, failure=failure)

    def _content(self, current: WadoRetrieval | None = None) -> dict[str, Any]:
        stored, size, failed = self._saved["stored"], self._saved["size"], self._saved["failed"]
        if current is not None:
            stored, size = stored + current.stored, size + current.size
            failed += len(current.failures)
        return _content(self._server, stored, size, failed)


def _content(server: str, stored: int, size: int, failed: int) -> dict[str, Any]:
    content: dict[str, Any] = {
        "NetworkUsageMB": str(size // _MEGABYTE),
        "ReceivedInstancesCount": str(stored),
        "Server": server,
    }
    if failed:
        content["FailedInstancesCount"] = failed
    return content


def without_headers(request: Request) -> Request:
    """The part of a request that a job may keep."""
    return replace(request, headers={})
