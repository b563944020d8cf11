"""Metadata of instances, made once and kept by series.

What is kept says what it was made of, so nothing has to be told that an instance was added, replaced or
removed: the next request sees it, and makes anew what has changed only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from orthanclite.core.constants import Metadata
from orthanclite.core.errors import UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import IDENTIFIER_OF, tag_key
from orthanclite.core.model import Parts, Resource
from orthanclite.core.ports import Resources
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import IMPLICIT_LITTLE_ENDIAN, UNCOMPRESSED_SYNTAXES
from orthanclite.dicom.renderings.dicomweb_metadata import MetadataModel, OtherBinary
from orthanclite.services.content.byte_cache import ByteCache
from orthanclite.services.content.files import InstanceFiles, StoredFile
from orthanclite.services.content.kept import KeptAttachments
from orthanclite.services.content.single_flight import SingleFlight
from orthanclite.services.dicomweb.documents import Document
from orthanclite.services.dicomweb.locator import UidPath

METADATA = 4301
"""The type of attachment of a series under which Orthanc's plugin keeps its metadata, too."""

_BATCH = 100
"""Instances that are read from the index at a time."""
_AT_HAND = 16 << 20
"""Bytes of the metadata of a series that are held in memory together: all of them must have room there."""
_SHORT = 12
"""Bytes that the head of the pixel data takes at most: a file that ends there has no pixels."""
_BITS_ALLOCATED = 0x00280100


class MetadataService:
    """Gives the metadata of series and instances. Thread-safe.

    :param other_binary: how values of bytes are shown
    :param kept: the documents of series
    :param cache: of documents that were asked for lately
    """

    def __init__(
        self,
        resources: Resources,
        files: InstanceFiles,
        dictionary: TagDictionary,
        other_binary: OtherBinary,
        kept: KeptAttachments,
        cache: ByteCache | None = None,
    ) -> None:
        self._resources = resources
        self._files = files
        self._dictionary = dictionary
        self._other_binary = other_binary
        self._kept = kept
        self._cache = cache or ByteCache(64 << 20)
        self._flights = SingleFlight[Document]()

    def series(self, id: str, anew: bool = False) -> Document:
        """The metadata of all instances of a series.

        :param anew: whether to make them again, whatever is kept
        :raises UnknownResource: for a series that is not there, or has no files.
        """
        blobs = self._resources.blobs_of_series(id)
        if not blobs:
            raise UnknownResource
        key = self._key(blobs)
        packed = None if anew else self._cache.get((id, key))
        if packed is not None and (document := Document.unpack(packed)) is not None:
            return document
        return self._flights.do((id, key, anew), lambda: self._load(id, key, blobs, anew))

    def instance(self, id: str) -> bytes:
        """The metadata of one instance.

        :raises UnknownResource: for an unknown instance, or one without a file.
        """
        resource = self._resources.get(Level.INSTANCE, id, Parts.ATTACHMENTS | Parts.PARENT)
        if resource is None:
            raise UnknownResource
        file = StoredFile.of(resource)
        key = (file.attachment.uuid, self._key(()))
        text = self._cache.get(key)
        if text is None:
            text = self._text(resource, self._place_of_series(resource.parent_id or ""))
            self._cache.put(key, text)
        return text

    def of_series(self, instance: str, blob: str) -> bytes:
        """The metadata of an instance, taken out of those of its series where they are kept.

        Those of the other instances are then at hand.

        :param blob: the UUID of its file
        :raises UnknownResource: as :meth:`instance`
        """
        key = (blob, self._key(()))
        text = self._cache.get(key)
        if text is not None:
            return text
        series = self._resources.ancestor_id(Level.INSTANCE, instance, Level.SERIES)
        document = None if series is None else self._present(series)
        if document is not None and document.size <= _AT_HAND:
            for member, each in document.texts():
                self._cache.put((member.blob, key[1]), each)
                if member.blob == blob:
                    text = each
        return self.instance(instance) if text is None else text

    def _present(self, series: str) -> Document | None:
        """The document of a series where it is kept, and holds."""
        key = self._key(self._resources.blobs_of_series(series))
        packed = self._cache.get((series, key))
        if packed is not None:
            return Document.unpack(packed)
        document = Document.unpack(self._kept.read(Level.SERIES, series) or b"")
        return document if document is not None and document.key == key else None

    def _key(self, blobs: Sequence[tuple[str, str]]) -> str:
        """A text that changes with all that metadata depend on."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(f"{self._other_binary}|{self._files.default_encoding}".encode())
        for instance, uuid in blobs:
            digest.update(f"|{instance}|{uuid}".encode())
        return digest.hexdigest()

    def _load(self, id: str, key: str, blobs: Sequence[tuple[str, str]], anew: bool) -> Document:
        present = self._kept.read(Level.SERIES, id)
        former = Document.unpack(present or b"")
        if former is not None and former.key == key and not anew:
            self._cache.put((id, key), former.pack())
            return former
        known = {} if anew or former is None else self._known(former)
        document = Document.build(key, self._texts(id, blobs, known))
        packed = document.pack()
        self._cache.put((id, key), packed)
        if present is None or former is not None:  # what somebody else has put there stays
            self._kept.write(Level.SERIES, id, packed)
        return document

    def _known(self, kept: Document) -> dict[tuple[str, str], bytes]:
        """The texts of an older document that may still hold, by instance and blob."""
        same = {(one.instance, one.blob) for one in kept.members}
        # Made under other options, none of them holds.
        if kept.key != self._key(sorted(same)):
            return {}
        return {(member.instance, member.blob): text for member, text in kept.texts()}

    def _texts(
        self, series: str, blobs: Sequence[tuple[str, str]], known: dict[tuple[str, str], bytes]
    ) -> Iterator[tuple[str, str, bytes]]:
        place = self._place_of_series(series)
        for start in range(0, len(blobs), _BATCH):
            batch = blobs[start : start + _BATCH]
            unknown = [instance for instance, uuid in batch if (instance, uuid) not in known]
            found = {
                one.id: one for one in self._resources.get_many(Level.INSTANCE, unknown, Parts.ATTACHMENTS)
            }
            for instance, uuid in batch:
                text = known.get((instance, uuid))
                if text is None and instance in found:
                    text = self._text(found[instance], place)
                if text is not None:
                    yield instance, uuid, text

    def _text(self, instance: Resource, series_place: str) -> bytes:
        file = StoredFile.of(instance)
        parsed = self._files.parse(file)
        uid = instance.tags.get(tag_key(IDENTIFIER_OF[Level.INSTANCE]), "")
        model = MetadataModel(self._dictionary, f"{series_place}/instances/{uid}", self._other_binary)
        offset = file.pixel_data_offset
        vr = ""
        if offset is not None and file.attachment.size > offset + _SHORT:
            bits = parsed.dataset.raw(_BITS_ALLOCATED) or b"\x10"
            wide = max(bits[:2]) > 8  # whatever the byte order: the other byte is zero
            native = file.transfer_syntax in UNCOMPRESSED_SYNTAXES
            implicit = file.transfer_syntax == IMPLICIT_LITTLE_ENDIAN
            usual = "OW" if native and (wide or implicit) else "OB"
            vr = instance.system_metadata.get(Metadata.PIXEL_DATA_VR) or usual
        return model.text(parsed.dataset, self._files.charset(parsed), vr)

    def _place_of_series(self, id: str) -> str:
        """Where a series is, below the address of DICOMweb."""
        series = self._resources.get(Level.SERIES, id, Parts.PARENT)
        study = None
        if series is not None:
            study = self._resources.get(Level.STUDY, series.parent_id or "", Parts.NONE)
        if series is None or study is None:
            raise UnknownResource
        return UidPath(_uid(study), _uid(series)).text


def _uid(resource: Resource) -> str:
    return resource.tags.get(tag_key(IDENTIFIER_OF[resource.level]), "")
