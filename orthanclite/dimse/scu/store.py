"""C-STORE SCU (PS3.4 annex B): stored instances on their way to one modality."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from orthanclite.core.errors import DimseFailure, NetworkProtocol, NoPresentationContext, OrthancError
from orthanclite.dimse.outgoing import Association, Connector, Remote
from orthanclite.dimse.scu.proposals import Need, storage_proposals
from orthanclite.dimse.sending import InstanceLine, InstanceSender, Sent
from orthanclite.services.content.outgoing import OutgoingInstance
from orthanclite.services.remotes.client import MoveOriginator

LOGGER = logging.getLogger(__name__)


class StoreSession:
    """See :class:`orthanclite.services.remotes.client.StorageSession`.

    An association is requested when there is something to send, and another one when something comes that was
    not proposed in it.

    :param preferred: the transfer syntax that files are transcoded to first of all
    :param allow_transcoding: ``AllowTranscoding`` of the modality
    """

    def __init__(
        self,
        connector: Connector,
        sender: InstanceSender,
        remote: Remote,
        preferred: str,
        allow_transcoding: bool,
        originator: MoveOriginator | None,
    ) -> None:
        self._connector = connector
        self._sender = sender
        self._remote = remote
        self._preferred = preferred
        self._allow_transcoding = allow_transcoding
        self._originator = originator
        self._association: Association | None = None
        self._line: InstanceLine | None = None  # over the association
        self._covered: frozenset[Need] = frozenset()
        self._expected: dict[Need, None] = {}

    def expect(self, instances: Iterable[OutgoingInstance]) -> None:
        # Another thread may be reading the former ones.
        self._expected = self._expected | dict.fromkeys(map(_need, instances))

    def prepare(self, instance: OutgoingInstance) -> None:
        need = _need(instance)
        if self._association is not None and (need not in self._covered or not self._association.is_open):
            self.close()
        if self._association is None:
            self._expected = {need: None} | self._expected
            proposals, self._covered = storage_proposals(self._expected, self._preferred)
            self._association = self._connector.open(self._remote, proposals)
            self._line = InstanceLine(
                self._sender,
                self._association,
                allow_transcoding=self._allow_transcoding,
                originator=self._originator,
            )

    def send(
        self, instance: OutgoingInstance, following: OutgoingInstance | None = None
    ) -> OrthancError | None:
        if self._line is None:
            raise NetworkProtocol("There is no association")
        is_covered = following is not None and _need(following) in self._covered
        try:
            sent = self._line.send(instance, following if is_covered else None)
        except OrthancError as exc:
            self.close()
            if isinstance(exc, NetworkProtocol):
                raise
            return exc  # its file broke off: that is nothing which another try could mend
        return _failure(sent, self._remote)

    def close(self) -> None:
        association, self._association, self._line = self._association, None, None
        if association is not None:
            association.close()


def _need(instance: OutgoingInstance) -> Need:
    return instance.sop_class_uid, instance.transfer_syntax


def _failure(sent: Sent, remote: Remote) -> OrthancError | None:
    """Why an instance was not taken; None where it was."""
    if not sent.is_failure:
        if sent.is_warning:
            LOGGER.warning('"%s" stored an instance with the warning 0x%04x', remote.aet, sent.status)
        return None
    if sent.status is None:
        error = sent.error
        assert error is not None
        if isinstance(error, NetworkProtocol | NoPresentationContext):
            return type(error)(f"{error.details} while sending to modality [{remote.aet}]")
        return error
    return status_failure("C-STORE", remote, sent.status, sent.comment)


def status_failure(command: str, remote: Remote, status: int, comment: str) -> DimseFailure:
    """The error for a response that means failure, told as the reference does, with the peer's comment."""
    reason = f": {comment}" if comment else ""
    return DimseFailure(
        f'{command} SCU to AET "{remote.aet}" has failed with DIMSE status 0x{status:04X}{reason}', status
    )
