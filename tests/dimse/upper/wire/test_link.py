"""The connection: every PDU once, whole and in order, however its bytes arrive."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orthanclite.dimse.upper.wire import buffer
from orthanclite.dimse.upper.wire.link import Link
from tests.dimse.support import eventually

DATA, ABORT = 0x04, 0x07


def connected() -> tuple[Link, socket.socket]:
    """Both ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname(), timeout=5)
        ours, _ = listener.accept()
    return Link(ours, 2 * buffer._SIZE), theirs


@pytest.fixture
def pair() -> Iterator[tuple[Link, socket.socket]]:
    link, theirs = connected()
    with theirs:
        yield link, theirs
        link.close()


def pdu(size: int, kind: int = DATA) -> bytes:
    """A PDU whose bytes differ wherever two pieces are confused."""
    body = b"".join(struct.pack(">I", number) for number in range(size // 4 + 1))[:size]
    return struct.pack(">BBI", kind, 0, size) + body


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 3 * buffer._SIZE // 2), min_size=1, max_size=6),
    st.lists(st.integers(1, buffer._SIZE), max_size=6),
    st.booleans(),
)
def test_what_is_read_is_what_was_sent(sizes: list[int], cuts: list[int], looks: bool) -> None:
    sent = [pdu(size) for size in sizes]
    whole = b"".join(sent)
    link, theirs = connected()

    def send() -> None:
        bounds = [0, *(cut for cut in accumulate(cuts) if cut < len(whole)), len(whole)]
        for start, end in pairwise(bounds):
            theirs.sendall(whole[start:end])
        theirs.shutdown(socket.SHUT_WR)

    with theirs:
        sender = threading.Thread(target=send)
        sender.start()
        for one in sent:
            assert not looks or eventually(link.has_pdu)
            kind, body = link.read_pdu(5)
            assert (kind, body) == (one[0], one[6:])
        with pytest.raises(ConnectionError):
            link.read_pdu(5)
        sender.join()
        link.close()


def test_a_pdu_is_there_once_it_is_complete(pair: tuple[Link, socket.socket]) -> None:
    link, theirs = pair
    assert not link.has_pdu()
    theirs.sendall(pdu(3) + pdu(300)[:-1])
    assert eventually(link.has_pdu)
    link.read_pdu(5)
    assert not link.has_pdu()
    theirs.sendall(pdu(300)[-1:])
    assert eventually(link.has_pdu)
    assert link.read_pdu(5)[1] == pdu(300)[6:]
    assert not link.has_pdu()


def test_a_pdu_that_does_not_come_whole_is_given_up(pair: tuple[Link, socket.socket]) -> None:
    link, theirs = pair
    theirs.sendall(pdu(100)[:-1])
    with pytest.raises(TimeoutError):
        link.read_pdu(0.1)


@pytest.mark.parametrize(
    "head",
    [
        struct.pack(">BBI", 0, 0, 4),
        struct.pack(">BBI", 8, 0, 4),
        struct.pack(">BBI", DATA, 0, 2 * buffer._SIZE + 10_000),
        struct.pack(">BBI", ABORT, 0, 0xFFFFFFFF),
    ],
    ids=["kind-0", "kind-8", "long-data", "long-abort"],
)
@pytest.mark.parametrize("looks", [False, True])
def test_what_can_be_no_pdu_is_refused_by_its_head(
    pair: tuple[Link, socket.socket], head: bytes, looks: bool
) -> None:
    link, theirs = pair
    theirs.sendall(head)
    with pytest.raises(ValueError, match="Invalid PDU"):
        assert eventually(link.has_pdu) if looks else link.read_pdu(5)


def test_the_end_is_seen_without_waiting(pair: tuple[Link, socket.socket]) -> None:
    link, theirs = pair
    theirs.sendall(pdu(3))
    theirs.close()
    assert eventually(link.has_pdu)
    link.read_pdu(5)
    with pytest.raises(ConnectionError):
        link.has_pdu()
