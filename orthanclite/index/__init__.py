"""The SQLAlchemy Core index: one schema for SQLite and PostgreSQL.

``SqlIndex`` opens a database and offers the ports of ``core.ports`` as its attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.engine import URL

from orthanclite.core.constants import AttachmentType
from orthanclite.core.errors import OrthancError
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.model import InstanceRecord, StoreOutcome
from orthanclite.index.database.engines import Database
from orthanclite.index.database.migrations import prepare
from orthanclite.index.database.statistics import PlannerStatistics
from orthanclite.index.database.writer import Work, Writer
from orthanclite.index.log import SqlChangeLog, SqlProperties
from orthanclite.index.maintenance import SqlMaintenance
from orthanclite.index.resources.annotations import SqlAnnotations
from orthanclite.index.resources.journal import SqlBlobJournal
from orthanclite.index.resources.pages import IdPages
from orthanclite.index.resources.reading import SqlResources
from orthanclite.index.resources.remove import Limits
from orthanclite.index.resources.store import StoreOperation, signature_ids
from orthanclite.index.schema import attachments, instances
from orthanclite.index.search.query import SqlSearch
from orthanclite.index.servers.jobs import SqlJobs
from orthanclite.index.servers.leases import SqlLeases, SqlServers
from orthanclite.index.servers.registries import SqlRegistryRows, SqlRuntimeSettings
from orthanclite.index.servers.remote_queries import SqlRemoteQueries

__all__ = ["Limits", "SqlIndex"]

_STORED_MD5 = (
    select(attachments.c.md5)
    .join(instances, attachments.c.resource == instances.c.id)
    .where(
        instances.c.public_id == bindparam("public_id"),
        attachments.c.level == int(Level.INSTANCE),
        attachments.c.type == int(AttachmentType.DICOM),
    )
)


class SqlIngest:
    """The port ``core.ports.Ingest``."""

    def __init__(self, database: Database, writer: Writer, limits: Limits, servers: SqlServers) -> None:
        self._database = database
        self._writer = writer
        self._limits = limits
        self._servers = servers
        self._signatures: dict[str, int] = {}

    def store(self, record: InstanceRecord) -> StoreOutcome:
        work = self._work(record)
        self._writer.run_all([work])
        return work.outcome()

    def store_many(self, records: Sequence[InstanceRecord]) -> list[StoreOutcome | Exception]:
        works = [self._work(record) for record in records]
        self._writer.run_all(works)
        return [work.error or work.outcome() for work in works]

    def stored_md5(self, instance_id: str) -> str | None:
        with self._database.reader() as session:
            value: str | None = session.value(_STORED_MD5, public_id=instance_id)
            return value

    def _work(self, record: InstanceRecord) -> Work[StoreOutcome]:
        ids = record.ids
        signatures = self._signature_ids(record.signatures)
        operation = StoreOperation(record, self._limits, signatures, self._servers.id)
        return Work(operation, f"{ids.patient}{ids.study}{ids.series}{ids.instance}")

    def _signature_ids(self, signatures: Mapping[Level, str]) -> dict[str, int]:
        missing = {text for text in signatures.values() if text not in self._signatures}
        if missing:
            self._signatures |= self._writer.run(lambda tx: signature_ids(tx, sorted(missing)))
        return self._signatures


class SqlIndex:
    """The index in one database.

    :param url: an SQLAlchemy URL, ``sqlite:////...`` or ``postgresql+psycopg://...``
    :param upgrade: migrate an older schema rather than refuse it
    :param connections: how many connections may be made to PostgreSQL; at least two are
    :raises IncompatibleDatabaseVersion: for a schema that is older (without ``upgrade``) or newer
    """

    def __init__(
        self,
        url: str | URL,
        limits: Limits | None = None,
        upgrade: bool = False,
        connections: int | None = None,
    ) -> None:
        limits = limits or Limits()
        self.database = Database(url, connections)
        try:
            prepare(self.database, upgrade)
        except OrthancError:
            self.database.close()
            raise
        writer = self._writer = Writer(self.database)
        self.servers = SqlServers(self.database, writer)
        self.leases = SqlLeases(writer)
        self.ingest = SqlIngest(self.database, writer, limits, self.servers)
        self._pages = IdPages()
        self.resources = SqlResources(self.database, writer, self._pages)
        self.annotations = SqlAnnotations(self.database, writer)
        self.changes = SqlChangeLog(self.database, writer)
        self.properties = SqlProperties(self.database, writer)
        self.registries = SqlRegistryRows(self.database, writer)
        self.runtime_settings = SqlRuntimeSettings(self.database, writer)
        self.jobs = SqlJobs(self.database, writer)
        self.remote_queries = SqlRemoteQueries(self.database, writer)
        self.journal = SqlBlobJournal(self.database, writer, self.servers)
        self.maintenance = SqlMaintenance(self.database, writer, limits)
        self.statistics = PlannerStatistics(self.database)

    def search(self, main_tags: MainTags) -> SqlSearch:
        """Searches, with the main tags that are in force."""
        return SqlSearch(self.database, main_tags, self._pages)

    def close(self) -> None:
        """Commit what is queued and close all connections."""
        self._writer.close()
        self.database.close()
