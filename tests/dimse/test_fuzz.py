"""Whatever bytes a peer sends: no thread, association, descriptor or file is left behind."""

from __future__ import annotations

import glob
import os
import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from orthanclite.core.jobs import Submission
from orthanclite.core.remotes.registry import Modality
from orthanclite.dimse.command import command_pdu, data_pdus, encode_command
from orthanclite.dimse.outgoing import CallDefaults
from orthanclite.dimse.scp.commitment import CommitmentReporter
from orthanclite.dimse.scp.table import Commitment, Retrieval
from orthanclite.dimse.service import Service
from orthanclite.dimse.upper.requested.requestor import AssociationRequestor
from orthanclite.jobs.kinds.commitment import CommitmentKind
from orthanclite.services.remotes.client import SopReference
from orthanclite.services.remotes.commitment import FailureReason
from tests.dimse.conftest import StartServer
from tests.dimse.support import CT, ECHO, Site, ct, eventually, implicit
from tests.dimse.upper.accepted.test_negotiation import ABSTRACT, IMPLICIT, TRANSFER, context, item, request
from tests.support.ports import free_port

STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
GET, MOVE, COMMITMENT = "1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.1.20.1"
EXAMPLES = int(os.environ.get("ORTHANCLITE_DIMSE_FUZZ", "300"))
ASSOCIATION = request(
    *(
        context(number, item(ABSTRACT, uid.encode()), item(TRANSFER, IMPLICIT))
        for number, uid in ((1, CT), (3, ECHO), (5, STUDY_ROOT), (9, GET), (11, MOVE), (13, COMMITMENT))
    )
)
INSTANCE = implicit(ct())
CONTEXTS = st.sampled_from([1, 1, 3, 5, 7, 9, 9, 11, 11, 13, 13, 0, 255])
FIELDS = st.sampled_from(
    [0x0001, 0x8001, 0x0010, 0x0020, 0x8020, 0x0021, 0x0030, 0x0FFF, 0x0100, 0x0130, 0x8130, 0x1234]
)
UIDS = st.sampled_from(
    [
        CT,
        ECHO,
        STUDY_ROOT,
        GET,
        MOVE,
        COMMITMENT,
        f"{COMMITMENT}.1",
        str(ct().SOPInstanceUID),
        "1.2.3",
        "",
        "x" * 70,
    ]
)

PDUS = st.builds(
    lambda kind, body, length: struct.pack(">BBI", kind, 0, len(body) if length is None else length) + body,
    st.integers(0, 9),
    st.binary(max_size=80),
    st.none() | st.integers(0, 1 << 32 - 1),
)
VALUES = st.builds(
    lambda number, control, data: (
        struct.pack(">BBIIBB", 4, 0, len(data) + 6, len(data) + 2, number, control) + data
    ),
    CONTEXTS,
    st.integers(0, 255),
    st.binary(max_size=80),
)


def message(
    number: int, field: int, sop_class: str, data: bytes, further: Mapping[int, int | str] | None = None
) -> bytes:
    """A request as it should be."""
    values: dict[int, int | str | bytes] = {0x0002: sop_class, 0x0100: field, 0x0110: 1, 0x0800: 0x0101}
    if data:
        values |= {0x0800: 1, 0x1000: str(ct().SOPInstanceUID), **(further or {})}
    encoded = command_pdu(number, encode_command(values))
    return encoded + b"".join(data_pdus(number, [data], 16384)) if data else encoded


LEVEL = b"\x08\0R\0\6\0\0\0STUDY "
STORE, FIND = message(1, 0x0001, CT, INSTANCE), message(5, 0x0020, STUDY_ROOT, LEVEL)
WANTED = Dataset()
WANTED.QueryRetrieveLevel, WANTED.StudyInstanceUID = "STUDY", ct().StudyInstanceUID
ASKED = Dataset()
ASKED.TransactionUID, ASKED.ReferencedSOPSequence = "1.2.3", [Dataset()]
ASKED.ReferencedSOPSequence[0].ReferencedSOPClassUID = CT
ASKED.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = ct().SOPInstanceUID
TAKEN = command_pdu(1, encode_command({0x0002: CT, 0x0100: 0x8001, 0x0120: 1, 0x0800: 0x0101, 0x0900: 0}))
"""The answer to the first instance of a C-GET."""
CANCEL = command_pdu(9, encode_command({0x0100: 0x0FFF, 0x0120: 1, 0x0800: 0x0101}))
GET_STUDY = message(9, 0x0010, GET, implicit(WANTED))
COMMIT = {0x0003: COMMITMENT, 0x1001: f"{COMMITMENT}.1", 0x1008: 1}
GOOD = st.sampled_from(
    [
        STORE,
        message(3, 0x0030, ECHO, b""),
        FIND,
        GET_STUDY,
        GET_STUDY + TAKEN,
        GET_STUDY + CANCEL,
        message(11, 0x0021, MOVE, implicit(WANTED), {0x0600: "DEST"}),
        message(13, 0x0130, COMMITMENT, implicit(ASKED), COMMIT),
    ]
)
RELEASE, ABORT = struct.pack(">BBI4x", 5, 0, 4), struct.pack(">BBI4x", 7, 0, 4)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A command, with or without what it must hold, and perhaps a data set, which it may not announce."""
    values: dict[int, int | str | bytes] = {
        0x0002: draw(UIDS),
        0x0100: draw(FIELDS),
        0x0110: draw(st.integers(0, 3)),
        0x0120: draw(st.integers(0, 3)),
        0x0800: draw(st.sampled_from([1, 1, 0x0101])),
        0x0600: draw(st.sampled_from(["DEST", "OTHER", "", "x" * 20])),
        0x1000: draw(UIDS),
        0x1008: draw(st.integers(0, 2)),
    }
    for number in draw(st.lists(st.sampled_from(sorted(values)), max_size=2)):
        values.pop(number, None)
    for number in draw(st.lists(st.integers(1, 0xFFFF), max_size=2)):
        values[number] = draw(st.integers(0, 0xFFFF) | st.binary(max_size=9))
    number = draw(CONTEXTS)
    encoded = command_pdu(number, encode_command(values))
    if draw(st.booleans()):
        data = draw(st.binary(max_size=60) | st.just(INSTANCE))
        encoded += b"".join(data_pdus(number, [data], draw(st.sampled_from([50, 16384]))))
    return encoded


@st.composite
def conversations(draw: st.DrawFn) -> bytes:
    """What one peer sends: a request or not, messages and nonsense, sometimes cut off."""
    pieces = [ASSOCIATION] if draw(st.integers(0, 9)) else []
    pieces += draw(st.lists(messages() | GOOD | VALUES | PDUS, max_size=4))
    pieces += draw(st.sampled_from([[], [RELEASE], [ABORT], [RELEASE, RELEASE], [ASSOCIATION]]))
    whole = b"".join(pieces)
    return whole if draw(st.booleans()) else whole[: draw(st.integers(0, len(whole)))]


def converse(site: Site, data: bytes, resets: bool) -> None:
    """Send everything, and leave: after all answers, or at once."""
    with site.connect() as connection, suppress(OSError):
        if data.startswith(ASSOCIATION):
            connection.sendall(ASSOCIATION)
            connection.recv(65536)
            data = data[len(ASSOCIATION) :]
        connection.sendall(data)
        if resets:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(30)
        while connection.recv(65536):
            pass


class NothingIsStored:
    """A service of storage commitment that is not asked."""

    def check(self, references: Sequence[SopReference]) -> list[FailureReason | None]:
        raise NotImplementedError


def descriptors() -> int:
    """The sockets and pipes of this process; where the system does not tell them, none."""
    found = 0
    for path in glob.glob("/proc/self/fd/*"):
        with suppress(OSError):
            found += os.readlink(path).startswith(("socket:", "pipe:"))
    return found


@pytest.mark.timeout(max(300, EXAMPLES))
def test_nothing_is_left_behind(
    start: StartServer,
    retrieval: Retrieval,
    requestor: AssociationRequestor,
    destinations: list[Modality],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """``ORTHANCLITE_DIMSE_FUZZ`` is the number of examples."""
    known = Modality("DEST", "127.0.0.1", free_port())  # where nobody listens
    destinations.append(known)
    jobs: list[Submission] = []
    reporter = CommitmentReporter(requestor, CallDefaults("ORTHANC", 5))
    commitment = Commitment(CommitmentKind(NothingIsStored(), reporter), jobs.append, lambda peer: known)
    site = start(always_allow=frozenset(Service), retrieval=retrieval, commitment=commitment)
    assert site.is_alive()
    assert eventually(lambda: site.server.active_associations == 0)
    threads, files = threading.active_count(), descriptors()

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(conversations(), st.booleans())
    def fuzz(data: bytes, resets: bool) -> None:
        converse(site, data, resets)

    fuzz()
    assert site.instances()  # some of it was in order
    assert jobs
    assert eventually(lambda: site.server.active_associations == 0)
    assert eventually(lambda: requestor.active_associations == 0)
    assert eventually(lambda: threading.active_count() <= threads)
    assert eventually(lambda: descriptors() <= files)
    assert eventually(lambda: len(list(site.lab.blobs.scan())) == len(site.instances()))
    assert not [record.getMessage() for record in caplog.records if record.exc_info]
    assert site.is_alive()
