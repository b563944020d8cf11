"""What jobs and REST ask of modalities; see :class:`orthanclite.services.remotes.client.ModalityClient`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orthanclite.core.errors import BadFileFormat, NetworkProtocol
from orthanclite.core.main_tags import SOP_CLASS_UID, SOP_INSTANCE_UID
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.reading.header import read_header
from orthanclite.dicom.reading.parser import parse
from orthanclite.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    C_STORE_RQ,
    COMMAND_FIELD,
    MEDIUM_PRIORITY,
    PRIORITY,
    Value,
)
from orthanclite.dimse.outgoing import CallDefaults, Connector, Remote
from orthanclite.dimse.scu.commitment import request_commitment
from orthanclite.dimse.scu.echo import echo
from orthanclite.dimse.scu.proposals import storage_proposals
from orthanclite.dimse.scu.store import StoreSession, status_failure
from orthanclite.dimse.sending import InstanceSender, Sent
from orthanclite.services.remotes.client import Call, MoveOriginator, SopReference
from orthanclite.services.server.runtime import RuntimeOptions


@dataclass(frozen=True, slots=True)
class DicomClient:
    """Calls modalities.

    :param preferred: the transfer syntax that files are transcoded to first of all
    """

    connector: Connector
    sender: InstanceSender
    defaults: CallDefaults
    runtime: RuntimeOptions
    dictionary: TagDictionary
    preferred: str

    def local_aet(self, call: Call) -> str:
        return self._remote(call).local_aet

    def echo(self, call: Call, check_find: bool) -> None:
        echo(self.connector, self._remote(call), check_find, self.runtime.default_encoding)

    def store(self, call: Call, originator: MoveOriginator | None = None) -> StoreSession:
        return StoreSession(
            self.connector,
            self.sender,
            self._remote(call),
            self.preferred,
            call.modality.allow_transcoding,
            originator,
        )

    def request_commitment(self, call: Call, transaction_uid: str, instances: Sequence[SopReference]) -> None:
        request_commitment(self.connector, self._remote(call), transaction_uid, instances)

    def store_file(self, call: Call, file: bytes) -> SopReference:
        remote = self._remote(call)
        parsed = parse(file, self.dictionary)
        class_uid, instance_uid = (
            (parsed.dataset.raw(tag) or b"").decode("ascii", "replace").strip("\0 ")
            for tag in (SOP_CLASS_UID, SOP_INSTANCE_UID)
        )
        if not (class_uid and instance_uid and class_uid.isascii() and instance_uid.isascii()):
            raise BadFileFormat("A DICOM file without a SOP class and instance UID cannot be sent")
        proposals, _ = storage_proposals([(class_uid, parsed.transfer_syntax)], self.preferred)
        with self.connector.open(remote, proposals) as association:
            for context in association.contexts:
                if (context.abstract_syntax, context.transfer_syntax) == (class_uid, parsed.transfer_syntax):
                    break
            else:
                raise NetworkProtocol(
                    f"No valid presentation context was negotiated for SOP class UID [{class_uid}] and "
                    f"transfer syntax [{parsed.transfer_syntax}] while sending to modality [{remote.aet}]"
                )
            elements: dict[int, Value] = {
                AFFECTED_SOP_CLASS_UID: class_uid,
                COMMAND_FIELD: C_STORE_RQ,
                PRIORITY: MEDIUM_PRIORITY,
                AFFECTED_SOP_INSTANCE_UID: instance_uid,
            }
            data = memoryview(file)[read_header(file).start :]
            response = association.ask(context, elements, [data]).command
        sent = Sent(response.status, response.comment)
        if sent.is_failure:
            raise status_failure("C-STORE", remote, response.status, response.comment)
        return SopReference(class_uid, instance_uid)

    def _remote(self, call: Call) -> Remote:
        return self.defaults.remote(call.modality, call.local_aet, call.timeout)
