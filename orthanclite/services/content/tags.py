"""What the files of instances say: tags, headers, modules, raw contents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from orthanclite.core.levels import Level
from orthanclite.core.main_tags import SOP_CLASS_UID
from orthanclite.core.metrics import Metrics
from orthanclite.core.text.styled_json import Raw, dumps
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.documents import document_of
from orthanclite.dicom.modules import MODULE_TAGS
from orthanclite.dicom.reading.content import open_path
from orthanclite.dicom.reading.dataset import DataSet, DicomFile
from orthanclite.dicom.renderings.dicomweb_json import stream_json
from orthanclite.dicom.renderings.dicomweb_xml import stream_xml
from orthanclite.dicom.renderings.tags_json import Renderer, Style, restyle, shared_tags
from orthanclite.services.content.blobs import BlobReader
from orthanclite.services.content.byte_cache import ByteCache
from orthanclite.services.content.files import CACHE_HITS, PARSER_HITS, InstanceFiles, StoredFile
from orthanclite.services.content.pieces import Content

_ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"

_FileRenderer = Callable[[DicomFile, str, TagDictionary], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class TagsFormat:
    """How the tags of a file are shown."""

    style: Style = Style.FULL
    whole: bool = False  # those behind the pixel data, too
    ignore_length: frozenset[int] = frozenset()  # tags whose value is shown however long it is


class TagService:
    """Answers what is in the files of stored instances. Thread-safe.

    :param cache: keeps renderings; the blobs they are made of never change
    """

    def __init__(
        self,
        files: InstanceFiles,
        reader: BlobReader,
        dictionary: TagDictionary,
        cache: ByteCache,
        metrics: Metrics,
    ) -> None:
        self._files = files
        self._reader = reader
        self._dictionary = dictionary
        self._cache = cache
        self._metrics = metrics

    def tags(self, id: str, format: TagsFormat) -> bytes:
        """The tags of an instance, as a JSON document.

        :raises UnknownResource: for an unknown instance.
        """
        return self._tags(self._files.locate(id), format)

    def known_tags(self, id: str, format: TagsFormat) -> bytes | None:
        """The same where it is in memory, else None.

        :raises UnknownResource: for an unknown instance.
        """
        return self._known(self._key(self._files.locate(id), format))

    def header(self, id: str, style: Style) -> bytes:
        """The file meta information of an instance, as a JSON document.

        :raises UnknownResource: for an unknown instance.
        """
        file = self._files.locate(id)

        def render() -> dict[str, Any]:
            return Renderer(self._dictionary, style).header(self._files.parse(file).meta)

        return self._cached((file.attachment.uuid, "header", style), render)

    def module(self, level: Level, id: str, module: Level, format: TagsFormat) -> bytes:
        """The tags of one instance of a resource that describe the level ``module``, as a JSON document.

        :raises UnknownResource: for an unknown resource.
        """
        file = self._files.locate_one_below(level, id)
        wanted = MODULE_TAGS[module]

        def render() -> dict[str, Any]:
            parsed = self._files.parse(file)
            dataset = parsed.dataset
            described = {tag: element for tag, element in dataset.elements.items() if tag in wanted}
            return self._renderer(format).dataset(
                DataSet(dataset.data, dataset.big_endian, described), self._files.charset(parsed)
            )

        return self._cached((*self._key(file, format), module), render)

    def instances_tags(
        self, level: Level, id: str, format: TagsFormat
    ) -> tuple[int, Iterator[tuple[str, Raw]]]:
        """How many instances a resource has, and the tags of each as JSON, in the order of their IDs.

        :raises UnknownResource: for an unknown resource, at once.
        """
        files = self._files.locate_below(level, id)
        return len(files), ((file.id, Raw(self._tags(file, format).decode("ascii"))) for file in files)

    def shared_tags(self, level: Level, id: str, style: Style) -> dict[str, Any]:
        """The text tags that have one value in all instances of a resource.

        :raises UnknownResource: for an unknown resource.
        """
        renderings = (
            orjson.loads(self._tags(file, TagsFormat())) for file in self._files.locate_below(level, id)
        )
        return restyle(shared_tags(renderings), style)

    def content(self, id: str, path: Sequence[str]) -> list[str] | Content | None:
        """What ``path`` (tag, index, tag...) leads to: names of what is below, a value, or nothing.

        :raises UnknownResource: for an unknown instance.
        :raises UnknownDicomTag: for a name that is no tag.
        """
        file = self._files.locate(id)
        with self._files.content(file) as data:
            found = open_path(data, path, self._dictionary)
            if found is None or isinstance(found, list):
                return found
            if found.data is not data:  # deflated: positions are not those of the file
                return Content.of(found.tobytes())
            stretch = (found.start, found.start + len(found))
        return Content.joined(self._reader.reader(file.attachment), [stretch])

    def dicom_json(self, id: str) -> Iterator[bytes]:
        """The DICOM JSON Model of an instance (PS3.18 annex F), piece by piece.

        :raises UnknownResource: for an unknown instance, at once.
        """
        return self._pieces(id, stream_json)

    def dicom_xml(self, id: str) -> Iterator[bytes]:
        """The Native DICOM Model of an instance (PS3.19 annex A), piece by piece.

        :raises UnknownResource: for an unknown instance, at once.
        """
        return self._pieces(id, stream_xml)

    def pdf(self, id: str) -> bytes | None:
        """The document of an instance of the class Encapsulated PDF, else None.

        :raises UnknownResource: for an unknown instance.
        """
        file = self._files.locate(id)
        with self._files.parsed(file) as parsed:
            dataset = parsed.dataset
            sop_class = (dataset.raw(SOP_CLASS_UID) or b"").strip(b" \0").decode("latin_1")
            return document_of(dataset) if sop_class == _ENCAPSULATED_PDF else None

    def parse_tags(self, texts: Collection[str]) -> frozenset[int]:
        """The tags that ``texts`` name.

        :raises UnknownDicomTag: for a text that names none.
        """
        return frozenset(map(self._dictionary.parse_tag, texts))

    def _pieces(self, id: str, render: _FileRenderer) -> Iterator[bytes]:
        return self._rendered(self._files.locate(id), render)

    def _rendered(self, file: StoredFile, render: _FileRenderer) -> Iterator[bytes]:
        with self._files.parsed(file) as parsed:
            yield from render(parsed, self._files.default_encoding, self._dictionary)

    def _tags(self, file: StoredFile, format: TagsFormat) -> bytes:
        def render() -> dict[str, Any]:
            parsed = self._files.parse(file, format.whole)
            return self._renderer(format).dataset(parsed.dataset, self._files.charset(parsed))

        return self._cached(self._key(file, format), render)

    def _renderer(self, format: TagsFormat) -> Renderer:
        return Renderer(self._dictionary, format.style, format.ignore_length)

    def _key(self, file: StoredFile, format: TagsFormat) -> tuple[object, ...]:
        return file.attachment.uuid, format, self._files.default_encoding

    def _cached(self, key: tuple[object, ...], render: Callable[[], dict[str, Any]]) -> bytes:
        text = self._known(key)
        if text is None:
            text = dumps(render())
            self._cache.put(key, text)
        return text

    def _known(self, key: tuple[object, ...]) -> bytes | None:
        text = self._cache.get(key)
        if text is not None:
            self._metrics.add(CACHE_HITS)
            self._metrics.add(PARSER_HITS)
        return text
