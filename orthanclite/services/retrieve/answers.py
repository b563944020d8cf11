"""What modalities answer to queries: kept as data sets of one kind, and shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orthanclite.core.errors import BadFileFormat, NetworkProtocol
from orthanclite.core.levels import Level
from orthanclite.core.query import QUERY_RETRIEVE_LEVEL, SPECIFIC_CHARACTER_SET
from orthanclite.dicom.attributes import Attribute, Attributes, encode_attributes, read_attributes
from orthanclite.dicom.charsets import Charset
from orthanclite.dicom.dictionary import TagDictionary, is_private
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN
from orthanclite.dicom.reading.dataset import DataSet, dataset_charset
from orthanclite.dicom.reading.parser import parse_dataset
from orthanclite.dicom.renderings.tags_json import Renderer, Style
from orthanclite.services.retrieve.identifiers import LEVEL_NAMES, encodable
from orthanclite.services.retrieve.network import FoundDataSet
from orthanclite.services.server.runtime import RuntimeOptions

MOST_ANSWERS = 100_000
MOST_BYTES = 64 << 20
"""Bounds of one query: more than these answers, and more than these bytes, a modality must not send."""

_FIRST_GROUP = 0x0008


class AnswerReader:
    """Reads the answers of modalities. Thread-safe."""

    def __init__(self, dictionary: TagDictionary, runtime: RuntimeOptions) -> None:
        self._dictionary = dictionary
        self._runtime = runtime

    def normalized(self, found: FoundDataSet, level: Level) -> bytes:
        """An answer as it is kept: explicit little endian, with a level and a character set that fits.

        :raises NetworkProtocol: if it is no data set
        """
        attributes = self._attributes(found)
        told = attributes.get(QUERY_RETRIEVE_LEVEL, Attribute("CS")).text
        if not told.strip() or not told.isascii():
            attributes[QUERY_RETRIEVE_LEVEL] = Attribute("CS", LEVEL_NAMES[level])
        attributes.pop(SPECIFIC_CHARACTER_SET, None)
        kept = encodable(attributes, self._runtime.default_encoding)
        return encode_attributes(kept.attributes, kept.charset)

    def shown(self, kept: bytes, style: Style) -> dict[str, Any]:
        """A kept answer, in one of the forms of the REST API."""
        return self._rendered(parse_dataset(kept, EXPLICIT_LITTLE_ENDIAN, self._dictionary), style)

    def shown_as_found(self, found: FoundDataSet, style: Style) -> dict[str, Any]:
        """An answer as it came.

        :raises NetworkProtocol: if it is no data set
        """
        return self._rendered(self._parsed(found), style)

    def texts(self, kept: bytes) -> dict[int, str]:
        """The public attributes of a kept answer that are texts."""
        dataset = parse_dataset(kept, EXPLICIT_LITTLE_ENDIAN, self._dictionary)
        attributes = read_attributes(dataset, self._charset(dataset), self._dictionary)
        return {
            tag: attribute.text
            for tag, attribute in attributes.items()
            if attribute.items is None and not attribute.raw and not is_private(tag)
        }

    def _attributes(self, found: FoundDataSet) -> dict[int, Attribute]:
        dataset = self._parsed(found)
        attributes = read_attributes(dataset, self._charset(dataset), self._dictionary)
        return {
            tag: _without_charset(attribute)
            for tag, attribute in attributes.items()
            if tag >> 16 >= _FIRST_GROUP and tag & 0xFFFF
        }

    def _parsed(self, found: FoundDataSet) -> DataSet:
        try:
            return parse_dataset(found.data, found.transfer_syntax, self._dictionary)
        except BadFileFormat as exc:
            raise NetworkProtocol("An answer of the modality is no data set") from exc

    def _rendered(self, dataset: DataSet, style: Style) -> dict[str, Any]:
        return Renderer(self._dictionary, style).dataset(dataset, self._charset(dataset))

    def _charset(self, dataset: DataSet) -> Charset:
        return dataset_charset(dataset, self._runtime.default_encoding.name)


def bounded(answers: Iterable[FoundDataSet]) -> Iterator[FoundDataSet]:
    """The answers of one query.

    :raises NetworkProtocol: where there are more than this server keeps
    """
    size = 0
    for number, answer in enumerate(answers):
        size += len(answer.data)
        if number >= MOST_ANSWERS or size > MOST_BYTES:
            raise NetworkProtocol(
                f"The modality has more than {MOST_ANSWERS} answers, or {MOST_BYTES >> 20} MB of them: "
                "ask for less"
            )
        yield answer


def _without_charset(attribute: Attribute) -> Attribute:
    """A sequence whose items have the character set of the data set, in which they will be written."""
    if attribute.items is None:
        return attribute
    return Attribute("SQ", items=tuple(_item(item) for item in attribute.items))


def _item(item: Attributes) -> Mapping[int, Attribute]:
    return {tag: _without_charset(one) for tag, one in item.items() if tag != SPECIFIC_CHARACTER_SET}
