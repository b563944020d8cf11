"""C-ECHO SCU (PS3.4 annex A), and a query that shows whether C-FIND works, too."""

from __future__ import annotations

from orthanclite.core.errors import FindUnavailable, NoPresentationContext
from orthanclite.core.identifiers import generate_uid
from orthanclite.core.main_tags import PATIENT_ID, STUDY_INSTANCE_UID
from orthanclite.core.query import SPECIFIC_CHARACTER_SET
from orthanclite.dicom.attributes import Attribute, encode_attributes
from orthanclite.dicom.charsets import DefaultEncoding, charset_of
from orthanclite.dicom.encoding import (
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    encoding_of,
)
from orthanclite.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    C_ECHO_RQ,
    C_FIND_RQ,
    COMMAND_FIELD,
    MEDIUM_PRIORITY,
    PRIORITY,
    Value,
)
from orthanclite.dimse.outgoing import Association, Connector, Proposal, Remote
from orthanclite.dimse.scu.store import status_failure
from orthanclite.dimse.status import SUCCESS

_SYNTAXES = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN)
_VERIFICATION = "1.2.840.10008.1.1"
_PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
_STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_WORKLIST_FIND = "1.2.840.10008.5.1.4.31"
_ACCESSION_NUMBER, _LEVEL = 0x00080050, 0x00080052


def echo(connector: Connector, remote: Remote, check_find: bool, encoding: DefaultEncoding) -> None:
    """C-ECHO, and where ``check_find`` says so, a C-FIND for a study that there is not.

    :raises DimseFailure: if the peer answers with a failure
    :raises FindUnavailable: if it does not offer queries
    :raises NetworkProtocol: if it cannot be reached, or the association breaks
    :raises NoPresentationContext: if it offers no verification
    """
    finds = (_PATIENT_ROOT_FIND, _STUDY_ROOT_FIND, _WORKLIST_FIND) if check_find else ()
    proposals = [Proposal(uid, _SYNTAXES) for uid in (_VERIFICATION, *finds)]
    with connector.open(remote, proposals) as association:
        context = association.find(_VERIFICATION)
        if context is None:
            raise NoPresentationContext(f'The modality with AET "{remote.aet}" offers no verification')
        response = association.ask(
            context, {AFFECTED_SOP_CLASS_UID: _VERIFICATION, COMMAND_FIELD: C_ECHO_RQ}
        ).command
        if response.status != SUCCESS:
            raise status_failure("C-ECHO", remote, response.status, response.comment)
        if check_find:
            _find_nothing(association, remote, encoding)


def _find_nothing(association: Association, remote: Remote, default: DefaultEncoding) -> None:
    context = association.find(_STUDY_ROOT_FIND)
    if context is None:
        raise FindUnavailable(f'The modality with AET "{remote.aet}" offers no queries for studies')
    identifier = {
        SPECIFIC_CHARACTER_SET: Attribute("CS", default.term),
        _ACCESSION_NUMBER: Attribute("SH"),
        _LEVEL: Attribute("CS", "STUDY"),
        PATIENT_ID: Attribute("LO"),
        STUDY_INSTANCE_UID: Attribute("UI", generate_uid()),
    }
    data = encode_attributes(identifier, charset_of("", default.name), encoding_of(context.transfer_syntax))
    elements: dict[int, Value] = {
        AFFECTED_SOP_CLASS_UID: _STUDY_ROOT_FIND,
        COMMAND_FIELD: C_FIND_RQ,
        PRIORITY: MEDIUM_PRIORITY,
    }
    *_, final = association.ask_all(context, elements, [data])
    if final.command.status != SUCCESS:
        raise status_failure("C-FIND", remote, final.command.status, final.command.comment)
