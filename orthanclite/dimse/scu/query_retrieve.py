"""C-FIND, C-MOVE and C-GET SCU (PS3.4 annexes C and K)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from orthanclite.core.errors import (
    BadFileFormat,
    DimseFailure,
    FindUnavailable,
    GetUnavailable,
    InvalidQuery,
    MoveUnavailable,
    NetworkProtocol,
    OrthancError,
)
from orthanclite.core.remotes.registry import Manufacturer
from orthanclite.dicom.attributes import encode_attributes
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import (
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    encoding_of,
)
from orthanclite.dicom.reading.parser import parse_dataset
from orthanclite.dicom.uids import COMMON_STORAGE_CLASSES
from orthanclite.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    C_FIND_RQ,
    C_GET_RQ,
    C_MOVE_RQ,
    COMMAND_FIELD,
    COMPLETED_SUBOPERATIONS,
    FAILED_SUBOPERATIONS,
    MEDIUM_PRIORITY,
    MOVE_DESTINATION,
    PRIORITY,
    REMAINING_SUBOPERATIONS,
    WARNING_SUBOPERATIONS,
    Command,
    Value,
)
from orthanclite.dimse.conversation import Context, Message, Offers
from orthanclite.dimse.outgoing import MOST_PROPOSALS, Association, CallDefaults, Connector, Proposal, Remote
from orthanclite.dimse.status import SUCCESS, UNABLE_TO_PROCESS, is_pending
from orthanclite.services.remotes.client import Call
from orthanclite.services.retrieve.identifiers import Identifier
from orthanclite.services.retrieve.network import FoundDataSet, Model, SubOperations

_FIND: Final = {
    Model.PATIENT: "1.2.840.10008.5.1.4.1.2.1.1",
    Model.STUDY: "1.2.840.10008.5.1.4.1.2.2.1",
    Model.WORKLIST: "1.2.840.10008.5.1.4.31",
}
_MOVE: Final = {Model.PATIENT: "1.2.840.10008.5.1.4.1.2.1.2", Model.STUDY: "1.2.840.10008.5.1.4.1.2.2.2"}
_GET: Final = {Model.STUDY: "1.2.840.10008.5.1.4.1.2.2.3", Model.PATIENT: "1.2.840.10008.5.1.4.1.2.1.3"}
_SYNTAXES = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN)
_STORAGE_SYNTAXES = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)
_NEWS = 1.0  # seconds
_AET_LENGTH = 16
_FAILED_SOP_INSTANCES = 0x00080058

OffersStorage = Callable[[Callable[[str], None]], Offers]
"""Makes the storage service of one association, which tells the Orthanc ID of each stored instance."""


class QueryRetrieveScu:
    """See :class:`orthanclite.services.retrieve.network.QueryRetrieve`. Thread-safe.

    :param storage: what serves the C-STOREs of a C-GET
    """

    def __init__(
        self,
        connector: Connector,
        defaults: CallDefaults,
        dictionary: TagDictionary,
        storage: OffersStorage,
    ) -> None:
        self._connector = connector
        self._defaults = defaults
        self._dictionary = dictionary
        self._storage = storage

    def local_aet(self, call: Call) -> str:
        return self._remote(call).local_aet

    @contextmanager
    def finder(self, call: Call, models: Sequence[Model]) -> Iterator[_Finder]:
        proposals = [Proposal(_FIND[model], _SYNTAXES) for model in models]
        with self._connector.open(self._remote(call), proposals) as association:
            yield _Finder(association, call.modality.aet)

    @contextmanager
    def mover(self, call: Call, destination: str) -> Iterator[_Retriever]:
        proposals = [Proposal(uid, _SYNTAXES) for uid in _MOVE.values()]
        with self._connector.open(self._remote(call), proposals) as association:
            aet = destination[:_AET_LENGTH]
            elements: dict[int, Value] = {COMMAND_FIELD: C_MOVE_RQ, MOVE_DESTINATION: aet}
            yield _Retriever(association, _MOVE, MoveUnavailable, elements, self._dictionary)

    @contextmanager
    def getter(self, call: Call, sop_classes: Sequence[str]) -> Iterator[_Retriever]:
        received: list[str] = []
        proposals = [Proposal(uid, _SYNTAXES) for uid in _GET.values()]
        # These modalities take no role for an error: they send in the contexts all the same.
        as_scp = call.modality.manufacturer is not Manufacturer.SIEMENS_SYNGO_CT
        further = [uid for uid in sop_classes if uid not in COMMON_STORAGE_CLASSES]
        for uid in [*further, *COMMON_STORAGE_CLASSES][: MOST_PROPOSALS - len(proposals)]:
            proposals.append(Proposal(uid, _STORAGE_SYNTAXES, as_scp))
        with self._connector.open(
            self._remote(call), proposals, self._storage(received.append)
        ) as association:
            elements: dict[int, Value] = {COMMAND_FIELD: C_GET_RQ}
            yield _Retriever(association, _GET, GetUnavailable, elements, self._dictionary, received)

    def _remote(self, call: Call) -> Remote:
        return self._defaults.remote(call.modality, call.local_aet, call.timeout)


class _Finder:
    def __init__(self, association: Association, aet: str) -> None:
        self._association = association
        self._aet = aet

    def find(self, model: Model, identifier: Identifier) -> Iterator[FoundDataSet]:
        context = self._association.find(_FIND[model])
        if context is None:
            raise FindUnavailable(f"Remote AET is {self._aet}")
        elements = {COMMAND_FIELD: C_FIND_RQ}
        for response in self._association.ask_all(context, *_request(context, elements, identifier)):
            status = response.command.status
            if is_pending(status):
                if not response.data:
                    raise NetworkProtocol(f'AET "{self._aet}" has sent an answer without a data set')
                yield FoundDataSet(response.data, context.transfer_syntax)
            elif status != SUCCESS:
                raise self._failure(response.command)

    def _failure(self, command: Command) -> DimseFailure:
        status, comment = command.status, f": {command.comment}" if command.comment else ""
        text = f'C-FIND SCU to AET "{self._aet}" has failed with DIMSE status 0x{status:04X}'
        if status == UNABLE_TO_PROCESS:
            return InvalidQuery(f"{text} (unable to process - invalid query ?){comment}", status)
        return DimseFailure(text + comment, status)


class _Retriever:
    """:param models: the SOP class of each information model
    :param unavailable: the error where it is not accepted
    :param elements: what each request has in its command set
    :param received: Orthanc IDs of what comes over the association
    """

    def __init__(
        self,
        association: Association,
        models: Mapping[Model, str],
        unavailable: type[OrthancError],
        elements: Mapping[int, Value],
        dictionary: TagDictionary,
        received: list[str] | None = None,
    ) -> None:
        self._association = association
        self._models = models
        self._unavailable = unavailable
        self._elements = elements
        self._dictionary = dictionary
        self._received = received if received is not None else []

    @property
    def is_open(self) -> bool:
        return self._association.is_open

    def retrieve(
        self, model: Model, identifier: Identifier, message_id: int | None = None
    ) -> Iterator[SubOperations | None]:
        context = self._association.find(self._models[model])
        if context is None:
            raise self._unavailable(f"Remote AET is {self._association.peer.aet}")
        elements, data = _request(context, self._elements, identifier)
        for response in self._association.watch(context, elements, data, _NEWS, message_id):
            yield None if response is None else self._told(response)

    def cancel(self) -> None:
        self._association.cancel()

    def take_received(self) -> list[str]:
        taken = list(self._received)
        self._received.clear()
        return taken

    def _told(self, response: Message) -> SubOperations:
        command = response.command
        is_final = not is_pending(command.status)
        return SubOperations(
            command.status,
            is_final,
            _count(command, REMAINING_SUBOPERATIONS),
            _count(command, COMPLETED_SUBOPERATIONS),
            _count(command, FAILED_SUBOPERATIONS),
            _count(command, WARNING_SUBOPERATIONS),
            self._failed(response) if is_final else (),
            command.comment,
        )

    def _failed(self, response: Message) -> tuple[str, ...]:
        """The instances that the peer could not send. What cannot be read of it names none."""
        try:
            dataset = parse_dataset(response.data, response.context.transfer_syntax, self._dictionary)
        except BadFileFormat:
            return ()
        listed = (dataset.raw(_FAILED_SOP_INSTANCES) or b"").decode("ascii", "replace")
        return tuple(uid for text in listed.split("\\") if (uid := text.strip(" \0")))


def _request(
    context: Context, elements: Mapping[int, Value], identifier: Identifier
) -> tuple[dict[int, Value], tuple[bytes]]:
    """Command and data set of a request."""
    encoding = encoding_of(context.transfer_syntax)
    command = {**elements, AFFECTED_SOP_CLASS_UID: context.abstract_syntax, PRIORITY: MEDIUM_PRIORITY}
    return command, (encode_attributes(identifier.attributes, identifier.charset, encoding),)


def _count(command: Command, element: int) -> int:
    return command.number(element) if element in command else 0
