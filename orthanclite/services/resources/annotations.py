"""Metadata and labels of resources."""

from __future__ import annotations

import re

from orthanclite.core.errors import ParameterOutOfRange, RevisionConflict
from orthanclite.core.levels import Level
from orthanclite.core.machine.digest import md5_of
from orthanclite.core.model import MetadataValue
from orthanclite.core.names import NameRegistry
from orthanclite.core.ports import Annotations
from orthanclite.services.content.attachments import MISSING_IF_MATCH, Revision

_LABEL = re.compile("[A-Za-z0-9_-]{1,64}")


class MetadataService:
    """What the metadata routes do. Thread-safe.

    :param check_revisions: the option ``CheckRevisions``
    """

    def __init__(self, annotations: Annotations, names: NameRegistry, check_revisions: bool = False) -> None:
        self._annotations = annotations
        self._check_revisions = check_revisions
        self.names = names

    def all(self, level: Level, id: str) -> dict[int, MetadataValue]:
        """The metadata of a resource, in the order of their numbers.

        :raises UnknownResource: for an unknown resource.
        """
        return self._annotations.metadata(level, id)

    def set(self, level: Level, id: str, type: int, value: str, expected: Revision | None) -> Revision:
        """Write a user metadata; its new revision.

        :raises RevisionConflict: where the present value has another revision, or none is given and the
            server wants one.
        :raises UnknownResource: for an unknown resource.
        :raises ParameterOutOfRange: for a value with a NUL, which PostgreSQL cannot keep.
        """
        if "\0" in value:
            raise ParameterOutOfRange("A metadata cannot contain a NUL")
        revision = self._annotations.set_metadata(
            level, id, type, value, expected, must_match=self._check_revisions
        )
        return revision, md5_of(value)

    def delete(self, level: Level, id: str, type: int, expected: Revision | None) -> None:
        """Remove a user metadata; errors as :meth:`set`.

        :raises UnknownResource: also where it is not set.
        """
        if expected is None and self._check_revisions:
            raise RevisionConflict(MISSING_IF_MATCH)
        self._annotations.delete_metadata(level, id, type, expected)


class LabelService:
    """What the label routes do. Thread-safe."""

    def __init__(self, annotations: Annotations) -> None:
        self._annotations = annotations

    def all(self, level: Level, id: str) -> list[str]:
        """The labels of a resource, sorted.

        :raises UnknownResource: for an unknown resource.
        """
        return self._annotations.labels(level, id)

    def in_use(self) -> list[str]:
        """The labels of all resources, sorted."""
        return self._annotations.all_labels()

    def add(self, level: Level, id: str, label: str) -> None:
        """:raises ParameterOutOfRange: unless the label is 1 to 64 letters, digits, ``_`` or ``-``.
        :raises UnknownResource: for an unknown resource.
        """
        if not _LABEL.fullmatch(label):
            raise ParameterOutOfRange(
                "A label must be 1 to 64 characters among a-z, A-Z, 0-9, underscore and hyphen"
            )
        self._annotations.add_label(level, id, label)

    def remove(self, level: Level, id: str, label: str) -> None:
        """:raises UnknownResource: for an unknown resource; a label that it does not have is no error."""
        self._annotations.remove_label(level, id, label)
