"""``POST /instances``: uploads, streamed to the disk where they are large."""

from __future__ import annotations

from asyncio import wrap_future
from collections.abc import AsyncIterator
from typing import IO

from orthanclite.core.machine.buffers import Buffer
from orthanclite.services.ingest.arrival import IngestOrigin, StoreResult
from orthanclite.services.ingest.reception import Reception
from orthanclite.services.ingest.streaming import spool
from orthanclite.services.ingest.upload import MEMORY_LIMIT, UploadService, is_zip
from orthanclite.web.answers.responses import Response, json_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Body, Router


def upload_routes(uploads: UploadService) -> Router:
    """Routes that receive DICOM files."""
    router = Router("Instances")

    @router.post(
        "/instances",
        "Upload DICOM instances",
        description="The body is one DICOM file, or a ZIP archive of many.",
        body=Body(("application/dicom", "application/zip")),
        answers="application/json",
    )
    async def upload(call: Call) -> Response:
        assert call.run is not None
        assert call.chunks is not None
        origin = IngestOrigin.of(call.principal)
        parts: list[Buffer] = []
        size = 0
        async for chunk in call.chunks:
            parts.append(chunk)
            size += len(chunk)
            if size > MEMORY_LIMIT:
                return json_response(
                    _answer(await _spool(call, uploads, b"".join(parts), call.chunks, origin))
                )
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        return json_response(_answer(await _store(call, uploads, body, origin)))

    return router


async def _store(
    call: Call, uploads: UploadService, body: Buffer, origin: IngestOrigin
) -> StoreResult | list[StoreResult]:
    """Store an upload that is in memory."""
    assert call.run is not None
    if is_zip(body):
        with uploads.archive() as file:
            await call.run(file.write, body)
            return await call.run(_store_archive, uploads, file, origin)
    if uploads.is_quick(body):
        return await wrap_future(uploads.begin(body, origin, call.sent_size))
    return await wrap_future(await call.run(uploads.begin, body, origin, call.sent_size))


async def _spool(
    call: Call, uploads: UploadService, head: Buffer, chunks: AsyncIterator[Buffer], origin: IngestOrigin
) -> StoreResult | list[StoreResult]:
    """Store an upload that does not fit in memory."""
    assert call.run is not None
    if is_zip(head):
        file = uploads.archive()
        with file:
            await call.run(file.write, head)
            async for chunk in chunks:
                await call.run(file.write, chunk)
            return await call.run(_store_archive, uploads, file, origin)
    if call.sent_size is not None:
        await call.run(uploads.refuse_endless, head, call.sent_size)
    reception = await spool(call.run, uploads.receive(), head, chunks)
    return await call.run(Reception.finish, reception, origin, call.sent_size)


def _store_archive(uploads: UploadService, file: IO[bytes], origin: IngestOrigin) -> list[StoreResult]:
    return list(uploads.store_archive(file, origin))


def _answer(result: StoreResult | list[StoreResult]) -> object:
    return [one.to_json() for one in result] if isinstance(result, list) else result.to_json()
