"""Services run in the thread that reads the connection: what the peer does meanwhile, and how they end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from orthanclite.dimse.command import C_GET_RQ, COMMAND_FIELD
from orthanclite.dimse.conversation import Conversation, Message, Offer
from orthanclite.dimse.service import Service
from orthanclite.dimse.status import CANCEL, PENDING, SUCCESS
from orthanclite.dimse.upper.wire.link import Link
from tests.dimse.conftest import StartServer
from tests.dimse.raw_peer import Call
from tests.dimse.support import ECHO, Site, eventually
from tests.dimse.test_fuzz import ABORT, ASSOCIATION, GET, GET_STUDY, RELEASE, message
from tests.dimse.test_fuzz import CANCEL as CANCEL_RQ
from tests.dimse.test_robustness import closed_by_server

ECHO_RQ = message(3, 0x0030, ECHO, b"")


class Served:
    """A C-GET that does what a test wants, between its request and its final response."""

    def __init__(self, work: Callable[[Conversation], int]) -> None:
        self._work = work
        self.has_begun = threading.Event()
        self.has_ended = threading.Event()

    def serve(self, request: Message, conversation: Conversation) -> None:
        self.has_begun.set()
        try:
            conversation.respond(self._work(conversation))
        finally:
            self.has_ended.set()


def begin(start: StartServer, served: Served, **options: int) -> Site:
    offer = Offer(Service.GET, C_GET_RQ, frozenset({GET}), served, sends_instances=True)
    return start(always_allow=frozenset(Service), further=[offer], **options)


def associate(site: Site) -> Call:
    """An association that is read and written byte by byte."""
    connection = site.connect()
    connection.sendall(ASSOCIATION)
    call = Call(connection)
    assert call.read()[0] == 2
    return call


def answer(call: Call) -> tuple[int, int]:
    """Command field and status of the next message."""
    _, command, _ = call.read_message()
    return command.number(COMMAND_FIELD), command.status


def talk(conversation: Conversation) -> int:
    """Say more than anybody reads."""
    while not conversation.is_over:
        conversation.respond(PENDING, bytes(1 << 20))
    return SUCCESS


def wait_for_cancel(conversation: Conversation) -> int:
    deadline = time.monotonic() + 30
    while not (conversation.is_cancelled or conversation.is_over) and time.monotonic() < deadline:
        time.sleep(0.01)
    return CANCEL if conversation.is_cancelled else SUCCESS


def test_a_peer_that_waited_for_its_answer_was_not_silent(start: StartServer) -> None:
    """The time-out of an idle association begins when its service has ended."""

    def slow(conversation: Conversation) -> int:
        time.sleep(3)
        return SUCCESS

    site = begin(start, Served(slow), scp_timeout=2)
    with (call := associate(site)).connection:
        call.connection.sendall(GET_STUDY)
        assert answer(call) == (0x8010, SUCCESS)
        time.sleep(0.5)
        call.connection.sendall(ECHO_RQ)
        assert answer(call) == (0x8030, SUCCESS)


def test_stopping_ends_a_service_whose_peer_reads_nothing(start: StartServer) -> None:
    served = Served(talk)
    site = begin(start, served)
    threads = threading.active_count()
    with (call := associate(site)).connection:
        call.connection.sendall(GET_STUDY)
        assert served.has_begun.wait(30)
        assert not served.has_ended.wait(0.5)
        began = time.monotonic()
        site.server.stop(0.1)
        assert time.monotonic() - began < 2
        assert served.has_ended.is_set()
    assert eventually(lambda: threading.active_count() < threads)


def test_a_cancel_is_seen_while_nothing_is_sent(start: StartServer) -> None:
    served = Served(wait_for_cancel)
    site = begin(start, served)
    with (call := associate(site)).connection:
        call.connection.sendall(GET_STUDY)
        assert served.has_begun.wait(30)
        call.connection.sendall(CANCEL_RQ)
        assert answer(call) == (0x8010, CANCEL)


def test_a_cancel_that_comes_too_late_concerns_no_other_request(start: StartServer) -> None:
    site = begin(start, Served(lambda conversation: CANCEL if conversation.is_cancelled else SUCCESS))
    with (call := associate(site)).connection:
        call.connection.sendall(GET_STUDY)
        assert answer(call) == (0x8010, SUCCESS)
        call.connection.sendall(CANCEL_RQ + GET_STUDY)
        assert answer(call) == (0x8010, SUCCESS)
        call.connection.sendall(GET_STUDY + CANCEL_RQ + GET_STUDY)
        assert answer(call) == (0x8010, CANCEL)
        assert answer(call) == (0x8010, SUCCESS)


@pytest.mark.parametrize("ending", [ABORT, b"", b"\x09garbage"], ids=["abort", "close", "garbage"])
def test_a_service_sees_that_its_peer_has_left(start: StartServer, ending: bytes) -> None:
    served = Served(wait_for_cancel)
    site = begin(start, served)
    with (call := associate(site)).connection:
        call.connection.sendall(GET_STUDY)
        assert served.has_begun.wait(30)
        call.connection.sendall(ending)
        call.connection.shutdown(socket.SHUT_WR)
        assert served.has_ended.wait(5)
    assert eventually(lambda: site.server.active_associations == 0)


def test_a_release_amid_a_service_is_answered_behind_its_response(start: StartServer) -> None:
    """A peer that need not wait for answers may release early (PS3.8 7.2.2.1)."""
    goes_on = threading.Event()

    def wait(conversation: Conversation) -> int:
        assert not conversation.is_cancelled
        goes_on.wait(30)
        assert not conversation.is_cancelled
        return SUCCESS

    site = begin(start, Served(wait))
    with (call := associate(site)).connection:
        call.connection.sendall(GET_STUDY + RELEASE)
        time.sleep(0.2)
        goes_on.set()
        assert answer(call) == (0x8010, SUCCESS)
        assert call.read()[0] == 6
        assert closed_by_server(call.connection)
    assert eventually(lambda: site.server.active_associations == 0)


def test_requests_that_come_meanwhile_are_served_in_their_order(start: StartServer) -> None:
    goes_on = threading.Event()

    def wait(conversation: Conversation) -> int:
        goes_on.wait(30)
        assert not conversation.is_cancelled
        return SUCCESS

    site = begin(start, Served(wait))
    with (call := associate(site)).connection:
        call.connection.sendall(GET_STUDY + 40 * ECHO_RQ)
        time.sleep(0.2)
        goes_on.set()
        assert answer(call) == (0x8010, SUCCESS)
        assert [answer(call) for _ in range(40)] == [(0x8030, SUCCESS)] * 40


def test_an_association_takes_one_thread(start: StartServer) -> None:
    site = begin(start, Served(wait_for_cancel))
    threads = threading.active_count()
    with (call := associate(site)).connection:
        call.connection.sendall(ECHO_RQ)
        assert answer(call) == (0x8030, SUCCESS)
        assert threading.active_count() == threads + 1


def test_an_idle_association_rests(start: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fills = 0
    original = Link._poll

    def counted(self: Link, *arguments: Any) -> int:
        nonlocal fills
        fills += 1
        return original(self, *arguments)

    monkeypatch.setattr(Link, "_poll", counted)
    with (call := associate(start())).connection:
        call.connection.sendall(ECHO_RQ)
        assert answer(call) == (0x8030, SUCCESS)
        time.sleep(0.2)
        before = fills
        time.sleep(0.5)
        assert fills == before


def test_silence_is_ended_by_an_abort(start: StartServer) -> None:
    with (call := associate(start(scp_timeout=1))).connection:
        call.connection.sendall(ECHO_RQ)
        assert answer(call) == (0x8030, SUCCESS)
        assert call.read()[0] == 7
        assert closed_by_server(call.connection)


def test_a_service_that_fails_aborts_its_association(
    start: StartServer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(conversation: Conversation) -> int:
        raise ZeroDivisionError

    site = begin(start, Served(fail))
    with (call := associate(site)).connection:
        call.connection.sendall(GET_STUDY)
        assert call.read()[0] == 7
        assert closed_by_server(call.connection)
    assert [record for record in caplog.records if record.exc_info]
    assert eventually(lambda: site.server.active_associations == 0)
    assert site.is_alive()


def test_a_peer_that_comes_and_goes_is_no_warning(
    start: StartServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    site = start()
    with site.connect():
        pass
    with (call := associate(site)).connection:
        call.connection.sendall(ABORT)
        assert closed_by_server(call.connection)
    assert eventually(lambda: site.server.active_associations == 0)
    assert not [record for record in caplog.records if "ssociation" in record.getMessage()]


def test_descriptors_are_given_back(start: StartServer) -> None:
    site = start()

    def ended() -> bool:
        return site.server.active_associations == 0

    with site.associate():
        pass
    assert eventually(ended)
    with socket.socket() as before:
        low = before.fileno()
    for _ in range(5):
        with site.associate():
            pass
    assert eventually(ended)
    with socket.socket() as after:
        assert after.fileno() <= low + 2
