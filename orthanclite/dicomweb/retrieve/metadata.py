"""Metadata of studies, series and instances (PS3.18 section 10.4.1.1.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import orjson
from isal import igzip, isal_zlib

from orthanclite.core.errors import BadRequest, OrthancError
from orthanclite.core.levels import Level
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.renderings.dicomweb_metadata import with_base
from orthanclite.dicom.renderings.dicomweb_xml import to_xml
from orthanclite.dicomweb.addresses import Addresses
from orthanclite.dicomweb.forms import JSON, REPRESENTATIONS, XML, xml_response
from orthanclite.dicomweb.negotiation import Offer, choose, ranges
from orthanclite.dicomweb.paths import LEVELS, not_modified, uid_path, with_tag
from orthanclite.services.content.byte_cache import ByteCache
from orthanclite.services.dicomweb.documents import Document
from orthanclite.services.dicomweb.locator import Locator
from orthanclite.services.dicomweb.metadata import MetadataService
from orthanclite.web.answers.compression import choose_encoding
from orthanclite.web.answers.responses import Response, StreamResponse, bytes_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Router

_GZIP = (b"content-encoding", b"gzip")
_VARY = (b"vary", b"accept-encoding")
_WHOLE = 32 << 20
"""Bytes of metadata that are answered from memory; more are streamed."""
_LEVEL = 1
_WBITS = 31


class MetadataAnswers:
    """Makes answers of documents.

    :param cache: of whole answers
    """

    def __init__(
        self,
        metadata: MetadataService,
        locator: Locator,
        addresses: Addresses,
        dictionary: TagDictionary,
        cache: ByteCache,
    ) -> None:
        self._metadata = metadata
        self._locator = locator
        self._addresses = addresses
        self._dictionary = dictionary
        self._cache = cache

    def answer(self, call: Call) -> Response:
        """The metadata of what the path names.

        :raises UnknownResource: where there is none.
        :raises NotAcceptable: where the client accepts neither JSON nor XML.
        """
        path = uid_path(call)
        offers = (*REPRESENTATIONS, Offer(XML)) if path.level is Level.INSTANCE else REPRESENTATIONS
        chosen = choose(ranges(call), offers)
        base = self._addresses.base(call)
        fields = _fields(call, self._dictionary)
        if path.level is Level.INSTANCE:
            text = self._metadata.instance(self._locator.find(path)[0].id)
            key = hashlib.blake2b(text, digest_size=16).hexdigest()
            return self._respond(call, chosen, key, base, fields, len(text), lambda: iter((text,)))
        documents = [self._metadata.series(id) for id in self._locator.series(path)]
        key = hashlib.blake2b("".join(one.key for one in documents).encode(), digest_size=16).hexdigest()
        size = sum(one.size for one in documents)
        return self._respond(call, chosen, key, base, fields, size, lambda: _texts(documents))

    def _respond(
        self,
        call: Call,
        chosen: Offer,
        key: str,
        base: str,
        fields: frozenset[str] | None,
        size: int,
        texts: Callable[[], Iterator[bytes]],
    ) -> Response:
        """:param texts: gives metadata, those of several instances with a comma between two"""
        shown = "" if fields is None else ",".join(sorted(fields))
        kind = hashlib.blake2b(f"{base}|{shown}|{chosen.media_type}".encode(), digest_size=8).hexdigest()
        tag = f'"{key}-{kind}"'
        if not_modified(call, tag):
            return with_tag(Response(304, b"", [_VARY]), tag, lasting=False)
        if chosen.media_type == XML:
            return with_tag(self._xml(texts(), base, fields, chosen), tag, lasting=False)
        zipped = choose_encoding(call.header("accept-encoding").encode("latin-1")) == b"gzip"
        media_type = JSON if chosen.media_type != "application/json" else chosen.media_type
        response: Response
        if size > _WHOLE:
            pieces = _array(texts(), base, fields)
            response = StreamResponse(_zipped(pieces) if zipped else pieces, media_type)
        else:
            response = bytes_response(self._whole((tag, zipped), texts, base, fields, zipped), media_type)
        if zipped:
            response.headers.append(_GZIP)
        response.headers.append(_VARY)
        return with_tag(response, tag, lasting=False)

    def _whole(
        self,
        key: tuple[str, bool],
        texts: Callable[[], Iterator[bytes]],
        base: str,
        fields: frozenset[str] | None,
        zipped: bool,
    ) -> bytes:
        found = self._cache.get(key)
        if found is None:
            found = b"".join(_array(texts(), base, fields))
            if zipped:
                found = igzip.compress(found, _LEVEL)
            self._cache.put(key, found)
        return found

    def _xml(
        self, texts: Iterator[bytes], base: str, fields: frozenset[str] | None, chosen: Offer
    ) -> Response:
        found = orjson.loads(b"".join(_array(texts, base, fields)))
        documents = [to_xml(one, self._dictionary) for one in found]
        if not chosen.parts:
            return bytes_response(documents[0], XML)
        return xml_response(documents)


def metadata_routes(root: str, answers: MetadataAnswers) -> Router:
    """Routes of the metadata."""
    router = Router("DICOMweb")
    for place in LEVELS:
        router.get(
            f"{root}{place}/metadata",
            "Metadata: all attributes but bulk data (WADO-RS)",
            query=[
                Arg("accept", "Media types, in place of the header Accept"),
                Arg("includefield", "Only these attributes, separated by commas"),
            ],
            answers=(JSON, "multipart/related"),
        )(answers.answer)
    return router


def update_routes(metadata: MetadataService, locate: Callable[[str], Sequence[str]]) -> Router:
    """The route that makes the metadata of a study anew.

    :param locate: the Orthanc IDs of the series of a study
    """
    router = Router("DICOMweb")

    @router.post(
        "/studies/{id}/update-dicomweb-cache",
        "Make the DICOMweb metadata of all series of a study anew",
        answers="application/json",
    )
    def update(call: Call) -> Response:
        for series in locate(call.params["id"]):
            metadata.series(series, anew=True)
        return bytes_response(b"{}", "application/json")

    return router


def _texts(documents: Iterable[Document]) -> Iterator[bytes]:
    separator = b""
    for document in documents:
        yield separator
        yield from document.pieces()
        separator = b","


def _array(texts: Iterator[bytes], base: str, fields: frozenset[str] | None) -> Iterator[bytes]:
    """The whole array as JSON, for a client that knows the server by ``base``."""
    if fields is not None:
        found = orjson.loads(with_base(b"[" + b"".join(texts) + b"]", base))
        yield orjson.dumps([{tag: one[tag] for tag in one if tag in fields} for one in found])
        return
    yield b"["
    for text in texts:
        yield with_base(text, base)
    yield b"]"


def _zipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _WBITS)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def _fields(call: Call, dictionary: TagDictionary) -> frozenset[str] | None:
    """The attributes that ``includefield`` names, as keys of the JSON model; None for all.

    :raises BadRequest: for what is no attribute.
    """
    names = [name.strip() for text in call.every("includefield") for name in text.split(",")]
    names = [name for name in names if name]
    if not names or "all" in names:
        return None
    try:
        return frozenset(f"{dictionary.parse_tag(name):08X}" for name in names)
    except OrthancError as exc:
        raise BadRequest(f"No attribute: {exc.details}") from exc
