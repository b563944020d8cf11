"""The tables, the same on SQLite and PostgreSQL.

One table per level. What is shown stands as JSON text (``tags``, ``meta``); what is searched or ordered by
stands beside it in a normalised column (``core.normalize``), NULL where the attribute is absent. A study
carries its patient's columns too, so that the usual study search touches one table. ``parent`` is the
internal number of the parent; ``level`` and ``resource`` in the side tables name a row of a level's table.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

from orthanclite.core.levels import Level

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite wants INTEGER for a primary key that numbers itself, PostgreSQL room for more than 2**31.
_Key = BigInteger().with_variant(Integer(), "sqlite")

# Compared and ordered by code point, whatever the locale of the database: as SQLite and Python do.
_Ordered = Text().with_variant(Text(collation="C"), "postgresql")

COLUMNS: dict[Level, dict[int, str]] = {
    Level.PATIENT: {
        0x00100020: "patient_id",
        0x00100010: "patient_name",
        0x00100030: "patient_birth_date",
        0x00100040: "patient_sex",
    },
    Level.STUDY: {
        0x0020000D: "study_instance_uid",
        0x00080020: "study_date",
        0x00080030: "study_time",
        0x00200010: "study_id",
        0x00080050: "accession_number",
        0x00081030: "study_description",
        0x00080090: "referring_physician_name",
        0x00080080: "institution_name",
    },
    Level.SERIES: {
        0x0020000E: "series_instance_uid",
        0x00080060: "modality",
        0x00200011: "series_number",
        0x0008103E: "series_description",
        0x00080021: "series_date",
        0x00080031: "series_time",
        0x00180015: "body_part_examined",
        0x00181030: "protocol_name",
        0x00081010: "station_name",
    },
    Level.INSTANCE: {
        0x00080018: "sop_instance_uid",
        0x00200013: "instance_number",
    },
}
"""The searched attributes of each level and the columns that hold their normalised values."""


def _level_columns(level: Level) -> list[Column[Any]]:
    return [Column(name, _Ordered) for name in COLUMNS[level].values()]


def _shown_columns() -> list[Column[Any]]:
    return [
        Column("id", _Key, primary_key=True, autoincrement=True),
        Column("public_id", _Ordered, nullable=False, unique=True),
        Column("tags", Text, nullable=False),  # JSON: gggg,eeee -> text
        Column("meta", Text, nullable=False),  # JSON: number of a system metadata -> text
        Column("signature", SmallInteger, ForeignKey("signatures.id"), nullable=False),
    ]


def _dated_columns() -> list[Column[Any]]:
    return [
        Column("last_update", _Ordered, nullable=False),
        Column("unstable_since", Float),  # epoch seconds; NULL once the stable event was logged
    ]


def _parent(table: str) -> Column[int]:
    return Column("parent", _Key, ForeignKey(f"{table}.id"), nullable=False, index=True)


signatures = Table(
    "signatures",
    metadata,
    Column("id", SmallInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("value", Text, nullable=False, unique=True),
)

patients = Table(
    "patients",
    metadata,
    *_shown_columns(),
    *_dated_columns(),
    Column("protected", Boolean, nullable=False),
    Column("recycling_order", Float, nullable=False),  # epoch seconds of the last arrival or unprotection
    *_level_columns(Level.PATIENT),
)

studies = Table(
    "studies",
    metadata,
    *_shown_columns(),
    _parent("patients"),
    *_dated_columns(),
    Column("patient_tags", Text, nullable=False),  # JSON, as received with the study
    Column("modalities", Text, nullable=False),  # \CT\MR\ : the sorted Modality values of the series
    *_level_columns(Level.PATIENT),
    *_level_columns(Level.STUDY),
)

series = Table(
    "series",
    metadata,
    *_shown_columns(),
    _parent("studies"),
    *_dated_columns(),
    Column("expected_instances", Integer),
    Column("sop_classes", Text, nullable=False),  # \1.2...\ : the sorted SOPClassUID values
    *_level_columns(Level.SERIES),
)

instances = Table(
    "instances",
    metadata,
    *_shown_columns(),
    _parent("series"),
    Column("index_in_series", Integer),  # NULL where it is absent or not a number
    Column("sop_class_uid", Text, nullable=False),
    *_level_columns(Level.INSTANCE),
)

TABLES: dict[Level, Table] = {
    Level.PATIENT: patients,
    Level.STUDY: studies,
    Level.SERIES: series,
    Level.INSTANCE: instances,
}

for _table, _column in (
    (patients, "patient_id"),
    (patients, "patient_name"),
    (studies, "patient_id"),
    (studies, "patient_name"),
    (studies, "study_instance_uid"),
    (studies, "accession_number"),
    (studies, "study_description"),
    (series, "series_instance_uid"),
    (series, "modality"),
    (instances, "sop_instance_uid"),
):
    Index(None, _table.c[_column])

# With the Orthanc ID, so that a page of the newest studies is read from the index alone, in order; and with
# the modalities, so that a search for those of some days does not read the studies themselves.
Index(None, studies.c.study_date, studies.c.public_id, studies.c.modalities)
Index(None, studies.c.last_update, studies.c.public_id)

for _table in (patients, studies, series):
    # Only what still waits for its stable event is in this index.
    Index(
        f"ix_{_table.name}_unstable",
        _table.c.unstable_since,
        sqlite_where=_table.c.unstable_since.is_not(None),
        postgresql_where=_table.c.unstable_since.is_not(None),
    )

Index(
    "ix_patients_recycling",
    patients.c.recycling_order,
    sqlite_where=patients.c.protected.is_(False),
    postgresql_where=patients.c.protected.is_(False),
)


def _owner() -> list[Column[Any]]:
    # The number first: it tells more than the level, which is the same for most rows.
    return [
        Column("resource", _Key, primary_key=True, autoincrement=False),
        Column("level", SmallInteger, primary_key=True, autoincrement=False),
    ]


attachments = Table(
    "attachments",
    metadata,
    *_owner(),
    Column("type", Integer, primary_key=True, autoincrement=False),
    Column("uuid", Text, nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("md5", Text, nullable=False),
    Column("stored_size", BigInteger, nullable=False),
    Column("stored_md5", Text, nullable=False),
    Column("compressed", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    sqlite_with_rowid=False,
)

user_metadata = Table(
    "user_metadata",
    metadata,
    *_owner(),
    Column("type", Integer, primary_key=True, autoincrement=False),
    Column("value", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    sqlite_with_rowid=False,
)

labels = Table(
    "labels",
    metadata,
    *_owner(),
    Column("label", Text, primary_key=True),
    Index("ix_labels_label", "label", "level", "resource"),
    sqlite_with_rowid=False,
)

extra_tags = Table(
    "extra_tags",
    metadata,
    *_owner(),
    Column("tag", Text, primary_key=True),  # gggg,eeee
    Column("value", _Ordered, nullable=False),  # normalised
    Index("ix_extra_tags_value", "tag", "value"),
    sqlite_with_rowid=False,
)

changes = Table(
    "changes",
    metadata,
    Column("seq", _Key, primary_key=True, autoincrement=False),
    Column("type", SmallInteger, nullable=False),
    Column("level", SmallInteger, nullable=False),
    Column("resource", _Key, nullable=False),
    Column("public_id", Text, nullable=False),
    Column("date", Text, nullable=False),
    Index("ix_changes_resource", "resource", "level"),
)

exports = Table(
    "exports",
    metadata,
    Column("seq", _Key, primary_key=True, autoincrement=False),
    Column("level", SmallInteger, nullable=False),
    Column("public_id", Text, nullable=False),
    Column("remote_modality", Text, nullable=False),
    Column("date", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("study_uid", Text, nullable=False),
    Column("series_uid", Text, nullable=False),
    Column("sop_uid", Text, nullable=False),
)

totals = Table(
    "totals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # one row, 1
    Column("patients", BigInteger, nullable=False),
    Column("studies", BigInteger, nullable=False),
    Column("series", BigInteger, nullable=False),
    Column("instances", BigInteger, nullable=False),
    Column("disk_size", BigInteger, nullable=False),
    Column("uncompressed_size", BigInteger, nullable=False),
    Column("last_change", BigInteger, nullable=False),  # the highest change number ever given
    Column("last_export", BigInteger, nullable=False),
)

blob_journal = Table(
    "blob_journal",
    metadata,
    Column("uuid", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    # The server (servers.id) that will sync the file. 0, or a number that is not in servers: nobody any more.
    Column("owner", BigInteger, nullable=False, server_default="0"),
)

properties = Table(
    "properties",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

servers = Table(
    "servers",
    metadata,
    # A new number for each start, never used again: what bears it belongs to that run of the server.
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),  # DatabaseServerIdentifier: the same after a restart
    Column("started", Float, nullable=False),  # epoch seconds by the clock of the database, as all of these
    Column("last_seen", Float, nullable=False),
    sqlite_autoincrement=True,
)

leases = Table(
    "leases",
    metadata,
    Column("duty", Text, primary_key=True),
    Column("holder", BigInteger, nullable=False),  # servers.id
    Column("expires", Float, nullable=False),
)

registry = Table(
    "registry",
    metadata,
    Column("kind", Text, primary_key=True),  # modality, peer
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),  # JSON
)

runtime_settings = Table(
    "runtime_settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),  # a UUID
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("priority", BigInteger, nullable=False),
    Column("permissive", Boolean, nullable=False),
    Column("created", Float, nullable=False),  # epoch seconds by the clock of the database, as all of these
    Column("completed", Float),
    Column("due", Float, nullable=False),  # not to be claimed before
    Column("progress", Float, nullable=False),  # 0 to 1
    Column("runtime", Float, nullable=False),  # seconds of work
    Column("server", BigInteger, nullable=False),  # servers.id of the worker; 0 where none is at work
    Column("attempt", Integer, nullable=False),  # goes up with each claim
    Column("retries", Integer, nullable=False),
    Column("wish", Text, nullable=False),  # of a client, while a worker is at work: pause, cancel
    Column("parameters", Text, nullable=False),  # JSON, for the kind
    Column("saved", Text),  # JSON, what the kind goes on from
    Column("content", Text, nullable=False),  # JSON, for clients
    Column("user_data", Text),  # JSON, for clients
    Column("error", Integer, nullable=False),  # 0 for none
    Column("error_details", Text, nullable=False),
    Column("error_payload", Text),  # JSON
    Column("secrets", Text),  # JSON, for the kind alone; null once nobody needs them
    Index("ix_jobs_state", "state", "priority", "created"),
    Index("ix_jobs_completed", "completed"),
)

job_outputs = Table(
    "job_outputs",
    metadata,
    Column("job", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("uuid", Text, nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("created", Float, nullable=False),
)

remote_queries = Table(
    "remote_queries",
    metadata,
    Column("id", Text, primary_key=True),  # a UUID
    Column("modality", Text, nullable=False),
    Column("level", SmallInteger, nullable=False),
    Column("tags", Text, nullable=False),  # JSON, what was asked for
    Column("local_aet", Text, nullable=False),
    Column("count", Integer, nullable=False),  # of the answers
    Column("size", BigInteger, nullable=False),  # bytes of the answers
    Column("created", Float, nullable=False),  # epoch seconds by the clock of the database, as the next
    Column("used", Float, nullable=False),
)

remote_answers = Table(
    "remote_answers",
    metadata,
    Column("query", Text, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),  # a data set, explicit little endian
)
