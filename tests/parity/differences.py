"""What this server answers otherwise than the reference on purpose, and why.

Two tables for all tests of this folder, shown in docs/differences.md, section "REST": ``INTENDED`` for the
installed reference (1.10.1), ``INTENDED_OF_1_13`` for the recorded answers of release 1.13, which this server
follows. Where 1.13 is known to have changed an answer of 1.10.1, that is the reason given in the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tests.parity.compare import Difference


@dataclass(frozen=True)
class Intended:
    """A difference that is by intention. All patterns must be found in their text."""

    what: str
    """One sentence for the documentation."""
    where: str
    """Pattern of the place, from its start: ``body/.*/Labels``."""
    request: str = ""
    """Pattern of the request, ``GET /changes``."""
    ours: str = ""
    reference: str = ""

    def covers(self, found: Difference) -> bool:
        return (
            re.fullmatch(self.where, found.where) is not None
            and re.search(self.request, found.request) is not None
            and re.search(self.ours, found.ours, re.DOTALL) is not None
            and re.search(self.reference, found.reference, re.DOTALL) is not None
        )


_ABSENT = r"^\(absent\)$"
_NEW_MAIN_TAGS = (
    "TimezoneOffsetFromUTC|0008,0201|RequestAttributesSequence|0040,0275"
    "|PerformedProcedureStepStartDate|0040,0244|PerformedProcedureStepStartTime|0040,0245"
)
_PRIVATE = "[0-9a-f]{3}[13579bdf],[0-9a-f]{4}"
_FLOATS = "0066,(0016|0022|0040)|PointCoordinatesData|DoublePointCoordinatesData|LongPrimitivePointIndexList"

INTENDED: tuple[Intended, ...] = (
    Intended(
        "The JSON body of an error is sent as `text/plain`, as release 1.13 does.",
        where="header content-type",
        ours="^text/plain$",
        reference=_ABSENT,
    ),
    Intended(
        "Resources have `Labels`, and patients `IsProtected` (new in releases 1.12).",
        where="body(/.*)?/(Labels|IsProtected)",
        reference=_ABSENT,
    ),
    Intended(
        "Main DICOM tags that release 1.11 and later have added are in the index.",
        where=f"body(/.*)?/MainDicomTags/({_NEW_MAIN_TAGS})",
        reference=_ABSENT,
    ),
    Intended(
        "A wrong `Resources` of `bulk-delete` is a bad request, code 8 (release 1.13).",
        where="body/(Details|Message|OrthancError|OrthancStatus)",
        request="/tools/bulk-delete",
        reference='^(15|"Bad file format"|"List of strings expected.*)$',
    ),
    Intended(
        "`?expand=false` means no expansion, and child routes understand it (release 1.12).",
        where="body.*",
        request="expand=false",
    ),
    Intended(
        "Code extensions of ISO 2022 after a first code page other than the default are decoded.",
        where="body.*",
        reference=r";3ED|\$d\$\^|\(B\"$",
    ),
    Intended(
        "Backslashes between numbers stay what they are in files of ISO_IR 13, whose 5C is a yen sign.",
        where="body.*",
        reference="¥",
    ),
    Intended(
        "A file whose lengths contradict each other is refused as broken, with whatever it lacks besides.",
        where="status|body/.*",
        request="DICOMDIR-nooffset$",
        reference=r'^404$|^21$|"Inexistent tag"|"Not Found"|\(absent\)',
    ),
    Intended(
        "Padding of private creators is stripped in files of ISO_IR 13, too.",
        where="body/(.*/)?[0-9a-f]{4},00[0-9a-f]{2}(/Value)?",
        reference=r'\S "$',
    ),
    Intended(
        "Files and attachments are downloaded under the names that release 1.12 gave them.",
        where="header (content-disposition|content-type)",
        request="/(file|data|compressed-data)([?]|$)",
        ours='^filename="|^application/dicom$',
    ),
    Intended(
        "A method that raw contents do not have is refused with 405, as everywhere.",
        where="status|header allow|body",
        request="^(PUT|POST|DELETE) .*/content$",
    ),
    Intended(
        "What names no DICOM tag is the client's mistake (400).",
        where="status|body/(HttpError|HttpStatus)",
        request="/content/Nonsense$",
        ours='^(400|"Bad Request")$',
        reference='^(500|"Internal Server Error")$',
    ),
    Intended(
        "`Details` name the unknown tag (release 1.13).",
        where="body/Details",
        request="/content/Nonsense$",
        reference=_ABSENT,
    ),
    Intended(
        "Raw contents are the bytes of the file: several spaces at the end are not cut down to one or none.",
        where="body",
        request="/content/",
        ours=r" '$",
        reference=r"[^ ] ?'$",
    ),
    Intended(
        "`Details` name the character set that is not known.",
        where="body/Details",
        request="^PUT /tools/default-encoding",
        reference=_ABSENT,
    ),
    Intended(
        "`Details` tell why an archive cannot be read.",
        where="body/Details",
        ours="Cannot open ZIP archive",
        reference="Cannot open ZIP archive",
    ),
    Intended(
        "`Details` of a refused `since` or `limit` say which of them is wrong.",
        where="body/Details",
        request="[?&](since|limit)=[ab]",
    ),
    Intended(
        "`Details` of a refused `If-Match` or `If-None-Match` are in other words.",
        where="body/Details",
        ours="If-(None-)?Match",
    ),
    Intended(
        "A body that is not in the gzip format that it announces is refused as such; the installed reference "
        "has an internal error, or parses what it is.",
        where="status|body/(Details|HttpError|HttpStatus|Message|OrthancError|OrthancStatus)",
        request="^POST /instances$",
        ours='gzip|^400$|^15$|^"Bad Request"$|^"Bad file format"$',
        reference=f'{_ABSENT}|^500$|^-1$|^"Internal Server Error"$|^"Internal error"$',
    ),
    Intended(
        "`/system` says what release 1.13 says, of this server.",
        where="body/.*",
        request="^GET /system$",
        reference=r'^\(absent\)$|^16$|^6$|^\d{4,5}$|^""$|^null$|^"1\.10\.1"$',
    ),
    Intended(
        "`/changes` and `/exports` tell the `First` of the range (release 1.12.5).",
        where="body/First",
        request="^GET /(changes|exports)",
        reference=_ABSENT,
    ),
    Intended(
        "A modality has a `RetrieveMethod` (release 1.12.6).",
        where="body(/.*)?/RetrieveMethod",
        reference=_ABSENT,
    ),
    Intended(
        "`/modalities/{id}` names only the operations that this server has.",
        where="body/.*",
        request="^GET /modalities/sample$",
    ),
    Intended(
        "`/tools` lists the operations of release 1.13.",
        where="body/.*",
        request="^GET /tools$",
    ),
    Intended(
        "The transfer syntaxes are those of release 1.13.",
        where="body/.*",
        request="^GET /tools/accepted-transfer-syntaxes$",
    ),
    Intended(
        "`MainDicomTagsSignature` and `MainDicomSequences` are among the metadata (release 1.11).",
        where="body(/.*)?/(MainDicomTagsSignature|MainDicomSequences)",
        reference=_ABSENT,
    ),
    Intended(
        "Values of OF, OD and OL are shown as numbers.",
        where=f"body/(.*/)?({_FLOATS})(/Type|/Value)?",
        reference=f'{_ABSENT}|^null$|^"Null"$',
    ),
    Intended(
        "All values of an AT element are shown, joined by backslashes.",
        where="body/.*",
        ours=r'^"[0-9a-f]{4},[0-9a-f]{4}(\\\\[0-9a-f]{4},[0-9a-f]{4})+"$',
        reference=r'^"[0-9a-f]{4},[0-9a-f]{4}"$',
    ),
    Intended(
        "Private elements bear the names of pydicom's dictionary, which knows more of them than DCMTK's.",
        where=f"body/(.*/)?{_PRIVATE}/Name",
    ),
    Intended(
        "Private elements that only pydicom's dictionary knows are decoded as it says.",
        where=f"body/(.*/)?{_PRIVATE}(/Type|/Value)?",
        reference=f'^"Null"$|^null$|{_ABSENT}',
    ),
    Intended(
        "The operation `uuid` of attachments is not in release 1.13.",
        where="body/(length|\\d+)",
        request="/attachments/[a-z]+$",
    ),
    Intended(
        "`limit=0` in a list is no limit (release 1.13).",
        where="body/length",
        request="limit=0",
    ),
    Intended(
        "`/plugins` names the built-in capabilities.",
        where="body/.*",
        request="^GET /plugins$",
    ),
)


INTENDED_OF_1_13: tuple[Intended, ...] = (
    Intended(
        "A cancelled archive job can be submitted again, and makes its archive of what there is then.",
        where=r"(status|answer(/\(one\))?/(Content/InstancesCount|ErrorCode|ErrorDescription|Progress|State))",
        request="^jobs_control (51|52|53|54|57|95): ",
    ),
    Intended(
        "A job that is submitted again has no error any more.",
        where="answer/Error(Code|Description)",
        request="^jobs_control 31: ",
        reference="37|canceled",
    ),
    Intended(
        "The actions of a job are no outputs of it: another method is not allowed (405).",
        where="status|header/allow",
        request=r"^jobs_control .*/jobs/\$\{high\}/(pause|cancel)",
    ),
    Intended(
        "JPEG 2000 is read, and RLE written, and what cannot be transcoded fails the job; without pixel data "
        "there is nothing to be compressed.",
        where="(status|answer(/.*)?)",
        request="^jobs_errors (12|13|19|20|28|32|35|36|37|38): ",
    ),
    Intended(
        "The metadata of a result have been written once.",
        where="header/etag",
        request="^jobs_errors .*/metadata/TransferSyntax$",
        ours='"0-',
        reference='"1-',
    ),
    Intended(
        "A body that is no JSON is refused; release 1.13 reads a number from its beginning.",
        where="status",
        request=r'^jobs_errors .*/archive \{"text": "1\.2',
        ours=r"^\[400",
    ),
    Intended(
        "A synchronous job is answered also where no job is kept (`JobsHistorySize` 0).",
        where="status",
        request="^jobs_history_zero .*/modify",
        ours=r"^\[200",
        reference=r"^\[404",
    ),
    Intended(
        "UserData of archives may be any JSON; release 1.13 ignores what is no text.",
        where=r"answer(/\(one\))?(/UserData)?",
        request="^jobs_(kinds 18|history (3|6|9|12|17|19|21)): ",
    ),
    Intended(
        "A split has the labels of what it was made from, with `KeepLabels`.",
        where="answer(/0)?(/Labels)?",
        request=r"^split_merge (66|67|68|69|70|71): ",
        ours="lab|ser|ins",
    ),
    Intended(
        "A body that is no object is the mistake of the request (400).",
        where="status",
        request=r"^split_merge .*/split \{\"text\": \"\[\]\"\}",
        ours=r"^\[400",
        reference=r"^\[500",
    ),
    Intended(
        "Outputs of jobs have an ETag.",
        where="header/etag",
        request="^jobs_[a-z_]+ .*/archive$",
        reference=_ABSENT,
    ),
    Intended(
        "RLE is written (`IngestTranscoding`).",
        where=r"answer/\$zip",
        request="^jobs_kinds 29: ",
        ours=r"1\.2\.840\.10008\.1\.2\.5",
    ),
    Intended(
        "Modification keeps the relations within what is modified: references follow the new UIDs.",
        where=r"answer/\$dicom/tags/.*/(00081155|0020000D|0020000E|0040A124)/Value/0",
        request=r"^modify_relations .*/file$",
        ours=r"^\"2\.25\.",
        reference=r"^\"1\.2\.826\.0\.1\.3680043\.8\.498\.77\.",
    ),
    Intended(
        "Instances that are stored together are in the log of changes in the order of their identifiers.",
        where=r"answer/Changes/\d+/(ID|Path|ChangeType|ResourceType)|answer/(Series|Resources)(/.*)?"
        r"|answer/\(one\)/(Instances|Labels)",
        request=r"^(modify|anonymize)_relations .*(GET /changes\?limit|GET /studies/\$\{m\}(/series)?$)",
    ),
    Intended(
        "DeidentificationMethod names the release, and not a snapshot of the main line.",
        where=r"answer/\$dicom/tags/00120063/Value/0",
        request="^anonymize_relations ",
        reference="Orthanc mainline",
    ),
    Intended(
        "A patient without PatientID gets one when he is anonymised, and does not share that of all others "
        "who have none.",
        where="answer/(PatientID|ParentPatient|PatientMainDicomTags/PatientID|InstancesCount|Count.*)",
        request=r"^modify_attach (34|35|43|44|49): ",
    ),
    Intended(
        "Failed instances are named with their reasons.",
        where="answer(/Content)?/FailedInstances",
        reference=_ABSENT,
    ),
    Intended(
        "A level that is no text is the mistake of the request (400).",
        where="status",
        request=r'^bulk_modify .*"Level": 5',
        ours=r"^\[400",
        reference=r"^\[500",
    ),
    Intended(
        "Instances made of documents tell the length of these (EncapsulatedDocumentLength).",
        where=r"answer/\$dicom/tags/00420015",
        request="/file$",
        reference=_ABSENT,
    ),
    Intended(
        "`/system` tells the version, the schema and the libraries of this server, and of capabilities, "
        "threads and caches only those that it has.",
        where=r"answer(/\$gzip)?/(Capabilities|DatabaseBackendPlugin|DatabaseVersion"
        r"|Performance|ThirdPartyVersions|Version)(/.*)?",
        request="GET /system$",
    ),
    Intended(
        "`UserMetadata` in `/system` names what the configuration names, and nothing twice.",
        where=r"answer(/\$gzip)?/UserMetadata/1024",
        ours=_ABSENT,
    ),
    Intended(
        "`/plugins` names the built-in capabilities, and `/tools` the operations that there are, of a "
        "read-only server, too.",
        where="answer",
        request="GET /(plugins|tools)$",
    ),
    Intended(
        "`/` leads to the web interface at `/ui/app/`, and lists the routes where `OrthancExplorerEnabled` "
        "is off.",
        where="status|header|answer",
        request=r"\d: [A-Z]+ /(app/nope.html)?( |$)",
    ),
    Intended(
        "More storage SOP classes are known: those of a newer edition of the standard.",
        where="answer",
        request="GET /tools/accepted-sop-classes$",
    ),
    Intended(
        "One transfer syntax, or a pattern, may be written without quotes, as the documentation has it.",
        where="status",
        request="PUT /tools/accepted-transfer-syntaxes",
        ours=r"^\[200",
        reference=r"^\[400",
    ),
    Intended(
        "A read-only server has no route that writes.",
        where="status",
        request="^system_readonly .* (DELETE /changes|POST /tools/create-dicom)",
        ours=r"^\[40[45]",
    ),
    Intended(
        "What a client got wrong is answered by 400, an unknown DICOM tag (27) too, and not by 500 as an "
        "error of the server or database.",
        where="status",
        request="^(anonymize_instance|content_routes|create_dicom|find|images|modify_instance|split_merge) ",
        ours=r"^\[400",
        reference=r"^\[500",
    ),
    Intended(
        "The statistics of an unknown resource do not exist; release 1.13 counts nothing in it.",
        where="status",
        request="/nope/statistics$",
        ours=r"^\[404",
    ),
    Intended(
        "An attachment of an unknown resource is refused like all else below it (17).",
        where="answer",
        request="PUT /[a-z]+/nope/attachments/1024",
        reference=r'"\$error": 7',
    ),
    Intended(
        "A search by what the resources cannot have, or below a resource that has none of the level, finds "
        "nothing; ordered by what they cannot have, it is in the order of identifiers.",
        where="status",
        request="^find .* POST /tools/find",
        ours=r"^\[200",
        reference=r'^\[500, \{"\$error": (6|1012)',
    ),
    Intended(
        "What is equal by `OrderBy` is ordered by identifier.",
        where=r"answer/\d+",
        request=r'^find .*"OrderBy": \[\{"Type": "DicomTag", "Key": "PatientID", "Direction": "ASC"\}\]',
    ),
    Intended(
        "What lacks the tag or the metadata of `OrderBy` comes last in both directions.",
        where=r"answer/\d+",
        request=r'^find .*"OrderBy": \[\{"Type": "Metadata(AsInt)?", "Key": "1024", "Direction": "ASC"',
    ),
    Intended(
        "Accents do not matter unless case does.",
        where="answer",
        request=r'"PatientName": "Delta\^De"',
        reference=r"^\[\]$",
    ),
    Intended(
        "`count-resources` counts what `find` finds.",
        where="answer/Count",
        request='"Level": "Patient", "Query": {"StudyDescription": "Find a"}',
        ours="^0$",
    ),
    Intended(
        "Tags may be requested of the parent of a resource, too.",
        where="answer/RequestedTags",
        request=r"^find .*/series\?requestedTags=Rows$",
        reference=_ABSENT,
    ),
    Intended(
        "JPEG 2000 is decoded.",
        where="status",
        request=r"/\$\{j2k\}/",
        ours=r"^\[200",
    ),
    Intended(
        "A frame that does not exist is not found (404).",
        where="status",
        request=r"^images .*/frames/-?\d+/",
        ours=r"^\[404",
        reference=r"^\[415",
    ),
    Intended(
        "The sign is extended from BitsStored where the bits above are clear (PS3.5 section 8.1.1).",
        where=r"answer/\$(npy|pam|png|text)(/sha256)?",
        request=r"^images .*/\$\{s16\}/",
    ),
    Intended(
        "Frames of uncompressed YBR_FULL_422 are given as they are stored.",
        where="status",
        request=r"^images .*/\$\{ybr\}/frames/0/raw",
        ours=r"^\[200",
    ),
    Intended(
        "A lossy transcoding makes a new SOPInstanceUID each time; release 1.13 keeps some of its results.",
        where=r"answer/\$zip/.*/(sop-instance|00041511/Value/0)",
        request="lossy-quality=",
        reference='"~": "uid"',
    ),
    Intended(
        "An extended DICOMDIR shows PatientBirthDate and PatientSex.",
        where=r"answer/\$zip/\d+/dicomdir/tags/00041220/Value/\d+/(00100030|00100040)",
        reference=_ABSENT,
    ),
    Intended(
        "An instance that is named twice is in an archive once.",
        where=r"answer/\$zip",
        request=r'"Resources": \["\$\{a\}", "\$\{a\}"\]',
    ),
    Intended(
        "Transcoding describes what it lost (DerivationDescription, LossyImageCompressionRatio) in words and "
        "numbers of its own, and what it did not lose not at all; it invents no rescaling.",
        where=r"answer/\$dicom/tags/(00082111|00281052|00281053|00281054|00282112)(/Value/0)?",
        request='/file[?]transcode=|^modify_instance .*"Transcode"',
    ),
    Intended(
        "Below pixel data there is nothing under a name that is no number, as below sequences (404).",
        where="status",
        request="/content/PixelData/x$",
        ours=r"^\[404",
    ),
    Intended(
        "`create-dicom` decodes data URIs in all text values.",
        where=r"answer/\$dicom/tags/00104000/Value/0",
        request="^create_dicom ",
        ours='^"Hello"$',
    ),
    Intended(
        "A series without content is the mistake of the request (400), not an unknown resource.",
        where="status",
        request=r'^create_dicom .*"Content": \[(5|\{\})\]',
        ours=r"^\[400",
        reference=r"^\[404",
    ),
    Intended(
        "`Encapsulate` of a wrong type is refused, and so is a PatientID that is not the parent's: two "
        "patients would share a study.",
        where="status|answer/Count.*",
        request="^create_dicom (100|101|122|123|140): ",
    ),
    Intended(
        "Encapsulated models have a ConversionType, which their class requires (PS3.3 C.8.6.1).",
        where=r"answer/\$dicom/tags/00080064",
        request="^create_dicom ",
        reference=_ABSENT,
    ),
    Intended(
        "A new instance inherits the sequences in the modules of its parent, too.",
        where=r"answer/\$dicom/tags/(00081110|00400275)",
        request="^create_dicom ",
        reference=_ABSENT,
    ),
    Intended(
        "`If-Match` fails where there is nothing to match (RFC 9110 section 13.1.1).",
        where="status",
        request="^metadata_attachments .* PUT /[a-z]+/.*/metadata/1024",
        ours=r"^\[(409|200)",
    ),
    Intended(
        "A refused range has no `ETag`.",
        where="header/etag",
        request="/attachments/1024/data$",
        ours=_ABSENT,
    ),
    Intended(
        "Indexing anew does not write the files anew where nothing would change in them.",
        where="answer/PixelDataOffset",
        request="/metadata[?]expand$",
    ),
    Intended(
        "RLE is written (`IngestTranscoding`).",
        where="header/etag|answer/(CompressedMD5|CompressedSize|FileSize|TransferSyntax|UncompressedMD5)",
        request="^system_configured (18|19|20): ",
    ),
    Intended(
        "A modified file without SpecificCharacterSet gets one when it gets text that is not ASCII: without "
        "it nobody could tell what the bytes mean (PS3.3 C.12.1.1.2).",
        where=r"answer/\$dicom/tags/00080005",
        request=r'^modify_instance .*"PatientName": "Müller"\}',
        reference=_ABSENT,
    ),
    Intended(
        "`Unknown` is no name of a tag, though vendors have attributes that are described so.",
        where="status",
        request=r'^modify_instance .*"Unknown": "x"',
        ours=r"^\[400",
    ),
    Intended(
        "RLE and JPEG 2000 are written by modifications, too.",
        where="status",
        request=r'^(modify|anonymize)_instance .*"Transcode": "1\.2\.840\.10008\.1\.2\.(5|4\.90)"',
        ours=r"^\[200",
        reference=r'"\$error": 2',
    ),
    Intended(
        "`LossyQuality` must be a number from 1 to 100.",
        where="status",
        request=r'^modify_instance .*"LossyQuality": (0|101)',
        ours=r"^\[400",
    ),
    Intended(
        "Anonymised files name this version in DeidentificationMethod; an anonymisation that is refused "
        "takes no number of `AnonymizedN`.",
        where=r"answer/\$dicom/tags/(00120063|00100010)/Value/0",
        request="^anonymize_instance ",
        ours='^"(Orthanc 1|Anonymized)',
        reference='^"(Orthanc mainline|Anonymized)',
    ),
    Intended(
        "Anonymisation empties PatientName and PatientID in the items of sequences, too, where release 1.13 "
        "leaves the name and gives an ID made up.",
        where=r"answer/\$dicom/tags/.*/Value/\d+/(00100010|00100020)/Value",
        request="^anonymize_instance ",
        ours=_ABSENT,
    ),
    Intended(
        "Anonymisation by the profiles of 2017c and later removes overlays and curves, as PS3.15 table E.1-1 "
        "says.",
        where=r"answer/\$dicom/tags/60003000",
        request="^anonymize_instance ",
        ours=_ABSENT,
    ),
)
"""What this server answers otherwise than release 1.13, whose answers are recorded (``recorded/``)."""


def unexpected(found: Iterable[Difference], intended: Iterable[Intended] = INTENDED) -> list[Difference]:
    """The differences that no entry of a table covers."""
    intended = tuple(intended)
    return [difference for difference in found if not any(entry.covers(difference) for entry in intended)]
