"""Storage commitment SCP (PS3.4 annex J): a request becomes a job, whose report is sent to the modality."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from orthanclite.core.errors import BadFileFormat, DimseFailure, NetworkProtocol, OrthancError
from orthanclite.core.jobs import Submission
from orthanclite.core.registry import Modality
from orthanclite.dicom.attributes import Attribute, Attributes, encode_attributes
from orthanclite.dicom.charsets import charset_of
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, encoding_of
from orthanclite.dimse.command import (
    ACTION_TYPE_ID,
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    COMMAND_FIELD,
    EVENT_TYPE_ID,
    N_EVENT_REPORT_RQ,
    Value,
)
from orthanclite.dimse.conversation import Conversation, Message
from orthanclite.dimse.outgoing import CallDefaults, Connector, Proposal
from orthanclite.dimse.peer import Peer
from orthanclite.dimse.scp.identifier import Identifiers
from orthanclite.dimse.status import (
    INVALID_ARGUMENT_VALUE,
    MISSING_ATTRIBUTE,
    NO_SUCH_ACTION,
    NO_SUCH_SOP_CLASS,
    NO_SUCH_SOP_INSTANCE,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
    SUCCESS,
    error_comment,
)
from orthanclite.jobs.kinds.commitment import CommitmentKind
from orthanclite.services.remotes.client import SopReference
from orthanclite.services.remotes.commitment import CommitmentReport, FailureReason

LOGGER = logging.getLogger(__name__)

COMMITMENT_CLASS: Final = "1.2.840.10008.1.20.1"  # Storage Commitment Push Model
_COMMITMENT_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
_SYNTAXES = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)

_REQUEST_COMMITMENT = 1  # action type
_ALL_COMMITTED, _FAILURES_EXIST = 1, 2  # event types

_REFERENCED_SOP_CLASS_UID = 0x00081150
_REFERENCED_SOP_INSTANCE_UID = 0x00081155
_TRANSACTION_UID = 0x00081195
_FAILURE_REASON = 0x00081197
_FAILED_SOP_SEQUENCE = 0x00081198
_REFERENCED_SOP_SEQUENCE = 0x00081199

_MOST_REFERENCES = 100_000

ModalityOf = Callable[[Peer], Modality | None]
"""The registered modality that a peer is."""


class _Refusal(Exception):
    """A request that cannot be served: its status, and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class CommitmentScp:
    """Serves N-ACTION.

    :param submit: adds a job, which is durable then
    """

    def __init__(
        self,
        kind: CommitmentKind,
        submit: Callable[[Submission], object],
        modality_of: ModalityOf,
        identifiers: Identifiers,
    ) -> None:
        self._kind = kind
        self._submit = submit
        self._modality_of = modality_of
        self._identifiers = identifiers

    def serve(self, request: Message, conversation: Conversation) -> None:
        """Take a request for commitment on, or refuse it (PS3.7 section 10.1.4)."""
        status, comment = SUCCESS, ""
        try:
            self._take(request, conversation.peer)
        except _Refusal as exc:
            status, comment = exc.status, str(exc)
        except OrthancError as exc:
            status, comment = PROCESSING_FAILURE, error_comment(exc)
        if status != SUCCESS:
            LOGGER.warning("Cannot take on a storage commitment of %s: %s", conversation.peer, comment)
        conversation.respond(status, comment=comment)

    def _take(self, request: Message, peer: Peer) -> None:
        command = request.command
        if command.sop_class_uid != COMMITMENT_CLASS:
            raise _Refusal(NO_SUCH_SOP_CLASS, "Not the class of storage commitment")
        if command.sop_instance_uid != _COMMITMENT_INSTANCE:
            raise _Refusal(NO_SUCH_SOP_INSTANCE, "Not the instance of storage commitment")
        if command.number(ACTION_TYPE_ID) != _REQUEST_COMMITMENT:
            raise _Refusal(NO_SUCH_ACTION, "Not the action of storage commitment")
        transaction, references = _read(self._read_attributes(request))
        modality = self._modality_of(peer)
        if modality is None:
            raise _Refusal(PROCESSING_FAILURE, "No modality has the AET to report to")
        submission = self._kind.submission(
            modality, transaction, references, remote_ip=peer.ip, called_aet=peer.called_aet
        )
        self._submit(submission)

    def _read_attributes(self, request: Message) -> Attributes:
        try:
            return self._identifiers.read(request)
        except BadFileFormat as exc:
            raise _Refusal(INVALID_ARGUMENT_VALUE, str(exc)) from exc


def _read(attributes: Attributes) -> tuple[str, list[SopReference]]:
    """The transaction UID and the instances of a request (PS3.4 table J.3.2-1)."""
    transaction = _text(attributes, _TRANSACTION_UID)
    sequence = attributes.get(_REFERENCED_SOP_SEQUENCE)
    if not transaction or sequence is None or sequence.items is None:
        raise _Refusal(MISSING_ATTRIBUTE, "Without a Transaction UID or a Referenced SOP Sequence")
    if len(sequence.items) > _MOST_REFERENCES:
        raise _Refusal(RESOURCE_LIMITATION, f"More than {_MOST_REFERENCES} instances")
    references = [
        SopReference(_text(item, _REFERENCED_SOP_CLASS_UID), _text(item, _REFERENCED_SOP_INSTANCE_UID))
        for item in sequence.items
    ]
    if not all(one.class_uid and one.instance_uid for one in references):
        raise _Refusal(MISSING_ATTRIBUTE, "A reference without a SOP class or instance UID")
    return transaction, references


def _text(attributes: Attributes, tag: int) -> str:
    attribute = attributes.get(tag)
    return "" if attribute is None else attribute.text.strip("\0 ")


class CommitmentReporter:
    """See :class:`orthanclite.services.remotes.commitment.CommitmentReporter`."""

    def __init__(self, connector: Connector, defaults: CallDefaults) -> None:
        self._connector = connector
        self._defaults = defaults

    def report(self, modality: Modality, report: CommitmentReport) -> None:
        """Send an N-EVENT-REPORT (PS3.4 section J.3.3) over an association of its own."""
        remote = self._defaults.remote(modality)
        # Of the two, this server is the SCP: it proposes that role, as who reports does.
        proposals = [Proposal(COMMITMENT_CLASS, _SYNTAXES, as_scp=True)]
        with self._connector.open(remote, proposals) as association:
            context = association.find(COMMITMENT_CLASS)
            if context is None:
                raise NetworkProtocol("Storage commitment - The context that was accepted is another one")
            elements: Mapping[int, Value] = {
                AFFECTED_SOP_CLASS_UID: COMMITMENT_CLASS,
                COMMAND_FIELD: N_EVENT_REPORT_RQ,
                AFFECTED_SOP_INSTANCE_UID: _COMMITMENT_INSTANCE,
                EVENT_TYPE_ID: _FAILURES_EXIST if report.failed else _ALL_COMMITTED,
            }
            data = encode_attributes(
                _attributes(report), charset_of(""), encoding_of(context.transfer_syntax)
            )
            response = association.ask(context, elements, [data]).command
        if response.status != SUCCESS:
            raise DimseFailure(
                "Storage commitment - The request cannot be handled by remote AET: "
                f"{remote.aet} (status 0x{response.status:04X} {response.comment}".rstrip()
                + ")",
                response.status,
            )


def _attributes(report: CommitmentReport) -> dict[int, Attribute]:
    """The event information (PS3.4 table J.3.3-1)."""
    attributes = {
        _TRANSACTION_UID: Attribute("UI", report.transaction_uid),
        _REFERENCED_SOP_SEQUENCE: Attribute("SQ", items=tuple(map(_item, report.committed))),
    }
    if report.failed:
        items = tuple(_item(reference, reason) for reference, reason in report.failed)
        attributes[_FAILED_SOP_SEQUENCE] = Attribute("SQ", items=items)
    return attributes


def _item(reference: SopReference, reason: FailureReason | None = None) -> Attributes:
    item = {
        _REFERENCED_SOP_CLASS_UID: Attribute("UI", reference.class_uid),
        _REFERENCED_SOP_INSTANCE_UID: Attribute("UI", reference.instance_uid),
    }
    if reason is not None:
        item[_FAILURE_REASON] = Attribute("US", str(int(reason)))
    return item
