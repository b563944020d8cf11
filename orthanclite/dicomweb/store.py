"""Storing instances (STOW-RS, PS3.18 section 10.5).

Files are stored as they arrive, several at the same time; the answer tells of each what became of it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import orjson

from orthanclite.core.constants import StoreStatus
from orthanclite.core.errors import (
    BadFileFormat,
    BadRequest,
    BodyTooLarge,
    DatabaseUnavailable,
    FullStorage,
    InexistentTag,
    NotAcceptable,
    OrthancError,
    UnsupportedMediaType,
)
from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.text.multipart import BodyParts
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.reading.identity import Identity, identify
from orthanclite.dicom.reading.native_model import from_native_model
from orthanclite.dicom.renderings.dicomweb_xml import to_xml
from orthanclite.dicom.writing.from_dicomweb import file_of
from orthanclite.dicomweb.addresses import Addresses
from orthanclite.dicomweb.forms import JSON, XML
from orthanclite.dicomweb.negotiation import Offer, choose, ranges
from orthanclite.dicomweb.retrieve.frames import OCTET_STREAM, default_syntax
from orthanclite.dicomweb.retrieve.instances import DICOM
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.dicomweb.locator import UidPath
from orthanclite.services.ingest.arrival import IngestOrigin, StoreResult
from orthanclite.services.ingest.streaming import StreamedFiles
from orthanclite.services.ingest.upload import MEMORY_LIMIT, UploadService
from orthanclite.web.answers.responses import Response, bytes_response
from orthanclite.web.call import Call
from orthanclite.web.media_types import MediaType, parse_media_type
from orthanclite.web.routing import Body, Router

_LOG = logging.getLogger("orthanclite.http")

# Failure reasons (PS3.18 table I.2-2, PS3.4 table B.2-1).
PROCESSING_FAILURE = 0x0110
OUT_OF_RESOURCES = 0xA700
MISMATCH = 0xA900
OTHER_STUDY = 0xA901
CANNOT_UNDERSTAND = 0xC000

_UNDER_WAY = 64
_UNDER_WAY_BYTES = 8 << 20
"""Files, and their bytes, that wait to be durable while the next ones arrive."""
_MODELS = (JSON, XML, "application/json")
_LARGEST_MODEL = 64 << 20
_LARGEST_BULK = 1 << 30
"""Bytes of metadata, and of the bulk data of one instance, that are put together in memory."""


class _OtherStudy(OrthancError):
    """An instance of another study than the path names."""


@dataclass(slots=True)
class _Outcome:
    """What became of all that was sent."""

    stored: list[tuple[Identity, int]] = field(default_factory=list)
    failed: list[tuple[Identity, int]] = field(default_factory=list)
    """Instances, with a warning, else zero, or with the reason of the failure."""

    @property
    def status(self) -> int:
        """PS3.18 table 10.5.3-1."""
        reasons = {reason for _, reason in self.failed}
        if self.stored:
            return 202 if reasons or any(warning for _, warning in self.stored) else 200
        if reasons == {OUT_OF_RESOURCES}:
            return 503
        return 400 if reasons <= {CANNOT_UNDERSTAND} else 409


class StoreAnswers:
    """Takes instances.

    :param folder: where bulk data wait for their metadata; None for that of the system
    """

    def __init__(
        self, uploads: UploadService, dictionary: TagDictionary, addresses: Addresses, folder: str | None
    ) -> None:
        self._uploads = uploads
        self._dictionary = dictionary
        self._addresses = addresses
        self._folder = folder

    async def answer(self, call: Call) -> Response:
        """Store what the body holds.

        :raises UnsupportedMediaType: for a body of another kind.
        :raises BadFileFormat: for a body that is malformed or cut off.
        """
        assert call.chunks is not None
        chosen = choose_form(call)
        kind = parse_media_type(call.header("content-type"))
        visit = _Visit(self._uploads, self._dictionary, call)
        try:
            if kind.name == DICOM:
                await visit.take(call.chunks)
            elif kind.name == "multipart/related":
                await self._parts(call, visit, kind)
            elif kind.name in _MODELS:
                await self._models(call, visit, [(kind, await _whole(call.chunks))], {})
            else:
                raise UnsupportedMediaType(f"Instances are not stored from {kind.name or 'an unknown type'}")
        finally:
            await visit.finish()  # also where the body proves to be bad: what came before is stored
        return self._response(visit.outcome, self._addresses.base(call), chosen)

    async def _parts(self, call: Call, visit: _Visit, kind: MediaType) -> None:
        assert call.chunks is not None
        boundary = kind.parameters.get("boundary", "")
        if not boundary:
            raise BadRequest("The body has parts, but its type names no boundary")
        root = parse_media_type(kind.parameters.get("type", DICOM)).name
        if root != DICOM and root not in _MODELS:
            raise UnsupportedMediaType(f"Instances are not stored from parts of {root}")
        reader = BodyParts(call.chunks, boundary)
        models: list[tuple[MediaType, bytes]] = []
        bulk: dict[str, list[_Bulk]] = {}
        async with aclosing(reader.parts()) as parts:
            async for part in parts:
                headers = reader.headers
                each = parse_media_type(headers.get("content-type", root))
                if each.name in _MODELS:
                    models.append((each, await _whole(part)))
                elif root == DICOM:
                    if each.name not in (DICOM, OCTET_STREAM, ""):
                        raise UnsupportedMediaType(f"A part is of the type {each.name}, and not {DICOM}")
                    await visit.take(part)
                else:
                    location = headers.get("content-location", "")
                    bulk.setdefault(location, []).append(await self._spool(call, part, each))
        if models:
            await self._models(call, visit, models, bulk)

    async def _spool(self, call: Call, part: AsyncIterator[bytes], kind: MediaType) -> _Bulk:
        assert call.run is not None
        file = ScratchFile(self._folder, "bulk")
        async for piece in part:
            await call.run(file.write, piece)
        return _Bulk(kind, file)

    async def _models(
        self,
        call: Call,
        visit: _Visit,
        models: Sequence[tuple[MediaType, bytes]],
        bulk: dict[str, list[_Bulk]],
    ) -> None:
        """Make files of data sets and bulk data, and store them."""
        assert call.run is not None
        for kind, text in models:
            for model in await call.run(_data_sets, kind.name, text):
                try:
                    file = await call.run(_file, model, bulk)
                except BadFileFormat as exc:
                    visit.fail(_identity_of(model), exc)
                    continue
                await visit.take(_once(file))

    def _response(self, outcome: _Outcome, base: str, chosen: Offer) -> Response:
        content = _response_model(outcome, base)
        if chosen.media_type == XML:
            response = bytes_response(to_xml(content, self._dictionary), XML)
        else:
            response = bytes_response(orjson.dumps(content), chosen.media_type)
        response.status = outcome.status
        return response


class _Visit:
    """The instances of one request, on their way into the storage."""

    def __init__(self, uploads: UploadService, dictionary: TagDictionary, call: Call) -> None:
        assert call.run is not None
        self.outcome = _Outcome()
        self._dictionary = dictionary
        self._study = call.params.get("study")
        self._files = StreamedFiles(uploads, call.run, IngestOrigin.of(call.principal))
        self._under_way: deque[tuple[Identity, int, Awaitable[StoreResult]]] = deque()
        self._waiting = 0

    async def take(self, chunks: AsyncIterator[Buffer]) -> None:
        """Begin to store a file."""
        identity = Identity()

        def accepts(head: Buffer) -> OrthancError | None:
            nonlocal identity
            identity = identify(head, self._dictionary)
            # What has no UID is refused by the ingest; but it may stand behind what is here of a large file.
            is_known = bool(identity.study) or len(head) > MEMORY_LIMIT
            if self._study is not None and identity.study != self._study and is_known:
                return _OtherStudy(f"An instance of the study {identity.study}")
            return None

        size, begun = await self._files.begin(chunks, accepts)
        if isinstance(begun, OrthancError):
            self.fail(identity, begun)
            return
        self._under_way.append((identity, size, begun))
        self._waiting += size
        while len(self._under_way) > _UNDER_WAY or self._waiting > _UNDER_WAY_BYTES:
            await self._end_first()

    async def finish(self) -> None:
        """Wait until all is durable."""
        while self._under_way:
            await self._end_first()

    async def _end_first(self) -> None:
        identity, size, begun = self._under_way.popleft()
        self._waiting -= size
        try:
            result = await begun
        except OrthancError as exc:
            self.fail(identity, exc)
            return
        if result.status in (StoreStatus.SUCCESS, StoreStatus.ALREADY_STORED):
            self.outcome.stored.append((identity, 0))
        elif result.status is StoreStatus.STORAGE_FULL:
            self.outcome.failed.append((identity, OUT_OF_RESOURCES))
        else:
            self.outcome.failed.append((identity, PROCESSING_FAILURE))

    def fail(self, identity: Identity, error: OrthancError) -> None:
        """Note an instance that is not stored."""
        _LOG.warning("An instance is not stored: %s", error)
        self.outcome.failed.append((identity, _reason(error)))


@dataclass(frozen=True, slots=True)
class _Bulk:
    """A part with bulk data."""

    kind: MediaType
    file: ScratchFile

    @property
    def transfer_syntax(self) -> str:
        return self.kind.parameters.get("transfer-syntax", "") or default_syntax(self.kind.name)


def store_routes(root: str, answers: StoreAnswers) -> Router:
    """Routes that store."""
    router = Router("DICOMweb")
    for path in (f"{root}/studies", f"{root}/studies/{{study}}"):
        router.post(
            path,
            "Store instances (STOW-RS)",
            description="DICOM files, one or several, or metadata in JSON or XML with bulk data beside them.",
            body=Body(("multipart/related", DICOM, JSON, XML)),
            answers=(JSON, XML),
        )(answers.answer)
    return router


def choose_form(call: Call) -> Offer:
    """In which form the client gets the answer; in JSON where it likes none, since it must have one."""
    try:
        return choose(ranges(call), (Offer(JSON), Offer("application/json"), Offer(XML)))
    except NotAcceptable:
        return Offer(JSON)


def _reason(error: OrthancError) -> int:
    if isinstance(error, _OtherStudy):
        return OTHER_STUDY
    if isinstance(error, FullStorage | DatabaseUnavailable):
        return OUT_OF_RESOURCES
    if isinstance(error, InexistentTag):
        return MISMATCH
    return CANNOT_UNDERSTAND if isinstance(error, BadFileFormat) else PROCESSING_FAILURE


async def _whole(chunks: AsyncIterator[Buffer]) -> bytes:
    """A part that is kept in memory.

    :raises BodyTooLarge: beyond ``_LARGEST_MODEL``.
    """
    parts = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > _LARGEST_MODEL:
            raise BodyTooLarge(f"Metadata have at most {_LARGEST_MODEL >> 20} MB")
        parts.append(bytes(chunk))
    return b"".join(parts)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _data_sets(media_type: str, text: bytes) -> list[dict[str, Any]]:
    """The data sets of a part.

    :raises BadFileFormat: where it is malformed.
    """
    if media_type == XML:
        return [from_native_model(text)]
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise BadFileFormat(f"The metadata are no JSON: {exc}") from exc
    models = found if isinstance(found, list) else [found]
    if not all(isinstance(one, dict) for one in models):
        raise BadFileFormat("The metadata are no data sets in the DICOM JSON Model")
    return models


def _file(model: dict[str, Any], bulk: dict[str, list[_Bulk]]) -> bytes:
    def find(uri: str) -> tuple[Sequence[bytes], str]:
        parts = bulk.get(uri)
        if parts is None:
            raise BadFileFormat(f"The bulk data are missing: {uri}")
        if sum(part.file.size for part in parts) > _LARGEST_BULK:
            raise BodyTooLarge(f"The bulk data of an instance have at most {_LARGEST_BULK >> 20} MB")
        return [part.file.read(0, part.file.size) for part in parts], parts[0].transfer_syntax

    return file_of(model, find)


def _identity_of(model: dict[str, Any]) -> Identity:
    def uid(tag: str) -> str:
        attribute = model.get(tag)
        values = attribute.get("Value") if isinstance(attribute, dict) else None
        return str(values[0]) if isinstance(values, list) and values else ""

    return Identity(uid("00080016"), uid("00080018"), uid("0020000D"), uid("0020000E"))


def _response_model(outcome: _Outcome, base: str) -> dict[str, Any]:
    """The answer as a data set (PS3.18 table 10.5.3-2)."""
    model: dict[str, Any] = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}
    studies = {identity.study for identity, _ in outcome.stored}
    if len(studies) == 1:
        model["00081190"] = {"vr": "UR", "Value": [base + UidPath(studies.pop()).text]}
    failed = [(identity, reason) for identity, reason in outcome.failed if identity.instance]
    others = [reason for identity, reason in outcome.failed if not identity.instance]
    if failed:
        items = [{**_sop(identity), "00081197": _number(reason)} for identity, reason in failed]
        model["00081198"] = {"vr": "SQ", "Value": items}
    if outcome.stored:
        model["00081199"] = {"vr": "SQ", "Value": [_stored(*one, base) for one in outcome.stored]}
    if others:
        model["0008119A"] = {"vr": "SQ", "Value": [{"00081197": _number(reason)} for reason in others]}
    return model


def _stored(identity: Identity, warning: int, base: str) -> dict[str, Any]:
    path = UidPath(identity.study, identity.series, identity.instance)
    item = {**_sop(identity), "00081190": {"vr": "UR", "Value": [base + path.text]}}
    return {**item, "00081196": _number(warning)} if warning else item


def _sop(identity: Identity) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [identity.sop_class]},
        "00081155": {"vr": "UI", "Value": [identity.instance]},
    }


def _number(value: int) -> dict[str, Any]:
    return {"vr": "US", "Value": [value]}
