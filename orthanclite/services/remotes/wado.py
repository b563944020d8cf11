"""Fetching instances from a DICOMweb server (WADO-RS, PS3.18 section 10.4), stored while they arrive."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from email.message import Message
from typing import Any, TypeVar

from orthanclite.core.constants import Origin, StoreStatus
from orthanclite.core.errors import BadFileFormat, FullStorage, NetworkProtocol, OrthancError
from orthanclite.core.ports.http import StreamedAnswer
from orthanclite.core.remotes.dicomweb_server import DicomWebServer
from orthanclite.core.text.multipart import BodyParts
from orthanclite.services.ingest.arrival import IngestOrigin, StoreResult
from orthanclite.services.ingest.streaming import StreamedFiles
from orthanclite.services.ingest.upload import UploadService
from orthanclite.services.remotes.dicomweb import DicomWebClient, Request, refuse

T = TypeVar("T")

_UNDER_WAY = 32
"""Instances that wait to be durable while the next ones arrive."""
_DICOM = "application/dicom"


class WadoRetrieval:
    """One request, whose instances are stored as they come. Used by one thread, and ended with :meth:`close`.

    What the server and the ingest do at the same time meets in an event loop of the retrieval's own, which
    runs while :meth:`advance` does.
    """

    def __init__(
        self, client: DicomWebClient, uploads: UploadService, server: DicomWebServer, request: Request
    ) -> None:
        self._client = client
        self._uploads = uploads
        self._server = server
        self._request = request
        self._loop = asyncio.new_event_loop()
        self._context: AbstractContextManager[StreamedAnswer] | None = None
        self._instances: AsyncGenerator[None] | None = None
        self._under_way: deque[Awaitable[StoreResult]] = deque()
        self.is_over = False
        self.size = 0
        """Bytes that have come."""
        self.stored = 0
        """Instances that are here now."""
        self.failures: list[OrthancError] = []
        """Why others are not."""

    def advance(self, seconds: float) -> None:
        """Go on for so long, or until the end; an instance that has begun is received to its end.

        :raises NetworkProtocol: where the server refuses, breaks off, or answers no instances
        :raises UnknownResource: where it has nothing of that name
        """
        self._loop.run_until_complete(self._advance(time.monotonic() + seconds))

    def close(self) -> None:
        """Give up what has not come yet."""
        try:
            self._loop.run_until_complete(self._end())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()
            if self._context is not None:
                self._context.__exit__(None, None, None)

    async def _end(self) -> None:
        if self._instances is not None:
            await self._instances.aclose()
        while self._under_way:
            await self._end_first()

    async def _advance(self, deadline: float) -> None:
        if self._instances is None:
            self._instances = self._receive()
        while time.monotonic() < deadline and not self.is_over:
            try:
                await anext(self._instances)
            except StopAsyncIteration:
                self.is_over = True

    async def _receive(self) -> AsyncGenerator[None]:
        """Receive one instance after the other."""
        syntax = "; transfer-syntax=*" if self._server.universal_syntax else ""
        accept = {"Accept": f'multipart/related; type="{_DICOM}"{syntax}'}
        self._context = self._client.stream(self._server, self._request, accept)
        answer = self._context.__enter__()
        if answer.status == 204:
            return
        if answer.status not in (200, 206):
            refuse(answer.status, answer.read(), self._server, self._request.path)
        kind = Message()
        kind["Content-Type"] = answer.headers.get("content-type", "")
        files = StreamedFiles(self._uploads, _directly, IngestOrigin(Origin.REST_API))
        if kind.get_content_type() == _DICOM:
            await self._store(files, self._chunks(answer))
        elif kind.get_content_type() == "multipart/related" and (boundary := kind.get_boundary()):
            try:
                async for part in BodyParts(self._chunks(answer), boundary).parts():
                    await self._store(files, part)
                    yield
            except BadFileFormat as exc:
                raise NetworkProtocol(f"The answer of the DICOMweb server is malformed: {exc}") from exc
        else:
            found = kind.get_content_type()
            raise NetworkProtocol(
                f"The DICOMweb server answers {found}, and no instances: {self._request.path}"
            )
        while self._under_way:
            await self._end_first()

    async def _chunks(self, answer: StreamedAnswer) -> AsyncIterator[bytes]:
        for piece in answer.pieces():
            self.size += len(piece)
            yield piece

    async def _store(self, files: StreamedFiles, part: AsyncIterator[bytes]) -> None:
        _, begun = await files.begin(part, lambda head: None)
        if isinstance(begun, OrthancError):
            self._fail(begun)
            return
        self._under_way.append(begun)
        if len(self._under_way) > _UNDER_WAY:
            await self._end_first()

    async def _end_first(self) -> None:
        try:
            result = await self._under_way.popleft()
        except OrthancError as exc:
            self._fail(exc)
            return
        if result.status in (StoreStatus.SUCCESS, StoreStatus.ALREADY_STORED):
            self.stored += 1
        else:
            self._fail(OrthancError(f"An instance is not stored: {result.status.value}"))

    def _fail(self, error: OrthancError) -> None:
        if isinstance(error, FullStorage):
            raise error
        self.failures.append(error)


async def _directly(function: Callable[..., T], *arguments: Any) -> T:
    """The loop is the retrieval's own: nobody else waits for it."""
    return function(*arguments)
