"""Reports of storage commitment that modalities send (N-EVENT-REPORT, PS3.4 section J.3.3)."""

from __future__ import annotations

import logging
from typing import Protocol

from orthanclite.core.errors import BadFileFormat, OrthancError
from orthanclite.dicom.attributes import Attributes
from orthanclite.dimse.command import EVENT_TYPE_ID
from orthanclite.dimse.commitment import (
    ALL_COMMITTED,
    COMMITMENT_CLASS,
    COMMITMENT_INSTANCE,
    FAILED_SOP_SEQUENCE,
    FAILURE_REASON,
    FAILURES_EXIST,
    REFERENCED_SOP_SEQUENCE,
    TRANSACTION_UID,
    read_reference,
    text,
)
from orthanclite.dimse.conversation import Conversation, Message
from orthanclite.dimse.scp.identifier import Identifiers
from orthanclite.dimse.status import (
    INVALID_ARGUMENT_VALUE,
    NO_SUCH_EVENT,
    NO_SUCH_SOP_CLASS,
    NO_SUCH_SOP_INSTANCE,
    PROCESSING_FAILURE,
    SUCCESS,
    error_comment,
)
from orthanclite.services.remotes.requested_commitments import Answer, FailedInstance

LOGGER = logging.getLogger(__name__)


class Requests(Protocol):
    """The part of ``services.remotes.requested_commitments.RequestedCommitments`` that is used here."""

    def answer(self, transaction_uid: str, answer: Answer) -> bool: ...


class ReportScp:
    """Notes what modalities say of the instances that they were asked to keep."""

    def __init__(self, requests: Requests, identifiers: Identifiers) -> None:
        self._requests = requests
        self._identifiers = identifiers

    def serve(self, request: Message, conversation: Conversation) -> None:
        """Take a report (PS3.7 section 10.1.1). One of a transaction that nobody knows is taken, too."""
        status, comment = SUCCESS, ""
        try:
            status = self._take(request, conversation)
        except BadFileFormat as exc:
            status, comment = INVALID_ARGUMENT_VALUE, error_comment(exc)
        except OrthancError as exc:
            status, comment = PROCESSING_FAILURE, error_comment(exc)
        if status != SUCCESS:
            LOGGER.warning("Refused a report of %s: status 0x%04x %s", conversation.peer, status, comment)
        conversation.respond(status, comment=comment)

    def _take(self, request: Message, conversation: Conversation) -> int:
        if request.command.sop_class_uid != COMMITMENT_CLASS:
            return NO_SUCH_SOP_CLASS
        if request.command.sop_instance_uid != COMMITMENT_INSTANCE:
            return NO_SUCH_SOP_INSTANCE
        event = request.command.number(EVENT_TYPE_ID)
        if event not in (ALL_COMMITTED, FAILURES_EXIST):
            return NO_SUCH_EVENT
        attributes = self._identifiers.read(request)
        transaction = text(attributes, TRANSACTION_UID)
        if not transaction:
            raise BadFileFormat("A report without a Transaction UID")
        if event == FAILURES_EXIST and FAILED_SOP_SEQUENCE not in attributes:
            raise BadFileFormat("A report of failures without a Failed SOP Sequence")
        if event == ALL_COMMITTED and REFERENCED_SOP_SEQUENCE not in attributes:
            raise BadFileFormat("A report without a Referenced SOP Sequence")
        committed = tuple(map(read_reference, _items(attributes, REFERENCED_SOP_SEQUENCE)))
        failed = tuple(map(_failed, _items(attributes, FAILED_SOP_SEQUENCE)))
        if not self._requests.answer(transaction, Answer(committed, failed)):
            LOGGER.warning("%s reports on an unknown transaction: %s", conversation.peer, transaction)
        return SUCCESS


def _items(attributes: Attributes, tag: int) -> tuple[Attributes, ...]:
    attribute = attributes.get(tag)
    return () if attribute is None else attribute.items or ()


def _failed(item: Attributes) -> FailedInstance:
    reason = text(item, FAILURE_REASON)
    if not reason.isdigit():
        raise BadFileFormat("A failed instance without a Failure Reason")
    return FailedInstance(read_reference(item), int(reason))
