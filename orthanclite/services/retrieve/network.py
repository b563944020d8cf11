"""How modalities are asked, as the services see it; ``dimse.scu`` does it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from orthanclite.services.remotes.client import Call
from orthanclite.services.retrieve.identifiers import Identifier


class Model(Enum):
    """An information model (PS3.4 sections C.6 and K.6)."""

    PATIENT = auto()  # patient root
    STUDY = auto()  # study root
    WORKLIST = auto()


@dataclass(frozen=True, slots=True)
class FoundDataSet:
    """The answer to a query, as it was received."""

    data: bytes
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class SubOperations:
    """How far a C-MOVE or C-GET is: what its responses tell (PS3.7 sections 9.1.3 and 9.1.4)."""

    status: int
    is_final: bool
    remaining: int = 0
    completed: int = 0
    failed: int = 0
    warnings: int = 0
    failed_uids: tuple[str, ...] = ()
    """SOP instances that could not be sent, in the final response."""
    comment: str = ""

    @property
    def fraction(self) -> float:
        """The part of the sub-operations that is over, 0 where their number is not known."""
        over = self.completed + self.failed + self.warnings
        return over / (over + self.remaining) if over else 0.0


class Finder(Protocol):
    """An association over which queries are sent."""

    def find(self, model: Model, identifier: Identifier) -> Iterator[FoundDataSet]:
        """The answers as they come. Whoever stops before the last ends the association.

        :raises DimseFailure: for a final status other than success
        :raises FindUnavailable: where the peer has not accepted the model
        :raises NetworkProtocol: where the association breaks, or no answer comes in time
        """
        ...


class Retriever(Protocol):
    """An association over which instances are asked for, by C-MOVE or C-GET."""

    @property
    def is_open(self) -> bool:
        """Whether more can be asked for over it."""
        ...

    def retrieve(
        self, model: Model, identifier: Identifier, message_id: int | None = None
    ) -> Iterator[SubOperations | None]:
        """Ask for instances: how far that is, as the peer tells it; None about each second without news.

        :param message_id: of the request; None for the next one
        :raises MoveUnavailable, GetUnavailable: where the peer has not accepted the model
        :raises NetworkProtocol: where the association breaks, or nothing comes in time
        """
        ...

    def cancel(self) -> None:
        """Have the peer end what it is at; its final response is still to be taken."""
        ...

    def take_received(self) -> list[str]:
        """The Orthanc IDs of the instances that came over the association, since this was asked last."""
        ...


class QueryRetrieve(Protocol):
    """Calls modalities.

    The methods that connect raise NetworkProtocol where the modality cannot be reached or rejects the
    association, and NoPresentationContext where it accepts nothing of what is proposed.
    """

    def local_aet(self, call: Call) -> str:
        """The AE title that this server calls by."""
        ...

    def finder(self, call: Call, models: Sequence[Model]) -> AbstractContextManager[Finder]: ...

    def mover(self, call: Call, destination: str) -> AbstractContextManager[Retriever]:
        """:param destination: the AE title that the modality is to send to"""
        ...

    def getter(self, call: Call, sop_classes: Sequence[str]) -> AbstractContextManager[Retriever]:
        """:param sop_classes: of storage, that will come besides the common ones"""
        ...
