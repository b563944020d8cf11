"""The short way for association requests reads what pynetdicom reads."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.presentation import PresentationContext

from orthanclite.dimse.upper.associate_request import AssociateRequest, context_of, valid_uid
from tests.dimse.conftest import StartServer
from tests.dimse.support import CT, ECHO, eventually
from tests.dimse.test_robustness import closed_by_server

IMPLICIT = b"1.2.840.10008.1.2"
ABSTRACT, TRANSFER = 0x30, 0x40


def item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(content)) + content


def context(number: int, *parts: bytes) -> bytes:
    return item(0x20, bytes((number, 0, 0, 0)) + b"".join(parts))


def request(*contexts: bytes) -> bytes:
    user = item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3"))
    items = item(0x10, b"1.2.840.10008.3.1.1.1") + b"".join(contexts) + user
    head = struct.pack(">HH16s16s32x", 1, 0, b"ORTHANC".ljust(16), b"TESTER".ljust(16))
    return struct.pack(">BBI", 0x01, 0, len(head) + len(items)) + head + items


def outcome(kind: type[A_ASSOCIATE_RQ], encoded: bytes) -> object:
    """What is read; None where the request is refused."""
    try:
        pdu = kind()
        pdu.decode(encoded)
        primitive = pdu.to_primitive()
    except Exception:
        return None
    contexts = primitive.presentation_context_definition_list
    if not all(one.abstract_syntax and one.transfer_syntax for one in contexts):
        return None  # pynetdicom notices only when it answers
    found = sorted((one.context_id, one.abstract_syntax or "", *one.transfer_syntax) for one in contexts)
    return found, primitive.calling_ae_title, primitive.called_ae_title, primitive.maximum_length_received


UIDS = st.sampled_from(
    [CT.encode(), ECHO.encode(), IMPLICIT, b"1.2.3\0", b"", b"\0", b"1" * 65, b"1.2.\xff", b"no"]
)
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
    assert outcome(AssociateRequest, encoded) == outcome(A_ASSOCIATE_RQ, encoded)


@settings(max_examples=200)
@given(st.data())
def test_broken_requests_are_refused_where_pynetdicom_refuses_them(data: st.DataObject) -> None:
    whole = bytearray(request(context(1, item(ABSTRACT, CT.encode()), item(TRANSFER, IMPLICIT))))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(6, len(whole) - 1))] = data.draw(st.integers(0, 255))
    encoded = bytes(whole[: data.draw(st.integers(74, len(whole)))])
    assert outcome(AssociateRequest, encoded) == outcome(A_ASSOCIATE_RQ, encoded)


def test_the_usual_contexts_go_the_short_way() -> None:
    pdu = AssociateRequest()
    pdu.decode(request(context(3, item(ABSTRACT, CT.encode()), item(TRANSFER, IMPLICIT))))
    assert [one.context_id for one in pdu._contexts] == [3]
    assert not any(one.item_type == 0x20 for one in pdu.variable_items)


def test_contexts_are_those_that_pynetdicom_makes() -> None:
    theirs = PresentationContext()
    theirs.abstract_syntax = CT
    theirs.transfer_syntax = [IMPLICIT.decode()]
    ours = context_of(valid_uid(CT.encode()), [valid_uid(IMPLICIT)] * 2)
    assert ours == theirs
    assert vars(ours).keys() == vars(theirs).keys()


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
