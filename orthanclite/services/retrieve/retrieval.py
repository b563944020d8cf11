"""Fetching what a modality has, by C-MOVE or C-GET, resource by resource."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from orthanclite.core.errors import DimseFailure, NetworkProtocol, OrthancError
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import SOP_CLASS_UID
from orthanclite.core.query import SOP_CLASSES_IN_STUDY
from orthanclite.core.remotes.registry import RetrieveMethod
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
from orthanclite.services.retrieve.missing import MissingParts, Part, Remainder
from orthanclite.services.retrieve.moves import Moves
from orthanclite.services.retrieve.network import QueryRetrieve, Retriever, SubOperations
from orthanclite.services.retrieve.queries import model_of
from orthanclite.services.server.runtime import RuntimeOptions

_SUCCESS = 0x0000
_UNABLE_TO_PROCESS = 0xC000

log = logging.getLogger(__name__)


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

    def note(self, told: SubOperations | None) -> None:
        """What the modality tells; None for no news."""
        if told is not None:
            self.told = told

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
        missing: MissingParts,
        dictionary: TagDictionary,
        runtime: RuntimeOptions,
    ) -> None:
        self._network = network
        self._calls = calls
        self._moves = moves
        self._missing = missing
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
        again: bool = False,
    ) -> Generator[None]:
        """Fetch one resource; ``state`` tells how far that is at each stop, once a second at least.

        :param open: gives the association
        :param again: whether it was begun before: what of it is here already is not asked for once more
        :raises BadRequest: where an identifier is missing
        :raises DimseFailure: for a final status other than success
        :raises NetworkProtocol: where instances have failed, or the association breaks
        """
        parts = [Part(request.level, resource)]
        if again and (request.method is RetrieveMethod.C_GET or request.destination == self._calls.own_aet):
            remainder = self._remainder(request, resource)
            state.received += remainder.stored
            parts = remainder.parts
        for part in parts:
            if request.method is RetrieveMethod.C_MOVE:
                yield from self._move(request, part, open, state)
            else:
                yield from self._get(request, part, open, state)

    def _move(
        self, request: RetrieveRequest, part: Part, open: Callable[[], Retriever], state: Fetching
    ) -> Generator[None]:
        local_aet, remote_aet = self.titles(request)
        with self._moves.begin(local_aet, remote_aet) as move:
            before = state.received
            wanted = self._identifier(part.level, move_tags(part.level, part.tags))
            for told in open().retrieve(model_of(part.level), wanted, move.message_id):
                state.note(told)
                state.received = [*before, *move.received]
                yield
        _check(state.told, "C-MOVE", remote_aet)

    def _get(
        self, request: RetrieveRequest, part: Part, open: Callable[[], Retriever], state: Fetching
    ) -> Generator[None]:
        wanted = self._identifier(part.level, get_tags(part.tags))
        retriever = open()
        for told in retriever.retrieve(model_of(part.level), wanted):
            state.note(told)
            state.received += retriever.take_received()
            yield
        _check(state.told, "C-GET", self.titles(request)[1])

    def _remainder(self, request: RetrieveRequest, resource: Tags) -> Remainder:
        try:
            return self._missing.of(self._call(request), request.level, resource)
        except OrthancError as exc:
            log.warning("A resource is fetched as a whole again, as its instances are not told: %s", exc)
            return Remainder([], [Part(request.level, resource)])

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
