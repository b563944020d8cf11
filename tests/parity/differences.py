"""What this server answers otherwise than the installed reference (1.10.1) on purpose, and why.

One table for all tests of this folder, shown in docs/differences.md, section "REST". Release 1.13, which this
server follows, decides: where it is known to have changed an answer, that is the reason given here.
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
        "`/modalities/{id}` and `/peers/{id}` name only the operations that this server has.",
        where="body/.*",
        request="^GET /(modalities/sample|peers/other)$",
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
        "`/plugins` names the built-in capabilities.",
        where="body/.*",
        request="^GET /plugins$",
    ),
)


def unexpected(found: Iterable[Difference]) -> list[Difference]:
    """The differences that no entry of the table covers."""
    return [difference for difference in found if not any(entry.covers(difference) for entry in INTENDED)]


def documentation() -> str:
    """The table as the section "REST" of docs/differences.md shows it."""
    return "\n".join(f"- {entry.what}" for entry in INTENDED)
