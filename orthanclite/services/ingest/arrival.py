"""What comes in, and what its sender is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orthanclite.core.constants import Origin, StoreStatus
from orthanclite.core.identifiers import Hierarchy
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.model import OverwriteMode
from orthanclite.core.principal import Principal


@dataclass(frozen=True, slots=True)
class IngestOrigin:
    """Where an instance comes from; kept as its metadata, but for the principal."""

    kind: Origin
    remote_ip: str = ""
    remote_aet: str = ""
    called_aet: str = ""  # DICOM only
    username: str = ""  # HTTP only
    principal: Principal | None = None  # who brought it; None where this server made it by itself

    @staticmethod
    def of(principal: Principal, called_aet: str = "") -> IngestOrigin:
        """The origin of what ``principal`` brings.

        :param called_aet: the application entity title that it called, over DICOM
        """
        is_dicom = principal.origin is Origin.DICOM_PROTOCOL
        return IngestOrigin(
            kind=principal.origin,
            remote_ip=principal.address,
            remote_aet=principal.name if is_dicom else "",
            called_aet=called_aet,
            username="" if is_dicom else principal.name,
            principal=principal,
        )


@dataclass(frozen=True, slots=True)
class WrittenBlob:
    """A file that is in the storage area already, durable, while nothing refers to it."""

    uuid: str
    size: int  # bytes
    md5: str  # hex; empty where it is not wanted


@dataclass(frozen=True, slots=True)
class Arrival:
    """A DICOM file that has come in, whatever the way."""

    content: Buffer | WrittenBlob
    origin: IngestOrigin
    metadata: Mapping[Level, Mapping[int, str]] = field(default_factory=dict)
    """Further system metadata for the resources that are new (ModifiedFrom...)."""
    labels: Mapping[Level, Sequence[str]] = field(default_factory=dict)
    """Labels for the resources that are new."""
    overwrite: OverwriteMode | None = None
    """Instead of the option ``OverwriteInstances``."""
    as_it_is: bool = False
    """Whether it is stored in its own transfer syntax, whatever ``IngestTranscoding`` says."""
    sent_size: int | None = None
    """Bytes that were sent for it, where it was compressed on its way; None where it came as it is."""

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.content.size if isinstance(self.content, WrittenBlob) else len(self.content)


@dataclass(frozen=True, slots=True)
class StoreResult:
    """What became of an instance."""

    status: StoreStatus
    ids: Hierarchy

    def to_json(self) -> dict[str, str]:
        """The answer to an upload."""
        return {
            "ID": self.ids.instance,
            "ParentPatient": self.ids.patient,
            "ParentStudy": self.ids.study,
            "ParentSeries": self.ids.series,
            "Path": f"/instances/{self.ids.instance}",
            "Status": self.status.value,
        }
