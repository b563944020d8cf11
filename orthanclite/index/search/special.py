"""Conditions of a search on what is no attribute of a file: computed tags, labels, metadata, parents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, String, and_, cast, false, func, literal, or_, select, true

from orthanclite.core.constants import USER_RANGE, Metadata
from orthanclite.core.levels import Level
from orthanclite.core.query import (
    COMPUTED_TAGS,
    COUNTED_LEVELS,
    INSTANCE_AVAILABILITY,
    MODALITIES_IN_STUDY,
    ONLINE,
    Constraint,
    FindRequest,
    LabelsConstraint,
    Match,
    MetadataConstraint,
)
from orthanclite.core.text.matching import predicate
from orthanclite.core.text.normalize import normalize
from orthanclite.core.text.numbers import natural
from orthanclite.index.schema import TABLES, labels, signatures, user_metadata
from orthanclite.index.search.conditions import Condition, Dialect, Driver, driven_down, up, value_above

Expression = ColumnElement[Any]
Test = ColumnElement[bool]

_NO_COUNT = 2**31
"""More than any resource has below it, and than the integers of PostgreSQL hold."""
_BELOW = {level: table.alias(f"{level.plural}_below") for level, table in TABLES.items()}
"""The tables by other names, for subqueries about what is below a row: see those of ``conditions``."""
_PLANNED_LABELS = 8
"""Labels each of which is a way to find resources; planners take seconds to weigh a hundred ways."""


@dataclass(frozen=True, slots=True)
class SpecialConditions:
    """Builds them for resources of one level."""

    dialect: Dialect
    level: Level

    def of_computed(self, constraint: Constraint) -> Condition:
        """A constraint on a computed tag of this level or one above; never true for one below."""
        owner = COMPUTED_TAGS[constraint.tag]
        if owner > self.level:
            return Condition(lambda source: false())
        if constraint.tag == INSTANCE_AVAILABILITY:
            holds = predicate(constraint)(ONLINE)
            return Condition(lambda source: true() if holds else false())
        if constraint.tag in COUNTED_LEVELS:
            return self._of_count(constraint, owner)
        return self._of_set(constraint)

    def _of_count(self, constraint: Constraint, owner: Level) -> Condition:
        read = map(natural, constraint.values)
        numbers = [number for number in read if number is not None and number < _NO_COUNT]

        def test(row: FromClause) -> Test:
            return count_below(row, owner, COUNTED_LEVELS[constraint.tag]).in_(numbers)

        return Condition(lambda source: up(source, self.level, owner, test))

    def _of_set(self, constraint: Constraint) -> Condition:
        """ModalitiesInStudy or SOPClassesInStudy: one common value is enough (PS3.4 C.2.2.2.2)."""
        values = [normalize(value) for value in constraint.values]
        if constraint.case_sensitive:
            values = [value for value in values if value in constraint.values]
        if constraint.match is Match.WILDCARD:
            return self._of_set_pattern(constraint)
        if not values:
            return Condition(lambda source: false())
        parts = [f"\\{value}\\" for value in values if value]
        in_modalities = constraint.tag == MODALITIES_IN_STUDY

        def test(row: FromClause) -> Test:
            if not in_modalities:
                return self._has_sop_class(row, parts) if parts else false()
            column = self.dialect.blunt(row.c.modalities)
            wanted = [self.dialect.contains(column, part) for part in parts]
            if "" in values:
                wanted.append(column == "")
            return or_(false(), *wanted)

        driver = None
        if in_modalities and parts and "" not in values:
            found = self.dialect.trigrams(Level.STUDY, "modalities", parts)
            driver = driven_down(self.level, Level.STUDY, found)
        return Condition(lambda source: up(source, self.level, Level.STUDY, test), driver)

    def _of_set_pattern(self, constraint: Constraint) -> Condition:
        check = predicate(constraint)

        def any_matches(text: str | None) -> bool:
            return any(check(part) for part in (text or "").split("\\") if part)

        return Condition(
            lambda source: true(),
            residue=(
                lambda source: value_above(source, self.level, Level.STUDY, lambda row: row.c.modalities),
                any_matches,
            ),
        )

    def _has_sop_class(self, study: FromClause, parts: list[str]) -> Test:
        below = _BELOW[Level.SERIES]
        wanted = or_(*(self.dialect.contains(below.c.sop_classes, part) for part in parts))
        return select(literal(1)).select_from(below).where(below.c.parent == study.c.id, wanted).exists()

    def of_labels(self, request: FindRequest) -> list[Condition]:
        """The labels of the resource itself; those of its parents do not count."""
        wanted = sorted(set(request.labels))
        if request.labels_constraint is LabelsConstraint.NONE:
            return [Condition(lambda source: ~self._labelled(source, wanted))]
        if not wanted:
            return []
        if request.labels_constraint is LabelsConstraint.ANY:
            return [self._label(wanted)]
        conditions = [self._label([name]) for name in wanted[:_PLANNED_LABELS]]
        others = wanted[_PLANNED_LABELS:]
        if others:
            conditions.append(Condition(lambda source: self._has_all(source, others)))
        return conditions

    def _label(self, names: list[str]) -> Condition:
        owners = select(labels.c.resource).where(labels.c.level == int(self.level), labels.c.label.in_(names))
        return Condition(
            lambda source: self._labelled(source, names),
            Driver(lambda source: source.c.id.in_(owners)),
        )

    def _has_all(self, source: FromClause, names: list[str]) -> Test:
        own = and_(labels.c.level == int(self.level), labels.c.resource == source.c.id)
        among = self.dialect.blunt(labels.c.label).in_(names)
        return select(func.count()).where(own, among).scalar_subquery() == len(names)

    def _labelled(self, source: FromClause, names: list[str]) -> Test:
        """Whether the resource has one of ``names``, or any label where there are none."""
        own = and_(labels.c.level == int(self.level), labels.c.resource == source.c.id)
        found = select(literal(1)).where(own)
        if names:
            found = found.where(self.dialect.blunt(labels.c.label).in_(names))
        return found.exists()

    def of_metadata(self, constraint: MetadataConstraint) -> Condition:
        def value(source: FromClause) -> Expression:
            return self.metadata(source, constraint.type)

        driver = None
        if constraint.type in USER_RANGE:
            owners = select(user_metadata.c.resource).where(
                user_metadata.c.level == int(self.level), user_metadata.c.type == constraint.type
            )
            driver = Driver(lambda source: source.c.id.in_(owners))
        return Condition(
            lambda source: value(source).is_not(None), driver, residue=(value, predicate(constraint))
        )

    def metadata(self, source: FromClause, type: int) -> Expression:
        """The text of a metadata of the resource; NULL where it has none."""
        if type == Metadata.LAST_UPDATE and self.level is not Level.INSTANCE:
            return source.c.last_update
        if type == Metadata.MAIN_DICOM_TAGS_SIGNATURE:
            return select(signatures.c.value).where(signatures.c.id == source.c.signature).scalar_subquery()
        if type in USER_RANGE:
            return (
                select(user_metadata.c.value)
                .where(
                    user_metadata.c.level == int(self.level),
                    user_metadata.c.resource == source.c.id,
                    user_metadata.c.type == type,
                )
                .scalar_subquery()
            )
        return self.dialect.json_text(source.c.meta, str(type))

    def of_parent(self, level: Level, key: int) -> Condition:
        """Below one resource, given by its level and internal number, or that resource itself."""
        is_itself = level is self.level
        top = level if is_itself else Level(level + 1)

        def link(step: FromClause) -> Test:
            return (step.c.id if is_itself else step.c.parent) == key

        return Condition(
            lambda source: up(source, self.level, top, link),
            driven_down(self.level, top, Driver(link, is_point=True)),
        )

    def after(self, id: str) -> Condition:
        """Behind one Orthanc ID, in the order of the IDs."""
        return Condition(
            lambda source: self.dialect.blunt(source.c.public_id) > id,
            Driver(lambda source: source.c.public_id > id),
            column="public_id",
        )

    def computed_text(self, source: FromClause, tag: int) -> Expression | None:
        """A computed tag of this level or one above, to order by; None for one below."""
        owner = COMPUTED_TAGS[tag]
        build: Callable[[FromClause], Expression]
        if owner > self.level:
            return None
        if tag in COUNTED_LEVELS:
            build = lambda row: cast(count_below(row, owner, COUNTED_LEVELS[tag]), String)  # noqa: E731
        elif tag == MODALITIES_IN_STUDY:
            build = lambda row: row.c.modalities  # noqa: E731
        else:
            return None
        return value_above(source, self.level, owner, build)


def count_below(row: FromClause, level: Level, counted: Level) -> Expression:
    """The number of resources of the level ``counted`` below ``row``, which is of ``level``."""
    current = _BELOW[Level(level + 1)]
    link = current.c.parent == row.c.id
    joined: FromClause = current
    for step in range(level + 2, counted + 1):
        below = _BELOW[Level(step)]
        joined = joined.join(below, below.c.parent == current.c.id)
        current = below
    return select(func.count()).select_from(joined).where(link).scalar_subquery()
