"""Which attributes describe a patient, a study, a series or an instance, and not what is above or below.

The tables behind the routes ``/module``: the modules of PS3.3 sections C.7.1.1 and C.7.1.3 (patient, clinical
trial subject), C.7.2.1 (general study), C.7.3.1 (general series), C.12.1 (SOP common), as the reference has
them.
"""

from __future__ import annotations

from collections.abc import Mapping

from orthanclite.core.levels import Level

_PATIENT = frozenset(
    {
        0x00081120,  # ReferencedPatientSequence
        0x00100010,  # PatientName
        0x00100020,  # PatientID
        0x00100021,  # IssuerOfPatientID
        0x00100024,  # IssuerOfPatientIDQualifiersSequence
        0x00100030,  # PatientBirthDate
        0x00100032,  # PatientBirthTime
        0x00100040,  # PatientSex
        0x00101000,  # OtherPatientIDs
        0x00101001,  # OtherPatientNames
        0x00101002,  # OtherPatientIDsSequence
        0x00102160,  # EthnicGroup
        0x00102201,  # PatientSpeciesDescription
        0x00102202,  # PatientSpeciesCodeSequence
        0x00102292,  # PatientBreedDescription
        0x00102293,  # PatientBreedCodeSequence
        0x00102294,  # BreedRegistrationSequence
        0x00102297,  # ResponsiblePerson
        0x00102298,  # ResponsiblePersonRole
        0x00102299,  # ResponsibleOrganization
        0x00104000,  # PatientComments
        0x00120062,  # PatientIdentityRemoved
        0x00120063,  # DeidentificationMethod
        0x00120064,  # DeidentificationMethodCodeSequence
    }
)

_STUDY = frozenset(
    {
        0x00080020,  # StudyDate
        0x00080030,  # StudyTime
        0x00080050,  # AccessionNumber
        0x00080051,  # IssuerOfAccessionNumberSequence
        0x00080090,  # ReferringPhysicianName
        0x00080096,  # ReferringPhysicianIdentificationSequence
        0x00081030,  # StudyDescription
        0x00081032,  # ProcedureCodeSequence
        0x00081048,  # PhysiciansOfRecord
        0x00081049,  # PhysiciansOfRecordIdentificationSequence
        0x00081060,  # NameOfPhysiciansReadingStudy
        0x00081062,  # PhysiciansReadingStudyIdentificationSequence
        0x00081110,  # ReferencedStudySequence
        0x0020000D,  # StudyInstanceUID
        0x00200010,  # StudyID
        0x00321034,  # RequestingServiceCodeSequence
        0x00401012,  # ReasonForPerformedProcedureCodeSequence
    }
)

_SERIES = frozenset(
    {
        0x00080021,  # SeriesDate
        0x00080031,  # SeriesTime
        0x00080060,  # Modality
        0x0008103E,  # SeriesDescription
        0x0008103F,  # SeriesDescriptionCodeSequence
        0x00081050,  # PerformingPhysicianName
        0x00081052,  # PerformingPhysicianIdentificationSequence
        0x00081070,  # OperatorsName
        0x00081072,  # OperatorIdentificationSequence
        0x00081111,  # ReferencedPerformedProcedureStepSequence
        0x00081250,  # RelatedSeriesSequence
        0x00102210,  # AnatomicalOrientationType
        0x00180015,  # BodyPartExamined
        0x00181030,  # ProtocolName
        0x00185100,  # PatientPosition
        0x0020000E,  # SeriesInstanceUID
        0x00200011,  # SeriesNumber
        0x00200060,  # Laterality
        0x00280108,  # SmallestPixelValueInSeries
        0x00400244,  # PerformedProcedureStepStartDate
        0x00400245,  # PerformedProcedureStepStartTime
        0x00400253,  # PerformedProcedureStepID
        0x00400254,  # PerformedProcedureStepDescription
        0x00400260,  # PerformedProtocolCodeSequence
        0x00400275,  # RequestAttributesSequence
        0x00400280,  # CommentsOnThePerformedProcedureStep
    }
)

_INSTANCE = frozenset(
    {
        0x00080005,  # SpecificCharacterSet
        0x00080012,  # InstanceCreationDate
        0x00080013,  # InstanceCreationTime
        0x00080014,  # InstanceCreatorUID
        0x00080016,  # SOPClassUID
        0x00080018,  # SOPInstanceUID
        0x0008001A,  # RelatedGeneralSOPClassUID
        0x0008001B,  # OriginalSpecializedSOPClassUID
        0x00080110,  # CodingSchemeIdentificationSequence
        0x00080201,  # TimezoneOffsetFromUTC
        0x0018A001,  # ContributingEquipmentSequence
        0x00200013,  # InstanceNumber
        0x00280303,  # LongitudinalTemporalInformationModified
        0x0040A390,  # HL7StructuredDocumentReferenceSequence
        0x01000410,  # SOPInstanceStatus
        0x01000420,  # SOPAuthorizationDateTime
        0x01000424,  # SOPAuthorizationComment
        0x01000426,  # AuthorizationEquipmentCertificationNumber
        0x04000500,  # EncryptedAttributesSequence
        0x04000561,  # OriginalAttributesSequence
        0x4FFE0001,  # MACParametersSequence
    }
)

MODULE_TAGS: Mapping[Level, frozenset[int]] = {
    Level.PATIENT: _PATIENT,
    Level.STUDY: _STUDY,
    Level.SERIES: _SERIES,
    Level.INSTANCE: _INSTANCE,
}
"""The tags of the module of each level."""
