"""Conditions of a search in SQL: each as a filter on a row, and where an index finds its rows, as a driver.

A filter never tempts the planner: on SQLite its columns are written ``+column``, which no index serves, so
that ``query_plan`` alone decides what drives a statement. What SQL cannot say exactly (case, attributes that
stand only in the JSON text) leaves a residue that is tested in Python on the text the statement returns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    BindParameter,
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    cast,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.sql.expression import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from orthanclite.core.levels import Level
from orthanclite.core.main_tags import DEFAULT_MAIN_TAGS, MainTags, tag_key
from orthanclite.core.query import Constraint, Match
from orthanclite.core.text.matching import Predicate, predicate
from orthanclite.core.text.normalize import normalize
from orthanclite.index.schema import COLUMNS, TABLES, extra_tags
from orthanclite.index.search.trigrams import TRIGRAM, TRIGRAM_COLUMNS, fts_table

Expression = ColumnElement[Any]
Test = ColumnElement[bool]

_LAST = "\U0010ffff"
"""Sorts after every other character, in UTF-8 as by code point."""
_MANY = 500
"""Values of a list beyond which they are bound as one parameter."""

_UNIQUE = frozenset(
    {"patient_id", "accession_number", "study_instance_uid", "series_instance_uid", "sop_instance_uid"}
)
INDEXED: dict[Level, frozenset[str]] = {
    Level.PATIENT: frozenset({"patient_id", "patient_name"}),
    Level.STUDY: frozenset(
        {
            "patient_id",
            "patient_name",
            "study_instance_uid",
            "study_date",
            "accession_number",
            "study_description",
        }
    ),
    Level.SERIES: frozenset({"series_instance_uid", "modality"}),
    Level.INSTANCE: frozenset({"sop_instance_uid"}),
}
"""The columns with an index that finds equal values, prefixes and ranges."""


_ABOVE = {level: table.alias(f"{level.plural}_above") for level, table in TABLES.items()}
_DOWN = {level: table.alias(f"{level.plural}_down") for level, table in TABLES.items()}
"""The tables by other names, for subqueries about the resources above a row, and for those that lead down to
rows. Made once: the columns of an alias take longer to make than a point look-up. None is used within
another of the same name."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where a main tag stands, as seen from a level: a column, the narrow table, or only the JSON text."""

    level: Level  # whose table: a study's for the patient's attributes below the patient level
    column: str | None
    json: str  # column of the JSON text
    tag: int
    extra: Level | None = None  # the level of its rows in ``extra_tags``


def home_of(main_tags: MainTags, level: Level, tag: int) -> Home | None:
    """The place of ``tag`` for resources of ``level``; None where it is no main tag of it or of a parent."""
    levels = [candidate for candidate in main_tags.levels_of(tag) if candidate <= level]
    if not levels:
        return None
    owner = levels[-1]
    # A study keeps a copy of its patient's attributes, as they were received with it.
    copied = owner is Level.PATIENT and level > Level.PATIENT
    extra = owner if tag not in DEFAULT_MAIN_TAGS[owner] else None
    return Home(
        Level.STUDY if copied else owner,
        COLUMNS[owner].get(tag),
        "patient_tags" if copied else "tags",
        tag,
        extra,
    )


@dataclass(frozen=True, slots=True)
class Driver:
    """What finds the rows of a condition, or a superset of them, with an index."""

    where: Callable[[FromClause], Test]
    is_point: bool = False  # a few rows, whatever the size of the table
    rows: Select[Any] | None = None
    """One row for each that is found, to count without looking further; None to count with ``where``."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, as a filter on a row of the level's table (or a subquery with its columns)."""

    filter: Callable[[FromClause], Test]
    driver: Driver | None = None
    residue: tuple[Callable[[FromClause], Expression], Predicate] | None = None
    """A value to select, and the test that it must pass beyond the filter."""
    column: str | None = None
    """The column of the level's own table that the condition is about."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The words in which SQLite and PostgreSQL differ."""

    is_sqlite: bool

    def blunt(self, column: Expression) -> Expression:
        """``column``, so that SQLite finds no index for it."""
        if not self.is_sqlite:
            return column
        return UnaryExpression(column, operator=custom_op("+"), type_=column.type)

    def json_text(self, document: Expression, key: str) -> Expression:
        if self.is_sqlite:
            return func.json_extract(document, f'$."{key}"')
        return cast(document, JSON).op("->>")(key)

    def like(self, column: Expression, pattern: str) -> Test:
        """``column`` fulfils a pattern of ``*`` and ``?``."""
        if self.is_sqlite:
            return column.op("GLOB", is_comparison=True)(pattern.replace("[", "[[]"))
        for char in "\\%_":
            pattern = pattern.replace(char, f"\\{char}")
        return column.like(pattern.replace("*", "%").replace("?", "_"))

    def contains(self, column: Expression, part: str) -> Test:
        if self.is_sqlite:
            return func.instr(column, part) > 0
        return self.like(column, f"*{part}*")  # which the trigram index serves

    def among(self, column: Expression, values: Sequence[str]) -> Test:
        if len(values) <= _MANY:
            return column.in_(values)
        bound: BindParameter[Any]
        if self.is_sqlite:
            bound = bindparam(None, json.dumps(list(values)), unique=True)
            each = func.json_each(bound).table_valued("value")
            return column.in_(select(each.c.value))
        bound = bindparam(None, list(values), unique=True)
        return column == func.any(bound)

    def trigrams(self, level: Level, column: str, parts: Sequence[str]) -> Driver:
        """Rows whose ``column`` contains one of ``parts``, each of three characters or more."""
        if not self.is_sqlite:
            return Driver(lambda source: or_(*(self.contains(source.c[column], part) for part in parts)))
        fts = fts_table(level)
        phrases = " OR ".join('"{}"'.format(part.replace('"', '""')) for part in parts)
        found: Select[Any] = (
            select(literal_column("rowid"))
            .select_from(table(fts))
            .where(literal_column(fts).op("MATCH")(f"{{{column}}} : ({phrases})"))
        )
        return Driver(lambda source: source.c.id.in_(found), rows=found)


def up(source: FromClause, level: Level, home: Level, build: Callable[[FromClause], Test]) -> Test:
    """``build`` applied to the row of ``home`` that is above the row of ``source``."""
    if home is level:
        return build(source)
    target, select_from, link = _path(source, level, home)
    return select(literal(1)).select_from(select_from).where(link, build(target)).exists()


def value_above(
    source: FromClause, level: Level, home: Level, build: Callable[[FromClause], Expression]
) -> Expression:
    """An expression over the row of ``home`` that is above the row of ``source``."""
    if home is level:
        return build(source)
    target, select_from, link = _path(source, level, home)
    return select(build(target)).select_from(select_from).where(link).scalar_subquery()


def _path(source: FromClause, level: Level, home: Level) -> tuple[FromClause, FromClause, Test]:
    """The table of ``home``, joined down to the parent of ``source``, and the link to ``source``."""
    current = _ABOVE[Level(level - 1)]
    link = current.c.id == source.c.parent
    joined: FromClause = current
    for above in range(level - 2, home - 1, -1):
        higher = _ABOVE[Level(above)]
        joined = joined.join(higher, higher.c.id == current.c.parent)
        current = higher
    return current, joined, link


def driven_down(level: Level, home: Level, driver: Driver) -> Driver:
    """What finds the rows of ``level`` below those of ``home`` that ``driver`` finds."""
    if home is level:
        return driver
    keys: Select[Any] | None = None
    for step in range(home, level):
        each = _DOWN[Level(step)]
        test = driver.where(each) if keys is None else each.c.parent.in_(keys)
        keys = select(each.c.id).where(test)
    assert keys is not None
    found = keys
    return Driver(lambda source: source.c.parent.in_(found), driver.is_point, driver.rows)


class Conditions:
    """Turns constraints on main tags into conditions for resources of one level."""

    def __init__(self, dialect: Dialect, level: Level, main_tags: MainTags) -> None:
        self.dialect = dialect
        self.level = level
        self.main_tags = main_tags

    def of_tag(self, constraint: Constraint) -> Condition:
        """The condition for a constraint on a main tag; never true for a tag that is none."""
        home = home_of(self.main_tags, self.level, constraint.tag)
        if home is None:
            return Condition(lambda source: false())
        if home.extra is not None:
            return self._of_extra(constraint, home, home.extra)
        if home.column is None:
            return Condition(
                lambda source: self.raw(source, home).is_not(None),
                residue=(lambda source: self.raw(source, home), predicate(constraint)),
            )
        return self._of_column(constraint, home, home.column)

    def raw(self, source: FromClause, home: Home) -> Expression:
        """The value as it is shown."""
        return value_above(
            source,
            self.level,
            home.level,
            lambda row: self.dialect.json_text(row.c[home.json], tag_key(home.tag)),
        )

    def _residue(
        self, constraint: Constraint, home: Home
    ) -> tuple[Callable[[FromClause], Expression], Predicate] | None:
        if not constraint.case_sensitive or constraint.match is Match.RANGE:
            return None
        return (lambda source: self.raw(source, home), predicate(constraint))

    def _of_column(self, constraint: Constraint, home: Home, column: str) -> Condition:
        words = Words.of(constraint)

        def test(row: FromClause) -> Test:
            return words.test(self.dialect, self.dialect.blunt(row.c[column]))

        driver = self._driver(words, home.level, column)
        return Condition(
            lambda source: up(source, self.level, home.level, test),
            driver,
            self._residue(constraint, home),
            column if home.level is self.level else None,
        )

    def _driver(self, words: Words, level: Level, column: str) -> Driver | None:
        where: Callable[[FromClause], Test]
        part = words.longest_part()
        if column in INDEXED[level] and words.is_sargable and len(part) <= max(len(words.prefix), TRIGRAM):

            def where(row: FromClause) -> Test:
                return words.sargable(self.dialect, row.c[column])
        elif len(part) >= TRIGRAM and column in TRIGRAM_COLUMNS.get(level, ()):
            return driven_down(self.level, level, self.dialect.trigrams(level, column, [part]))
        else:
            return None
        is_point = column in _UNIQUE and words.match in (Match.EQUAL, Match.LIST)
        return driven_down(self.level, level, Driver(where, is_point))

    def _of_extra(self, constraint: Constraint, home: Home, owner: Level) -> Condition:
        words = Words.of(constraint)
        named = and_(extra_tags.c.level == int(owner), extra_tags.c.tag == tag_key(constraint.tag))
        residue = self._residue(constraint, home)
        several: list[Test] = []
        if constraint.match is Match.LIST:
            # One of several values is enough, which the text as a whole does not tell. (The attributes that
            # have a column have one value each.)
            several = [self.dialect.contains(extra_tags.c.value, "\\")]
            residue = (lambda source: self.raw(source, home), predicate(constraint))

        def test(row: FromClause) -> Test:
            compared = words.test(self.dialect, self.dialect.blunt(extra_tags.c.value))
            found = select(literal(1)).where(named, extra_tags.c.resource == row.c.id)
            return found.where(or_(compared, *several)).exists()

        def where(row: FromClause) -> Test:
            compared = or_(words.sargable(self.dialect, extra_tags.c.value), *several)
            return row.c.id.in_(select(extra_tags.c.resource).where(named, compared))

        return Condition(
            lambda source: up(source, self.level, owner, test),
            driven_down(self.level, owner, Driver(where)) if words.is_sargable else None,
            residue,
        )


@dataclass(frozen=True, slots=True)
class Words:
    """The normalised values of a constraint, for comparisons with a normalised column."""

    match: Match
    values: tuple[str, ...]
    prefix: str  # literal text before the first wildcard

    @staticmethod
    def of(constraint: Constraint) -> Words:
        values = tuple(normalize(value).replace("\0", "") for value in constraint.values)
        if constraint.match is not Match.WILDCARD:
            return Words(constraint.match, values, "")
        pattern = values[0]
        if constraint.case_sensitive:
            # Folding may change the number of characters, and the exact test follows.
            pattern = pattern.replace("?", "*")
        while "**" in pattern:
            pattern = pattern.replace("**", "*")
        prefix = pattern[: min(pattern.find(char) % (len(pattern) + 1) for char in "*?")]
        return Words(Match.WILDCARD, (pattern,), prefix)

    @property
    def is_sargable(self) -> bool:
        """Whether an ordered index finds the matches."""
        return self.match is not Match.WILDCARD or bool(self.prefix)

    def longest_part(self) -> str:
        """The longest literal text of a pattern."""
        if self.match is not Match.WILDCARD:
            return ""
        return max(self.values[0].replace("?", "*").split("*"), key=len)

    def sargable(self, dialect: Dialect, column: Expression) -> Test:
        """What an ordered index can tell: the whole condition, but for a pattern only its prefix."""
        if self.match is Match.WILDCARD:
            return and_(column >= self.prefix, column < self.prefix + _LAST)
        return self.test(dialect, column)

    def test(self, dialect: Dialect, column: Expression) -> Test:
        if self.match is Match.EQUAL:
            return column == self.values[0]
        if self.match is Match.LIST:
            return dialect.among(column, self.values)
        if self.match is Match.RANGE:
            lower, upper = self.values
            bounds = [column >= lower] if lower or not upper else []  # the empty text comes first
            return and_(true(), *bounds, *([column <= upper] if upper else []))
        pattern = self.values[0]
        if pattern == "*":
            return column.is_not(None)
        if pattern == f"{self.prefix}*":
            return self.sargable(dialect, column)
        return dialect.like(column, pattern)
