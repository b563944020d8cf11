"""The main DICOM tags: what the index keeps of each level (Orthanc Book, "Main DICOM tags")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orthanclite.core.levels import Level

# Shown as kept by the reference, in its order; RequestAttributesSequence is the one sequence.
DEFAULT_MAIN_TAGS: dict[Level, tuple[int, ...]] = {
    Level.PATIENT: (0x00100010, 0x00100030, 0x00100040, 0x00101000, 0x00100020),
    Level.STUDY: (
        0x00080020,  # StudyDate
        0x00080030,  # StudyTime
        0x00200010,  # StudyID
        0x00081030,  # StudyDescription
        0x00080050,  # AccessionNumber
        0x0020000D,  # StudyInstanceUID
        0x00321060,  # RequestedProcedureDescription
        0x00080080,  # InstitutionName
        0x00321032,  # RequestingPhysician
        0x00080090,  # ReferringPhysicianName
        0x00080201,  # TimezoneOffsetFromUTC
    ),
    Level.SERIES: (
        0x00080021,  # SeriesDate
        0x00080031,  # SeriesTime
        0x00080060,  # Modality
        0x00080070,  # Manufacturer
        0x00081010,  # StationName
        0x0008103E,  # SeriesDescription
        0x00180015,  # BodyPartExamined
        0x00180024,  # SequenceName
        0x00181030,  # ProtocolName
        0x00200011,  # SeriesNumber
        0x00181090,  # CardiacNumberOfImages
        0x00201002,  # ImagesInAcquisition
        0x00200105,  # NumberOfTemporalPositions
        0x00540081,  # NumberOfSlices
        0x00540101,  # NumberOfTimeSlices
        0x0020000E,  # SeriesInstanceUID
        0x00200037,  # ImageOrientationPatient
        0x00541000,  # SeriesType
        0x00081070,  # OperatorsName
        0x00400254,  # PerformedProcedureStepDescription
        0x00181400,  # AcquisitionDeviceProcessingDescription
        0x00180010,  # ContrastBolusAgent
        0x00080201,  # TimezoneOffsetFromUTC
        0x00400244,  # PerformedProcedureStepStartDate
        0x00400245,  # PerformedProcedureStepStartTime
        0x00400275,  # RequestAttributesSequence
    ),
    Level.INSTANCE: (
        0x00080012,  # InstanceCreationDate
        0x00080013,  # InstanceCreationTime
        0x00200012,  # AcquisitionNumber
        0x00541330,  # ImageIndex
        0x00200013,  # InstanceNumber
        0x00280008,  # NumberOfFrames
        0x00200100,  # TemporalPositionIdentifier
        0x00080018,  # SOPInstanceUID
        0x00200032,  # ImagePositionPatient
        0x00204000,  # ImageComments
        0x00200037,  # ImageOrientationPatient
    ),
}

PATIENT_ID = 0x00100020
STUDY_INSTANCE_UID = 0x0020000D
SERIES_INSTANCE_UID = 0x0020000E
SOP_INSTANCE_UID = 0x00080018
SOP_CLASS_UID = 0x00080016
ACCESSION_NUMBER = 0x00080050
INSTANCE_NUMBER = 0x00200013
IMAGE_INDEX = 0x00541330
PIXEL_DATA = 0x7FE00010

IDENTIFIER_OF: dict[Level, int] = {
    Level.PATIENT: PATIENT_ID,
    Level.STUDY: STUDY_INSTANCE_UID,
    Level.SERIES: SERIES_INSTANCE_UID,
    Level.INSTANCE: SOP_INSTANCE_UID,
}


def tag_key(tag: int) -> str:
    """``gggg,eeee`` in lower-case hex, the form in which tags are stored and sent.

    >>> tag_key(0x0020000D)
    '0020,000d'
    """
    return f"{tag >> 16:04x},{tag & 0xFFFF:04x}"


@dataclass(frozen=True, slots=True)
class MainTags:
    """The main tags of each level, defaults plus ``ExtraMainDicomTags``."""

    by_level: Mapping[Level, tuple[int, ...]]
    signatures: Mapping[Level, str]
    """Sorted ``gggg,eeee`` joined by ``;``: tells an older resource from one indexed with today's list."""

    @staticmethod
    def build(extra: Mapping[Level, Iterable[int]] | None = None) -> MainTags:
        by_level = {
            level: tuple(dict.fromkeys((*tags, *((extra or {}).get(level, ())))))
            for level, tags in DEFAULT_MAIN_TAGS.items()
        }
        signatures = {level: ";".join(sorted(map(tag_key, tags))) for level, tags in by_level.items()}
        return MainTags(by_level, signatures)

    def levels_of(self, tag: int) -> tuple[Level, ...]:
        """The levels, from patient down, at which ``tag`` is a main tag."""
        return tuple(level for level in Level if tag in self.by_level[level])
