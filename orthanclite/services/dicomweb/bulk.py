"""Single values of stored files, read as they are needed."""

from __future__ import annotations

from collections.abc import Sequence

from orthanclite.core.errors import UnknownResource
from orthanclite.core.main_tags import PIXEL_DATA
from orthanclite.dicom.encoding import UNCOMPRESSED_SYNTAXES
from orthanclite.dicom.reading.dataset import DataSet, Element
from orthanclite.dicom.renderings.dicomweb_json import little_endian
from orthanclite.services.content.blobs import BlobReader
from orthanclite.services.content.files import InstanceFiles, StoredFile
from orthanclite.services.content.pieces import Content
from orthanclite.services.dicomweb.frames import FrameService


class BulkService:
    """Finds values. Thread-safe."""

    def __init__(self, files: InstanceFiles, reader: BlobReader, frames: FrameService) -> None:
        self._files = files
        self._reader = reader
        self._frames = frames

    def find(self, file: StoredFile, path: Sequence[str]) -> list[Content] | None:
        """The value that a path leads to, in little endian; None where there is none.

        :param path: a tag as eight digits, then numbers of items, from 1, and tags in turn
        :return: pixel data in fragments as one value for each frame, any other as one
        """
        native = file.transfer_syntax in UNCOMPRESSED_SYNTAXES
        if not native and len(path) == 1 and int(path[0], 16) == PIXEL_DATA:
            return self._by_frames(file)
        with self._files.parsed(file) as parsed:
            found = _open(parsed.dataset, path)
            if found is None:
                return None
            dataset, element = found
            swapped = dataset.is_big_endian(element)
            if parsed.deflated or swapped:
                return [Content.of(little_endian(dataset.value(element), element.vr, swapped))]
            stretch = (element.start, element.end)
        return [Content.joined(self._reader.reader(file.attachment), [stretch])]

    def _by_frames(self, file: StoredFile) -> list[Content]:
        values = []
        for index in range(self._frames.places(file).count):
            frame = self._frames.stored(file, index, file.transfer_syntax)
            if frame is None:
                raise UnknownResource("The pixel data has no frames")
            values.append(frame)
        return values


def _open(dataset: DataSet, path: Sequence[str]) -> tuple[DataSet, Element] | None:
    for tag, number in zip(path[::2], path[1::2], strict=False):
        element = dataset.elements.get(int(tag, 16))
        if element is None or element.items is None or int(number) > len(element.items):
            return None
        dataset = element.items[int(number) - 1]
    leaf = dataset.elements.get(int(path[-1], 16))
    return None if leaf is None or leaf.items is not None or leaf.fragments is not None else (dataset, leaf)
