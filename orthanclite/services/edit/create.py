"""``/tools/create-dicom``: new instances from tags, pictures and documents."""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from orthanclite.core.errors import (
    BadFileFormat,
    CreateDicomBadParent,
    CreateDicomOverrideTag,
    CreateDicomParentIsInstance,
    CreateDicomUseContent,
    NotImplementedInServer,
    ParameterOutOfRange,
)
from orthanclite.core.identifiers import generate_uid
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import (
    IDENTIFIER_OF,
    IMAGE_INDEX,
    INSTANCE_NUMBER,
    PATIENT_ID,
    PIXEL_DATA,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
)
from orthanclite.core.ports import Resources
from orthanclite.dicom.charsets import Charset, charset_of, is_known_term
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.documents import ENCAPSULATED_DOCUMENT, ENCAPSULATED_DOCUMENT_LENGTH
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN, encoding_of
from orthanclite.dicom.modules import MODULE_TAGS
from orthanclite.dicom.pixels.syntaxes import JPEG_BASELINE
from orthanclite.dicom.pixels.writing import pictures
from orthanclite.dicom.pixels.writing.reencode import encode
from orthanclite.dicom.reading.dataset import SPECIFIC_CHARACTER_SET
from orthanclite.dicom.writing.elements import element, encapsulated, file_head
from orthanclite.dicom.writing.from_json import DataUri, JsonEncoder, join
from orthanclite.services.content.files import InstanceFiles
from orthanclite.services.imaging.workers import WorkerPool
from orthanclite.services.ingest.arrival import IngestOrigin, StoreResult
from orthanclite.services.ingest.service import IngestService
from orthanclite.services.server.runtime import RuntimeOptions

_DECODE = "orthanclite.dicom.pixels.writing.pictures:decode_picture"

_GENERIC_CLASS = "1.2.276.0.7230010.3.1.0.1"
"""The class in the file meta information of an instance without SOPClassUID; it is DCMTK's."""

_DOCUMENTS = {
    "application/pdf": ("1.2.840.10008.5.1.4.1.1.104.1", "OT"),
    "model/stl": ("1.2.840.10008.5.1.4.1.1.104.3", "M3D"),
    "model/obj": ("1.2.840.10008.5.1.4.1.1.104.4", "M3D"),
    "model/mtl": ("1.2.840.10008.5.1.4.1.1.104.5", "M3D"),
}
"""Media types of encapsulated documents, with SOP class and Modality (PS3.3 A.45, A.85)."""

_MODALITY = 0x00080060
_IMAGES_IN_ACQUISITION = 0x00201002
_TEMPORAL_POSITIONS = 0x00200105
_DATES = {  # with their times
    Level.STUDY: ((0x00080020, 0x00080030),),
    Level.SERIES: ((0x00080021, 0x00080031),),
    Level.INSTANCE: ((0x00080012, 0x00080013), (0x00080022, 0x00080032), (0x00080023, 0x00080033)),
}


@dataclass(frozen=True, slots=True)
class Slice:
    """One instance of a new series."""

    content: DataUri
    tags: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreationRequest:
    """What a client wants to be made."""

    tags: Mapping[str, Any]
    content: DataUri | Sequence[Slice] | None = None
    parent: str | None = None
    force: bool = False  # to give values that would be generated, or taken from the parent
    private_creator: str = ""
    interpret_binary: bool = True
    encapsulate: bool = False  # JPEG content as it is
    dated: bool = True  # add the present date and time, and the character set


@dataclass(slots=True)
class _Frame:
    """The elements that all instances of a request share."""

    elements: dict[int, bytes]
    encoder: JsonEncoder


class CreateService:
    """Makes and stores new instances. Thread-safe."""

    def __init__(
        self,
        resources: Resources,
        files: InstanceFiles,
        ingest: IngestService,
        workers: WorkerPool,
        dictionary: TagDictionary,
        runtime: RuntimeOptions,
        default_creator: str = "",
    ) -> None:
        self._resources = resources
        self._files = files
        self._ingest = ingest
        self._workers = workers
        self._dictionary = dictionary
        self._runtime = runtime
        self._default_creator = default_creator

    def create(self, request: CreationRequest, origin: IngestOrigin) -> list[StoreResult]:
        """Store what was asked for: one instance, or those of a series.

        All are made before the first is stored.

        :raises CreateDicomBadParent: for an unknown parent.
        :raises CreateDicomParentIsInstance: for an instance as parent.
        :raises CreateDicomOverrideTag: for a tag that is generated or inherited, without ``force``.
        :raises CreateDicomUseContent: for PixelData among the tags.
        :raises NotImplementedInServer: for content that cannot be taken, or not be encapsulated.
        :raises OrthancError: see :class:`~orthanclite.dicom.writing.from_json.JsonEncoder`.
        """
        if request.encapsulate and isinstance(request.content, Sequence):
            raise NotImplementedInServer("Only one JPEG picture can be encapsulated")
        frame = self._frame(request)
        if isinstance(request.content, Sequence):
            # So many instances are expected: the series is complete once all are stored.
            counts = {
                tag: frame.encoder.element(tag, str(count))
                for tag, count in ((_IMAGES_IN_ACQUISITION, len(request.content)), (_TEMPORAL_POSITIONS, 1))
            }
            frame = _Frame(frame.elements | counts, frame.encoder)
            files = [
                self._slice(frame, request, number, one)
                for number, one in enumerate(request.content, start=1)
            ]
        else:
            files = [self._file(frame.elements, request.content, request.encapsulate)]
        return [self._ingest.store(file, origin) for file in files]

    def _frame(self, request: CreationRequest) -> _Frame:
        inherited, parent_charset, level = self._inherited(request.parent)
        charset = self._charset(request.tags, parent_charset)
        encoder = JsonEncoder(
            self._dictionary,
            charset,
            request.private_creator or self._default_creator,
            request.interpret_binary,
        )
        given = encoder.elements(request.tags)
        if PIXEL_DATA in given:
            raise CreateDicomUseContent
        generated = {tag: generate_uid() for below, tag in IDENTIFIER_OF.items() if below > level}
        if PATIENT_ID in generated:
            generated[PATIENT_ID] = str(uuid.uuid4())
        if not request.force:
            self._refuse_overrides(given, {*inherited, *generated} - ({PATIENT_ID} - inherited.keys()))
        elements = {tag: encoder.element(tag, value) for tag, value in generated.items()}
        if request.dated:
            elements |= self._dates(level, encoder)
            elements[SPECIFIC_CHARACTER_SET] = element(
                SPECIFIC_CHARACTER_SET, "CS", self._announced(charset).encode("ascii")
            )
        return _Frame(elements | inherited | given, encoder)

    def _refuse_overrides(self, given: Mapping[int, bytes], fixed: set[int]) -> None:
        for tag in given:
            if tag in fixed:
                raise CreateDicomOverrideTag(self._dictionary.name(tag))

    def _inherited(self, parent: str | None) -> tuple[dict[int, bytes], str | None, int]:
        """The elements that come from the parent, its character set, and its level (0 for none)."""
        if parent is None:
            return {}, None, 0
        level = self._resources.locate(parent)
        if level is None:
            raise CreateDicomBadParent
        if level is Level.INSTANCE:
            raise CreateDicomParentIsInstance
        wanted = {tag for above in Level if above <= level for tag in MODULE_TAGS[above]}
        parsed = self._files.parse(self._files.locate_one_below(level, parent))
        dataset = parsed.dataset
        target = encoding_of(EXPLICIT_LITTLE_ENDIAN)
        inherited = {one.tag: encode([(dataset, one)], target) for one in dataset if one.tag in wanted}
        raw = dataset.raw(SPECIFIC_CHARACTER_SET)
        return inherited, None if raw is None else raw.decode("latin_1").strip(" \0"), level

    def _charset(self, tags: Mapping[str, Any], of_parent: str | None) -> Charset:
        for name, value in tags.items():
            if self._dictionary.parse_tag(name) == SPECIFIC_CHARACTER_SET:
                if not isinstance(value, str) or not is_known_term(value):
                    raise ParameterOutOfRange(f"Unknown specific character set: {value}")
                return charset_of(value)
        return charset_of(of_parent or "", self._runtime.default_encoding.name)

    def _announced(self, charset: Charset) -> str:
        return "\\".join(charset.terms) or self._runtime.default_encoding.term

    def _dates(self, parent: int, encoder: JsonEncoder) -> dict[int, bytes]:
        now = datetime.now(UTC)
        date, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S.000000")
        pairs = [pair for level, pairs in _DATES.items() if level > parent for pair in pairs]
        return {
            tag: encoder.element(tag, value)
            for pair in pairs
            for tag, value in zip(pair, (date, time), strict=True)
        }

    def _slice(self, frame: _Frame, request: CreationRequest, number: int, one: Slice) -> bytes:
        encoder = frame.encoder
        own = {
            SOP_INSTANCE_UID: encoder.element(SOP_INSTANCE_UID, generate_uid()),
            INSTANCE_NUMBER: encoder.element(INSTANCE_NUMBER, str(number)),
            IMAGE_INDEX: encoder.element(IMAGE_INDEX, str(number)),
        }
        given = encoder.elements(one.tags)
        if PIXEL_DATA in given:
            raise CreateDicomUseContent
        return self._file({**frame.elements, **own, **given}, one.content, request.encapsulate)

    def _file(self, elements: dict[int, bytes], content: DataUri | None, as_it_is: bool) -> bytes:
        """A whole DICOM file."""
        syntax = EXPLICIT_LITTLE_ENDIAN
        if content is not None:
            added, syntax = self._content(content, as_it_is)
            elements = added.default | elements | added.fixed
        for level, tag in IDENTIFIER_OF.items():
            if level is not Level.PATIENT and not _text(elements[tag]).strip():
                raise BadFileFormat(f"{self._dictionary.name(tag)} must not be empty")
        sop_class = _text(elements.get(SOP_CLASS_UID)) or _GENERIC_CLASS
        return file_head(sop_class, _text(elements[SOP_INSTANCE_UID]), syntax) + join(elements)

    def _content(self, content: DataUri, as_it_is: bool) -> tuple[_Content, str]:
        if as_it_is:
            if content.media_type != pictures.JPEG:
                raise NotImplementedInServer("Only JPEG pictures can be encapsulated")
            described = pictures.encapsulated_elements(pictures.read_jpeg_head(content.content))
            described[PIXEL_DATA] = encapsulated(PIXEL_DATA, [content.content])
            return _Content(described), JPEG_BASELINE
        return self._native_content(content), EXPLICIT_LITTLE_ENDIAN

    def _native_content(self, content: DataUri) -> _Content:
        if content.media_type in pictures.MEDIA_TYPES:
            decoded = self._workers.run(_DECODE, content.content, content.media_type)
            samples = np.load(io.BytesIO(decoded), allow_pickle=False)
            return _Content(pictures.native_elements(samples))
        if content.media_type == "application/octet-stream":
            return _Content({PIXEL_DATA: element(PIXEL_DATA, "OW", content.content)})
        if content.media_type in _DOCUMENTS:
            return _document(content)
        raise NotImplementedInServer(
            f"Unsupported MIME type for the content of a new DICOM file: {content.media_type}"
        )


@dataclass(frozen=True, slots=True)
class _Content:
    """The elements of a content: those that are what they are, and those that a client may set."""

    fixed: dict[int, bytes]
    default: dict[int, bytes] = field(default_factory=dict)


def _document(content: DataUri) -> _Content:
    """The attributes of an encapsulated document (PS3.3 C.24.2)."""
    if content.media_type == "application/pdf" and not content.content.startswith(b"%PDF-"):
        raise BadFileFormat("Not a PDF file")
    sop_class, modality = _DOCUMENTS[content.media_type]
    fixed = {
        SOP_CLASS_UID: element(SOP_CLASS_UID, "UI", sop_class.encode("ascii")),
        ENCAPSULATED_DOCUMENT: element(ENCAPSULATED_DOCUMENT, "OB", content.content),
        # Without it, a byte of padding is not told apart from the document (PS3.3 C.24.2).
        ENCAPSULATED_DOCUMENT_LENGTH: element(
            ENCAPSULATED_DOCUMENT_LENGTH, "UL", len(content.content).to_bytes(4, "little")
        ),
        0x00420012: element(0x00420012, "LO", content.media_type.encode("ascii")),
    }
    default = {
        _MODALITY: element(_MODALITY, "CS", modality.encode("ascii")),
        0x00080064: element(0x00080064, "CS", b"WSD"),  # ConversionType
    }
    return _Content(fixed, default)


def _text(encoded: bytes | None) -> str:
    """The value of an encoded UID."""
    return "" if encoded is None else encoded[8:].decode("ascii", "ignore").strip(" \0")
