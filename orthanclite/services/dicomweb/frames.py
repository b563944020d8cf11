"""Single frames of stored files: their places are found once, and then each costs one read.

What has to be decoded goes to a worker process; several clients that ask for the same wait for one decoding.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
from orthanclite.core.model import Attachment
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN, UNCOMPRESSED_SYNTAXES
from orthanclite.dicom.pixels.operations import native_places
from orthanclite.dicom.pixels.reading.head import PIXEL_HEAD, native_place
from orthanclite.dicom.pixels.reading.source import NATIVE
from orthanclite.services.content.blobs import BlobReader
from orthanclite.services.content.byte_cache import ByteCache
from orthanclite.services.content.files import StoredFile
from orthanclite.services.content.single_flight import SingleFlight
from orthanclite.services.imaging.images import HEADER_LIMIT, Images

_REMEMBERED_FRAMES = 1_000_000
"""Frames, of all files together, whose places are remembered."""

Run = Sequence[tuple[int, int]]
"""Stretches of a file that make a frame: start and end of each, in bytes."""


@dataclass(frozen=True, slots=True)
class FramePlaces:
    """Where the frames of a file are."""

    count: int
    start: int = 0
    size: int = 0  # bytes of each frame, where one follows the other from ``start`` on; else 0
    runs: Sequence[Run] = ()  # of each frame, where they are encapsulated

    def of(self, index: int) -> Run | None:
        """The stretches of one frame; None where they must be read in another way."""
        if self.runs:
            return self.runs[index]
        if not self.size:
            return None
        first = self.start + index * self.size
        return ((first, first + self.size),)


class FrameService:
    """Gives frames, as they are stored or in another transfer syntax. Thread-safe.

    :param quality: of lossy compression, from 1 to 100
    :param cache: of frames that had to be decoded
    """

    def __init__(
        self,
        reader: BlobReader,
        dictionary: TagDictionary,
        images: Images,
        quality: int,
        cache: ByteCache | None = None,
    ) -> None:
        self._reader = reader
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

    def stored(self, file: StoredFile, index: int) -> bytes:
        """One frame as it is stored: pixels in little endian, or a bit stream.

        :param index: from 0
        :raises UnknownResource: for a frame that is not there.
        :raises BadFileFormat: where it is damaged.
        """
        places = self.places(file)
        if not 0 <= index < places.count:
            raise UnknownResource(f"There is no frame {index + 1}, but {places.count}")
        run = places.of(index)
        if run is None:
            return self.transcoded(file, index, EXPLICIT_LITTLE_ENDIAN)
        return self._read(file.attachment, run)

    def stored_size(self, file: StoredFile, index: int, transfer_syntax: str) -> int | None:
        """Bytes of a frame in a transfer syntax; None where it has to be decoded to tell.

        :param index: of a frame that is there
        """
        run = self.places(file).of(index) if self._is_stored_in(file, transfer_syntax) else None
        return None if run is None else sum(end - start for start, end in run)

    def in_syntax(self, file: StoredFile, index: int, transfer_syntax: str) -> bytes:
        """One frame in a transfer syntax, whatever it is stored in; errors as :meth:`transcoded`."""
        if self._is_stored_in(file, transfer_syntax):
            return self.stored(file, index)
        return self.transcoded(file, index, transfer_syntax)

    @staticmethod
    def _is_stored_in(file: StoredFile, transfer_syntax: str) -> bool:
        native = file.transfer_syntax in UNCOMPRESSED_SYNTAXES and transfer_syntax == EXPLICIT_LITTLE_ENDIAN
        return native or file.transfer_syntax == transfer_syntax

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
        blob = self._reader.local(file.attachment)
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

    def _read(self, attachment: Attachment, run: Run) -> bytes:
        first, last = run[0][0], run[-1][1]
        # Between fragments there are eight bytes: one read of all is cheaper than one for each.
        data = self._reader.read(attachment, first, last - first)
        if len(run) == 1:
            return data
        return b"".join([data[start - first : end - first] for start, end in run])

    def _in_head(self, file: StoredFile) -> dict[str, Any] | None:
        """What the head of an uncompressed file tells; None for any other, or where it does not tell."""
        offset = file.pixel_data_offset
        if file.transfer_syntax not in NATIVE or offset is None or offset > HEADER_LIMIT:
            return None
        end = offset + PIXEL_HEAD
        if end > file.attachment.size:
            return None
        head = self._reader.read(file.attachment, 0, end)
        place = native_place(head, file.attachment.size, self._dictionary)
        return None if place is None else native_places(place)

    def _find(self, file: StoredFile) -> FramePlaces:
        attachment = file.attachment
        found = self._in_head(file)
        if found is None:
            try:
                found = orjson.loads(self._images.frame_places(self._reader.local(attachment)))
            except NoPixelData as exc:
                raise UnknownResource("The instance has no pixel data") from exc
            except UnsupportedMediaType as exc:
                raise NotAcceptable(exc.details) from exc
        places = FramePlaces(
            found["frames"], found.get("start", 0), found.get("size", 0), found.get("runs", ())
        )
        end = places.start + places.size * places.count
        if places.size and end > attachment.size:
            raise BadFileFormat("The pixel data is shorter than the image")
        with self._lock:
            self._places[attachment.uuid] = places
            self._remembered += len(places.runs) + 1
            while self._remembered > _REMEMBERED_FRAMES and len(self._places) > 1:
                _, dropped = self._places.popitem(last=False)
                self._remembered -= len(dropped.runs) + 1
        return places
