"""What a constraint means for the value of one attribute (PS3.4 C.2.2.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from orthanclite.core.query import Constraint, Match, MetadataConstraint
from orthanclite.core.text.normalize import normalize

Predicate = Callable[[str | None], bool]
"""Whether a value, None where the attribute is absent, fulfils a constraint."""


def predicate(constraint: Constraint | MetadataConstraint) -> Predicate:
    """The test of one constraint, prepared once for many values.

    An absent attribute never matches. A list matches a value of several (``\\``) with one of its own. Ranges
    are of dates and times, where case means nothing.
    """
    fold = exact if constraint.case_sensitive and constraint.match is not Match.RANGE else normalize
    test = _TESTS[constraint.match]([fold(value) for value in constraint.values])

    def check(value: str | None) -> bool:
        return value is not None and test(fold(value))

    return check


def matches(constraint: Constraint | MetadataConstraint, value: str | None) -> bool:
    """Whether one value fulfils ``constraint``; for many values, keep the :func:`predicate`."""
    return predicate(constraint)(value)


def exact(value: str) -> str:
    """The text that case-sensitive matching compares: without padding (PS3.5 section 6.2)."""
    return value.strip(" \0")


@lru_cache(maxsize=256)
def wildcard(pattern: str) -> Callable[[str], bool]:
    """The test of a whole text: ``*`` is any text, ``?`` one character, everything else is literal.

    Patterns and texts are written by strangers. The time grows with the length of the text times that of the
    longest part between two ``*``, at most, and other threads get their turn meanwhile.

    >>> test = wildcard("1.2.*?")
    >>> test("1.2.3"), test("1.2.")
    (True, False)
    """
    first, *rest = map(_Part, re.sub(r"\*+", "*", pattern).split("*"))
    if not rest:
        return lambda text: len(text) == first.width and first.fits(text, 0)
    *inner, last = rest

    def test(text: str) -> bool:
        position, end = first.width, len(text) - last.width
        if position > end or not first.fits(text, 0) or not last.fits(text, end):
            return False
        for part in inner:
            # The first place where a part fits is as good as any, so nothing is tried twice.
            found = part.find(text, position, end)
            if found < 0:
                return False
            position = found + part.width
        return True

    return test


_WINDOW = 4096
"""Places that are tried at a time: a regular expression lets no other thread run until it has ended."""


class _Part:
    """What stands between two ``*`` of a pattern."""

    def __init__(self, text: str) -> None:
        self.width = len(text)
        self._text = text
        self._regex: re.Pattern[str] | None = None
        if "?" in text:
            chars = ("." if char == "?" else re.escape(char) for char in text)
            self._regex = re.compile("".join(chars), re.DOTALL)

    def fits(self, text: str, position: int) -> bool:
        """Whether the part stands in ``text`` at ``position``."""
        if self._regex is None:
            return text.startswith(self._text, position)
        return self._regex.match(text, position) is not None

    def find(self, text: str, start: int, end: int) -> int:
        """The first place in ``text[start:end]`` where the part stands; -1 for none."""
        if self._regex is None:
            return text.find(self._text, start, end)
        while end - start >= self.width:
            found = self._regex.search(text, start, min(end, start + _WINDOW + self.width - 1))
            if found is not None:
                return found.start()
            start += _WINDOW
        return -1


def _equal(values: list[str]) -> Callable[[str], bool]:
    return values[0].__eq__


def _list(values: list[str]) -> Callable[[str], bool]:
    wanted = frozenset(values)
    return lambda text: text in wanted or ("\\" in text and not wanted.isdisjoint(_parts(text)))


def _parts(text: str) -> Iterable[str]:
    return (part.strip(" ") for part in text.split("\\"))


def _wildcard(values: list[str]) -> Callable[[str], bool]:
    return wildcard(values[0])


def _range(values: list[str]) -> Callable[[str], bool]:
    lower, upper = values
    # As text: dates and times are written most significant digit first. The empty value comes before all.
    return lambda text: (not lower or text >= lower) and (not upper or text <= upper)


_TESTS: dict[Match, Callable[[list[str]], Callable[[str], bool]]] = {
    Match.EQUAL: _equal,
    Match.LIST: _list,
    Match.WILDCARD: _wildcard,
    Match.RANGE: _range,
}
