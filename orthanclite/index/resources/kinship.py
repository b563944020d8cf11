"""The statements that lead from a resource to those above and below it, by the two levels."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, func, select

from orthanclite.core.levels import Level
from orthanclite.index.schema import TABLES, attachments


def _ancestor_statement(level: Level, target: Level) -> Any:
    source: Any = TABLES[level]
    current = level
    while current > target:
        above = Level(current - 1)
        source = source.join(TABLES[above], TABLES[current].c.parent == TABLES[above].c.id)
        current = above
    return (
        select(TABLES[target].c.public_id)
        .select_from(source)
        .where(TABLES[level].c.public_id == bindparam("public_id"))
    )


def _descendant_source(level: Level, target: Level) -> Any:
    source: Any = TABLES[level]
    for below in range(level + 1, target + 1):
        table = TABLES[Level(below)]
        source = source.join(table, table.c.parent == TABLES[Level(below - 1)].c.id)
    return source


ANCESTOR = {
    (level, target): _ancestor_statement(level, target)
    for level in Level
    for target in Level
    if target <= level
}
DESCENDANTS = {
    (level, target): select(TABLES[target].c.public_id)
    .select_from(_descendant_source(level, target))
    .where(TABLES[level].c.public_id == bindparam("public_id"))
    .order_by(TABLES[target].c.public_id)
    for level in Level
    for target in Level
    if target > level
}
FIRST_BELOW = {levels: statement.limit(1) for levels, statement in DESCENDANTS.items()}
COUNT_BELOW = {
    (level, target): select(func.count())
    .select_from(_descendant_source(level, target))
    .where(TABLES[level].c.public_id == bindparam("public_id"))
    for level in Level
    for target in Level
    if target >= level
}
SIZES_BELOW = {
    (level, target): select(
        attachments.c.type, func.sum(attachments.c.stored_size), func.sum(attachments.c.size)
    )
    .where(
        # Not a join: SQLite would begin it at the attachments, all of them.
        attachments.c.level == int(target),
        attachments.c.resource.in_(
            select(TABLES[target].c.id)
            .select_from(_descendant_source(level, target))
            .where(TABLES[level].c.public_id == bindparam("public_id"))
        ),
    )
    .group_by(attachments.c.type)
    for level in Level
    for target in Level
    if target >= level
}
