"""Files that arrive on an event loop, piece by piece: in memory while small, else in the storage area."""

from __future__ import annotations

from asyncio import ensure_future, wrap_future
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, TypeVar

from orthanclite.core.errors import OrthancError
from orthanclite.core.machine.buffers import Buffer
from orthanclite.services.ingest.arrival import IngestOrigin, StoreResult
from orthanclite.services.ingest.reception import Reception
from orthanclite.services.ingest.upload import MEMORY_LIMIT, UploadService

T = TypeVar("T")


class Runner(Protocol):
    """Runs a blocking function in another thread."""

    def __call__(self, function: Callable[..., T], *args: Any) -> Awaitable[T]: ...


async def spool(run: Runner, reception: Reception, head: Buffer, chunks: AsyncIterator[Buffer]) -> Reception:
    """Write a file to the storage area as it arrives: what is here already, and the rest.

    :raises OrthancError: as :meth:`.Reception.write`; nothing is left behind then.
    """
    try:
        await run(reception.write, head)
        async for chunk in chunks:
            await run(reception.write, chunk)
    except BaseException:
        reception.abort()
        raise
    return reception


class StreamedFiles:
    """DICOM files that arrive one after the other."""

    def __init__(self, uploads: UploadService, run: Runner, origin: IngestOrigin) -> None:
        self._uploads = uploads
        self._run = run
        self._origin = origin

    async def begin(
        self, chunks: AsyncIterator[Buffer], accepts: Callable[[Buffer], OrthancError | None]
    ) -> tuple[int, Awaitable[StoreResult] | OrthancError]:
        """Receive a file, and begin to store it: its size, and what becomes of it.

        :param accepts: looks at the file, or at its first megabytes, and may have something against it
        """
        parts: list[Buffer] = []
        size = 0
        async for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size > MEMORY_LIMIT:
                break
        body: Buffer = parts[0] if len(parts) == 1 else b"".join(parts)
        try:
            refusal = accepts(body)
            if refusal is not None:
                return size, refusal  # the receiver of parts skips what is left
            if size <= MEMORY_LIMIT:
                return size, ensure_future(self._store(body))
            reception = await spool(self._run, self._uploads.receive(), body, chunks)
            return size, wrap_future(await self._run(Reception.begin_finish, reception, self._origin))
        except OrthancError as exc:
            return size, exc

    async def _store(self, body: Buffer) -> StoreResult:
        """Store a file that is in memory, while the next ones arrive."""
        if self._uploads.is_quick(body):
            return await wrap_future(self._uploads.begin(body, self._origin))
        return await wrap_future(await self._run(self._uploads.begin, body, self._origin))
