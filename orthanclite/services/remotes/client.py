"""What is asked of remote modalities, as jobs and REST see it; ``dimse/scu`` does it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from orthanclite.core.errors import OrthancError
from orthanclite.core.remotes.registry import Modality
from orthanclite.services.content.outgoing import OutgoingInstance


@dataclass(frozen=True, slots=True)
class Call:
    """Which modality is to be called, and what a request says of how."""

    modality: Modality
    local_aet: str = ""  # to call it by; empty for that of the modality or of this server
    timeout: int | None = None  # seconds; 0 for no limit, None for that of the modality or of this server

    def to_json(self) -> dict[str, Any]:
        """For the parameters of a job; there are no secrets in it."""
        return {"modality": self.modality.to_json(), "local_aet": self.local_aet, "timeout": self.timeout}

    @staticmethod
    def of_json(value: Any) -> Call:
        """What :meth:`to_json` made."""
        return Call(Modality.parse(value["modality"]), value["local_aet"], value["timeout"])


@dataclass(frozen=True, slots=True)
class MoveOriginator:
    """Whose C-MOVE instances are sent for (PS3.7 section 9.1.1.1)."""

    aet: str
    message_id: int


@dataclass(frozen=True, slots=True)
class SopReference:
    """An instance as other applications know it."""

    class_uid: str
    instance_uid: str


class StorageSession(Protocol):
    """Instances on their way to one modality, over one association at a time, in one thread at a time."""

    def expect(self, instances: Iterable[OutgoingInstance]) -> None:
        """Tell what is to be sent next: one association is then negotiated for all of it where it can be."""
        ...

    def prepare(self, instance: OutgoingInstance) -> None:
        """Have an association that can carry this instance.

        :raises OrthancError: if there is none to be had
        """
        ...

    def send(
        self, instance: OutgoingInstance, following: OutgoingInstance | None = None
    ) -> OrthancError | None:
        """Send the instance that was prepared for: why the modality has not taken it, or None.

        :param following: what will be sent next, as far as is known: it is read while the modality is at work
        :raises OrthancError: if the association breaks
        """
        ...

    def close(self) -> None:
        """Release the association. May be called again."""
        ...


class ModalityClient(Protocol):
    """Calls modalities. Thread-safe."""

    def local_aet(self, call: Call) -> str:
        """The AE title that this server calls by."""
        ...

    def echo(self, call: Call, check_find: bool) -> None:
        """C-ECHO, and then a C-FIND that finds nothing where ``check_find`` says so.

        :raises OrthancError: unless the modality answers with success
        """
        ...

    def store(self, call: Call, originator: MoveOriginator | None = None) -> StorageSession:
        """Begin to send stored instances; connects with the first one."""
        ...

    def request_commitment(self, call: Call, transaction_uid: str, instances: Sequence[SopReference]) -> None:
        """Ask a modality to keep instances; it reports later.

        :raises OrthancError: unless the modality takes the request
        """
        ...

    def store_file(self, call: Call, file: bytes) -> SopReference:
        """Send a DICOM file that is not stored, in its own transfer syntax.

        :raises BadFileFormat: if it is none
        :raises OrthancError: unless the modality takes it
        """
        ...
