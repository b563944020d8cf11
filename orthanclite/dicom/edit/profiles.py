"""What anonymisation does to each attribute, by edition of the standard.

``profiles.tsv`` has a row for each attribute that one of the editions treats (PS3.15 table E.1-1, Basic
Application Level Confidentiality Profile, as the reference has read it), with a letter for each of
:data:`VERSIONS`: K keeps it, X removes it, Z empties it, U gives it a new UID. The last column holds, where
they differ, the letters that apply in the items of sequences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from importlib.resources import files


class Action(Enum):
    """What becomes of an attribute."""

    REMOVE = "X"
    CLEAR = "Z"
    RENEW = "U"


VERSIONS = ("2008", "2017c", "2021b", "2023b")
"""The editions, in the order of the letters."""

DEFAULT_VERSION = "2023b"


@dataclass(frozen=True, slots=True)
class Profile:
    """One edition."""

    version: str
    top: Mapping[int, Action]
    nested: Mapping[int, Action]
    """In the items of sequences."""
    masked: tuple[tuple[int, int, Action], ...]
    """What repeats over groups: the bits of the tag that count, their value, and the action."""

    def action(self, tag: int, nested: bool) -> Action | None:
        """What becomes of ``tag``; None where it is kept."""
        found = (self.nested if nested else self.top).get(tag)
        if found is None and tag >> 24 in (0x50, 0x60):
            return next((action for mask, value, action in self.masked if tag & mask == value), None)
        return found


@lru_cache(maxsize=len(VERSIONS))
def profile(version: str) -> Profile:
    """The profile of one of :data:`VERSIONS`."""
    column = VERSIONS.index(version)
    top: dict[int, Action] = {}
    nested: dict[int, Action] = {}
    masked: list[tuple[int, int, Action]] = []
    text = files(__package__).joinpath("profiles.tsv").read_text("ascii")
    for line in text.splitlines()[1:]:
        tag, _, actions, *in_items = line.split("\t")
        digits = tag.replace(",", "")
        for table, letters in ((top, actions), (nested, in_items[0] if in_items else actions)):
            if letters[column] == "K":
                continue
            action = Action(letters[column])
            if "x" not in digits:
                table[int(digits, 16)] = action
            elif table is top:
                mask = int("".join("0" if digit == "x" else "f" for digit in digits), 16)
                masked.append((mask, int(digits.replace("x", "0"), 16), action))
    return Profile(version, top, nested, tuple(masked))
