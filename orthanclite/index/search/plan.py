"""How a search runs: the shape of its statements is chosen here, not by the planner.

A page of the first matches in some order can be found in two ways. Walking rows in that order and testing
each is fast where matches are dense; finding all matches with an index and sorting them is fast where they
are few. Planners guess which, and a wrong guess costs seconds on a million studies. So: a point look-up is
tried first; then the first thousand rows in the wanted order are tested. They are either enough already, or
tell how dense the matches are (Orthanc IDs are hashes: their order is a random sample). Subqueries with a
limit keep both SQLite and PostgreSQL to the chosen shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, FromClause, Select, Subquery, and_, func, literal, select, true
from sqlalchemy.sql.visitors import iterate

from orthanclite.core.query import FindRequest
from orthanclite.index.database.session import Session
from orthanclite.index.resources.pages import IdPages
from orthanclite.index.schema import TABLES, totals
from orthanclite.index.search.conditions import Condition, Dialect, Driver
from orthanclite.index.search.order import Order

FEW = 2000
"""Matches of a point look-up that are sorted without further thought."""
SAMPLE = 1000
"""Rows that are tested in order before a plan is chosen."""
PROBE = 20000
"""Rows of a driver beyond which it is no longer counted."""
SORT_COST = 3
"""What it costs to find and sort one match, in units of testing one row of a walk."""
BATCHES = (1000, 5000, 20000)
"""Rows read at a time where each must be tested in Python."""


@dataclass(frozen=True, slots=True)
class Search:
    """One search of an index, ready to run in a session."""

    session: Session
    dialect: Dialect
    request: FindRequest
    conditions: tuple[Condition, ...]
    order: Order
    pages: IdPages

    @property
    def _table(self) -> Any:
        return TABLES[self.request.level]

    @property
    def _needed(self) -> int:
        return self.request.since + self.request.limit

    def ids(self) -> list[str]:
        """The Orthanc IDs of the page that is asked for, in order."""
        if any(condition.residue for condition in self.conditions):
            return self._tested()
        if self.request.limit == 0:
            return self._sorted()
        if not self.conditions and self.order.walked_column() is not None:
            return self._page_without_conditions()
        if not self.conditions and self._needed <= FEW:
            page = self._foremost()
            if page is not None:
                return page
        if any(driver.is_point for driver in self._drivers()):
            few = self._few()
            if few is not None:
                return few
        if self.order.walked_column() is not None:
            page = self._walked()
            if page is not None:
                return page
        return self._sorted()

    def count(self) -> int:
        """The number of matches, whatever the page."""
        if any(condition.residue for condition in self.conditions):
            return sum(1 for _ in self._passing(self._candidates()))
        statement = select(func.count()).select_from(self._table).where(*self._where(self._driver()))
        return int(self._all(statement)[0][0])

    def _all(self, statement: Select[Any]) -> Sequence[Any]:
        return self.session.connection.execute(statement).all()

    def _column(self, statement: Select[Any]) -> list[str]:
        return list(self.session.connection.execute(statement).scalars())

    def _drivers(self) -> list[Driver]:
        return [condition.driver for condition in self.conditions if condition.driver is not None]

    def _filters(self, source: FromClause) -> list[ColumnElement[bool]]:
        return [condition.filter(source) for condition in self.conditions]

    def _where(self, driver: Driver | None) -> list[ColumnElement[bool]]:
        driving = [] if driver is None else [driver.where(self._table)]
        return [true(), *driving, *self._filters(self._table)]

    def _driver(self) -> Driver | None:
        """What finds the fewest rows. PostgreSQL keeps statistics, and decides for itself."""
        if not self.dialect.is_sqlite:
            return None
        drivers = sorted(self._drivers(), key=lambda driver: not driver.is_point)
        if len(drivers) < 2 or drivers[0].is_point:
            return drivers[0] if drivers else None
        best, fewest = drivers[0], PROBE
        for driver in drivers:
            found = driver.rows
            if found is None:
                found = select(literal(1)).select_from(self._table).where(driver.where(self._table))
            count = self._all(select(func.count()).select_from(found.limit(fewest).subquery()))[0][0]
            if count < fewest:
                best, fewest = driver, count
            if fewest <= FEW:
                break
        return best

    def _fenced(self, driver: Driver | None) -> Select[Any]:
        """The matches with what orders them, for a subquery that stays one."""
        keys = self.order.keys(self._table)
        return select(self._table.c.public_id, *keys).where(*self._where(driver))

    def _in_order(self, inner: Subquery) -> Select[Any]:
        return select(inner.c.public_id).order_by(*self.order.by_keys(inner))

    def _sorted(self) -> list[str]:
        """Find all matches, then sort them."""
        # OFFSET 0 changes nothing, but no planner takes a subquery apart that has it.
        inner = self._fenced(self._driver()).offset(0).subquery()
        statement = self._in_order(inner)
        if self.request.limit:
            statement = statement.limit(self.request.limit)
        if self.request.since:
            statement = statement.offset(self.request.since)
        return self._column(statement)

    def _few(self) -> list[str] | None:
        """The page of a point look-up; None where it finds more than a few."""
        driver = next(driver for driver in self._drivers() if driver.is_point)
        inner = self._fenced(driver if self.dialect.is_sqlite else None).limit(FEW + 1).subquery()
        found = self._column(self._in_order(inner))
        return None if len(found) > FEW else found[self.request.since : self._needed]

    def _walked(self) -> list[str] | None:
        """The page, by testing rows in order; None where that would take longer than sorting."""
        sample = self._column(self._walk(SAMPLE))
        if len(sample) >= self._needed:
            return sample[self.request.since : self._needed]
        density = len(sample) / SAMPLE
        size = self._size()
        if density == 0 or self._needed / density > SORT_COST * density * size:
            return None
        if self.dialect.is_sqlite:
            # Its subqueries run to their end; but where no index serves the filters, it walks by itself.
            walk = self._walking(select(self._table.c.public_id)).where(*self._filters(self._table))
        else:
            walk = self._walk(int(2 * self._needed / density) + SAMPLE)
        page = self._column(walk.limit(self.request.limit).offset(self.request.since))
        return page if len(page) == self.request.limit else None

    def _size(self) -> int:
        name = self.request.level.plural
        return int(self._all(select(totals.c[name]))[0][0])

    def _walk(self, rows: int) -> Select[Any]:
        """Test the first ``rows`` rows in order."""
        inner = self._walking(select(*self._tested_columns(), *self.order.keys(self._table))).limit(rows)
        walked = inner.subquery()
        return self._in_order(walked).where(true(), *self._filters(walked))

    def _tested_columns(self) -> list[Column[Any]]:
        """The columns that the conditions look at, with the Orthanc ID."""
        tested = {self._table.c.public_id: None}
        for test in self._filters(self._table):
            tested.update((each, None) for each in iterate(test) if isinstance(each, Column))
        return [column for column in tested if column.table is self._table]

    def _walking(self, statement: Select[Any]) -> Select[Any]:
        """``statement`` over the rows of a walk, in order."""
        return statement.where(true(), *self._present(self._table), *self._bounds()).order_by(
            *self.order.walking(self._table)
        )

    def _present(self, source: FromClause) -> list[ColumnElement[bool]]:
        """That the rows of a walk have its column: those without come last."""
        column: Any = source.c[self.order.walked_column() or ""]
        return [column.is_not(None)] if column.nullable else []

    def _bounds(self) -> list[ColumnElement[bool]]:
        """Where a walk begins and ends: the conditions on its own column."""
        walked = self.order.walked_column()
        return [
            condition.driver.where(self._table)
            for condition in self.conditions
            if condition.driver is not None and condition.column == walked
        ]

    def _page_without_conditions(self) -> list[str]:
        table, limit, since = self._table, self.request.limit, self.request.since
        if not self.order.criteria:
            return self.pages.page(self.session, self.request.level, since, limit)
        present = self._present(table)
        walk = select(table.c.public_id).where(true(), *present).order_by(*self.order.walking(table))
        page = self._column(walk.limit(limit).offset(since))
        if not present or len(page) == limit:
            return page
        if since and not page:
            count = select(func.count()).select_from(table).where(*present)
            since -= int(self._all(count)[0][0])
        else:
            since = 0
        absent = select(table.c.public_id).where(~and_(*present))
        tail = absent.order_by(*self.order.expressions(table)).limit(limit - len(page)).offset(since)
        return page + self._column(tail)

    def _foremost(self) -> list[str] | None:
        """The page among the resources with the foremost values, which an index tells; None where it tells
        none, or these are too many."""
        name = self.order.indexed_column()
        if name is None:
            return None
        column, ascending = self._table.c[name], self.order.criteria[0].ascending
        in_order = column.asc() if ascending else column.desc()
        walk = select(column).where(column.is_not(None)).order_by(in_order)
        last = self._column(walk.limit(1).offset(self._needed - 1))
        if not last:
            return None
        foremost = column <= last[0] if ascending else column >= last[0]
        few = select(literal(1)).select_from(self._table).where(foremost).limit(PROBE)
        if self._all(select(func.count()).select_from(few.subquery()))[0][0] == PROBE:
            return None
        found = select(self._table.c.public_id).where(foremost)
        ordered = found.order_by(*self.order.expressions(self._table))
        page = self._column(ordered.limit(self.request.limit).offset(self.request.since))
        return page if len(page) == self.request.limit else None

    # Conditions that only Python can test

    def _tested(self) -> list[str]:
        found: list[str] = []
        limit = self._needed if self.request.limit else None
        for public_id in self._passing(self._candidates()):
            found.append(public_id)
            if limit is not None and len(found) >= limit:
                break
        return found[self.request.since :]

    def _passing(self, rows: Iterator[Any]) -> Iterator[str]:
        tests = [condition.residue[1] for condition in self.conditions if condition.residue is not None]
        for public_id, *values in rows:
            if all(test(value) for test, value in zip(tests, values, strict=True)):
                yield public_id

    def _candidates(self) -> Iterator[Any]:
        """Rows that may match, in order, with the values to test."""
        values = [
            condition.residue[0](self._table)
            for condition in self.conditions
            if condition.residue is not None
        ]
        statement = select(self._table.c.public_id, *values)
        drives = any(
            condition.driver is not None and condition.column != "public_id" for condition in self.conditions
        )
        if drives or self.order.walked_column() != "public_id":
            driver = self._driver()
            ordered = statement.where(*self._where(driver)).order_by(*self.order.expressions(self._table))
            yield from self.session.connection.execute(ordered)
            return
        statement = statement.where(true(), *self._filters(self._table))
        last = self.request.after
        for number in range(2**62):
            size = BATCHES[min(number, len(BATCHES) - 1)]
            page = statement.where(self._table.c.public_id > last).order_by(self._table.c.public_id)
            rows = self._all(page.limit(size))
            yield from rows
            if len(rows) < size:
                return
            last = rows[-1][0]
