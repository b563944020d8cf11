"""What a modification may do to identities: checked before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orthanclite.core.errors import BadRequest
from orthanclite.core.identifiers import orthanc_id
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import IDENTIFIER_OF, PATIENT_ID, MainTags, tag_key
from orthanclite.core.model import OverwriteMode, Parts
from orthanclite.core.ports import Resources
from orthanclite.dicom.edit import TagPath
from orthanclite.services.edit.request.fields import ModificationRequest

UIDS = {level: tag for level, tag in IDENTIFIER_OF.items() if level is not Level.PATIENT}
"""The identifiers that are UIDs, by level."""

_OTHER_PATIENT = (
    "Trying to change patient tags in a study.  The Patient already exists and has other studies.  All the "
    "'Replace' tags should match the existing patient main dicom tags and you should specify all Patient "
    "MainDicomTags in your query.  Try using /patients/../modify instead to modify the patient. "
)
_IN_PLACE = (
    "When keeping StudyInstanceUID, SeriesInstanceUID and SOPInstanceUID tag, you must have the "
    "'OverwriteInstances' Orthanc configuration set to true in order to replace the modified resources"
)
_IN_PLACE_AND_GONE = (
    "When keeping StudyInstanceUID, SeriesInstanceUID and SOPInstanceUID tag, you cannot set KeepSource to "
    "false, as the results replace the source"
)


class IdentityRules:
    """Checks modifications of whole resources."""

    def __init__(self, resources: Resources, main_tags: MainTags, overwrite: OverwriteMode) -> None:
        self._resources = resources
        self._main_tags = main_tags
        self._overwrite = overwrite

    def check(
        self, request: ModificationRequest, level: Level, sources: Mapping[str, Level], keep_source: bool
    ) -> None:
        """
        :param level: of the modification
        :param sources: the levels of the resources that are modified, by Orthanc ID
        :raises BadRequest: where identities would be mixed up, or the sources be lost
        """
        if level <= Level.STUDY and _is_in_place(request):
            if self._overwrite is OverwriteMode.NEVER:
                raise BadRequest(_IN_PLACE)
            if not keep_source:
                raise BadRequest(_IN_PLACE_AND_GONE)
        if level is not Level.STUDY or request.is_anonymization:
            return
        below = ((id, at) for id, at in sources.items() if at >= Level.STUDY)
        for study in {self._resources.ancestor_id(at, id, Level.STUDY) for id, at in below} - {None}:
            self._check_patient(request, study or "")

    def _check_patient(self, request: ModificationRequest, study: str) -> None:
        """A study may change the tags of its patient only where he has no other, and join another patient
        only with all tags of that one."""
        tags = self._main_tags.by_level[Level.PATIENT]
        replaced = {tag: request.replace[TagPath(tag)] for tag in tags if request.replaces(tag)}
        if not replaced:
            return
        own = self._resources.ancestor_id(Level.STUDY, study, Level.PATIENT)
        if PATIENT_ID in replaced:
            target = orthanc_id(str(replaced[PATIENT_ID] or ""))
        else:
            target = own or ""
        patient = self._resources.get(Level.PATIENT, target, Parts.CHILDREN)
        if patient is None or set(patient.children) <= {study}:
            return
        for tag in sorted(tags):
            known = patient.tags.get(tag_key(tag))
            if known is None or (tag == PATIENT_ID and target == own):
                continue
            if tag not in replaced:
                raise BadRequest(f"{_OTHER_PATIENT}Missing tag in the 'Replace' tags: {tag_key(tag)}")
            if str(replaced[tag] or "") != known:
                raise BadRequest(f"{_OTHER_PATIENT}Failing tag: {tag_key(tag)}")


def refuse_collisions(request: ModificationRequest, identifiers: Iterable[Mapping[int, str]]) -> None:
    """Refuse what would make one instance of several.

    :param identifiers: of each instance, by tag, as they are before
    :raises BadRequest: where two instances differ in nothing but identifiers that get one value for all
    """
    distinct = [tag for tag in IDENTIFIER_OF.values() if not request.replaces(tag)]
    seen: set[tuple[str, ...]] = set()
    for one in identifiers:
        left = tuple(one.get(tag, "") for tag in distinct)
        if left in seen:
            raise BadRequest("Several instances would get the same identifiers, and only one of them be left")
        seen.add(left)


def _is_in_place(request: ModificationRequest) -> bool:
    """Whether the results have the identifiers of the sources."""
    return all(request.keeps(tag) for tag in UIDS.values()) and not (
        request.replaces(PATIENT_ID) or (request.is_anonymization and not request.keeps(PATIENT_ID))
    )
