"""What the tests of the DICOM server share."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import CTImageStorage, Verification

from orthanclite.core.levels import Level
from orthanclite.dimse.options import DicomServerOptions
from orthanclite.dimse.upper.accepted.server import DicomServer
from tests.support.lab import Lab
from tests.support.scu import Client, paused

CT = str(CTImageStorage)
ECHO = str(Verification)

needs_dcmtk = pytest.mark.skipif(shutil.which("storescu") is None, reason="DCMTK is not installed")


@dataclass(frozen=True)
class Site:
    """A running server and what it stores into."""

    server: DicomServer
    lab: Lab
    options: DicomServerOptions

    @property
    def port(self) -> int:
        return self.server.port

    def instances(self) -> list[str]:
        return self.lab.resources.list_ids(Level.INSTANCE)

    def file(self, instance: str) -> bytes:
        """The bytes of a stored instance."""
        return self.lab.blobs.read(self.lab.index.annotations.attachments(Level.INSTANCE, instance)[1].uuid)

    def stored(self) -> list[Dataset]:
        return [pydicom.dcmread(BytesIO(self.file(instance))) for instance in self.instances()]

    @contextmanager
    def associate(
        self,
        *classes: str,
        aet: str = "TESTER",
        called: str = "ORTHANC",
        syntaxes: Sequence[str] | None = None,
        **arguments: Any,
    ) -> Iterator[Association]:
        """An association as a pynetdicom client; it may have been refused."""
        application = Client(aet)
        application.acse_timeout = application.dimse_timeout = application.network_timeout = 60
        for uid in classes or (ECHO,):
            application.add_requested_context(uid, list(syntaxes) if syntaxes else None)
        association = application.associate("127.0.0.1", self.port, ae_title=called, **arguments)
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def is_alive(self) -> bool:
        with self.associate() as association:
            return association.is_established and association.send_c_echo().Status == 0

    def run(
        self, tool: str, *arguments: str, options: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a tool of DCMTK against the server."""
        return subprocess.run(
            [tool, *options, "127.0.0.1", str(self.port), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def ct(**changes: Any) -> Dataset:
    """A small CT image; a change to None removes the attribute."""
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def write_many(folder: Path, count: int) -> Path:
    """A folder with so many instances of one series."""
    folder.mkdir()
    dataset = ct()
    uid = dataset.SOPInstanceUID
    for number in range(count):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{uid}.{number}"
        dataset.InstanceNumber = number
        dataset.save_as(folder / f"{number}.dcm")
    return folder


def implicit(dataset: Dataset) -> bytes:
    """The data set in implicit little endian."""
    encoded = encode(dataset, True, True)
    assert encoded
    return encoded


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Wait for a condition to become true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def store_request(data: bytes, uid: str, sop_class: str = CT) -> C_STORE:
    """A C-STORE-RQ of arbitrary bytes."""
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = sop_class
    request.AffectedSOPInstanceUID = uid
    request.Priority = 2
    request.DataSet = BytesIO(data)
    return request


def send_bytes(
    association: Association, data: bytes, uid: str = "1.2.3.4", sop_class: str = CT
) -> int | None:
    """C-STORE of arbitrary bytes in the first accepted context; its status, None without an answer."""
    return exchange(association, store_request(data, uid, sop_class))


def exchange(association: Association, request: Any, context_id: int | None = None) -> int | None:
    """Send a request in a context, the first accepted one by default; its status, None without an answer."""
    with paused(association):
        association.dimse.send_msg(request, context_id or association.accepted_contexts[0].context_id)
        _, answer = association.dimse.get_msg(block=True)
    return None if answer is None else int(answer.Status)


IMPLICIT = [str(ImplicitVRLittleEndian)]
