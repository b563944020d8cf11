"""DIMSE statuses (PS3.7 annex C), and the one that each error means to a peer."""

from __future__ import annotations

from orthanclite.core.errors import (
    BadFileFormat,
    BadRequest,
    DatabaseUnavailable,
    EmptyIdentifier,
    FullStorage,
    InexistentTag,
    OrthancError,
    ParameterOutOfRange,
    ReadOnly,
)

SUCCESS = 0x0000
PENDING = 0xFF00
CANCEL = 0xFE00
PROCESSING_FAILURE = 0x0110
DUPLICATE_INSTANCE = 0x0111  # the peer has it already
NO_SUCH_SOP_INSTANCE = 0x0112
NO_SUCH_EVENT = 0x0113
INVALID_ARGUMENT_VALUE = 0x0115
NO_SUCH_SOP_CLASS = 0x0118
MISSING_ATTRIBUTE = 0x0120
NO_SUCH_ACTION = 0x0123
RESOURCE_LIMITATION = 0x0213
OUT_OF_RESOURCES = 0xA700
DATA_SET_MISMATCH = 0xA900  # the data set does not match the SOP class or instance of the command
SUBOPERATIONS_FAILED = 0xA702  # none of them was performed
MOVE_DESTINATION_UNKNOWN = 0xA801
SUBOPERATIONS_WARNING = 0xB000  # some have failed, or have warnings
CANNOT_UNDERSTAND = 0xC000  # C-STORE
UNABLE_TO_PROCESS = 0xC000  # C-FIND, C-MOVE, C-GET

_PENDING_WITH_WARNING = 0xFF01  # some optional keys are not supported (PS3.4 table C.4-1)

COMMENT_LENGTH = 64
"""Characters of an Error Comment (0000,0902), of VR LO."""

_STORE_STATUSES: tuple[tuple[type[OrthancError], int], ...] = (
    # The reference answers "out of resources" to a data set without its identifying UIDs.
    (EmptyIdentifier, OUT_OF_RESOURCES),
    (InexistentTag, OUT_OF_RESOURCES),
    (BadFileFormat, CANNOT_UNDERSTAND),
    (FullStorage, OUT_OF_RESOURCES),
    (DatabaseUnavailable, OUT_OF_RESOURCES),
    (ReadOnly, OUT_OF_RESOURCES),
)


def is_warning(status: int) -> bool:
    """Whether an operation was performed, though not quite as asked for (PS3.7 annex C)."""
    return 0xB000 <= status <= 0xBFFF


def is_pending(status: int) -> bool:
    """Whether more responses follow (PS3.7 section C.1)."""
    return status in (PENDING, _PENDING_WITH_WARNING)


def store_status(error: OrthancError) -> int:
    """The status of a C-STORE that failed (PS3.4 table B.2-1)."""
    for kind, status in _STORE_STATUSES:
        if isinstance(error, kind):
            return status
    return PROCESSING_FAILURE


def find_status(error: OrthancError) -> int:
    """The status of a C-FIND that failed (PS3.4 tables C.4-1 and K.4-1): one for everything but a full queue.

    The reference says "unable to process" to a query that it cannot run.
    """
    if isinstance(error, BadRequest | ParameterOutOfRange):
        return UNABLE_TO_PROCESS
    return OUT_OF_RESOURCES if isinstance(error, DatabaseUnavailable) else UNABLE_TO_PROCESS


def error_comment(error: OrthancError) -> str:
    """The explanation of an error, as it fits into an Error Comment."""
    return comment_of(str(error))


def comment_of(text: str) -> str:
    """A text as it fits into an Error Comment."""
    plain = text.encode("ascii", "replace").decode("ascii").replace("\\", "/")
    return plain[:COMMENT_LENGTH].strip()
