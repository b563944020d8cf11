"""Whole instances (PS3.18 section 10.4.1.1.1): several parts, a single one, or a ZIP file."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from orthanclite.core.errors import (
    BadFileFormat,
    NotAcceptable,
    NotImplementedInServer,
    UnsupportedMediaType,
)
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import View
from orthanclite.core.text.multipart import Part
from orthanclite.dicom.encoding import DEFLATED_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, UNCOMPRESSED_SYNTAXES
from orthanclite.dicom.pixels.syntaxes import WRITABLE, is_transfer_syntax
from orthanclite.dicomweb.negotiation import AS_STORED, Offer, Range, choose, ranges
from orthanclite.dicomweb.paths import LEVELS, not_modified, uid_path, with_tag
from orthanclite.services.archive.plan import Layout
from orthanclite.services.archive.service import ArchiveRequest, ArchiveService
from orthanclite.services.content.files import InstanceFiles, StoredFile
from orthanclite.services.dicomweb.locator import Locator, UidPath
from orthanclite.web.answers.related import related_response
from orthanclite.web.answers.responses import Response, StreamResponse, sized_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Router

_LOG = logging.getLogger("orthanclite.generic")

DICOM = "application/dicom"
ZIP = "application/zip"

_REWRITTEN = UNCOMPRESSED_SYNTAXES - {EXPLICIT_LITTLE_ENDIAN, DEFLATED_LITTLE_ENDIAN}
"""What is never sent as it is stored (PS3.18 section 8.7.3.5.2): implicit VR, and big endian."""
_CANNOT = (NotImplementedInServer, UnsupportedMediaType, BadFileFormat)
"""The errors of what cannot be expressed in another transfer syntax."""


class Content(Protocol):
    """A file that was written anew."""

    @property
    def size(self) -> int: ...

    def pieces(self, start: int, end: int) -> Iterator[bytes]: ...


class Transcoder(Protocol):
    """Changes the transfer syntax of the file of an instance."""

    def transcode_instance(self, id: str, transfer_syntax: str, lossy_quality: int | None) -> Content: ...


@dataclass(frozen=True, slots=True)
class _File:
    """A file on its way to the client."""

    transfer_syntax: str
    size: int
    pieces: Iterable[View]

    @property
    def part(self) -> Part:
        return Part(self.media_type, self.pieces, self.size)

    @property
    def media_type(self) -> str:
        return f"{DICOM}; transfer-syntax={self.transfer_syntax}" if self.transfer_syntax else DICOM


class InstanceAnswers:
    """Sends instances."""

    def __init__(
        self,
        locator: Locator,
        files: InstanceFiles,
        transcoder: Transcoder,
        archives: ArchiveService,
        lasting: bool,
    ) -> None:
        """:param lasting: whether a stored instance never changes (``OverwriteInstances``)"""
        self._locator = locator
        self._files = files
        self._transcoder = transcoder
        self._archives = archives
        self._lasting = lasting

    def answer(self, call: Call) -> Response:
        """The instances at or below what the path names.

        :raises UnknownResource: where there is none.
        :raises NotAcceptable: where none can be sent as the client accepts it.
        """
        path = uid_path(call)
        wanted = ranges(call)
        files = self._stored(path)
        chosen = choose(wanted, lambda one: _offers(one, path, files))
        if chosen.media_type == ZIP:
            return self._zip(path, chosen.transfer_syntax)
        target = chosen.transfer_syntax
        if path.level is Level.INSTANCE:
            tag = f'"{files[0].attachment.uuid}-{target or chosen.asked}-{int(chosen.parts)}"'
            if not_modified(call, tag):
                return with_tag(Response(304), tag, self._lasting)
            return with_tag(self._one(files[0], chosen), tag, self._lasting)
        possible = [file for file in files if _is_possible(file, target)]
        response = self._parts(possible, target)
        if len(possible) < len(files):
            response.status = 206  # PS3.18 section 10.4.3.2: only some of them
        return response

    def _stored(self, path: UidPath) -> list[StoredFile]:
        if path.level is Level.INSTANCE:
            return [StoredFile.of(self._locator.instance(path))]
        found = []
        for series in self._locator.series(path):
            found += self._files.locate_below(Level.SERIES, series)
        return found

    def _one(self, file: StoredFile, chosen: Offer) -> Response:
        sent = self._file(file, chosen.transfer_syntax, strict=chosen.asked not in ("", AS_STORED))
        if chosen.parts:
            return related_response([sent.part], DICOM)
        name = f"{file.id}.dcm"
        return sized_response(iter(sent.pieces), sent.size, sent.media_type, name)

    def _parts(self, files: Sequence[StoredFile], target: str) -> Response:
        if all(_target(file, target) is None for file in files):
            return related_response([self._as_stored(file).part for file in files], DICOM)
        return related_response((self._file(file, target).part for file in files), DICOM)

    def _file(self, file: StoredFile, target: str, strict: bool = False) -> _File:
        """A file in a transfer syntax; as it is stored where it cannot be expressed in that.

        :raises NotAcceptable: instead, where ``strict``
        """
        syntax = _target(file, target)
        if syntax is None:
            return self._as_stored(file)
        try:
            content = self._transcoder.transcode_instance(file.id, syntax, None)
        except _CANNOT as exc:
            if strict:
                raise NotAcceptable(exc.details or exc.message) from exc
            _LOG.warning("Sent as it is stored, instance %s: %s", file.id, exc)
            return self._as_stored(file)
        return _File(syntax, content.size, content.pieces(0, content.size))

    def _as_stored(self, file: StoredFile) -> _File:
        return _File(file.transfer_syntax, file.attachment.size, self._files.chunks(file))

    def _zip(self, path: UidPath, target: str) -> Response:
        ids = [found.id for found in self._locator.find(path)]
        request = ArchiveRequest(
            ids,
            Layout.FULL if path.level is not Level.SERIES else Layout.SERIES,
            path.level,
            transfer_syntax=target or None,
        )
        return StreamResponse(self._archives.writer(request).stream(), ZIP, filename=f"{path.uids[-1]}.zip")


def instance_routes(root: str, answers: InstanceAnswers) -> Router:
    """Routes that send instances."""
    router = Router("DICOMweb", slow=True)
    for place in LEVELS:
        router.get(
            f"{root}{place}",
            "The instances, as DICOM files (WADO-RS)",
            query=[Arg("accept", "Media types, in place of the header Accept")],
            answers=("multipart/related", DICOM, ZIP),
        )(answers.answer)
    return router


def _offers(wanted: Range, path: UidPath, files: Sequence[StoredFile]) -> Iterator[Offer]:
    """What can be sent to a client that accepts ``wanted``."""
    asked = wanted.transfer_syntax
    target = "" if asked == AS_STORED else asked or EXPLICIT_LITTLE_ENDIAN
    if target and not is_transfer_syntax(target):
        return
    if not any(_is_possible(file, target) for file in files):
        if asked:
            return
        target = ""  # a video has no uncompressed form: better as it is than not at all
    cost = sum(_target(file, target) is not None for file in files)
    single = path.level is Level.INSTANCE
    if wanted.media_type in (DICOM, "application/*", "*/*"):
        if wanted.parts is not False:
            yield Offer(DICOM, True, asked, target, cost)
        if wanted.parts is not True and single:
            # Who accepts anything gets several parts, as ever.
            yield Offer(DICOM, False, asked, target, cost + (wanted.media_type != DICOM))
    if wanted.media_type == ZIP and not wanted.parts:
        yield Offer(ZIP, False, asked, target if asked else "", cost)


def _target(file: StoredFile, target: str) -> str | None:
    """The transfer syntax that a file must be written in; None where it is sent as it is stored."""
    if not target and file.transfer_syntax in _REWRITTEN:
        return EXPLICIT_LITTLE_ENDIAN
    return target if target and target != file.transfer_syntax else None


def _is_possible(file: StoredFile, target: str) -> bool:
    """Whether a file may be expressed in a transfer syntax, as far as that can be told without opening it."""
    syntax = _target(file, target)
    return syntax is None or (syntax in WRITABLE and not _is_video(file.transfer_syntax))


def _is_video(transfer_syntax: str) -> bool:
    return transfer_syntax.startswith("1.2.840.10008.1.2.4.10")
