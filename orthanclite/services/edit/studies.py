"""What becomes of instances that are given to another study: by splitting one, or merging into one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orthanclite.core.errors import BadFileFormat, BadRequest, ParameterOutOfRange, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import STUDY_INSTANCE_UID, tag_key
from orthanclite.core.model import Parts
from orthanclite.core.ports import Resources
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.edit import new_uid
from orthanclite.dicom.modules import MODULE_TAGS
from orthanclite.dicom.reading.dataset import DataSet
from orthanclite.dicom.renderings.tags_json import Renderer, Style
from orthanclite.services.content.files import InstanceFiles
from orthanclite.services.edit.request.fields import ModificationRequest, RequestReader, refuse_too_many
from orthanclite.services.edit.sources import instances_below

_OF_A_STUDY = MODULE_TAGS[Level.PATIENT] | MODULE_TAGS[Level.STUDY]


@dataclass(frozen=True, slots=True)
class StudyChange:
    """What instances have in common as instances of their new study; JSON that is kept with the job."""

    replace: Mapping[str, Any]
    remove: list[str]
    level: Level
    """From which on they get new UIDs."""


class StudyChanges:
    """Reads requests, and the study that instances are to be merged into. Thread-safe."""

    def __init__(
        self, resources: Resources, files: InstanceFiles, dictionary: TagDictionary, reader: RequestReader
    ) -> None:
        self._resources = resources
        self._files = files
        self._dictionary = dictionary
        self._reader = reader

    def split(self, body: Mapping[str, Any]) -> StudyChange:
        """The new study of what is split off, by the members ``Replace`` and ``Remove`` of a request.

        :raises BadFileFormat: for members of a wrong type, and for values that are no texts
        :raises ParameterOutOfRange: for a tag that does not describe a study or its patient
        :raises UnknownDicomTag: for a name that is no tag
        """
        refuse_too_many(body)
        replace, remove = body.get("Replace", {}), body.get("Remove", [])
        if not isinstance(replace, dict) or not all(isinstance(one, str) for one in replace.values()):
            raise BadFileFormat
        if not isinstance(remove, list) or not all(isinstance(one, str) for one in remove):
            raise BadFileFormat
        change = StudyChange(
            {self._key(name): value for name, value in replace.items()},
            [self._key(name) for name in remove],
            Level.STUDY,
        )
        self.request(change)
        return change

    def merge(self, study: str) -> StudyChange:
        """The present tags of a study and of its patient, which what is merged into it gets.

        :raises UnknownResource: for an unknown study
        """
        parsed = self._files.parse(self._files.locate_one_below(Level.STUDY, study))
        dataset = parsed.dataset
        elements = {one.tag: one for one in dataset if one.tag in _OF_A_STUDY}
        chosen = DataSet(dataset.data, dataset.big_endian, elements)
        renderer = Renderer(self._dictionary, Style.SHORT, set(_tags(chosen)))
        replace = renderer.dataset(chosen, self._files.charset(parsed))
        return StudyChange(
            replace, sorted(tag_key(tag) for tag in _OF_A_STUDY if tag not in elements), Level.SERIES
        )

    def new_uid(self, study: str, key: bytes) -> str:
        """The StudyInstanceUID of what is split off a study.

        :raises UnknownResource: for an unknown study
        """
        resource = self._resources.get(Level.STUDY, study, Parts.NONE)
        if resource is None:
            raise UnknownResource(f"Cannot split unknown study {study}")
        return new_uid(key, resource.tags[tag_key(STUDY_INSTANCE_UID)])

    def request(self, change: StudyChange) -> ModificationRequest:
        """The modification that a change is.

        :raises OrthancError: for a value that its VR cannot express
        """
        return self._reader.unchecked(change.replace, change.remove)

    def instances_of(self, study: str, body: Mapping[str, Any]) -> list[str]:
        """The instances that are to be split off a study, by the members ``Series`` and ``Instances``.

        :raises BadRequest: where there are none
        :raises BadFileFormat: for members of a wrong type
        :raises UnknownResource: for what is not of the study
        """
        wanted = [(Level.SERIES, id) for id in string_list(body, "Series")]
        wanted += [(Level.INSTANCE, id) for id in string_list(body, "Instances")]
        if not wanted:
            raise BadRequest('Both the "Series" and the "Instances" fields are missing')
        found: set[str] = set()
        for level, id in dict.fromkeys(wanted):
            if self._ancestor(level, id) != study:
                what = level.label.lower()
                raise UnknownResource(f"This {what} does not belong to the study to be split: {id}")
            found.update(instances_below(self._resources, level, id))
        return sorted(found)

    def instances_for(self, study: str, body: Mapping[str, Any]) -> list[str]:
        """The instances that are to be merged into a study, by the member ``Resources``.

        :raises BadFileFormat: where it is missing or of a wrong type
        :raises UnknownResource: for what cannot be merged into the study
        """
        if "Resources" not in body:
            raise BadFileFormat("List of strings expected in field: Resources")
        found: set[str] = set()
        wanted = dict.fromkeys(string_list(body, "Resources"))
        known = self._resources.locate_many(wanted)
        for id in wanted:
            level = known.get(id)
            if level is None:
                raise UnknownResource(f"Cannot find this resource: {id}")
            if level is Level.PATIENT:
                raise UnknownResource(
                    f"This resource is neither a study, nor a series, nor an instance: {id} is a Patient"
                )
            if id == study:
                raise UnknownResource(f"Cannot merge a study into the same study: {id}")
            if self._ancestor(level, id) == study:
                raise UnknownResource(
                    f"Cannot merge {level.label.lower()} {id} into its parent study {study}"
                )
            found.update(instances_below(self._resources, level, id))
        return sorted(found)

    def _ancestor(self, level: Level, id: str) -> str | None:
        """The study of a series or an instance; None where there is no such one."""
        if not self._resources.exists(level, id):
            return None
        return self._resources.ancestor_id(level, id, Level.STUDY)

    def _key(self, name: str) -> str:
        tag = self._dictionary.parse_tag(name)
        if tag not in _OF_A_STUDY or tag == STUDY_INSTANCE_UID:
            raise ParameterOutOfRange(
                "Cannot modify the following tag while splitting a study (not in the patient/study "
                f"modules): {self._dictionary.name(tag)} ({tag_key(tag)})"
            )
        return tag_key(tag)


def string_list(body: Mapping[str, Any], name: str) -> list[str]:
    """A member that is a list of texts; empty where it is missing.

    :raises BadFileFormat: for another type
    """
    value = body.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadFileFormat(f"List of strings expected in field: {name}")
    return value


def _tags(dataset: DataSet) -> Iterator[int]:
    """All tags in a data set, in the items of its sequences, too."""
    for element in dataset:
        yield element.tag
        for item in element.items or ():
            yield from _tags(item)
