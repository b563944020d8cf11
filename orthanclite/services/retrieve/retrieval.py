"""Fetching what a modality has, by C-MOVE or C-GET, resource by resource."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from orthanclite.core.errors import DimseFailure, NetworkProtocol
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import SOP_CLASS_UID
from orthanclite.core.query import SOP_CLASSES_IN_STUDY
from orthanclite.core.registry import RetrieveMethod
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.services.remotes.client import Call
from orthanclite.services.retrieve.calling import Calls
from orthanclite.services.retrieve.identifiers import (
    Identifier,
    Tags,
    get_tags,
    identifier,
    move_tags,
)
from orthanclite.services.retrieve.moves import Moves
from orthanclite.services.retrieve.network import QueryRetrieve, Retriever, SubOperations
from orthanclite.services.retrieve.queries import model_of
from orthanclite.services.server.runtime import RuntimeOptions

_SUCCESS = 0x0000
_UNABLE_TO_PROCESS = 0xC000
_NAMES = {RetrieveMethod.C_MOVE: "C-MOVE", RetrieveMethod.C_GET: "C-GET"}


@dataclass(frozen=True, slots=True)
class RetrieveRequest:
    """What is to be fetched."""

    modality: str  # symbolic name
    method: RetrieveMethod  # C_MOVE or C_GET
    level: Level
    resources: tuple[Tags, ...]
    """What identifies each."""
    destination: str = ""
    """The AE title that a C-MOVE sends to."""
    local_aet: str = ""  # to call the modality by; empty for none in particular
    timeout: int | None = None  # seconds; 0 for no limit


@dataclass(slots=True)
class Fetching:
    """How far one resource is; kept up to date while it is fetched, whatever the end."""

    told: SubOperations | None = None  # what the modality has told last
    received: list[str] = field(default_factory=list)
    """Orthanc IDs of the instances that came here."""

    @property
    def status(self) -> int:
        """The final status, 0 where there was none."""
        return self.told.status if self.told is not None and self.told.is_final else _SUCCESS


class RetrieveService:
    """Fetches resources. Thread-safe."""

    def __init__(
        self,
        network: QueryRetrieve,
        calls: Calls,
        moves: Moves,
        dictionary: TagDictionary,
        runtime: RuntimeOptions,
    ) -> None:
        self._network = network
        self._calls = calls
        self._moves = moves
        self._dictionary = dictionary
        self._runtime = runtime

    def titles(self, request: RetrieveRequest) -> tuple[str, str]:
        """The AE titles of this server, as it calls the modality, and of the modality.

        :raises InexistentItem: for an unknown one
        """
        call = self._call(request)
        return self._network.local_aet(call), call.modality.aet

    def open(self, request: RetrieveRequest) -> AbstractContextManager[Retriever]:
        """Call the modality.

        :raises NetworkProtocol: where it cannot be reached, or rejects the association
        :raises NoPresentationContext: where it accepts nothing of what is proposed
        """
        call = self._call(request)
        if request.method is RetrieveMethod.C_MOVE:
            return self._network.mover(call, request.destination)
        return self._network.getter(call, _sop_classes(request.resources))

    def fetch(
        self,
        request: RetrieveRequest,
        resource: Tags,
        open: Callable[[], Retriever],
        state: Fetching,
    ) -> Generator[None]:
        """Fetch one resource; ``state`` tells how far that is at each stop, once a second at least.

        :param open: gives the association
        :raises BadRequest: where an identifier is missing
        :raises DimseFailure: for a final status other than success
        :raises NetworkProtocol: where instances have failed, or the association breaks
        """
        titles = self.titles(request)
        model = model_of(request.level)
        if request.method is RetrieveMethod.C_MOVE:
            with self._moves.begin(*titles) as move:
                state.received = move.received
                wanted = self._identifier(request.level, move_tags(request.level, resource))
                for state.told in open().retrieve(model, wanted, move.message_id):
                    yield
        else:
            wanted = self._identifier(request.level, get_tags(resource))
            retriever = open()
            for state.told in retriever.retrieve(model, wanted):
                state.received += retriever.take_received()
                yield
        _check(state.told, _NAMES[request.method], titles[1])

    def _call(self, request: RetrieveRequest) -> Call:
        return self._calls.call(request.modality, request.local_aet, request.timeout)

    def _identifier(self, level: Level, keys: Tags) -> Identifier:
        return identifier(level, keys, self._dictionary, self._runtime.default_encoding)


def _check(told: SubOperations | None, operation: str, aet: str) -> None:
    """:raises NetworkProtocol: unless everything was sent."""
    doing = f'{operation} SCU to AET "{aet}" has failed'
    if told is None:
        raise NetworkProtocol(f"{doing}: there was no answer")
    if told.status != _SUCCESS:
        hint = " (unable to process - resource not found ?)" if told.status == _UNABLE_TO_PROCESS else ""
        comment = f": {told.comment}" if told.comment else ""
        raise DimseFailure(f"{doing} with DIMSE status 0x{told.status:04X}{hint}{comment}", told.status)
    if told.failed:
        count = told.completed + told.failed + told.warnings
        raise NetworkProtocol(f"{doing} for {told.failed} of {count} instances, with DIMSE status 0x0000")


def _sop_classes(resources: Iterable[Tags]) -> list[str]:
    """The storage SOP classes that resources are known to have."""
    texts = (resource.get(tag, "") for resource in resources for tag in (SOP_CLASS_UID, SOP_CLASSES_IN_STUDY))
    return sorted({uid.strip() for text in texts for uid in text.split("\\") if uid.strip()})
