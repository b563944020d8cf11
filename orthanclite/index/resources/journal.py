"""The journal of blobs: the content of small ones, committed with their instance until the disk has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import bindparam, delete, insert, select

from orthanclite.index.database.engines import Database
from orthanclite.index.database.session import Session, any_of, chunks
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.database.writer import Writer
from orthanclite.index.schema import blob_journal
from orthanclite.index.servers.leases import SqlServers

_PAGE = 200
_ADD = insert(blob_journal).values({c.name: bindparam(c.name) for c in blob_journal.c})
_PAGE_AFTER = (
    select(blob_journal.c.uuid, blob_journal.c.content)
    .where(blob_journal.c.uuid > bindparam("after"), blob_journal.c.owner == bindparam("owner"))
    .order_by(blob_journal.c.uuid)
    .limit(_PAGE)
)
_FORGET = delete(blob_journal).where(any_of(blob_journal.c.uuid, "uuids"))


def add_to_journal(session: Session, uuid: str, content: bytes, owner: int) -> None:
    """Keep the content of a blob, in the transaction that refers to it.

    :param owner: the server that will sync its file
    """
    session.run(_ADD, uuid=uuid, content=content, owner=owner)


class SqlBlobJournal:
    """The port ``core.ports.BlobJournal``."""

    def __init__(self, database: Database, writer: Writer, servers: SqlServers) -> None:
        self._database = database
        self._writer = writer
        self._servers = servers

    def entries(self) -> Iterator[tuple[str, bytes]]:
        after = ""
        while True:
            with self._database.reader() as session:
                rows = session.all(_PAGE_AFTER, after=after, owner=self._servers.id)
            for uuid, content in rows:
                yield uuid, bytes(content)
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    def forget(self, uuids: Sequence[str]) -> None:
        def operation(tx: Transaction) -> None:
            for batch in chunks(uuids):
                tx.session.run(_FORGET, uuids=batch)

        self._writer.run(operation)
