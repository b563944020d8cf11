"""Reading, searching and removing the resources of the four levels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from orthanclite.core.levels import Level
from orthanclite.core.model import Attachment, Counts, DeleteOutcome, Parts, Resource, ResourceRef, TagValues
from orthanclite.core.query import FindRequest


class Resources(Protocol):
    """Reading and removing the resources of the four levels."""

    def get(self, level: Level, id: str, parts: Parts = Parts.SHOWN) -> Resource | None: ...

    def get_many(self, level: Level, ids: Sequence[str], parts: Parts = Parts.SHOWN) -> list[Resource]:
        """The known ones among ``ids``, in that order."""
        ...

    def exists(self, level: Level, id: str) -> bool: ...

    def locate(self, id: str) -> Level | None:
        """The level at which an Orthanc ID is stored."""
        ...

    def locate_many(self, ids: Iterable[str]) -> dict[str, Level]:
        """The levels at which Orthanc IDs are stored, of those that are: a few statements for thousands."""
        ...

    def list_ids(self, level: Level, since: int = 0, limit: int | None = None) -> list[str]:
        """Orthanc IDs of a level in their order."""
        ...

    def ancestor_id(self, level: Level, id: str, target: Level) -> str | None:
        """The Orthanc ID of the ancestor at ``target`` (the resource itself at its own level)."""
        ...

    def descendant_ids(self, level: Level, id: str, target: Level) -> list[str]:
        """Sorted Orthanc IDs below a resource at ``target``; empty for an unknown one."""
        ...

    def first_below(self, level: Level, id: str, target: Level) -> str | None:
        """The first of :meth:`descendant_ids`, without all the others; None where there is none."""
        ...

    def blobs_of_series(self, id: str) -> list[tuple[str, str]]:
        """The instances of a series in the order of their Orthanc IDs, each with the UUID of its file."""
        ...

    def counts(self, level: Level | None = None, id: str | None = None) -> Counts:
        """Of the whole server, or below (and at) one resource."""
        ...

    def delete(self, level: Level, id: str) -> DeleteOutcome: ...

    def delete_many(self, refs: Iterable[ResourceRef]) -> DeleteOutcome:
        """Delete in one go; unknown ones are skipped, ``remaining_ancestor`` is None."""
        ...

    def is_protected(self, patient_id: str) -> bool: ...

    def set_protected(self, patient_id: str, protected: bool) -> None: ...

    def modalities_in_study(self, study_id: str) -> tuple[str, ...]: ...

    def sop_classes_in_study(self, study_id: str) -> tuple[str, ...]: ...

    def reconstruct(
        self,
        level: Level,
        id: str,
        tags: TagValues,
        main_sequences: str,
        signature: str,
        patient_tags: TagValues | None = None,
        metadata: Mapping[int, str | None] | None = None,
        *,
        blob: str,
        new_file: Attachment | None = None,
    ) -> bool:
        """Replace the main tags of one resource by ones just read from a file at or below it.

        ``main_sequences`` is the metadata MainDicomSequences, empty where there are none;
        ``patient_tags`` is a study's copy of its patient's tags; ``metadata`` are further system metadata to
        replace, None to remove one. ``blob`` is what was read, and ``new_file`` what takes its place, with
        the next revision.

        :return: False where the blob is not referred to any more, as the instance was overwritten or deleted
            meanwhile: nothing is written
        """
        ...


class Search(Protocol):
    """Searches whose constraints are on main tags of the level or of a parent, and on computed tags."""

    def find_ids(self, request: FindRequest) -> list[str]:
        """The Orthanc IDs of the matches, in order, ``since`` and ``limit`` applied."""
        ...

    def ids_of_uids(self, uids: Sequence[str]) -> list[str]:
        """The Orthanc IDs of the resources with these UIDs: of a study, then of a series in it, then of an
        instance in that; of the last level that is named, sorted. Far cheaper than :meth:`find_ids`."""
        ...

    def count(self, request: FindRequest) -> int:
        """How many resources match, whatever ``since`` and ``limit``."""
        ...

    def computed_tags(
        self, level: Level, keys: Sequence[int], tags: Iterable[int]
    ) -> dict[int, Mapping[int, str]]:
        """The computed ones among ``tags`` that describe ``level``, by ``Resource.key``."""
        ...
