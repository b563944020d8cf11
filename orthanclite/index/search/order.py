"""``OrderBy`` in SQL. Whatever lacks the tag or the metadata comes last in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Double, FromClause, case, cast, func
from sqlalchemy.types import TypeEngine

from orthanclite.core.constants import Metadata
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.query import COMPUTED_TAGS, OrderBy, OrderType
from orthanclite.index.schema import TABLES
from orthanclite.index.search.conditions import INDEXED, Conditions, Dialect, home_of, value_above
from orthanclite.index.search.special import SpecialConditions

Expression = ColumnElement[Any]

_INTEGER = r"^\s*([+-]?\d{1,18})"
_NUMBER = r"^\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,2})?)"

_WALKED = {("study_date", Level.STUDY), ("last_update", Level.STUDY)}
"""Columns whose index, together with the Orthanc ID, yields rows in order."""


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a search among resources of one level: its criteria, then the Orthanc ID."""

    dialect: Dialect
    level: Level
    main_tags: MainTags
    criteria: tuple[OrderBy, ...]

    def walked_column(self) -> str | None:
        """The column whose index yields the rows in this order; None where they must be sorted."""
        if not self.criteria:
            return "public_id"
        first = self.criteria[0]
        column = self._own_column()
        if first.type is OrderType.METADATA and first.key == Metadata.LAST_UPDATE:
            column = "last_update"
        return column if (column, self.level) in _WALKED else None

    def indexed_column(self) -> str | None:
        """The column of the first criterion, where an index has its values in order, and nothing else."""
        column = self._own_column() if self.criteria else None
        return column if column in INDEXED[self.level] else None

    def _own_column(self) -> str | None:
        """The column of the level's own table that holds the text of the first criterion."""
        first = self.criteria[0]
        if first.type is not OrderType.TAG:
            return None
        home = home_of(self.main_tags, self.level, first.key)
        return home.column if home is not None and home.level is self.level else None

    def keys(self, source: FromClause) -> list[Expression]:
        """The values to order by, named for :meth:`by_keys`."""
        return [value.label(f"key{i}") for i, (value, _) in enumerate(self._values(source))]

    def by_keys(self, inner: FromClause) -> list[Expression]:
        """For ORDER BY over a subquery with ``public_id`` and the columns of :meth:`keys`."""
        values = self._values(TABLES[self.level])
        named = [(inner.c[f"key{i}"], ascending) for i, (_, ascending) in enumerate(values)]
        return self._ordered(named, inner.c.public_id)

    def expressions(self, source: FromClause) -> list[Expression]:
        """For ORDER BY over the table of the level, sorted."""
        return self._ordered(self._values(source), self.dialect.blunt(source.c.public_id))

    def walking(self, source: FromClause) -> list[Expression]:
        """For ORDER BY over rows that all have the first criterion, so that its index serves."""
        first, *others = self._values(source) or [(source.c.public_id, True)]
        ordered = first[0].asc() if first[1] else first[0].desc()
        if not self.criteria:
            return [ordered]
        return [ordered, *self._ordered(others, source.c.public_id)]

    def _ordered(self, values: Sequence[tuple[Expression, bool]], last: Expression) -> list[Expression]:
        found = [(value.asc() if ascending else value.desc()).nulls_last() for value, ascending in values]
        # In the direction of the last criterion: the index of a date holds the ID too.
        is_ascending = not self.criteria or self.criteria[-1].ascending
        return [*found, last.asc() if is_ascending else last.desc()]

    def _values(self, source: FromClause) -> list[tuple[Expression, bool]]:
        """What each criterion that has something to compare compares, and whether it ascends."""
        values = ((self._value(source, criterion), criterion.ascending) for criterion in self.criteria)
        return [(value, ascending) for value, ascending in values if value is not None]

    def _value(self, source: FromClause, criterion: OrderBy) -> Expression | None:
        """What a criterion compares; None for a tag that resources of this level cannot have."""
        if criterion.type.is_metadata:
            special = SpecialConditions(self.dialect, self.level)
            return self._typed(special.metadata(source, criterion.key), criterion.type)
        value = self._tag(source, criterion.key)
        return None if value is None else self._typed(value, criterion.type)

    def _tag(self, source: FromClause, tag: int) -> Expression | None:
        if tag in COMPUTED_TAGS:
            return SpecialConditions(self.dialect, self.level).computed_text(source, tag)
        home = home_of(self.main_tags, self.level, tag)
        if home is None:
            return None
        column = home.column
        if column is None:
            return Conditions(self.dialect, self.level, self.main_tags).raw(source, home)
        return value_above(source, self.level, home.level, lambda row: row.c[column])

    def _typed(self, value: Expression, type: OrderType) -> Expression:
        if type in (OrderType.TAG, OrderType.METADATA):
            return value
        is_integer = type in (OrderType.TAG_AS_INT, OrderType.METADATA_AS_INT)
        number: TypeEngine[Any] = BigInteger() if is_integer else Double()
        if self.dialect.is_sqlite:
            return cast(value, number)
        # As SQLite casts: the number that the text begins with, else zero.
        digits = func.substring(value, _INTEGER if is_integer else _NUMBER)
        return case((value.is_not(None), func.coalesce(cast(digits, number), 0)))
