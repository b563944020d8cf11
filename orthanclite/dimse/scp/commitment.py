"""Storage commitment SCP (PS3.4 annex J): a request becomes a job, whose report is sent to the modality."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from orthanclite.core.errors import BadFileFormat, DimseFailure, NetworkProtocol, OrthancError
from orthanclite.core.jobs import Submission
from orthanclite.core.remotes.registry import Modality
from orthanclite.dicom.attributes import Attribute, Attributes, encode_attributes
from orthanclite.dicom.charsets import charset_of
from orthanclite.dicom.encoding import encoding_of
from orthanclite.dimse.command import (
    ACTION_TYPE_ID,
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    COMMAND_FIELD,
    EVENT_TYPE_ID,
    N_EVENT_REPORT_RQ,
    Value,
)
from orthanclite.dimse.commitment import (
    ALL_COMMITTED,
    COMMITMENT_CLASS,
    COMMITMENT_INSTANCE,
    COMMITMENT_SYNTAXES,
    FAILED_SOP_SEQUENCE,
    FAILURE_REASON,
    FAILURES_EXIST,
    REFERENCED_SOP_SEQUENCE,
    REQUEST_COMMITMENT,
    TRANSACTION_UID,
    read_reference,
    reference,
    references,
    text,
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
from orthanclite.services.remotes.commitment import CommitmentReport

LOGGER = logging.getLogger(__name__)

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
        if command.sop_instance_uid != COMMITMENT_INSTANCE:
            raise _Refusal(NO_SUCH_SOP_INSTANCE, "Not the instance of storage commitment")
        if command.number(ACTION_TYPE_ID) != REQUEST_COMMITMENT:
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
    transaction = text(attributes, TRANSACTION_UID)
    sequence = attributes.get(REFERENCED_SOP_SEQUENCE)
    if not transaction or sequence is None or sequence.items is None:
        raise _Refusal(MISSING_ATTRIBUTE, "Without a Transaction UID or a Referenced SOP Sequence")
    if len(sequence.items) > _MOST_REFERENCES:
        raise _Refusal(RESOURCE_LIMITATION, f"More than {_MOST_REFERENCES} instances")
    try:
        references = list(map(read_reference, sequence.items))
    except BadFileFormat as exc:
        raise _Refusal(MISSING_ATTRIBUTE, str(exc)) from exc
    return transaction, references


class CommitmentReporter:
    """See :class:`orthanclite.services.remotes.commitment.CommitmentReporter`."""

    def __init__(self, connector: Connector, defaults: CallDefaults) -> None:
        self._connector = connector
        self._defaults = defaults

    def report(self, modality: Modality, report: CommitmentReport) -> None:
        """Send an N-EVENT-REPORT (PS3.4 section J.3.3) over an association of its own."""
        remote = self._defaults.remote(modality)
        # Of the two, this server is the SCP: it proposes that role, as who reports does.
        proposals = [Proposal(COMMITMENT_CLASS, COMMITMENT_SYNTAXES, as_scp=True)]
        with self._connector.open(remote, proposals) as association:
            context = association.find(COMMITMENT_CLASS)
            if context is None:
                raise NetworkProtocol("Storage commitment - The context that was accepted is another one")
            elements: Mapping[int, Value] = {
                AFFECTED_SOP_CLASS_UID: COMMITMENT_CLASS,
                COMMAND_FIELD: N_EVENT_REPORT_RQ,
                AFFECTED_SOP_INSTANCE_UID: COMMITMENT_INSTANCE,
                EVENT_TYPE_ID: FAILURES_EXIST if report.failed else ALL_COMMITTED,
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
        TRANSACTION_UID: Attribute("UI", report.transaction_uid),
        REFERENCED_SOP_SEQUENCE: references(report.committed),
    }
    if report.failed:
        items = tuple(
            reference(one) | {FAILURE_REASON: Attribute("US", str(int(reason)))}
            for one, reason in report.failed
        )
        attributes[FAILED_SOP_SEQUENCE] = Attribute("SQ", items=items)
    return attributes
