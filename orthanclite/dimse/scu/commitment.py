"""Storage commitment SCU (PS3.4 section J.3.2): a modality is asked to keep instances.

It reports over an association of its own (``dimse/scp/reports.py``): the one over which it was asked is
released at once, as in the reference, so that nobody has to hold it for the minutes which that may take.
"""

from __future__ import annotations

from collections.abc import Sequence

from orthanclite.core.errors import DimseFailure, NoPresentationContext
from orthanclite.dicom.attributes import Attribute, encode_attributes
from orthanclite.dicom.charsets import charset_of
from orthanclite.dicom.encoding import encoding_of
from orthanclite.dimse.command import (
    ACTION_TYPE_ID,
    COMMAND_FIELD,
    N_ACTION_RQ,
    REQUESTED_SOP_CLASS_UID,
    REQUESTED_SOP_INSTANCE_UID,
    Value,
)
from orthanclite.dimse.commitment import (
    COMMITMENT_CLASS,
    COMMITMENT_INSTANCE,
    COMMITMENT_SYNTAXES,
    REFERENCED_SOP_SEQUENCE,
    REQUEST_COMMITMENT,
    TRANSACTION_UID,
    references,
)
from orthanclite.dimse.outgoing import Connector, Proposal, Remote
from orthanclite.dimse.status import SUCCESS
from orthanclite.services.remotes.client import SopReference


def request_commitment(
    connector: Connector, remote: Remote, transaction_uid: str, instances: Sequence[SopReference]
) -> None:
    """Send an N-ACTION-RQ, and take the response.

    :raises DimseFailure: if the modality refuses
    :raises NetworkProtocol: if it cannot be reached, or the association breaks
    :raises NoPresentationContext: if it offers no storage commitment
    """
    with connector.open(remote, [Proposal(COMMITMENT_CLASS, COMMITMENT_SYNTAXES)]) as association:
        context = association.find(COMMITMENT_CLASS)
        if context is None or not context.is_scu:
            raise NoPresentationContext(f'The modality with AET "{remote.aet}" offers no storage commitment')
        elements: dict[int, Value] = {
            REQUESTED_SOP_CLASS_UID: COMMITMENT_CLASS,
            COMMAND_FIELD: N_ACTION_RQ,
            REQUESTED_SOP_INSTANCE_UID: COMMITMENT_INSTANCE,
            ACTION_TYPE_ID: REQUEST_COMMITMENT,
        }
        action = {
            TRANSACTION_UID: Attribute("UI", transaction_uid),
            REFERENCED_SOP_SEQUENCE: references(instances),
        }
        data = encode_attributes(action, charset_of(""), encoding_of(context.transfer_syntax))
        response = association.ask(context, elements, [data]).command
    if response.status != SUCCESS:
        reason = f": {response.comment}" if response.comment else ""
        raise DimseFailure(
            "Storage commitment - The request cannot be handled by remote AET: "
            f"{remote.aet} (status 0x{response.status:04X}){reason}",
            response.status,
        )
