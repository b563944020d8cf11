"""Stored instances on their way to a peer: the C-STORE-RQs that an SCU, a C-MOVE and a C-GET send.

A data set goes out byte for byte as it is stored where the peer has accepted its transfer syntax, read from
the disk while it is sent. Elsewhere it is transcoded, without loss, to a syntax that was accepted. While the
peer takes an instance in, the next one is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from orthanclite.core.errors import (
    BadFileFormat,
    CorruptedFile,
    NetworkProtocol,
    NoPresentationContext,
    NotImplementedInServer,
    OrthancError,
)
from orthanclite.core.machine.buffers import View
from orthanclite.dicom.encoding import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from orthanclite.dicom.pixels.syntaxes import LOSSLESS
from orthanclite.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    C_STORE_RQ,
    COMMAND_FIELD,
    MEDIUM_PRIORITY,
    MOVE_ORIGINATOR_AET,
    MOVE_ORIGINATOR_MESSAGE_ID,
    PRIORITY,
    STATUS,
    Value,
)
from orthanclite.dimse.conversation import Channel, Context
from orthanclite.dimse.status import DUPLICATE_INSTANCE, SUCCESS, is_warning
from orthanclite.services.content.outgoing import OutgoingInstance, scratch_data_set
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.remotes.client import MoveOriginator

_UNCOMPRESSED = (
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    DEFLATED_LITTLE_ENDIAN,
)
"""What files are transcoded to, behind the preferred syntax; lossless compressed ones come last."""

_MOST_AHEAD = 1 << 20
"""Bytes of a file that is read before its turn. All of it is then in memory: it may be gone by its turn."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one instance."""

    status: int | None = None
    """Of the peer's response; None where the instance could not be sent."""
    comment: str = ""
    """The peer's explanation of its status."""
    error: OrthancError | None = None
    """Why it could not be sent."""

    @property
    def is_success(self) -> bool:
        """Whether the peer has the instance now, or had it already."""
        return self.status in (SUCCESS, DUPLICATE_INSTANCE)

    @property
    def is_warning(self) -> bool:
        """Whether the peer has the instance, but has something to say about it (PS3.4 table B.2-1)."""
        return self.status is not None and is_warning(self.status)

    @property
    def is_failure(self) -> bool:
        return not (self.is_success or self.is_warning)


class Instances(Protocol):
    """The part of ``services.content.outgoing.OutgoingInstances`` that is used here."""

    def find(self, ids: Sequence[str]) -> Iterator[OutgoingInstance | None]: ...

    def data_set(self, instance: OutgoingInstance) -> Iterator[View]: ...


class Transcoder(Protocol):
    """The part of ``services.imaging.transcoding.TranscodingService`` that is used here."""

    def transcode_instance(self, id: str, transfer_syntax: str, lossy_quality: int | None) -> ScratchFile: ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """An instance that is ready to be sent over one association."""

    context: Context
    elements: dict[int, Value]
    data: Iterator[View]


class InstanceSender:
    """Sends instances over any association. Thread-safe.

    :param preferred: the transfer syntax that files are transcoded to first of all, where they must be
        (``DicomScuPreferredTransferSyntax``)
    :param transcodes: ``TranscodeDicomProtocol``; else only what a peer accepts as it is stored is sent
    """

    def __init__(
        self,
        instances: Instances,
        transcoder: Transcoder,
        preferred: str = EXPLICIT_LITTLE_ENDIAN,
        transcodes: bool = True,
    ) -> None:
        self._instances = instances
        self._transcoder = transcoder
        self._order = (preferred, *_UNCOMPRESSED)
        self._transcodes = transcodes

    def send(
        self,
        instance: OutgoingInstance,
        channel: Channel,
        *,
        allow_transcoding: bool = True,
        originator: MoveOriginator | None = None,
        priority: int = MEDIUM_PRIORITY,
    ) -> Sent:
        """Send one instance; see :meth:`InstanceLine.send`."""
        return InstanceLine(
            self, channel, allow_transcoding=allow_transcoding, originator=originator, priority=priority
        ).send(instance)

    def prepare(
        self,
        instance: OutgoingInstance,
        contexts: Sequence[Context],
        allow_transcoding: bool,
        originator: MoveOriginator | None,
        priority: int,
    ) -> Prepared:
        """Choose a context, and begin to read.

        :raises OrthancError: where the instance cannot be sent
        """
        transcodes = self._transcodes and allow_transcoding
        instance, context, data = self._prepare(instance, contexts, transcodes)
        return Prepared(context, _request(instance, originator, priority), data)

    def _prepare(
        self, instance: OutgoingInstance, contexts: Sequence[Context], transcodes: bool
    ) -> tuple[OutgoingInstance, Context, Iterator[View]]:
        try:
            return instance, *self._open(instance, contexts, transcodes)
        except CorruptedFile:
            # It may have been written anew since it was looked up.
            current = next(self._instances.find([instance.id]))
            if current is None or current.file.attachment.uuid == instance.file.attachment.uuid:
                raise
        return current, *self._open(current, contexts, transcodes)

    def _open(
        self, instance: OutgoingInstance, contexts: Sequence[Context], transcodes: bool
    ) -> tuple[Context, Iterator[View]]:
        """The context for an instance, and its data set in the transfer syntax of that."""
        accepted: dict[str, Context] = {}
        for context in contexts:
            if context.is_scu and context.abstract_syntax == instance.sop_class_uid:
                accepted.setdefault(context.transfer_syntax, context)
        stored_in = instance.transfer_syntax
        if stored_in in accepted:
            return accepted[stored_in], self._instances.data_set(instance)
        # As in the reference: code 2015 only where transcoding fails for want of any context of its class.
        kind = NoPresentationContext if transcodes and not accepted else NetworkProtocol
        refusal: OrthancError = kind(
            f"No valid presentation context was negotiated for SOP class UID [{instance.sop_class_uid}] "
            f"and transfer syntax [{stored_in}]"
        )
        for syntax in self._targets(accepted) if transcodes else ():
            try:
                transcoded = self._transcoder.transcode_instance(instance.id, syntax, None)
            except NotImplementedInServer as exc:  # no such image in this syntax, but perhaps in the next one
                refusal = exc
            else:
                return accepted[syntax], scratch_data_set(transcoded)
        raise refusal

    def _targets(self, accepted: Iterable[str]) -> list[str]:
        """What may be transcoded to, in the order of preference: nothing that loses, nor changes the UID."""
        order = dict.fromkeys((*self._order, *accepted))
        return [syntax for syntax in order if syntax in accepted and syntax in LOSSLESS]


class InstanceLine:
    """One association that instances are sent over. Used by one thread at a time.

    :param allow_transcoding: ``AllowTranscoding`` of the modality
    """

    def __init__(
        self,
        sender: InstanceSender,
        channel: Channel,
        *,
        allow_transcoding: bool = True,
        originator: MoveOriginator | None = None,
        priority: int = MEDIUM_PRIORITY,
    ) -> None:
        self._sender = sender
        self._channel = channel
        self._allow_transcoding = allow_transcoding
        self._originator = originator
        self._priority = priority
        self._ahead: tuple[OutgoingInstance, Prepared | Sent] | None = None

    def send(self, instance: OutgoingInstance, following: OutgoingInstance | None = None) -> Sent:
        """Send one instance, and wait for the peer's status.

        What concerns this instance alone is told in the answer: others may be sent over the same association.

        :param following: what will be sent next, as far as is known
        :raises NetworkProtocol: if the association ends, or no response comes in time.
        """
        ahead, self._ahead = self._ahead, None
        ready = ahead[1] if ahead is not None and ahead[0] is instance else self._prepare(instance)
        if isinstance(ready, Sent):
            return ready
        meanwhile = None
        if following is not None and following.file.attachment.size <= _MOST_AHEAD:
            meanwhile = partial(self._look_ahead, following)
        response = self._channel.ask(ready.context, ready.elements, ready.data, meanwhile).command
        return Sent(response.number(STATUS), response.comment)

    @property
    def is_ahead(self) -> bool:
        """Whether the next instance can be sent at once."""
        return self._ahead is not None

    def _look_ahead(self, following: OutgoingInstance) -> None:
        self._ahead = following, self._prepare(following)

    def _prepare(self, instance: OutgoingInstance) -> Prepared | Sent:
        try:
            return self._sender.prepare(
                instance, self._channel.contexts, self._allow_transcoding, self._originator, self._priority
            )
        except OrthancError as exc:
            return Sent(error=exc)


T = TypeVar("T")


def with_next(items: Iterable[T]) -> Iterator[tuple[T, T | None]]:
    """Each item with the one behind it; None behind the last."""
    rest = iter(items)
    for item in rest:
        for following in rest:
            yield item, following
            item = following
        yield item, None


def _request(
    instance: OutgoingInstance, originator: MoveOriginator | None, priority: int
) -> dict[int, Value]:
    """The elements of a C-STORE-RQ (PS3.7 section 9.3.1.1).

    :raises BadFileFormat: for an instance whose identifiers are no UIDs
    """
    uids = (instance.sop_class_uid, instance.sop_instance_uid)
    if not all(uid and uid.isascii() for uid in uids):
        raise BadFileFormat("An instance without a SOP class and instance UID cannot be sent")
    elements: dict[int, Value] = {
        AFFECTED_SOP_CLASS_UID: instance.sop_class_uid,
        COMMAND_FIELD: C_STORE_RQ,
        PRIORITY: priority,
        AFFECTED_SOP_INSTANCE_UID: instance.sop_instance_uid,
    }
    if originator is not None:
        elements[MOVE_ORIGINATOR_AET] = originator.aet
        elements[MOVE_ORIGINATOR_MESSAGE_ID] = originator.message_id
    return elements
