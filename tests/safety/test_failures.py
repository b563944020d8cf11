"""What the server stands on gives way: disk, folder, database. It refuses clearly, and recovers by itself."""

from __future__ import annotations

import io
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import httpx
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.sop_class import CTImageStorage

from orthanclite.commands.verify import check
from orthanclite.index import SqlIndex
from orthanclite.storage import FileStorage
from tests.safety.judge import PATIENCE
from tests.support.postgres import cluster
from tests.support.records import dicom_file
from tests.support.scu import Client
from tests.support.server import Server, orthanclite, running

OUT_OF_RESOURCES = 0xA700
PROCESSING_FAILURE = 0x0110
MEGABYTE = 1 << 20


class Sender:
    """Stores instances, and knows which were acknowledged."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.acknowledged: dict[str, bytes] = {}
        self._numbers = count(1)

    def file(self, size: int = 0) -> bytes:
        """A new instance with ``size`` bytes of random pixels, or so."""
        side = int((size // 2) ** 0.5)
        pixels = random.Random(size).randbytes(2 * side * side)
        return dicom_file(instance=f"1.2.3.{next(self._numbers)}", pixels=pixels, side=side)

    def upload(self, size: int = 0) -> httpx.Response:
        data = self.file(size)
        answer = httpx.post(f"{self.server.url}/instances", content=data, timeout=3 * PATIENCE)
        if answer.status_code == 200:
            self.acknowledged[answer.json()["ID"]] = data
        return answer

    def c_store(self, size: int = 0) -> int:
        data = self.file(size)
        application = Client()
        application.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
        association = application.associate("127.0.0.1", self.server.dicom_port)
        assert association.is_established
        status = int(association.send_c_store(pydicom.dcmread(io.BytesIO(data))).Status)
        association.release()
        return status

    def check(self) -> None:
        """All that was acknowledged can be read, and nothing else is shown but what came by C-STORE."""
        assert set(self.acknowledged) <= set(self.server.get("/instances"))
        for id, data in self.acknowledged.items():
            answer = self.server.client.get(f"/instances/{id}/attachments/dicom/data")
            assert answer.content == data
        assert self.server.get("/statistics")["CountInstances"] == len(self.server.get("/instances"))


def check_storage(database: str, storage: Path, orphans: bool = False) -> None:
    """Every row has its blob, and no blob is left over. For a server that is stopped.

    :param orphans: whether blobs may be left for the sweep: commits were lost, and nobody knows which
    """
    index = SqlIndex(database)
    blobs = FileStorage(storage)
    try:
        assert list(check(index.maintenance, blobs)) == []
        stored = [uuid for uuid, _, _ in blobs.scan()]
        assert orphans or index.maintenance.known_blobs(stored) == set(stored)
    finally:
        index.close()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of ``size`` at ``folder``; needs the right to mount one."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("No file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_full_disk(tmp_path: Path, compressed: bool) -> None:
    storage = tmp_path / "storage"
    with small_disk(storage, "24m"):
        ballast = storage / "ballast"
        ballast.write_bytes(bytes(8 * MEGABYTE))
        config = {"StorageCompression": compressed, "StableAge": 60}
        with running(orthanclite(tmp_path, config)) as server:
            sender = Sender(server)
            for size in (MEGABYTE, 5 * MEGABYTE, 200_000, 20_000, 0):
                for _ in range(300):
                    answer = sender.upload(size)
                    if answer.status_code != 200:
                        break
                if size:
                    assert answer.status_code == 507, f"the disk is never full with {size}"
                    assert answer.json()["OrthancStatus"] == 19
                    assert sender.c_store(size) == OUT_OF_RESOURCES
            assert len(sender.acknowledged) > 5
            sender.check()
            ballast.unlink()
            assert sender.upload(MEGABYTE).status_code == 200
            assert sender.c_store(MEGABYTE) == 0
            for id in list(sender.acknowledged)[:5]:
                server.client.delete(f"/instances/{id}").raise_for_status()
                del sender.acknowledged[id]
            sender.check()
        check_storage(f"sqlite:///{storage}/index-orthanclite", storage)


def test_files_that_the_system_does_not_allow(tmp_path: Path) -> None:
    """A limit on the size of files, as an operator may set it."""
    limited = ["sh", "-c", 'ulimit -f 32768; exec "$@"', "sh", sys.executable, "-m", "orthanclite"]  # 16 MB
    with running(Server(limited, tmp_path, {"StableAge": 60})) as server:
        sender = Sender(server)
        assert sender.upload(MEGABYTE).status_code == 200
        answer = sender.upload(20 * MEGABYTE)
        assert (answer.status_code, answer.json()["OrthancStatus"]) == (507, 19)
        assert sender.c_store(20 * MEGABYTE) == OUT_OF_RESOURCES
        assert sender.upload(MEGABYTE).status_code == 200
        sender.check()
    check_storage(f"sqlite:///{tmp_path}/storage/index-orthanclite", tmp_path / "storage")


def test_a_storage_area_that_goes_away(tmp_path: Path) -> None:
    storage, away = tmp_path / "storage", tmp_path / "away"
    config = {"IndexDirectory": str(tmp_path / "index"), "StableAge": 60}
    with running(orthanclite(tmp_path, config)) as server:
        sender = Sender(server)
        assert [sender.upload(size).status_code for size in (0, MEGABYTE)] == [200, 200]
        storage.rename(away)
        storage.write_bytes(b"")
        for size in (0, MEGABYTE, 8 * MEGABYTE):
            answer = sender.upload(size)
            assert (answer.status_code, answer.json()["OrthancStatus"]) == (500, 14)
            assert sender.c_store(size) == PROCESSING_FAILURE
        lost = next(iter(sender.acknowledged))
        assert server.client.get(f"/instances/{lost}/attachments/dicom/data").status_code == 500
        assert len(server.get("/instances?expand")) == 2
        storage.unlink()
        away.rename(storage)
        assert [sender.upload(size).status_code for size in (0, MEGABYTE)] == [200, 200]
        sender.check()
    check_storage(f"sqlite:///{tmp_path}/index/index-orthanclite", storage)


def test_a_read_only_storage_area(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    config = {"IndexDirectory": str(tmp_path / "index"), "StableAge": 60}
    with small_disk(storage, "24m"), running(orthanclite(tmp_path, config)) as server:
        sender = Sender(server)
        assert [sender.upload(size).status_code for size in (0, MEGABYTE)] == [200, 200]
        subprocess.run(["mount", "-o", "remount,ro", str(storage)], check=True)
        try:
            for size in (0, MEGABYTE):
                answer = sender.upload(size)
                assert (answer.status_code, answer.json()["OrthancStatus"]) == (500, 14)
                assert sender.c_store(size) == PROCESSING_FAILURE
            sender.check()
            # The index forgets the instance; its file cannot be removed now, and the sweep will do it.
            gone, _ = sender.acknowledged.popitem()
            server.client.delete(f"/instances/{gone}").raise_for_status()
            sender.check()
        finally:
            subprocess.run(["mount", "-o", "remount,rw", str(storage)], check=True)
        assert [sender.upload(size).status_code for size in (0, MEGABYTE)] == [200, 200]
        sender.check()


def test_a_database_that_another_process_locks(tmp_path: Path) -> None:
    path = tmp_path / "storage" / "index-orthanclite"
    with running(orthanclite(tmp_path, {"StableAge": 60})) as server:
        sender = Sender(server)
        assert sender.upload().status_code == 200
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            started = time.monotonic()
            with ThreadPoolExecutor(8) as pool:
                answers = [pool.submit(sender.upload, size) for size in (0, 0, 0, MEGABYTE, 0, 0)]
                status = pool.submit(sender.c_store)
                time.sleep(0.5)
                assert len(server.get("/instances?expand")) == 1  # reading goes on
                assert [answer.result().status_code for answer in answers] == [503] * len(answers)
                assert status.result() == OUT_OF_RESOURCES
            assert time.monotonic() - started < 3 * PATIENCE
            other.execute("ROLLBACK")
        assert sender.upload().status_code == 200
        sender.check()
    check_storage(f"sqlite:///{path}", tmp_path / "storage")


def test_a_postgresql_server_that_goes_and_comes_back(tmp_path: Path) -> None:
    with cluster() as own, own.database() as name:
        if own.control is None:
            pytest.skip("PostgreSQL's pg_ctl is not installed")
        settings = {
            "EnableIndex": True,
            "Host": own.host,
            "Port": own.port,
            "Database": name,
            "Username": own.user,
        }
        with own.connect() as connection:  # the cluster of the tests is not durable otherwise
            connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
        with running(orthanclite(tmp_path, {"StableAge": 1, "PostgreSQL": settings})) as server:
            sender = Sender(server)
            with uploading(sender) as statuses:
                for mode in ("fast", "immediate"):  # immediate: it is killed, and recovers
                    own.control("-m", mode, "stop")
                    answer = server.client.get("/patients")
                    assert (answer.status_code, answer.json()["OrthancStatus"]) == (503, 36)
                    assert sender.upload().status_code == 503
                    assert sender.c_store() == OUT_OF_RESOURCES
                    assert server.client.get("/tools/now").status_code == 200
                    own.control("start")
                    deadline = time.monotonic() + PATIENCE
                    while sender.upload().status_code != 200:
                        assert time.monotonic() < deadline
                    assert sender.c_store() == 0
                    assert server.client.get("/patients").status_code == 200
            assert set(statuses) == {200, 503}, statuses
            sender.check()
        check_storage(own.url(name), tmp_path / "storage", orphans=True)


@contextmanager
def uploading(sender: Sender) -> Iterator[Counter[int]]:
    """Two clients at work as long as the block lasts; how often each status was answered."""
    statuses: Counter[int] = Counter()
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.01):
            statuses[sender.upload().status_code] += 1

    with ThreadPoolExecutor(2) as pool:
        workers = [pool.submit(work) for _ in range(2)]
        try:
            yield statuses
        finally:
            stop.set()
        for worker in workers:
            worker.result()


def test_the_process_for_large_files_is_killed_amid_uploads(tmp_path: Path) -> None:
    """Every upload succeeds nevertheless: what it had to do is done by the server itself."""
    server = orthanclite(tmp_path, {"DicomCheckCalledAet": False})
    with running(server):
        sender = Sender(server)
        killed: set[int] = set()
        answers: list[httpx.Response] = []
        with ThreadPoolExecutor(4) as clients:
            for _ in range(5):
                deadline = time.monotonic() + PATIENCE
                while not server.children() - killed:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                answers.append(sender.upload(300_000))  # one that dies before it has worked is not replaced
                begun = [clients.submit(sender.upload, 300_000) for _ in range(39)]
                begun[2].result()
                for pid in server.children() - killed:
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
                answers += [one.result() for one in begun]
        assert [answer.status_code for answer in answers] == [200] * 200
        assert len(killed) == 5
        assert len(sender.acknowledged) == 200
        sender.check()
    check_storage(f"sqlite:///{tmp_path}/storage/index-orthanclite", tmp_path / "storage", orphans=True)
