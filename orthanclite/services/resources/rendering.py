"""The one rendering of a resource as JSON: for the REST API, searches and bulk answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any

from orthanclite.core.constants import AttachmentType, Metadata
from orthanclite.core.errors import ParameterOutOfRange
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import tag_key
from orthanclite.core.model import Parts, Resource, TagSequences, TagValues
from orthanclite.core.names import NameRegistry
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.renderings.tags_json import Style, format_tags

_INTEGER = re.compile("[+-]?[0-9]{1,18}")


class Content(Flag):
    """What a client may choose to see of a resource (``ResponseContent``)."""

    NONE = 0
    MAIN_TAGS = auto()
    METADATA = auto()
    CHILDREN = auto()
    PARENT = auto()
    LABELS = auto()
    STATUS = auto()
    IS_STABLE = auto()
    IS_PROTECTED = auto()
    ATTACHMENTS = auto()
    REQUESTED_TAGS = auto()

    @staticmethod
    def parse(names: Iterable[str]) -> Content:
        """:raises ParameterOutOfRange: for an unknown name."""
        content = Content.NONE
        for name in names:
            part = _CONTENT_NAMES.get(name)
            if part is None:
                raise ParameterOutOfRange(f"Unknown value of ResponseContent: {name}")
            content |= part
        return content


_CONTENT_NAMES = {
    "MainDicomTags": Content.MAIN_TAGS,
    "Metadata": Content.METADATA,
    "Children": Content.CHILDREN,
    "Parent": Content.PARENT,
    "Labels": Content.LABELS,
    "Status": Content.STATUS,
    "IsStable": Content.IS_STABLE,
    "IsProtected": Content.IS_PROTECTED,
    "Attachments": Content.ATTACHMENTS,
    "RequestedTags": Content.REQUESTED_TAGS,
}

_PARTS_OF_CONTENT = {
    Content.METADATA: Parts.METADATA,
    Content.CHILDREN: Parts.CHILDREN,
    Content.PARENT: Parts.PARENT,
    Content.LABELS: Parts.LABELS,
    Content.STATUS: Parts.STATUS,
    Content.ATTACHMENTS: Parts.ATTACHMENTS,
}


@dataclass(frozen=True, slots=True)
class View:
    """How resources are shown."""

    style: Style = Style.SIMPLE
    content: Content | None = None  # None: the usual expanded form
    metadata: bool = False  # the expanded form with all metadata beside it (bulk-content)

    def parts(self, level: Level) -> Parts:
        """What must be read of the resources of a level."""
        if self.content is None:
            parts = Parts.LABELS | Parts.PARENT
            if level is Level.INSTANCE:
                parts |= Parts.ATTACHMENTS
            else:
                parts |= Parts.CHILDREN
            if level is Level.SERIES:
                parts |= Parts.STATUS
            return parts | Parts.METADATA if self.metadata else parts
        parts = Parts.NONE
        for content, part in _PARTS_OF_CONTENT.items():
            if content in self.content:
                parts |= part
        return parts


class ResourceRenderer:
    """Renders resources. Immutable but for a table of names; shared by all threads."""

    def __init__(self, dictionary: TagDictionary, metadata_names: NameRegistry) -> None:
        self._dictionary = dictionary
        self._metadata_names = metadata_names
        # Names of the main tags met so far: as many as the configuration has main tags.
        self._tag_names: dict[str, str] = {}

    def render(
        self, resource: Resource, view: View, requested: Mapping[int, object] | None = None
    ) -> dict[str, Any]:
        """``resource`` as an object.

        :param requested: the values of the requested tags, by tag: text, items in the full form, or None for
            an absent one; None where no tag was requested.
        """
        if view.content is None:
            shown = self._expanded(resource, view.style)
        else:
            shown = self._selected(resource, view.style, view.content)
        if view.metadata:
            shown["Metadata"] = self.metadata(resource)
        if requested is not None:
            shown["RequestedTags"] = self.requested_tags(requested, view.style)
        return shown

    def metadata(self, resource: Resource) -> dict[str, str]:
        """All metadata by name (the resource must have been read with ``Parts.METADATA``)."""
        name = self._metadata_names.name
        shown = {name(number): value for number, value in resource.system_metadata.items()}
        shown[name(Metadata.MAIN_DICOM_TAGS_SIGNATURE)] = resource.signature
        if resource.last_update:
            shown[name(Metadata.LAST_UPDATE)] = resource.last_update
        shown.update((name(number), user.value) for number, user in resource.metadata.items())
        return shown

    def main_tags(self, tags: TagValues, sequences: TagSequences, style: Style) -> dict[str, Any]:
        """Main tags in one of the three forms."""
        if style is not Style.SIMPLE or sequences:
            return format_tags(tags, sequences, style, self._dictionary)
        names = self._tag_names
        try:
            return {names[key]: value for key, value in tags.items()}
        except KeyError:
            for key in tags:
                tag = int(key[:4] + key[5:], 16)
                names[key] = self._dictionary.name(tag, self._dictionary.creator_of(tag))
        return {names[key]: value for key, value in tags.items()}

    def requested_tags(self, values: Mapping[int, object], style: Style) -> dict[str, Any]:
        """Requested tags in one of the three forms."""
        texts = {tag_key(tag): value for tag, value in values.items() if isinstance(value, str)}
        sequences = {
            tag_key(tag): value
            for tag, value in values.items()
            if isinstance(value, Sequence) and not isinstance(value, str)
        }
        shown = format_tags(texts, sequences, style, self._dictionary)
        for tag, value in values.items():
            if value is None:
                self._put_absent(shown, tag, style)
        return shown

    def _put_absent(self, shown: dict[str, Any], tag: int, style: Style) -> None:
        name = self._dictionary.name(tag, self._dictionary.creator_of(tag))
        if style is Style.FULL:
            shown[tag_key(tag)] = {"Name": name, "Type": "Null", "Value": None}
        else:
            shown[tag_key(tag) if style is Style.SHORT else name] = None

    def _expanded(self, resource: Resource, style: Style) -> dict[str, Any]:
        level = resource.level
        shown: dict[str, Any] = {
            "ID": resource.id,
            "Labels": resource.labels,
            "MainDicomTags": self.main_tags(resource.tags, resource.sequences, style),
            "Type": level.label,
        }
        if level is Level.INSTANCE:
            file = resource.attachments.get(AttachmentType.DICOM)
            if file is not None:
                shown["FileSize"] = file.size
                shown["FileUuid"] = file.uuid
            shown["IndexInSeries"] = _integer(resource.system_metadata.get(Metadata.INDEX_IN_SERIES))
        else:
            shown["IsStable"] = resource.is_stable
            shown["LastUpdate"] = resource.last_update
            shown[level.children_label] = resource.children
        if level is Level.PATIENT:
            shown["IsProtected"] = resource.is_protected
        else:
            shown[_PARENT_KEYS[level]] = resource.parent_id
        if level is Level.STUDY:
            shown["PatientMainDicomTags"] = self.main_tags(resource.patient_tags, {}, style)
        elif level is Level.SERIES:
            shown["ExpectedNumberOfInstances"] = resource.expected_instances
            shown["Status"] = resource.status.value
        for number, key in _SOURCES.items():
            source = resource.system_metadata.get(number)
            if source is not None:
                shown[key] = source
        return shown

    def _selected(self, resource: Resource, style: Style, content: Content) -> dict[str, Any]:
        level = resource.level
        shown: dict[str, Any] = {"ID": resource.id, "Type": level.label}
        if Content.MAIN_TAGS in content:
            shown["MainDicomTags"] = self.main_tags(resource.tags, resource.sequences, style)
            if level is Level.STUDY:
                shown["PatientMainDicomTags"] = self.main_tags(resource.patient_tags, {}, style)
        if Content.METADATA in content:
            shown["Metadata"] = self.metadata(resource)
        if Content.CHILDREN in content and level is not Level.INSTANCE:
            shown[level.children_label] = resource.children
        if Content.PARENT in content and level is not Level.PATIENT:
            shown[_PARENT_KEYS[level]] = resource.parent_id
        if Content.LABELS in content:
            shown["Labels"] = resource.labels
        if Content.STATUS in content and level is Level.SERIES:
            shown["Status"] = resource.status.value
        if Content.IS_STABLE in content and level is not Level.INSTANCE:
            shown["IsStable"] = resource.is_stable
        if Content.IS_PROTECTED in content and level is Level.PATIENT:
            shown["IsProtected"] = resource.is_protected
        if Content.ATTACHMENTS in content:
            shown["Attachments"] = [
                {
                    "Uuid": file.uuid,
                    "ContentType": file.type,
                    "UncompressedSize": file.size,
                    "CompressedSize": file.stored_size,
                    "UncompressedMD5": file.md5,
                    "CompressedMD5": file.stored_md5,
                }
                for _, file in sorted(resource.attachments.items())
            ]
        return shown


_PARENT_KEYS = {level: f"Parent{Level(level - 1).label}" for level in Level if level > Level.PATIENT}
_SOURCES = {Metadata.MODIFIED_FROM: "ModifiedFrom", Metadata.ANONYMIZED_FROM: "AnonymizedFrom"}


def _integer(text: str | None) -> int | None:
    """The number that a metadata holds, or None."""
    if text is None or not _INTEGER.fullmatch(text := text.strip()):
        return None
    return int(text)
