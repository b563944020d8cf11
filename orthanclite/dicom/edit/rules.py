"""What a plan says of one data set, and of the items of its sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orthanclite.dicom.edit.paths import TagPath

Entry = tuple[TagPath, str, Any]
"""A line of a plan: where, what is done there (``keep``, ``replace``, ``remove``), and the new value."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the plan says of one data set: of its own elements by tag, and of what is in its sequences."""

    keep: frozenset[int] = frozenset()
    replace: Mapping[int, Any] = field(default_factory=dict)
    remove: frozenset[int] = frozenset()
    deep: tuple[Entry, ...] = ()

    @staticmethod
    def of(entries: Sequence[Entry]) -> Rules:
        def tags(what: str) -> frozenset[int]:
            return frozenset(path.tag for path, done, _ in entries if done == what and not path.steps)

        return Rules(
            tags("keep"),
            {path.tag: value for path, done, value in entries if done == "replace" and not path.steps},
            tags("remove"),
            tuple(entry for entry in entries if entry[0].steps),
        )

    def below(self, sequence: int, index: int) -> Rules:
        """What it says of an item of a sequence."""
        if not self.deep:
            return NOTHING
        inner = ((path.below(sequence, index), done, value) for path, done, value in self.deep)
        found = [(path, done, value) for path, done, value in inner if path is not None]
        return Rules.of(found) if found else NOTHING


NOTHING = Rules()
