"""Peers that break off, send nonsense or want too much: the server lives on, within its memory."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.dimse_messages import C_STORE_RQ

from orthanclite.core.errors import NetworkProtocol
from orthanclite.core.machine.budget import MemoryBudget
from orthanclite.dimse.command import Command
from orthanclite.dimse.conversation import Incoming
from orthanclite.dimse.options import DicomServerOptions
from orthanclite.dimse.upper.accepted.server import DicomServer
from orthanclite.dimse.upper.wire.assembly import MessageAssembly, WholeDataSet
from tests.dimse.conftest import StartServer
from tests.dimse.support import CT, IMPLICIT, Site, ct, eventually, implicit, send_bytes, store_request


def closed_by_server(connection: socket.socket) -> bool:
    """Read until the server closes."""
    connection.settimeout(5)
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        bytes(range(256)),
        struct.pack(">BBI", 0x01, 0, 10) + b"too short!",
        struct.pack(">BBI", 0x01, 0, 0xFFFFFFFF),
        struct.pack(">BBI", 0x04, 0, 0xFFFFFFFF),
        struct.pack(">BBI", 0x04, 0, 6) + struct.pack(">IBB", 2, 1, 3),
        struct.pack(">BBI", 0x05, 0, 4) + bytes(4),
        b"",
    ],
    ids=[
        "http",
        "bytes",
        "bad-request",
        "huge-request",
        "huge-data",
        "data-first",
        "release-first",
        "nothing",
    ],
)
def test_nonsense_is_cut_off(start: StartServer, data: bytes) -> None:
    site = start()
    with site.connect() as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        assert closed_by_server(connection)
    assert site.is_alive()
    assert eventually(lambda: site.server.active_associations == 0)


def raw_values(site: Site, values: Iterable[bytes]) -> bool:
    """Send raw P-DATA-TF bodies over an accepted association; whether the server then cuts it off."""
    with site.associate(CT, syntaxes=IMPLICIT) as association:
        dul = association.dul
        assert dul.socket is not None
        for body in values:
            dul.socket.send(struct.pack(">BBI", 0x04, 0, len(body)) + body)
        return eventually(lambda: not association.is_established)


def value(control: int, data: bytes, context: int = 1, length: int | None = None) -> bytes:
    return struct.pack(">IBB", len(data) + 2 if length is None else length, context, control) + data


STORE_COMMAND = bytes.fromhex("00000001040000000200000001000100")  # not a command set


@pytest.mark.parametrize(
    "body",
    [
        b"\0\0",
        value(0, b"data set without command"),
        value(3, b"garbage!"),
        value(3, STORE_COMMAND),
        value(3, b"", length=1),
        value(3, b"", length=0xFFFFFFF0),
        value(1, bytes(70000)),
    ],
    ids=["short", "data-first", "garbage", "not-a-command", "tiny-length", "huge-length", "huge-command"],
)
def test_invalid_values_abort_the_association(start: StartServer, body: bytes) -> None:
    site = start()
    assert raw_values(site, [body])
    assert site.is_alive()


def test_a_command_may_come_in_pieces_and_data_in_one_pdu(start: StartServer) -> None:
    site = start(maximum_pdu_length=131072)
    dataset = implicit(ct())
    with site.associate(CT, syntaxes=IMPLICIT, max_pdu=64) as association:
        assert send_bytes(association, dataset, uid=ct().SOPInstanceUID) == 0x0000


def test_a_peer_that_hangs_up_within_an_instance_leaves_nothing(start: StartServer) -> None:
    site = start()
    request = store_request(implicit(ct(PixelData=bytes(8 << 20))), uid=ct().SOPInstanceUID)
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    with site.associate(CT, syntaxes=IMPLICIT) as association:
        for part in islice(message.encode_msg(1, 16384), 400):  # 6.5 MB: in the storage already
            association.dul.send_pdu(part)
        assert eventually(lambda: len(list(site.lab.blobs.scan())) > 0)
        assert association.dul.socket is not None
        connection = association.dul.socket.socket
        assert connection is not None
        connection.shutdown(socket.SHUT_RDWR)
    assert eventually(lambda: site.server.active_associations == 0)
    assert site.instances() == []
    assert list(site.lab.blobs.scan()) == []
    assert site.is_alive()


def test_silent_peers_are_cut_off_after_the_time_out(start: StartServer) -> None:
    site = start(scp_timeout=1)
    with site.associate() as association:
        assert association.is_established
        assert eventually(lambda: not association.is_established)
    with site.associate(CT) as association:
        assert association.dul.socket is not None
        association.dul.socket.send(struct.pack(">BBI", 0x04, 0, 100) + b"half")
        assert eventually(lambda: not association.is_established)


def test_idle_associations_do_not_hinder_others(start: StartServer) -> None:
    site = start(threads=1)
    with site.associate(), site.associate(), site.associate(), site.associate() as last:
        assert last.send_c_echo().Status == 0x0000


def test_a_slow_hand_of_one_peer_does_not_stop_the_listener(start: StartServer) -> None:
    site = start()
    with site.connect() as connection:
        connection.sendall(b"\x01")
        assert site.is_alive()


def test_stopping_ends_what_is_open_within_its_bound(start: StartServer) -> None:
    site = start()
    with site.associate() as association:
        began = time.monotonic()
        site.server.stop(0.3)
        assert time.monotonic() - began < 30
        assert eventually(lambda: not association.is_established)
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", association.acceptor.port or 0), timeout=2)
    with pytest.raises(NetworkProtocol):
        _ = site.port


def test_a_taken_port_is_reported(start: StartServer) -> None:
    site = start()
    other = DicomServer(DicomServerOptions(host="127.0.0.1", port=site.port), site.lab.runtime, list, [])
    with pytest.raises(NetworkProtocol, match=str(site.port)):
        other.start()


class Sink:
    """Takes every message."""

    def begin(self, command: Command, context_id: int) -> Incoming:
        return WholeDataSet(MemoryBudget(200), lambda data: None)


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=60), max_size=4))
def test_no_bytes_break_the_assembly(bodies: list[bytes]) -> None:
    assembly = MessageAssembly(Sink())
    for body in bodies:
        try:
            assembly.add(memoryview(body))
        except NetworkProtocol:
            return
