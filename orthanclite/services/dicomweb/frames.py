"""Single frames of stored files: their places are found once, and then each costs one read.

What has to be decoded goes to a worker process; several clients that ask for the same wait for one decoding.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

import orjson

from orthanclite.core.errors import (
    BadFileFormat,
    NoPixelData,
    NotAcceptable,
    NotImplementedInServer,
    ParameterOutOfRange,
    UnknownResource,
    UnsupportedMediaType,
)
from orthanclite.core.levels import Level
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN, UNCOMPRESSED_SYNTAXES
from orthanclite.dicom.pixels.operations import native_places
from orthanclite.dicom.pixels.reading.head import PIXEL_HEAD, native_place
from orthanclite.dicom.pixels.reading.source import NATIVE
from orthanclite.services.content.byte_cache import ByteCache
from orthanclite.services.content.files import StoredFile
from orthanclite.services.content.kept import KeptAttachments
from orthanclite.services.content.pieces import Content
from orthanclite.services.content.single_flight import SingleFlight
from orthanclite.services.content.unpacked import ReadableFile, UnpackedFiles
from orthanclite.services.dicomweb.places import FramePlaces, KeptPlaces
from orthanclite.services.imaging.images import HEADER_LIMIT, Images

FRAME_PLACES = 4302
"""The type of attachment of an instance under which the places of its frames are kept."""

_KEPT_FROM = 64 << 20
"""Bytes of a file whose places are kept: to find them again would mean to go through all of it."""
_REMEMBERED = 4 << 20
"""Numbers of eight bytes in all places that are remembered."""


class FrameService:
    """Gives frames, as they are stored or in another transfer syntax. Thread-safe.

    :param quality: of lossy compression, from 1 to 100
    :param kept: the places of the frames of large files
    :param cache: of frames that had to be decoded
    :param kept_from: bytes of a file whose places are kept
    """

    def __init__(
        self,
        files: UnpackedFiles,
        dictionary: TagDictionary,
        images: Images,
        quality: int,
        kept: KeptAttachments,
        cache: ByteCache | None = None,
        kept_from: int = _KEPT_FROM,
    ) -> None:
        self._files = files
        self._kept = kept
        self._kept_from = kept_from
        self._dictionary = dictionary
        self._images = images
        self._quality = quality
        self._cache = cache or ByteCache(64 << 20)
        self._flights = SingleFlight[bytes]()
        self._searches = SingleFlight[FramePlaces]()
        self._places: OrderedDict[str, FramePlaces] = OrderedDict()
        self._remembered = 0
        self._lock = threading.Lock()

    def places(self, file: StoredFile) -> FramePlaces:
        """Where the frames of a file are.

        :raises UnknownResource: where it has no pixel data.
        :raises BadFileFormat: where they are damaged.
        """
        uuid = file.attachment.uuid
        known = self._places.get(uuid)
        if known is not None:
            return known
        return self._searches.do(uuid, lambda: self._find(file))

    def stored(self, file: StoredFile, index: int, transfer_syntax: str) -> Content | None:
        """One frame as it is stored, pixels in little endian or a bit stream; None where that is not in the
        transfer syntax, or the frame has to be decoded to tell.

        :param index: from 0
        :raises UnknownResource: for a frame that is not there.
        :raises BadFileFormat: where it is damaged.
        """
        native = file.transfer_syntax in UNCOMPRESSED_SYNTAXES and transfer_syntax == EXPLICIT_LITTLE_ENDIAN
        if not native and file.transfer_syntax != transfer_syntax:
            return None
        places = self.places(file)
        if not 0 <= index < places.count:
            raise UnknownResource(f"There is no frame {index + 1}, but {places.count}")
        run = places.of(index)
        if run is None:
            return None
        if not run:
            raise BadFileFormat("The frame is empty")
        return Content.joined(self._files.readable(file).read, run)

    def in_syntax(self, file: StoredFile, index: int, transfer_syntax: str) -> Content:
        """One frame in a transfer syntax, whatever it is stored in; errors as :meth:`transcoded`."""
        stored = self.stored(file, index, transfer_syntax)
        return stored or Content.of(self.transcoded(file, index, transfer_syntax))

    def transcoded(self, file: StoredFile, index: int, transfer_syntax: str) -> bytes:
        """One frame, decoded and written in another transfer syntax.

        :raises NotAcceptable: where that cannot be.
        :raises UnknownResource: for a frame that is not there.
        :raises BadFileFormat: where it is damaged.
        """
        key = (file.attachment.uuid, index, transfer_syntax)
        found = self._cache.get(key)
        return found or self._flights.do(key, lambda: self._transcode(key, file))

    def _transcode(self, key: tuple[str, int, str], file: StoredFile) -> bytes:
        found = self._cache.get(key)
        if found is not None:  # made while this thread looked for it
            return found
        _, index, transfer_syntax = key
        blob = self._files.readable(file).local()
        try:
            content = self._images.transcoded_frame(blob, index, transfer_syntax, self._quality)
        except ParameterOutOfRange as exc:
            raise UnknownResource(f"There is no frame {index + 1}") from exc
        except NoPixelData as exc:
            raise UnknownResource("The instance has no pixel data") from exc
        except (NotImplementedInServer, UnsupportedMediaType) as exc:
            raise NotAcceptable(exc.details) from exc
        self._cache.put(key, content)
        return content

    def _find(self, file: StoredFile) -> FramePlaces:
        uuid = file.attachment.uuid
        readable = self._files.readable(file)
        places = self._in_head(readable) or self._looked_up(file, readable)
        if places.end > readable.size:
            raise BadFileFormat("The pixel data is shorter than the image")
        with self._lock:
            self._places[uuid] = places
            self._remembered += places.numbers
            while self._remembered > _REMEMBERED and len(self._places) > 1:
                _, dropped = self._places.popitem(last=False)
                self._remembered -= dropped.numbers
        return places

    def _in_head(self, file: ReadableFile) -> FramePlaces | None:
        """What the head of an uncompressed file tells; None for any other, or where it does not tell."""
        offset = file.pixel_data_offset
        if file.transfer_syntax not in NATIVE or offset is None or offset > HEADER_LIMIT:
            return None
        end = offset + PIXEL_HEAD
        if end > file.size:
            return None
        place = native_place(file.read(0, end), file.size, self._dictionary)
        return None if place is None else FramePlaces.told(native_places(place))

    def _looked_up(self, file: StoredFile, readable: ReadableFile) -> FramePlaces:
        """The places that are kept, else those that are found by opening the file."""
        uuid, is_large = file.attachment.uuid, readable.size >= self._kept_from
        present = self._kept.read(Level.INSTANCE, file.id) if is_large else None
        former = KeptPlaces.unpack(present) if present else None
        if former is not None and former.blob == uuid and former.places.end <= readable.size:
            return former.places
        try:
            places = FramePlaces.told(orjson.loads(self._images.frame_places(readable.local())))
        except NoPixelData as exc:
            raise UnknownResource("The instance has no pixel data") from exc
        except UnsupportedMediaType as exc:
            raise NotAcceptable(exc.details) from exc
        if is_large and (present is None or former is not None):  # what somebody else has put there stays
            self._kept.write(Level.INSTANCE, file.id, places.pack(uuid))
        return places
