"""The C-STOREs that a C-MOVE or C-GET is made of: what became of them, and what the peer is told of it.

PS3.4 C.4.2.3.1 and C.4.3.3.1 (counts), tables C.4-2 and C.4-3 (statuses).
"""

from __future__ import annotations

import logging

from orthanclite.core.errors import OrthancError
from orthanclite.dicom.attributes import Attribute, encode_attributes
from orthanclite.dicom.charsets import charset_of
from orthanclite.dicom.encoding import encoding_of
from orthanclite.dimse.command import (
    COMPLETED_SUBOPERATIONS,
    FAILED_SUBOPERATIONS,
    REMAINING_SUBOPERATIONS,
    WARNING_SUBOPERATIONS,
    Value,
)
from orthanclite.dimse.conversation import Conversation, Message
from orthanclite.dimse.status import (
    CANCEL,
    PENDING,
    SUBOPERATIONS_FAILED,
    SUBOPERATIONS_WARNING,
    SUCCESS,
    UNABLE_TO_PROCESS,
    comment_of,
    error_comment,
)

LOGGER = logging.getLogger(__name__)

_FAILED_SOP_INSTANCE_UID_LIST = 0x00080058
GONE = "It is not stored any more"
"""Why an instance fails that was deleted meanwhile."""

_MOST_COUNTED = 0xFFFF  # all that a US can tell
_MOST_WARNINGS = 10  # in the log, for one request
_MOST_LISTED = 1000  # UIDs that one element in explicit VR is sure to hold


class SubOperations:
    """The state of one C-MOVE or C-GET.

    :param total: how many instances are to be sent
    """

    def __init__(self, request: Message, conversation: Conversation, total: int) -> None:
        self._request = request
        self._conversation = conversation
        self._remaining = total
        self._completed = 0
        self._warnings = 0
        self._failed: list[str] = []  # their SOP Instance UIDs
        self._comment = ""  # of the first that failed

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to be sent."""
        return self._remaining == 0

    def complete(self) -> None:
        """Count an instance that was taken."""
        self._remaining -= 1
        self._completed += 1

    def warn(self) -> None:
        """Count an instance that was taken with a warning."""
        self._remaining -= 1
        self._warnings += 1

    def fail(self, id: str, uid: str, reason: str) -> None:
        """Count an instance that could not be sent, or was not taken.

        :param id: its Orthanc ID
        :param uid: its SOP Instance UID; empty where it is not stored any more
        """
        self._remaining -= 1
        self._failed.append(uid)
        self._comment = self._comment or comment_of(reason)
        level = logging.WARNING if len(self._failed) <= _MOST_WARNINGS else logging.DEBUG
        LOGGER.log(level, "Cannot send the instance %s for %s: %s", id, self._peer, reason)

    def tell(self, is_followed: bool = False) -> None:
        """Send a pending response.

        :param is_followed: whether something else goes to the same peer at once
        """
        counts = self._counts(with_remaining=True)
        self._conversation.respond(PENDING, elements=counts, is_followed=is_followed)

    def finish(self) -> None:
        """Send the final response."""
        if not self._failed:
            self._end(SUBOPERATIONS_WARNING if self._warnings else SUCCESS)
        elif self._completed or self._warnings:
            self._end(SUBOPERATIONS_WARNING)
        else:
            self._end(SUBOPERATIONS_FAILED)

    def cancel(self) -> None:
        """Send the final response to a request that the peer has cancelled."""
        LOGGER.info("%s cancelled its retrieval", self._peer)
        self._end(CANCEL, with_remaining=True)

    @property
    def _peer(self) -> object:
        return self._conversation.peer

    def _end(self, status: int, with_remaining: bool = False) -> None:
        data = None
        if self._failed:
            context = self._request.context
            uids = "\\".join([uid for uid in self._failed if uid and uid.isascii()][:_MOST_LISTED])
            listed = {_FAILED_SOP_INSTANCE_UID_LIST: Attribute("UI", uids)}
            data = encode_attributes(listed, charset_of(""), encoding_of(context.transfer_syntax))
        self._conversation.respond(status, data, self._comment, self._counts(with_remaining))

    def _counts(self, with_remaining: bool) -> dict[int, Value]:
        counts = {
            COMPLETED_SUBOPERATIONS: self._completed,
            FAILED_SUBOPERATIONS: len(self._failed),
            WARNING_SUBOPERATIONS: self._warnings,
        }
        if with_remaining:
            counts[REMAINING_SUBOPERATIONS] = self._remaining
        return {element: min(count, _MOST_COUNTED) for element, count in counts.items()}


def refuse(conversation: Conversation, error: OrthancError, status: int = UNABLE_TO_PROCESS) -> None:
    """Send the final response to a request of which nothing can be done."""
    LOGGER.warning("Cannot serve a retrieval of %s: %s", conversation.peer, error)
    none: dict[int, Value] = dict.fromkeys(
        (COMPLETED_SUBOPERATIONS, FAILED_SUBOPERATIONS, WARNING_SUBOPERATIONS), 0
    )
    conversation.respond(status, comment=error_comment(error), elements=none)
