"""Values of attributes that only the file of an instance tells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from orthanclite.core.main_tags import tag_key
from orthanclite.dicom.dictionary import TagDictionary, is_private_element
from orthanclite.dicom.reading.dataset import DataSet
from orthanclite.dicom.renderings.tags_json import Renderer, Style
from orthanclite.services.content.files import InstanceFiles, StoredFile

Value = str | Sequence[Any] | None
"""Text, the items of a sequence in the full rendering, or None: absent, or binary."""


class FileTags:
    """Reads chosen attributes of files. Thread-safe."""

    def __init__(self, files: InstanceFiles, dictionary: TagDictionary) -> None:
        self._files = files
        self._dictionary = dictionary

    def read(self, file: StoredFile, tags: Iterable[int]) -> dict[int, Value]:
        """The values of those among ``tags`` that the file has.

        A private tag belongs to the creator that its file names for the block.
        """
        wanted = tuple(tags)
        parsed = self._files.parse(file)
        dataset = parsed.dataset
        elements = {tag: dataset.elements[tag] for tag in wanted if tag in dataset.elements}
        if not elements:
            return {}
        # Private tags are understood by the creator of their block.
        for tag in tuple(elements):
            if is_private_element(tag):
                creator = tag & 0xFFFF0000 | tag >> 8 & 0xFF
                if creator in dataset.elements:
                    elements.setdefault(creator, dataset.elements[creator])
        chosen = DataSet(dataset.data, dataset.big_endian, elements)
        shown = Renderer(self._dictionary, Style.FULL, wanted).dataset(chosen, self._files.charset(parsed))
        return {tag: shown[tag_key(tag)]["Value"] for tag in wanted if tag in elements}
