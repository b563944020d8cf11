"""What a plan says of one data set, and of the items of its sequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from orthanclite.dicom.edit.paths import TagPath

Entry = tuple[TagPath, str, Any]
"""A line of a plan: where, what is done there (``keep``, ``replace``, ``remove``), and the new value."""


@dataclass(slots=True)
class Rules:
    """What the plan says of one data set: of its own elements by tag, and of what is in its sequences.

    A file may have a million items, and a plan thousands of lines: an item that no line names by its index
    costs one look-up.
    """

    keep: set[int] = field(default_factory=set)
    replace: dict[int, Any] = field(default_factory=dict)
    remove: set[int] = field(default_factory=set)
    sequences: Mapping[int, _Items] = field(default_factory=dict)

    @staticmethod
    def of(entries: Iterable[Entry]) -> Rules:
        sequences: dict[int, _Items] = {}
        rules = Rules(sequences=sequences)
        for path, done, value in entries:
            if path.steps:
                (sequence, index), *rest = path.steps
                inner = (TagPath(path.tag, tuple(rest)), done, value)
                sequences.setdefault(sequence, _Items()).add(index, inner)
            elif done == "replace":
                rules.replace[path.tag] = value
            else:
                (rules.keep if done == "keep" else rules.remove).add(path.tag)
        return rules

    def below(self, sequence: int, index: int) -> Rules:
        """What it says of an item of a sequence."""
        items = self.sequences.get(sequence)
        return NOTHING if items is None else items.at(index)


class _Items:
    """What a plan says of the items of one sequence. Thread-safe once all is added."""

    def __init__(self) -> None:
        self._lines: dict[int | None, list[tuple[int, Entry]]] = {None: []}
        """By the index of the item, None for all items; each with its place among all."""
        self._count = 0
        self._rules: dict[int | None, Rules] = {}

    def add(self, index: int | None, inner: Entry) -> None:
        self._lines.setdefault(index, []).append((self._count, inner))
        self._count += 1

    def at(self, index: int) -> Rules:
        which = index if index in self._lines else None
        rules = self._rules.get(which)
        if rules is None:
            own = [] if which is None else self._lines[which]
            lines = sorted([*self._lines[None], *own], key=itemgetter(0))
            rules = self._rules[which] = Rules.of(inner for _, inner in lines)
        return rules


NOTHING = Rules()
