"""The buffered socket: every byte once and in order, however it arrives."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association

from orthanclite.dimse.upper import buffer
from orthanclite.dimse.upper.transport import BufferedSocket


@pytest.fixture(scope="module")
def association() -> Association:
    """What a socket of pynetdicom must belong to."""
    return Association(ApplicationEntity("TEST"), "acceptor")


def connected() -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname(), timeout=5)
        ours, _ = listener.accept()
    ours.settimeout(5)
    return ours, theirs


@pytest.fixture
def pair(association: Association) -> Iterator[tuple[BufferedSocket, socket.socket]]:
    ours, theirs = connected()
    with ours, theirs:
        yield BufferedSocket(association, ours), theirs


def noise(size: int) -> bytes:
    """Bytes that differ wherever two pieces are confused."""
    return b"".join(struct.pack(">I", number) for number in range(size // 4 + 1))[:size]


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 3 * buffer._SIZE // 2), min_size=1, max_size=6),
    st.lists(st.integers(1, buffer._SIZE), max_size=6),
)
def test_what_is_taken_is_what_was_sent(association: Association, sizes: list[int], cuts: list[int]) -> None:
    sent = noise(sum(sizes))
    ours, theirs = connected()
    with ours, theirs:
        connection = BufferedSocket(association, ours)

        def send() -> None:
            bounds = [0, *(cut for cut in accumulate(cuts) if cut < len(sent)), len(sent)]
            for start, end in pairwise(bounds):
                theirs.sendall(sent[start:end])
            theirs.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        taken = b"".join(bytes(connection.take(size)) for size in sizes)
        assert taken == sent
        assert not connection.take(10)
        sender.join()


def test_the_end_gives_what_there_was(pair: tuple[BufferedSocket, socket.socket]) -> None:
    connection, theirs = pair
    theirs.sendall(b"1234567")
    theirs.close()
    assert connection.recv(3) == b"123"
    assert connection.recv(10) == b"4567"
    assert connection.recv(10) == b""


def test_a_pdu_is_there_once_it_is_complete(pair: tuple[BufferedSocket, socket.socket]) -> None:
    connection, theirs = pair
    theirs.sendall(b"x" + struct.pack(">BBI", 4, 0, 3) + b"abc" + struct.pack(">BBI", 4, 0, 3) + b"ab")
    assert not connection.has_pdu
    assert connection.take(1) == b"x"
    assert connection.has_pdu
    assert connection.take(9)[6:] == b"abc"
    assert not connection.has_pdu
    theirs.sendall(b"c")
    assert connection.take(9)[6:] == b"abc"
    assert not connection.has_pdu


def test_a_wake_up_ends_the_waiting_once(pair: tuple[BufferedSocket, socket.socket]) -> None:
    connection, theirs = pair
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    try:
        os.write(writer, b"\0\0\0")
        began = time.monotonic()
        assert not connection.wait(60, reader)
        assert time.monotonic() - began < 30
        assert not connection.wait(0.01, reader)
        theirs.sendall(b"x")
        os.write(writer, b"\0")
        assert connection.wait(5, reader)
    finally:
        os.close(reader)
        os.close(writer)
