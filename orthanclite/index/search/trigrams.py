"""Trigram indexes: what makes a search for a part of a text fast.

SQLite: one FTS5 table per level, without content of its own, kept by triggers. PostgreSQL: GIN indexes of the
extension ``pg_trgm``; where a server does not have it, the same searches work by reading all rows. The
migrations create them.
"""

from __future__ import annotations

from orthanclite.core.levels import Level
from orthanclite.index.schema import TABLES

TRIGRAM_COLUMNS: dict[Level, tuple[str, ...]] = {
    Level.PATIENT: ("patient_name", "patient_id"),
    Level.STUDY: (
        "patient_name",
        "patient_id",
        "accession_number",
        "study_description",
        "referring_physician_name",
        "modalities",
    ),
    Level.SERIES: ("series_description",),
}
"""The columns of each level in which a part of the value is searched with an index."""

TRIGRAM = 3
"""Characters that a part needs for the index to find it."""


def fts_table(level: Level) -> str:
    return f"{TABLES[level].name}_trigrams"
