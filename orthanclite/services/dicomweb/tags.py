"""Attributes that the index does not keep, out of the metadata that are kept ready."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from orthanclite.core.errors import UnknownResource
from orthanclite.core.main_tags import tag_key
from orthanclite.dicom.renderings.dicomweb_json import Attribute, text_of
from orthanclite.dicom.renderings.dicomweb_metadata import with_base
from orthanclite.services.content.file_tags import Value
from orthanclite.services.content.files import StoredFile
from orthanclite.services.dicomweb.metadata import MetadataService


class MetadataTags:
    """Reads attributes of instances, see :class:`.TagReader`. Thread-safe.

    :param of_series: whether many instances of one series are read, so that its metadata are worth reading
    """

    def __init__(self, metadata: MetadataService, of_series: bool) -> None:
        self._metadata = metadata
        self._of_series = of_series

    def read(self, file: StoredFile, tags: Iterable[int]) -> Mapping[int, Value]:
        """The values of those among ``tags`` that a file has."""
        try:
            text = (
                self._metadata.of_series(file.id, file.attachment.uuid)
                if self._of_series
                else self._metadata.instance(file.id)
            )
        except UnknownResource:  # deleted meanwhile
            return {}
        attributes = orjson.loads(with_base(text, ""))
        keys = {tag: f"{tag:08X}" for tag in tags}
        return {tag: _value(attributes[key]) for tag, key in keys.items() if key in attributes}


def _value(attribute: Attribute) -> Value:
    if attribute["vr"] == "SQ":
        return [_item(item) for item in attribute.get("Value", ())]
    return text_of(attribute)


def _item(item: Mapping[str, Attribute]) -> dict[str, Any]:
    """An item in the full rendering."""
    shown = {}
    for key, attribute in item.items():
        value = _value(attribute)
        if value is not None:
            kind = "Sequence" if attribute["vr"] == "SQ" else "String"
            shown[tag_key(int(key, 16))] = {"Name": "", "Type": kind, "Value": value}
    return shown
