"""The one tree of exceptions; codes, statuses and texts are those Orthanc clients know.

::

    OrthancError                    500  (-1) Internal error
    ├── Busy                        503  (-1)
    ├── NotImplementedInServer      500   (2)
    ├── ParameterOutOfRange         400   (3)
    ├── BadParameterType            400   (5)
    ├── BadSequenceOfCalls          500   (6)
    ├── InexistentItem              404   (7)
    ├── BadRequest                  400   (8)
    ├── NetworkProtocol             500   (9)
    │   └── DimseFailure            500   (9)
    │       └── InvalidQuery        422   (9)
    ├── DatabaseError               500  (11)
    │   ├── IncompatibleDatabaseVersion   (18)
    │   ├── ClaimLost               500  (11)
    │   └── DatabaseUnavailable     503  (36)
    │       └── CommitUncertain     503  (36)
    ├── InexistentFile              404  (13)
    ├── CannotWriteFile             500  (14)
    ├── BadFileFormat               400  (15)
    │   └── EmptyIdentifier         400  (15)
    ├── UnknownResource             404  (17)
    ├── FullStorage                 507  (19)
    ├── CorruptedFile               500  (20)
    ├── InexistentTag               404  (21)
    ├── ReadOnly                    500  (22)
    ├── IncompatibleImageFormat     500  (23)
    ├── IncompatibleImageSize       500  (24)
    ├── UnknownDicomTag             400  (27)
    ├── Unauthorized                401  (29)
    ├── NotAcceptable               406  (34)
    ├── CanceledJob                 500  (37)
    ├── BadRange                    416  (41)
    ├── RevisionConflict            409  (43)
    ├── ForbiddenAccess             403  (45)
    ├── IncompatibleConfigurations  500  (47)
    ├── BodyTooLarge                413  (8)
    ├── CannotOrderSlices           500 (2040)
    ├── NoPresentationContext       500 (2015)
    ├── FindUnavailable             500 (2016)
    ├── MoveUnavailable             500 (2017)
    ├── GetUnavailable              500 (2045)
    ├── CreateDicom*                400 (2019..2025)
    ├── CannotExecuteLua            500 (2031)
    └── UnsupportedMediaType        415 (3000)
        └── NoPixelData             415 (3000)

``web/answers/errors.py`` turns them into the HTTP answer, ``dimse/status.py`` into a DIMSE status.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

_LONGEST_DETAILS = 1000


class OrthancError(Exception):
    """Base of all errors that a client may see.

    ``details`` explains this one occurrence, in at most 1,000 characters: it may quote what strangers send,
    and goes into answers and logs. ``message`` is the fixed text of the error's kind. ``payload`` is JSON
    with more of it for programs (``ErrorPayload``: ``{"Type", "Content"}``), or None.
    """

    code: ClassVar[int] = -1
    status: ClassVar[int] = 500
    message: ClassVar[str] = "Internal error"

    def __init__(self, details: str = "", payload: Any = None) -> None:
        if len(details) > _LONGEST_DETAILS:
            details = details[:_LONGEST_DETAILS] + "…"
        super().__init__(details or self.message)
        self.details = details
        self.payload = payload


class Busy(OrthancError):
    """Others wait for the same; the same request may succeed in a while."""

    code, status, message = -1, 503, "Internal error"


class NotImplementedInServer(OrthancError):
    code, status, message = 2, 500, "Not implemented yet"


class ParameterOutOfRange(OrthancError):
    code, status, message = 3, 400, "Parameter out of range"


class BadParameterType(OrthancError):
    code, status, message = 5, 400, "Bad type for a parameter"


class BadSequenceOfCalls(OrthancError):
    code, status, message = 6, 500, "Bad sequence of calls"


class InexistentItem(OrthancError):
    code, status, message = 7, 404, "Accessing an inexistent item"


class BadRequest(OrthancError):
    code, status, message = 8, 400, "Bad request"


class BodyTooLarge(OrthancError):
    code, status, message = 8, 413, "Bad request"


class NetworkProtocol(OrthancError):
    code, status, message = 9, 500, "Error in the network protocol"


class DimseFailure(NetworkProtocol):
    """A peer answered a request with a status that means failure (PS3.7 annex C).

    ``dimse_status`` is that status, by default "processing failure", and clients see it in the payload.
    """

    def __init__(self, details: str = "", dimse_status: int = 0x0110) -> None:
        super().__init__(details, {"Type": "Dimse", "Content": {"DimseErrorStatus": dimse_status}})
        self.dimse_status = dimse_status


class InvalidQuery(DimseFailure):
    """A peer cannot process what it was asked to search for."""

    status = 422


class DatabaseError(OrthancError):
    code, status, message = 11, 500, "Error with the database engine"


class IncompatibleDatabaseVersion(DatabaseError):
    code, status, message = 18, 500, "Incompatible version of the database"


class ClaimLost(DatabaseError):
    """A job is not this worker's any more."""


class DatabaseUnavailable(DatabaseError):
    code, status = 36, 503
    message = "The database is currently not available (probably a transient situation)"


class CommitUncertain(DatabaseUnavailable):
    """The connection was lost in the commit: whether it took place is not known.

    What the transaction refers to must be kept; the sweep removes it if the transaction is not there.
    """


class InexistentFile(OrthancError):
    code, status, message = 13, 404, "Inexistent file"


class CannotWriteFile(OrthancError):
    code, status, message = 14, 500, "Cannot write to file"


class BadFileFormat(OrthancError):
    code, status, message = 15, 400, "Bad file format"


class EmptyIdentifier(BadFileFormat):
    """A file whose Study, Series or SOP Instance UID is there, but empty."""


class UnknownResource(OrthancError):
    code, status, message = 17, 404, "Unknown resource"


class FullStorage(OrthancError):
    code, status, message = 19, 507, "The file storage is full"


class CorruptedFile(OrthancError):
    code, status, message = 20, 500, "Corrupted file (e.g. inconsistent MD5 hash)"


class InexistentTag(OrthancError):
    code, status, message = 21, 404, "Inexistent tag"


class ReadOnly(OrthancError):
    code, status, message = 22, 500, "Cannot modify a read-only data structure"


class IncompatibleImageFormat(OrthancError):
    code, status, message = 23, 500, "Incompatible format of the images"


class IncompatibleImageSize(OrthancError):
    code, status, message = 24, 500, "Incompatible size of the images"


class UnknownDicomTag(OrthancError):
    code, status, message = 27, 400, "Unknown DICOM tag"


class Unauthorized(OrthancError):
    code, status, message = 29, 401, "Bad credentials were provided to an HTTP request"


class NotAcceptable(OrthancError):
    code, status = 34, 406
    message = "Cannot send a response which is acceptable according to the Accept HTTP header"


class CanceledJob(OrthancError):
    code, status, message = 37, 500, "This job was canceled"


class BadRange(OrthancError):
    code, status, message = 41, 416, "Incorrect range request"


class RevisionConflict(OrthancError):
    code, status = 43, 409
    message = "A bad revision number was provided, which might indicate conflict between multiple writers"


class ForbiddenAccess(OrthancError):
    code, status, message = 45, 403, "Access to a resource is forbidden"


class IncompatibleConfigurations(OrthancError):
    code, status = 47, 500
    message = "Your configuration file contains configuration that are mutually incompatible"


class NoPresentationContext(OrthancError):
    code, status = 2015, 500
    message = "DicomUserConnection: No acceptable presentation context for modality"


class FindUnavailable(OrthancError):
    code, status = 2016, 500
    message = "DicomUserConnection: The C-FIND command is not supported by the remote SCP"


class MoveUnavailable(OrthancError):
    code, status = 2017, 500
    message = "DicomUserConnection: The C-MOVE command is not supported by the remote SCP"


class GetUnavailable(OrthancError):
    code, status = 2045, 500
    message = "DicomUserConnection: The C-GET command is not supported by the remote SCP"


class CreateDicomNotString(OrthancError):
    code, status = 2019, 400
    message = "Only string values are supported when creating DICOM instances"


class CreateDicomOverrideTag(OrthancError):
    code, status = 2020, 400
    message = "Trying to override a value inherited from a parent module"


class CreateDicomUseContent(OrthancError):
    code, status = 2021, 400
    message = 'Use "Content" to inject an image into a new DICOM instance'


class CreateDicomNoPayload(OrthancError):
    code, status = 2022, 400
    message = "No payload is present for one instance in the series"


class CreateDicomPayloadIsNoUri(OrthancError):
    code, status = 2023, 400
    message = "The payload of the DICOM instance must be specified according to Data URI scheme"


class CreateDicomBadParent(OrthancError):
    code, status = 2024, 400
    message = "Trying to attach a new DICOM instance to an inexistent resource"


class CreateDicomParentIsInstance(OrthancError):
    code, status = 2025, 400
    message = "Trying to attach a new DICOM instance to an instance (must be a series, study or patient)"


class CannotExecuteLua(OrthancError):
    code, status, message = 2031, 500, "Cannot execute a Lua command"


class CannotOrderSlices(OrthancError):
    code, status, message = 2040, 500, "Unable to order the slices of the series"


class UnsupportedMediaType(OrthancError):
    code, status, message = 3000, 415, "Unsupported media type"


class NoPixelData(UnsupportedMediaType):
    """The instance is no image."""


def error_named(name: str) -> type[OrthancError]:
    """The class of that name, as errors travel between processes; the general one for an unknown name."""
    found = globals().get(name)
    return found if isinstance(found, type) and issubclass(found, OrthancError) else OrthancError


def error_with(code: int, details: str, payload: Any = None) -> OrthancError:
    """An error with that code: of the most general class that has it."""
    for kind in _tree(OrthancError):
        if kind.code == code:
            return kind(details, payload)
    return OrthancError(details, payload)


def _tree(kind: type[OrthancError]) -> Iterator[type[OrthancError]]:
    """A class and all that derive from it, the general ones first."""
    level = [kind]
    while level:
        yield from level
        level = [derived for one in level for derived in one.__subclasses__()]
