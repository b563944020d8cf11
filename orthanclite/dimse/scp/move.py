"""C-MOVE SCP (PS3.4 C.4.2): the instances that are asked for are sent to another modality."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from orthanclite.core.errors import OrthancError, UnknownResource
from orthanclite.core.remotes.registry import Modality
from orthanclite.dimse.command import MOVE_DESTINATION
from orthanclite.dimse.conversation import Conversation, Message
from orthanclite.dimse.scp.get import Select
from orthanclite.dimse.scp.identifier import Identifiers
from orthanclite.dimse.scp.suboperations import GONE, SubOperations, refuse
from orthanclite.dimse.sending import Instances, with_next
from orthanclite.dimse.status import MOVE_DESTINATION_UNKNOWN
from orthanclite.jobs.kinds.modality_store import StoreRequest
from orthanclite.services.content.outgoing import OutgoingInstance
from orthanclite.services.remotes.client import Call, ModalityClient, MoveOriginator, StorageSession

LOGGER = logging.getLogger(__name__)

MOVE_MODELS: Final = frozenset(
    {
        "1.2.840.10008.5.1.4.1.2.1.2",  # Patient Root
        "1.2.840.10008.5.1.4.1.2.2.2",  # Study Root
    }
)
_BATCH = 256
"""Instances for which one association is negotiated where it can be."""
_MOST_BREAKS = 3
"""Associations that may break one after the other before the destination is given up."""

DestinationOf = Callable[[str], Modality | None]
"""The registered modality of an AE title."""

SubmitMove = Callable[[StoreRequest], object]
"""Adds a job that sends instances."""


class MoveScp:
    """Serves C-MOVE.

    :param slots: entered while what is asked for is looked for, not while it is sent
    :param submit: where given, each request becomes a job, and its sub-operations are told to be complete at
        once (``SynchronousCMove``)
    """

    def __init__(
        self,
        select: Select,
        instances: Instances,
        client: ModalityClient,
        destination_of: DestinationOf,
        identifiers: Identifiers,
        slots: AbstractContextManager[object],
        submit: SubmitMove | None = None,
    ) -> None:
        self._select = select
        self._instances = instances
        self._client = client
        self._destination_of = destination_of
        self._identifiers = identifiers
        self._slots = slots
        self._submit = submit

    def serve(self, request: Message, conversation: Conversation) -> None:
        """Send what a C-MOVE-RQ asks for, with a pending response behind each instance but the last."""
        aet = request.command.text(MOVE_DESTINATION)
        modality = self._destination_of(aet)
        if modality is None:
            refuse(conversation, UnknownResource(f"Unknown destination: {aet}"), MOVE_DESTINATION_UNKNOWN)
            return
        call, originator = Call(modality), MoveOriginator(conversation.peer.aet, request.command.message_id)
        try:
            identifier = self._identifiers.read(request)
            with self._slots:
                selection = self._select(identifier)
            if self._submit is not None:
                self._submit(StoreRequest(call, selection, originator, "C-MOVE"))
        except OrthancError as exc:
            refuse(conversation, exc)
            return
        operations = SubOperations(request, conversation, len(selection.instances))
        if self._submit is not None:
            _tell_all(operations)
            return
        session = self._client.store(call, originator)
        try:
            _Transfer(session, operations, conversation).run(self._instances, selection.instances)
        finally:
            session.close()


def _tell_all(operations: SubOperations) -> None:
    while not operations.is_complete:
        operations.complete()
        if not operations.is_complete:
            operations.tell()
    operations.finish()


class _Transfer:
    """The sub-operations of one C-MOVE."""

    def __init__(
        self, session: StorageSession, operations: SubOperations, conversation: Conversation
    ) -> None:
        self._session = session
        self._operations = operations
        self._conversation = conversation
        self._breaks = 0  # in a row
        self._given_up = ""  # why nothing more is sent

    def run(self, instances: Instances, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            found = list(instances.find(batch))
            self._session.expect(one for one in found if one is not None)
            for id, (instance, following) in zip(batch, with_next(found), strict=True):
                if self._conversation.is_over:
                    LOGGER.info("%s has left before its C-MOVE was complete", self._conversation.peer)
                    return
                if self._conversation.is_cancelled:
                    self._operations.cancel()
                    return
                self._send(id, instance, following)
        self._operations.finish()

    def _send(self, id: str, instance: OutgoingInstance | None, following: OutgoingInstance | None) -> None:
        """Send an instance, and tell the peer; once the destination is given up, at the end only."""
        uid = "" if instance is None else instance.sop_instance_uid
        if self._given_up:
            self._operations.fail(id, uid, self._given_up)
            return
        reason = GONE if instance is None else self._failure(instance, following)
        if reason is None:
            self._operations.complete()
        else:
            self._operations.fail(id, uid, reason)
        if not self._operations.is_complete and not self._given_up:
            self._operations.tell()

    def _failure(self, instance: OutgoingInstance, following: OutgoingInstance | None) -> str | None:
        """Why an instance was not taken."""
        try:
            self._session.prepare(instance)
        except OrthancError as exc:
            self._given_up = str(exc)
            return self._given_up
        try:
            error = self._session.send(instance, following)
        except OrthancError as exc:
            self._breaks += 1
            if self._breaks == _MOST_BREAKS:
                self._given_up = str(exc)
            return str(exc)
        self._breaks = 0
        return None if error is None else str(error)
