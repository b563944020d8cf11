"""What four clients know about a server that may die at any moment, and the check of it afterwards."""

from __future__ import annotations

import hashlib
import io
import json
import random
import threading
import time
import zipfile
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from http.client import HTTPConnection, HTTPException
from typing import Any

import pydicom
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.sop_class import CTImageStorage

from orthanclite.core.identifiers import hierarchy
from tests.support.records import dicom_file
from tests.support.scu import Client
from tests.support.server import Server

_UID = "1.2.826.0.1.3680043.9.7777"
_LARGE = 300 * 1024  # bytes of pixels: above the thresholds at which the ingest takes other ways


class State(Enum):
    """What a client knows of an instance."""

    SENT = "sent, no answer"  # may be there or not
    STORED = "acknowledged"
    DELETING = "deletion sent, no answer"  # may be there or not
    DELETED = "deletion acknowledged"


@dataclass
class Entry:
    """One instance: what its file is known by, and how far it got."""

    digest: str  # MD5 of the file (REST), or of its data set (C-STORE: the server writes the meta header)
    by_dicom: bool
    state: State = State.SENT
    compared: bool = False  # whether the file was read back after a restart


class Writer(threading.Thread):
    """Sends instances until the connection breaks.

    :param group: makes the writer's UIDs differ from those of all others, in all rounds
    :param inherited: instances of former rounds that this writer may delete
    """

    by_dicom = False

    def __init__(self, server: Server, group: int, inherited: dict[str, Entry]) -> None:
        super().__init__(name=f"writer-{group}")
        self.server = server
        self.group = group
        self.random = random.Random(group)
        self.entries = inherited
        self.answers = 0  # acknowledgements received
        self.failure: str | None = None  # a wrong answer
        self._sent = 0

    def run(self) -> None:
        try:
            self.work()
        except (OSError, HTTPException):
            return  # the server was killed
        except Exception as exc:
            self.failure = repr(exc)

    def work(self) -> None:
        """Send without end; an ``OSError`` ends it."""
        raise NotImplementedError

    def new_file(self) -> tuple[str, bytes, Entry]:
        """An instance that nobody has sent before: its Orthanc ID, its file, its entry."""
        self._sent += 1
        patient = f"P{self.group % 5}"  # patients, and their studies, are shared by writers
        study = f"{_UID}.{self.group % 5}"
        series = f"{study}.{self.group}.{self._sent // 40}"
        uid = f"{series}.{self._sent}"
        large = self._sent % 7 == 0
        pixels = self.random.randbytes(_LARGE) if large else b""
        side = 1 if large else 0
        data = dicom_file(patient, study, series, uid, pixels=pixels, side=side, InstanceNumber=self._sent)
        id = hierarchy(patient, study, series, uid).instance
        entry = self.entries[id] = Entry(digest(data, self.by_dicom), self.by_dicom)
        return id, data, entry

    def acknowledged(self, entry: Entry, state: State = State.STORED) -> None:
        entry.state = state
        self.answers += 1


class RestWriter(Writer):
    """Uploads files and ZIP archives over one connection that is kept alive, and deletes some instances."""

    def work(self) -> None:
        with closing(HTTPConnection("127.0.0.1", self.server.http_port, timeout=30)) as connection:
            while True:
                choice = self.random.random()
                if choice < 0.1:
                    self._remove(connection)
                elif choice < 0.2:
                    self._send_archive(connection)
                else:
                    self._send_file(connection)

    def _send_file(self, connection: HTTPConnection) -> None:
        id, data, entry = self.new_file()
        answer = _request(connection, "POST", "/instances", data)
        assert (answer["ID"], answer["Status"]) == (id, "Success")
        self.acknowledged(entry)

    def _send_archive(self, connection: HTTPConnection) -> None:
        files = [self.new_file() for _ in range(4)]
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for id, data, _ in files:
                archive.writestr(f"{id}.dcm", data)
        answer = _request(connection, "POST", "/instances", buffer.getvalue())
        assert [(one["ID"], one["Status"]) for one in answer] == [(id, "Success") for id, _, _ in files]
        for _, _, entry in files:
            self.acknowledged(entry)

    def _remove(self, connection: HTTPConnection) -> None:
        stored = [id for id, entry in self.entries.items() if entry.state is State.STORED]
        if stored:
            id = self.random.choice(stored)
            self.entries[id].state = State.DELETING
            _request(connection, "DELETE", f"/instances/{id}")
            self.acknowledged(self.entries[id], State.DELETED)


class DicomWriter(Writer):
    """Sends instances over one association, and over another one when an answer is lost."""

    by_dicom = True

    def work(self) -> None:
        application = Client("WRITER")
        application.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
        application.network_timeout = application.acse_timeout = 30
        # On a busy machine, pynetdicom's own thread may take an answer away from the one that waits for it.
        application.dimse_timeout = 5
        process = self.server.process
        assert process is not None
        self._send(application)
        time.sleep(0.5)  # time to die, for a server that is being killed
        while process.poll() is None:
            self._send(application)

    def _send(self, application: Client) -> None:
        """Send over one association until it is lost."""
        association = application.associate("127.0.0.1", self.server.dicom_port)
        # pynetdicom forgets to close a socket whose peer has died.
        with closing(association.dul.socket.socket):
            while association.is_established:
                _, data, entry = self.new_file()
                try:
                    status = association.send_c_store(pydicom.dcmread(io.BytesIO(data)))
                except RuntimeError:  # the association was lost between two messages
                    return
                if "Status" not in status:  # it was lost during this one
                    return
                assert status.Status == 0, f"C-STORE: {status}"
                self.acknowledged(entry)


def _request(connection: HTTPConnection, method: str, path: str, body: bytes | None = None) -> Any:
    connection.request(method, path, body)
    response = connection.getresponse()
    content = response.read()
    assert response.status == 200, f"{method} {path}: {response.status} {content!r}"
    return json.loads(content)


def digest(data: bytes, by_dicom: bool) -> str:
    """The MD5 of a file, or of its data set alone (PS3.10 section 7.1: the meta header tells its length)."""
    if by_dicom:
        length = int.from_bytes(data[140:144], "little")
        data = data[144 + length :]
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def write_and_kill(server: Server, ledger: dict[str, Entry], round_number: int) -> int:
    """Two clients over HTTP and two over DICOM at work; then kill -9. The number of acknowledgements.

    :param ledger: all instances that were ever sent; those of this round are added
    """
    writers: list[Writer] = []
    for i, kind in enumerate((RestWriter, RestWriter, DicomWriter, DicomWriter)):
        share = [] if kind.by_dicom else sorted(ledger)[i::2]
        writers.append(kind(server, round_number * 10 + i, {id: ledger[id] for id in share}))
    for writer in writers:
        writer.start()
    deadline = time.monotonic() + 30
    while any(writer.answers < 3 for writer in writers):
        assert [writer.failure for writer in writers] == [None] * len(writers)
        assert time.monotonic() < deadline, [writer.answers for writer in writers]
        time.sleep(0.01)
    time.sleep(random.Random(round_number).uniform(0, 0.5))
    server.kill()
    for writer in writers:
        writer.join(timeout=60)
        assert not writer.is_alive(), f"{writer.name} hangs"
        ledger.update(writer.entries)
    assert [writer.failure for writer in writers] == [None] * len(writers)
    return sum(writer.answers for writer in writers)
