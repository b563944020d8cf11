"""The connection is lost while the database commits: it may have done so, or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from orthanclite.core.constants import StoreStatus
from orthanclite.core.errors import CommitUncertain
from orthanclite.core.levels import Level
from orthanclite.core.names import NameRegistry
from orthanclite.index.session import Session
from orthanclite.services.content.attachments import AttachmentOptions, AttachmentService
from orthanclite.services.content.blobs import BlobReader
from tests.support.lab import ORIGIN, Lab, lab
from tests.support.postgres import Cluster
from tests.support.records import dicom_file


class Fault:
    """Makes commits fail, each before or after it took place, and what follows fail at its begin."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.commits: list[str] = []  # of the next ones: "before", "after"
        self.is_down = False
        command = Session.command

        def faulty(session: Session, sql: str) -> None:
            if self.is_down and sql == "BEGIN":
                raise psycopg.OperationalError("the server is gone")
            if sql != "COMMIT" or not self.commits:
                command(session, sql)
                return
            if self.commits.pop(0) == "after":
                command(session, sql)
            raise psycopg.OperationalError("the connection is closed")

        monkeypatch.setattr(Session, "command", faulty)


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
    """The database does not come back in time: an error, but the file stays, for the row may be there."""
    fault = Fault(monkeypatch)
    fault.commits = [moment] * 100
    with pytest.raises(CommitUncertain):
        bench.ingest.store(dicom_file(), ORIGIN)
    assert known(bench) <= stored(bench)
    assert len(stored(bench)) == 2


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
