"""Attributes that the index does not keep, out of the metadata that are kept ready."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from orthanclite.core.errors import UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import tag_key
from orthanclite.core.model import Parts, Resource
from orthanclite.core.ports import Resources
from orthanclite.dicom.renderings.dicomweb_json import Attribute, text_of
from orthanclite.dicom.renderings.dicomweb_metadata import with_base
from orthanclite.services.content.file_tags import Value
from orthanclite.services.content.files import StoredFile
from orthanclite.services.dicomweb.metadata import MetadataService


class MetadataTags:
    """Reads attributes of instances, see :class:`.TagReader`. Thread-safe.

    For a study or a series, what the index keeps of a series or an instance below is taken from there: lists
    of studies often show a modality.

    :param of_series: whether many instances of one series are read, so that its metadata are worth reading
    """

    def __init__(self, metadata: MetadataService, resources: Resources, of_series: bool) -> None:
        self._metadata = metadata
        self._resources = resources
        self._of_series = of_series

    def read(self, file: StoredFile, tags: Iterable[int]) -> Mapping[int, Value]:
        """The values of those among ``tags`` that a file has."""
        if self._of_series:  # who asks for an instance has looked into the index
            return self._from_metadata(file, tags)
        values, unknown = self._from_index(file.id, tags)
        return {**values, **self._from_metadata(file, unknown)} if unknown else values

    def _from_index(self, instance: str, tags: Iterable[int]) -> tuple[dict[int, Value], list[int]]:
        """What the index has of ``tags``, and those that it does not keep."""
        owners: list[Resource] = []
        id: str | None = instance
        for level in (Level.INSTANCE, Level.SERIES):
            owner = self._resources.get(level, id, Parts.PARENT) if id else None
            if owner is not None:
                owners.append(owner)
            id = owner.parent_id if owner is not None else None
        kept = [(owner, frozenset(owner.signature.split(";"))) for owner in owners]
        values: dict[int, Value] = {}
        unknown: list[int] = []
        for tag in tags:
            key = tag_key(tag)
            owner = next((one for one, keys in kept if key in keys and key not in one.sequences), None)
            if owner is None:
                unknown.append(tag)
            elif key in owner.tags:
                values[tag] = owner.tags[key]
        return values, unknown

    def _from_metadata(self, file: StoredFile, tags: Iterable[int]) -> Mapping[int, Value]:
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
