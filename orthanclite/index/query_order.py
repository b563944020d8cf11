"""``OrderBy`` in SQL. Whatever lacks the tag or the metadata comes last in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Double, FromClause, case, cast, func

from orthanclite.core.constants import Metadata
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.query import COMPUTED_TAGS, OrderBy, OrderType
from orthanclite.index.query_conditions import Conditions, Dialect, home_of, value_above
from orthanclite.index.query_special import SpecialConditions

Expression = ColumnElement[Any]

_INTEGER = r"^\s*([+-]?\d{1,18})"
_NUMBER = r"^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?)"

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
        column: str | None = None
        if first.type is OrderType.TAG:
            home = home_of(self.main_tags, self.level, first.key)
            column = home.column if home is not None and home.level is self.level else None
        elif first.type is OrderType.METADATA and first.key == Metadata.LAST_UPDATE:
            column = "last_update"
        return column if (column, self.level) in _WALKED else None

    def expressions(self, source: FromClause, walking: bool = False) -> list[Expression]:
        """For ORDER BY. ``walking``: over rows that all have the first criterion, so that an index serves."""
        found: list[Expression] = []
        for number, criterion in enumerate(self.criteria):
            value = self._value(source, criterion)
            if value is not None:
                ordered = value.asc() if criterion.ascending else value.desc()
                found.append(ordered if walking and number == 0 else ordered.nulls_last())
        last = source.c.public_id
        if not walking:
            last = self.dialect.blunt(last)
        # In the direction of the last criterion: the index of a date holds the ID too.
        ascending = not self.criteria or self.criteria[-1].ascending
        return [*found, last.asc() if ascending else last.desc()]

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
        number = BigInteger() if is_integer else Double()
        if self.dialect.is_sqlite:
            return cast(value, number)
        # As SQLite casts: the number that the text begins with, else zero.
        digits = func.substring(value, _INTEGER if is_integer else _NUMBER)
        return case((value.is_not(None), func.coalesce(cast(digits, number), 0)))


def order_of(
    dialect: Dialect, level: Level, main_tags: MainTags, criteria: Sequence[OrderBy]
) -> Order:
    return Order(dialect, level, main_tags, tuple(criteria))
