"""What peers are asked to do: ``/peers/{id}/system``, ``store``, ``store-straight``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.ports.http import Upload
from orthanclite.core.principal import Access
from orthanclite.core.remotes.registry import Peer
from orthanclite.core.text.fields import boolean_field, integer_field, string_field
from orthanclite.jobs.engine import JobEngine
from orthanclite.jobs.kinds.peer_store import PeerStoreKind
from orthanclite.rest.submission import RETRY_FIELD, SUBMISSION_FIELDS, JobOptions, done
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.remotes.peers import PeerClient
from orthanclite.services.remotes.registries import Registry
from orthanclite.services.remotes.selection import Selector, resource_ids
from orthanclite.services.remotes.transfer import Form
from orthanclite.web.answers.responses import Response, json_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Body, Router

_IN_MEMORY = 4 << 20
"""Bytes of a file that is handed on from memory."""

_STORE_BODY = Body(
    ("application/json", "text/plain"),
    {
        "Resources": "array: Orthanc identifiers, of any level",
        "Compress": "boolean: Send the files gzipped",
        "Transcode": "string: Transfer syntax that the files are changed to",
        "LossyQuality": "number: Quality of lossy JPEG, from 1 to 100",
        **SUBMISSION_FIELDS,
        **RETRY_FIELD,
    },
    "Also one identifier, as text or as a JSON string, or an array of them.",
)


def peer_routes(
    peers: Registry[Peer],
    client: PeerClient,
    selector: Selector,
    kind: PeerStoreKind,
    engine: JobEngine,
    temporary_folder: str | None,
) -> Router:
    router = Router("Networking", slow=True)

    @router.get("/peers/{id}/system", "Get what a peer says of itself", access=Access.READ)
    def system(call: Call) -> Response:
        return json_response(client.system(peers.get(call.params["id"]).endpoint))

    @router.post(
        "/peers/{id}/store",
        "Send resources to a peer",
        description="Of transfers of more than 64 KB, what the peer has already is not sent again.",
        body=_STORE_BODY,
        answers="application/json",
        access=Access.SEND,
    )
    def store(call: Call) -> Response:
        peer = call.params["id"]
        ids, fields = resource_ids(call.text, call.json)
        form, options = _form(fields), JobOptions.of(fields)
        peers.get(peer)
        selection = selector.select(ids)
        submission = kind.submission(
            peer,
            selection,
            form,
            priority=options.priority,
            permissive=options.permissive,
            user_data=options.user_data,
            parameters=options.parameters,
        )
        selector.log(selection, peer)
        return done(engine, submission, options.synchronous)

    @router.post(
        "/peers/{id}/store-straight",
        "Hand a DICOM file on to a peer",
        description="Nothing is stored here. The answer is that of the peer.",
        body=Body(("application/dicom",)),
        answers="application/json",
        access=Access.SEND,
    )
    async def store_straight(call: Call) -> Response:
        assert call.run is not None
        assert call.chunks is not None
        peer = await call.run(peers.get, call.params["id"])
        body = await _received(call, call.chunks, temporary_folder)
        return json_response(await call.run(client.store, peer.endpoint, body))

    return router


def _form(fields: dict[str, Any]) -> Form:
    """:raises OrthancError: for wrong types, and as :class:`Form`"""
    return Form(
        boolean_field(fields, "Compress"),
        string_field(fields, "Transcode") if "Transcode" in fields else None,
        integer_field(fields, "LossyQuality", 0) if "LossyQuality" in fields else None,
    )


async def _received(call: Call, chunks: AsyncIterator[Buffer], folder: str | None) -> bytes | Upload:
    """A body: in memory where it is small, else in a temporary file."""
    assert call.run is not None
    pieces: list[Buffer] = []
    size = 0
    file: ScratchFile | None = None
    async for chunk in chunks:
        size += len(chunk)
        if file is None and size > _IN_MEMORY:
            file = ScratchFile(folder, "straight")
            await call.run(file.write, b"".join(pieces))
        if file is None:
            pieces.append(bytes(chunk))
        else:
            await call.run(file.write, chunk)
    if file is None:
        return b"".join(pieces)
    return Upload(partial(file.pieces, 0, size), size)
