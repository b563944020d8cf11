"""What a constraint means for the value of one attribute (PS3.4 C.2.2.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from orthanclite.core.normalize import normalize
from orthanclite.core.query import Constraint, Match, MetadataConstraint

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
def wildcard_regex(pattern: str) -> re.Pattern[str]:
    """``*`` is any text, ``?`` one character, everything else is literal."""
    first, *rest = (
        "".join("." if char == "?" else re.escape(char) for char in part)
        for part in re.sub(r"\*+", "*", pattern).split("*")
    )
    if not rest:
        return re.compile(first, re.DOTALL)
    # Atomic groups: the first place where a part fits is as good as any, so nothing is tried twice.
    inner = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(f"{first}{inner}.*{rest[-1]}", re.DOTALL)


def _equal(values: list[str]) -> Callable[[str], bool]:
    return values[0].__eq__


def _list(values: list[str]) -> Callable[[str], bool]:
    wanted = frozenset(values)
    return lambda text: text in wanted or ("\\" in text and not wanted.isdisjoint(_parts(text)))


def _parts(text: str) -> Iterable[str]:
    return (part.strip(" ") for part in text.split("\\"))


def _wildcard(values: list[str]) -> Callable[[str], bool]:
    regex = wildcard_regex(values[0])
    return lambda text: regex.fullmatch(text) is not None


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
