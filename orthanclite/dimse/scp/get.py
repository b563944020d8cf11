"""C-GET SCP (PS3.4 C.4.3): the instances that are asked for come over the same association."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from orthanclite.core.errors import OrthancError
from orthanclite.dicom.attributes import Attributes
from orthanclite.dimse.conversation import Conversation, Message
from orthanclite.dimse.scp.identifier import Identifiers
from orthanclite.dimse.scp.suboperations import GONE, SubOperations, refuse
from orthanclite.dimse.sending import InstanceLine, Instances, InstanceSender, Sent, with_next
from orthanclite.services.content.outgoing import OutgoingInstance
from orthanclite.services.remotes.selection import Selection

GET_MODELS = frozenset(
    {
        "1.2.840.10008.5.1.4.1.2.1.3",  # Patient Root
        "1.2.840.10008.5.1.4.1.2.2.3",  # Study Root
    }
)

Select = Callable[[Attributes], Selection]
"""What an identifier asks for; raises an ``OrthancError`` where there is none."""


class GetScp:
    """Serves C-GET.

    :param select: finds what is asked for
    :param slots: entered while that is looked for, not while a peer takes its time to receive it
    """

    def __init__(
        self,
        select: Select,
        instances: Instances,
        sender: InstanceSender,
        identifiers: Identifiers,
        slots: AbstractContextManager[object],
    ) -> None:
        self._select = select
        self._instances = instances
        self._sender = sender
        self._identifiers = identifiers
        self._slots = slots

    def serve(self, request: Message, conversation: Conversation) -> None:
        """Send what a C-GET-RQ asks for, with a pending response behind each instance, then the final one.

        :raises NetworkProtocol: if the association ends meanwhile.
        """
        try:
            identifier = self._identifiers.read(request)
            with self._slots:
                ids = self._select(identifier).instances
        except OrthancError as exc:
            refuse(conversation, exc)
            return
        operations = SubOperations(request, conversation, len(ids))
        line = InstanceLine(self._sender, conversation)
        for id, (instance, following) in zip(ids, with_next(self._instances.find(ids)), strict=True):
            if conversation.is_cancelled:
                operations.cancel()
                return
            if instance is None:
                operations.fail(id, "", GONE)
            else:
                _count(operations, instance, line.send(instance, following))
            operations.tell(is_followed=line.is_ahead)
        operations.finish()


def _count(operations: SubOperations, instance: OutgoingInstance, sent: Sent) -> None:
    if sent.is_success:
        operations.complete()
    elif sent.is_warning:
        operations.warn()
    elif sent.status is None:
        operations.fail(instance.id, instance.sop_instance_uid, str(sent.error))
    else:
        reason = f"status 0x{sent.status:04X} {sent.comment}".rstrip()
        operations.fail(instance.id, instance.sop_instance_uid, reason)
