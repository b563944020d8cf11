"""Association requests are read as pynetdicom reads them, and where it gives up, as PS3.8 asks for."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_RQ

from orthanclite.core.errors import NetworkProtocol
from orthanclite.core.remotes.registry import Modality
from orthanclite.dimse.upper.accepted.negotiation import read_request
from tests.dimse.conftest import StartServer
from tests.dimse.support import CT, ECHO, Site, eventually
from tests.dimse.test_robustness import closed_by_server

IMPLICIT = b"1.2.840.10008.1.2"
ABSTRACT, TRANSFER = 0x30, 0x40


def item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(content)) + content


def context(number: int, *parts: bytes) -> bytes:
    return item(0x20, bytes((number, 0, 0, 0)) + b"".join(parts))


MAXIMUM_LENGTH = item(0x51, struct.pack(">I", 16384))
IMPLEMENTATION = item(0x52, b"1.2.3")


def request(
    *contexts: bytes,
    user: bytes = MAXIMUM_LENGTH + IMPLEMENTATION,
    tail: bytes = b"",
    application: bytes = item(0x10, b"1.2.840.10008.3.1.1.1"),
    version: int = 1,
    called: bytes = b"ORTHANC".ljust(16),
    calling: bytes = b"TESTER".ljust(16),
) -> bytes:
    items = application + b"".join(contexts) + item(0x50, user) + tail
    head = struct.pack(">HH16s16s32x", version, 0, called, calling)
    return struct.pack(">BBI", 0x01, 0, len(head) + len(items)) + head + items


def usual(number: int = 1) -> bytes:
    return context(number, item(ABSTRACT, CT.encode()), item(TRANSFER, IMPLICIT))


def outcome(encoded: bytes) -> object:
    """What is read; None where the request is refused."""
    try:
        request = read_request(encoded[6:])
    except NetworkProtocol:
        return None
    found = sorted(
        (one.context_id, one.abstract_syntax, *dict.fromkeys(one.transfer_syntaxes))
        for one in request.contexts
    )
    return found, request.calling_aet, request.called_aet, request.maximum_length


def theirs(encoded: bytes) -> object:
    """What pynetdicom reads."""
    try:
        pdu = A_ASSOCIATE_RQ()
        pdu.decode(encoded)
        primitive = pdu.to_primitive()
    except Exception:
        return None
    contexts = primitive.presentation_context_definition_list
    if not all(one.abstract_syntax and one.transfer_syntax for one in contexts):
        return None  # pynetdicom notices only when it answers
    found = sorted((one.context_id, one.abstract_syntax or "", *one.transfer_syntax) for one in contexts)
    aets = (primitive.calling_ae_title or "").strip(), (primitive.called_ae_title or "").strip()
    return found, *aets, primitive.maximum_length_received or 0


UIDS = st.sampled_from([CT.encode(), ECHO.encode(), IMPLICIT, b"1.2.3\0", b"", b"\0", b"1" * 65, b"1.2.\xff"])
PARTS = st.builds(item, st.sampled_from([ABSTRACT, TRANSFER, TRANSFER, 0x51, 0x99]), UIDS)
USUAL = st.builds(
    lambda number, abstract, transfer: context(
        2 * number + 1, item(ABSTRACT, abstract), *(item(TRANSFER, uid) for uid in transfer)
    ),
    st.integers(0, 127),
    UIDS,
    st.lists(UIDS, min_size=1, max_size=4),
)
UNUSUAL = st.builds(
    lambda number, parts: context(number, *parts), st.integers(0, 255), st.lists(PARTS, max_size=4)
)


@settings(max_examples=200)
@given(st.lists(USUAL | UNUSUAL, max_size=4))
def test_contexts_are_read_as_pynetdicom_reads_them(contexts: list[bytes]) -> None:
    encoded = request(*contexts)
    known = request(*(without_unknown(one) for one in contexts))
    assert outcome(encoded) == theirs(known)


@settings(max_examples=200)
@given(st.data())
def test_what_pynetdicom_reads_of_a_broken_request_is_read(data: st.DataObject) -> None:
    whole = bytearray(request(usual()))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(6, len(whole) - 1))] = data.draw(st.integers(0, 255))
    encoded = bytes(whole[: data.draw(st.integers(74, len(whole)))])
    expected = theirs(encoded)
    assert expected is None or outcome(encoded) == expected


PADDED = {
    "nul-padded": (b"PEER" + bytes(12), "PEER"),
    "nul-terminated": (b"PEER\0garbage....", "PEER"),
    "tabs": (b"\tPEER\r\n         ", "PEER"),
    "blanks-before": (b"            PEER", "PEER"),
    "full": (b"ABCDEFGHIJKLMNOP", "ABCDEFGHIJKLMNOP"),
    "latin-1": (b"M\xdcLLER          ", "M?LLER"),
    "filled": (b"PEER" + b"\xff" * 12, "PEER????????????"),
    "backslash": (b"A\\B             ", "A?B"),
    "control": (b"A\x01B             ", "A?B"),
}


@pytest.mark.parametrize(("title", "read"), PADDED.values(), ids=PADDED)
def test_titles_are_read_whatever_they_are_padded_with(start: StartServer, title: bytes, read: str) -> None:
    of_title = read_request(request(usual(), calling=title, called=title)[6:])
    assert (of_title.calling_aet, of_title.called_aet) == (read, read)
    assert answer(start(), request(usual(), calling=title)) == ACCEPTED
    assert answer(start(), request(usual(), called=title)) == ACCEPTED


def test_a_padded_title_is_the_title(start: StartServer) -> None:
    known = [Modality("PEER", "127.0.0.1", 104)]
    site = start(known, always_allow=frozenset(), check_called_aet=True)
    padded = {"calling": b"PEER" + bytes(12), "called": b"ORTHANC" + bytes(9)}
    assert answer(site, request(usual(), **padded)) == ACCEPTED
    assert answer(site, request(usual(), **padded | {"calling": b"PE\0ER".ljust(16)})) == REJECTED
    assert answer(site, request(usual(), **padded | {"called": b"ORTHAN\0C".ljust(16)})) == REJECTED


@pytest.mark.parametrize(
    "title", [b" " * 16, bytes(16), b"\0PEER".ljust(16)], ids=["blank", "nul", "nul-first"]
)
def test_a_title_must_be_there(start: StartServer, title: bytes) -> None:
    site = start()
    assert answer(site, request(usual(), calling=title)) == ABORTED
    assert answer(site, request(usual(), called=title)) == ABORTED
    assert eventually(lambda: site.server.active_associations == 0)


def sub_items() -> st.SearchStrategy[bytes]:
    return st.builds(
        item, st.integers(0, 255).filter(lambda kind: kind not in (0x51, 0x54)), st.binary(max_size=40)
    )


@settings(max_examples=200)
@given(st.lists(sub_items(), max_size=4), st.lists(sub_items(), max_size=4))
def test_sub_items_that_the_server_does_not_act_upon_change_nothing(
    before: list[bytes], after: list[bytes]
) -> None:
    plain = outcome(request(usual()))
    assert plain is not None
    user = b"".join((*before, MAXIMUM_LENGTH, *after))
    assert outcome(request(usual(), user=user)) == plain


def others() -> st.SearchStrategy[bytes]:
    return st.builds(
        item, st.integers(0, 255).filter(lambda kind: kind not in (0x10, 0x20, 0x50)), st.binary(max_size=40)
    )


@given(st.lists(others(), max_size=4))
def test_items_of_other_kinds_change_nothing(items: list[bytes]) -> None:
    plain = outcome(request(usual()))
    assert outcome(request(*items, usual(), tail=b"".join(items))) == plain


USER_INFORMATION = {
    "nothing": b"",
    "unknown": MAXIMUM_LENGTH + IMPLEMENTATION + item(0x5F, b"abc"),
    "reserved": item(0x00, b"") + MAXIMUM_LENGTH + item(0xFF, bytes(1000)),
    "long-version-name": MAXIMUM_LENGTH + IMPLEMENTATION + item(0x55, b"X" * 20),
    "strange-version-name": MAXIMUM_LENGTH + IMPLEMENTATION + item(0x55, b"\xdc\0"),
    "short-maximum-length": item(0x51, b"\0\1"),
    "long-maximum-length": item(0x51, struct.pack(">IH", 16384, 0)),
    "two-maximum-lengths": MAXIMUM_LENGTH * 2,
    "broken-window": MAXIMUM_LENGTH + item(0x53, b"\0\1"),
    "broken-role": MAXIMUM_LENGTH + item(0x54, b"\0\x201.2"),
    "strange-role": MAXIMUM_LENGTH + item(0x54, struct.pack(">H", len(CT)) + CT.encode() + b"\2\7"),
    "unknown-identity": MAXIMUM_LENGTH + item(0x58, b"\6\0\0\1x\0\0"),
    "broken-identity": MAXIMUM_LENGTH + item(0x58, b"\1\1\0\x0ax"),
}


@pytest.mark.parametrize("user", USER_INFORMATION.values(), ids=USER_INFORMATION)
def test_odd_user_information_is_accepted(start: StartServer, user: bytes) -> None:
    assert answer(start(), request(usual(), user=user)) == ACCEPTED


@pytest.mark.parametrize(
    ("version", "expected"), [(1, 2), (3, 2), (0x8001, 2), (0xFFFF, 2), (0, 3), (2, 3), (0xFFFE, 3)]
)
def test_of_the_protocol_version_one_bit_counts(start: StartServer, version: int, expected: int) -> None:
    assert answer(start(), request(usual(), version=version)) == expected


@pytest.mark.parametrize(
    "application", [b"", item(0x10, b""), item(0x10, b"1.2.3")], ids=["none", "empty", "other"]
)
def test_another_application_context_is_rejected(start: StartServer, application: bytes) -> None:
    site = start()
    assert answer(site, request(usual(), application=application)) == REJECTED
    padded = item(0x10, b"1.2.840.10008.3.1.1.1\0")
    assert answer(site, request(usual(), application=padded)) == ACCEPTED


ACCEPTED, REJECTED, ABORTED = 2, 3, 7  # the kinds of PDUs


def answer(site: Site, encoded: bytes) -> int:
    """The kind of PDU with which a request is answered; 0 where the connection is closed."""
    with site.connect() as connection:
        try:
            connection.sendall(encoded)
            return int.from_bytes(connection.recv(1), "big")
        except ConnectionError:
            return 0


def without_unknown(encoded: bytes) -> bytes:
    """A context without the sub-items that pynetdicom stumbles over."""
    parts = [
        part for kind, part in A_ASSOCIATE_RQ._generate_items(encoded[8:]) if kind in (ABSTRACT, TRANSFER)
    ]
    return context(encoded[4], *parts)


@pytest.mark.parametrize(
    "contexts",
    [
        [context(1, item(ABSTRACT, CT.encode()))],
        [context(1, item(ABSTRACT, b"1.2.3"))],
        [context(1, item(TRANSFER, IMPLICIT))],
        [context(1)],
        [context(2, item(ABSTRACT, CT.encode()), item(TRANSFER, IMPLICIT))],
        [context(1, item(ABSTRACT, b"1" * 65), item(TRANSFER, IMPLICIT))],
        [],
    ],
    ids=["no-syntax", "unknown-without-syntax", "no-class", "nothing", "even", "long", "none"],
)
def test_contexts_that_lack_something_leave_no_association_behind(
    start: StartServer, contexts: list[bytes]
) -> None:
    site = start()
    with site.connect() as connection:
        connection.sendall(request(*contexts))
        assert connection.recv(1) in (b"\x02", b"\x07")  # accepted or aborted
        connection.shutdown(socket.SHUT_WR)
        assert closed_by_server(connection)
    assert eventually(lambda: site.server.active_associations == 0)
    assert site.is_alive()
