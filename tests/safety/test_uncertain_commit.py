"""The connection is lost while the database commits: it may have done so, or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.sql import ClauseElement

from orthanclite.core.constants import StoreStatus
from orthanclite.core.errors import CommitUncertain
from orthanclite.core.levels import Level
from orthanclite.core.model import OverwriteMode, StoreOutcome
from orthanclite.core.names import NameRegistry
from orthanclite.index.database import writer
from orthanclite.index.database.engines import Database
from orthanclite.index.database.session import Session
from orthanclite.services.content.attachments import AttachmentOptions, AttachmentService
from orthanclite.services.content.blobs import BlobReader
from orthanclite.services.ingest.service import IngestOptions
from tests.support.lab import ORIGIN, Lab, lab
from tests.support.postgres import Cluster
from tests.support.records import dicom_file, record


class Fault:
    """Makes commits fail, each before or after it took place, and what follows fail at its begin."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.commits: list[str] = []  # of the next ones: "before", "after"
        self.is_down = False
        self.meanwhile: Callable[[], object] | None = None  # happens once, before the failure is noticed
        begin, command = Session.begin, Session.command

        def faulty_begin(session: Session) -> int | None:
            if self.is_down:
                raise psycopg.OperationalError("the server is gone")
            return begin(session)

        def faulty(session: Session, sql: str) -> None:
            if sql != "COMMIT" or not self.commits:
                command(session, sql)
                return
            if self.commits.pop(0) == "after":
                command(session, sql)
            meanwhile, self.meanwhile = self.meanwhile, None
            if meanwhile is not None:
                meanwhile()
            raise psycopg.OperationalError("the connection is closed")

        monkeypatch.setattr(Session, "begin", faulty_begin)
        monkeypatch.setattr(Session, "command", faulty)


def lose_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the database not tell in time what became of a transaction."""
    value = Session.value

    def blind(session: Session, statement: ClauseElement, **params: Any) -> Any:
        if "txid_status" in str(statement):
            raise psycopg.OperationalError("the server is gone")
        return value(session, statement, **params)

    monkeypatch.setattr(Session, "value", blind)
    monkeypatch.setattr(writer, "FINDING_OUT", 0.1)


@pytest.fixture
def bench(tmp_path: Path, postgres: Cluster) -> Iterator[Lab]:
    with postgres.database() as name, lab(tmp_path, database=postgres.url(name)) as made:
        made.store(dicom_file(instance="1.2.1"))
        yield made


def stored(bench: Lab) -> set[str]:
    """The files that are there."""
    return {uuid for uuid, _, _ in bench.blobs.scan()}


def known(bench: Lab) -> set[str]:
    """The files that the index refers to."""
    return {file.uuid for _, _, file in bench.index.maintenance.attachment_catalog()}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_instance_is_stored_once(bench: Lab, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    Fault(monkeypatch).commits = [moment]
    result = bench.ingest.store(dicom_file(), ORIGIN)
    assert result.status is StoreStatus.SUCCESS
    assert len(bench.index.resources.list_ids(Level.INSTANCE)) == 2
    assert stored(bench) == known(bench)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_no_row_is_left_without_its_file(bench: Lab, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """What became of the commit is not known: an error, but the file stays, for the row may be there."""
    Fault(monkeypatch).commits = [moment]
    lose_sight(monkeypatch)
    with pytest.raises(CommitUncertain):
        bench.ingest.store(dicom_file(), ORIGIN)
    assert known(bench) <= stored(bench)
    assert len(stored(bench)) == 2
    assert len(known(bench)) == (2 if moment == "after" else 1), "it is not tried again"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_instance_that_comes_twice_at_once_keeps_its_file(
    bench: Lab, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Tried again, each of the two would remove the file of the other."""
    records = [replace(record(overwrite=OverwriteMode.ALWAYS), journal=None) for _ in range(2)]
    Fault(monkeypatch).commits = [moment]
    first, second = bench.index.ingest.store_many(records)
    assert isinstance(first, StoreOutcome)
    assert isinstance(second, StoreOutcome)
    assert first.status is second.status is StoreStatus.SUCCESS
    removed = {*first.removed_blobs, *second.removed_blobs}
    kept = {one.attachments[0].uuid for one in records} - removed
    assert len(removed) == len(kept) == 1
    assert kept < known(bench)
    assert not removed & known(bench)


def test_what_another_server_wrote_in_between_stays(
    bench: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options = IngestOptions(overwrite=OverwriteMode.ALWAYS)
    url = bench.index.database.url.render_as_string(hide_password=False)
    with lab(tmp_path, options, database=url) as here, lab(tmp_path, options, database=url) as there:
        here.store(dicom_file(instance="1.2.2"))  # the next one is stored in one transaction
        fault = Fault(monkeypatch)
        fault.commits = ["after"]
        fault.meanwhile = lambda: there.store(dicom_file(PatientName="There"))
        assert here.ingest.store(dicom_file(PatientName="Here"), ORIGIN).status is StoreStatus.SUCCESS
        assert stored(here) == known(here)
        contents = [here.blobs.read(uuid) for uuid in known(here)]
        assert sum(b"There" in content for content in contents) == 1
        assert not any(b"Here" in content for content in contents)


def test_a_delete_is_answered_by_what_it_did(bench: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    [id] = bench.index.resources.list_ids(Level.INSTANCE)
    Fault(monkeypatch).commits = ["after"]
    outcome = bench.index.resources.delete(Level.INSTANCE, id)
    assert set(outcome.removed_blobs) == stored(bench)
    assert bench.index.resources.list_ids(Level.PATIENT) == []


def test_many_transactions_are_told_apart(bench: Lab) -> None:
    numbers = set()
    database = Database(bench.index.database.url)
    session = database.writer()
    for _ in range(20):  # a statement that is run often is prepared
        numbers.add(session.begin())
        session.command("COMMIT")
    session.connection.close()
    database.close()
    assert len(numbers) == 20


def test_a_file_without_a_row_is_removed_at_once(bench: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the transaction did not even begin, nothing is uncertain."""
    Fault(monkeypatch).is_down = True
    with pytest.raises(Exception, match="gone") as failure:
        bench.ingest.store(dicom_file(), ORIGIN)
    assert not isinstance(failure.value, CommitUncertain)
    assert stored(bench) == known(bench)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_attachment_is_replaced_once(bench: Lab, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    [id] = bench.index.resources.list_ids(Level.INSTANCE)
    names = NameRegistry.of_attachments({})
    attachments = AttachmentService(bench.index.annotations, bench.blobs, names, AttachmentOptions())
    fault = Fault(monkeypatch)
    for content in (b"first", b"second"):
        fault.commits = [moment] if content == b"second" else []
        reception = attachments.receive(Level.INSTANCE, id, 1024, None)
        reception.write(content)
        reception.finish()
    attachment = attachments.all(Level.INSTANCE, id)[1024]
    assert BlobReader(bench.blobs).read(attachment) == b"second"
    assert attachment.revision == 1
    assert known(bench) <= stored(bench)
