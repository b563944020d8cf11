"""Searching the index: the port ``core.ports.Search``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, Table, and_, bindparam, exists, select

from orthanclite.core.levels import Level
from orthanclite.core.main_tags import IDENTIFIER_OF, MainTags
from orthanclite.core.query import (
    COMPUTED_TAGS,
    COUNTED_LEVELS,
    INSTANCE_AVAILABILITY,
    MODALITIES_IN_STUDY,
    ONLINE,
    SOP_CLASSES_IN_STUDY,
    FindRequest,
)
from orthanclite.core.text.normalize import normalize
from orthanclite.index.database.engines import Database
from orthanclite.index.database.session import Session, any_of, chunks
from orthanclite.index.resources.pages import IdPages
from orthanclite.index.resources.reading import FIND_KEY
from orthanclite.index.resources.remove import unpacked
from orthanclite.index.schema import COLUMNS, TABLES, series
from orthanclite.index.search.conditions import Condition, Conditions, Dialect
from orthanclite.index.search.order import Order
from orthanclite.index.search.plan import Search
from orthanclite.index.search.special import SpecialConditions, count_below


class SqlSearch:
    """Runs searches whose constraints are on main tags and on computed ones.

    :param main_tags: the main tags that are in force; a resource indexed with a shorter list is not found by
        a tag that it lacks until it is indexed anew
    """

    def __init__(self, database: Database, main_tags: MainTags, pages: IdPages) -> None:
        self._database = database
        self._pages = pages
        self._main_tags = main_tags
        self._dialect = Dialect(database.is_sqlite)

    def find_ids(self, request: FindRequest) -> list[str]:
        """The Orthanc IDs of the matching resources, in order, ``since`` and ``limit`` applied."""
        with self._database.reader() as session:
            search = self._search(session, request)
            return [] if search is None else search.ids()

    def ids_of_uids(self, uids: Sequence[str]) -> list[str]:
        """The Orthanc IDs of the resources with these UIDs: of a study, then of a series in it, then of an
        instance in that; of the last level that is named, sorted."""
        named = {
            level.name: normalize(uid).replace("\0", "") for level, uid in zip(_BY_UIDS, uids, strict=False)
        }
        with self._database.reader() as session:
            return sorted(id for (id,) in session.all(_BY_UIDS[Level(len(uids) + 1)], **named))

    def count(self, request: FindRequest) -> int:
        """How many resources match; ``since`` and ``limit`` do not count."""
        with self._database.reader() as session:
            search = self._search(session, request)
            return 0 if search is None else search.count()

    def _search(self, session: Session, request: FindRequest) -> Search | None:
        """None where the parent leaves nothing to find: an unknown one, or none of this level."""
        tags = Conditions(self._dialect, request.level, self._main_tags)
        special = SpecialConditions(self._dialect, request.level)
        conditions: list[Condition] = []
        if request.parent is not None:
            if request.parent.level > request.level:
                return None
            key = session.value(FIND_KEY[request.parent.level], public_id=request.parent.id)
            if key is None:
                return None
            conditions.append(special.of_parent(request.parent.level, key))
        for constraint in request.constraints:
            is_computed = constraint.tag in COMPUTED_TAGS
            conditions.append(special.of_computed(constraint) if is_computed else tags.of_tag(constraint))
        if request.after:
            conditions.append(special.after(request.after))
        conditions += special.of_labels(request)
        conditions += [special.of_metadata(constraint) for constraint in request.metadata]
        order = Order(self._dialect, request.level, self._main_tags, request.order_by)
        return Search(session, self._dialect, request, tuple(conditions), order, self._pages)

    def computed_tags(
        self, level: Level, keys: Sequence[int], tags: Iterable[int]
    ) -> dict[int, Mapping[int, str]]:
        """The computed ones among ``tags`` that describe ``level``, for each resource by internal number.

        At most two statements for any number of resources.
        """
        wanted = [tag for tag in dict.fromkeys(tags) if COMPUTED_TAGS.get(tag) is level]
        found: dict[int, dict[int, str]] = {key: {} for key in keys}
        if not wanted:
            return dict(found)
        if wanted == [INSTANCE_AVAILABILITY]:
            return {key: {INSTANCE_AVAILABILITY: ONLINE} for key in keys}
        table = TABLES[level]
        selected = [tag for tag in wanted if tag in COUNTED_LEVELS or tag == MODALITIES_IN_STUDY]
        columns: list[ColumnElement[object]] = [
            count_below(table, level, COUNTED_LEVELS[tag]) if tag in COUNTED_LEVELS else table.c.modalities
            for tag in selected
        ]
        with self._database.reader() as session:
            for batch in chunks(keys):
                if selected:
                    statement = select(table.c.id, *columns).where(table.c.id.in_(batch))
                    for key, *values in session.connection.execute(statement):
                        found[key].update(
                            (tag, _text(value)) for tag, value in zip(selected, values, strict=True)
                        )
                if SOP_CLASSES_IN_STUDY in wanted:
                    _add_sop_classes(session.all(_SOP_CLASSES, keys=batch), found)
        return dict(found)


_SOP_CLASSES = select(series.c.parent, series.c.sop_classes).where(any_of(series.c.parent, "keys"))


def _has_uids(table: Table, level: Level) -> ColumnElement[bool]:
    """That a resource, and those above it, have the UIDs that the parameters name."""
    own = table.c[COLUMNS[level][IDENTIFIER_OF[level]]] == bindparam(level.name)
    if level is Level.STUDY:
        return own
    above = TABLES[Level(level - 1)]
    # Not joined: the lowest UID is the rarest, and no plan shall begin with all instances of a study.
    return and_(own, exists().where(above.c.id == table.c.parent, _has_uids(above, Level(level - 1))))


_BY_UIDS = {
    level: select(TABLES[level].c.public_id).where(_has_uids(TABLES[level], level))
    for level in (Level.STUDY, Level.SERIES, Level.INSTANCE)
}


def _text(value: object) -> str:
    """A count, or the values of a set as DICOM separates them."""
    return "\\".join(unpacked(value)) if isinstance(value, str) else str(value)


def _add_sop_classes(rows: Iterable[tuple[int, str]], found: dict[int, dict[int, str]]) -> None:
    classes: dict[int, set[str]] = {}
    for key, text in rows:
        classes.setdefault(key, set()).update(unpacked(text))
    for key, uids in classes.items():
        found[key][SOP_CLASSES_IN_STUDY] = "\\".join(sorted(uids))
