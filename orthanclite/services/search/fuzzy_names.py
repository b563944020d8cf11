"""Fuzzy matching of names (PS3.18 section 8.3.4.2): by the beginnings of words, in any order.

Neither case nor accents count, nor which part of a name a word is in: ``smi jo`` is the beginning of words of
``Smith^John``, of ``John Smithers`` and of ``Jones-Smith^Anna``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orthanclite.core.query import Constraint, Match
from orthanclite.core.text.normalize import normalize

_BETWEEN_WORDS = re.compile(r"[\s^=,.*?\\'-]+")


class FuzzyName:
    """What a name must be like.

    :param text: words; wildcards in it mean nothing
    """

    __slots__ = ("words",)

    def __init__(self, text: str) -> None:
        self.words = tuple(dict.fromkeys(_words(text)))

    def constraints(self, tag: int) -> Iterator[Constraint]:
        """What an index can say: each word stands anywhere in the name."""
        for word in self.words:
            yield Constraint(tag, Match.WILDCARD, (f"*{word}*",))

    def matches(self, name: object) -> bool:
        """Whether each word is the beginning of one in ``name``, which is text where there is one."""
        if not isinstance(name, str):
            return False
        words = _words(name)
        return all(any(one.startswith(word) for one in words) for word in self.words)


def _words(text: str) -> list[str]:
    return [word for word in _BETWEEN_WORDS.split(normalize(text)) if word]
