"""The event-driven association: what it relies on in pynetdicom, and that it waits rather than polls."""

from __future__ import annotations

import inspect
import socket
import threading
import time
from typing import Any

import pytest
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from orthanclite.core.machine.budget import MemoryBudget
from orthanclite.dimse.conversation import Offers
from orthanclite.dimse.upper import association as reactor
from orthanclite.dimse.upper.association import EventDrivenAssociation, Gate
from orthanclite.dimse.upper.provider import EventDrivenDul
from orthanclite.dimse.upper.transport import BufferedSocket
from tests.dimse.conftest import StartServer
from tests.dimse.support import eventually


@pytest.fixture
def provider() -> DULServiceProvider:
    """What pynetdicom itself makes for an association."""
    return Association(ApplicationEntity("TEST"), "acceptor").dul


@pytest.mark.parametrize(
    "name",
    [
        "_idle_timer",
        "_kill_thread",
        "_recv_pdu",
        "artim_timer",
        "event_queue",
        "socket",
        "state_machine",
        "to_provider_queue",
        "to_user_queue",
    ],
)
def test_the_provider_still_has_its_attributes(provider: DULServiceProvider, name: str) -> None:
    assert hasattr(provider, name)


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (DULServiceProvider, "_decode_pdu", ["self", "bytestream"]),
        (DULServiceProvider, "_is_transport_event", ["self"]),
        (DULServiceProvider, "_process_recv_primitive", ["self"]),
        (DULServiceProvider, "_read_pdu_data", ["self"]),
        (DULServiceProvider, "idle_timer_expired", ["self"]),
        (DULServiceProvider, "kill_dul", ["self"]),
        (DULServiceProvider, "run_reactor", ["self"]),
        (DULServiceProvider, "send_pdu", ["self", "primitive"]),
        (DULServiceProvider, "stop_dul", ["self"]),
        (Association, "_serve_request", ["self", "msg", "context_id"]),
        (DIMSEServiceProvider, "get_msg", ["self", "block"]),
        (AssociationSocket, "_shutdown_socket", ["self"]),
        (AssociationSocket, "recv", ["self", "nr_bytes"]),
        (AssociationSocket, "send", ["self", "bytestream"]),
        (RequestHandler, "_create_association", ["self"]),
        (ThreadedAssociationServer, "finish_request", None),
        (ThreadedAssociationServer, "service_actions", ["self"]),
    ],
)
def test_what_is_overridden_still_exists(owner: type, name: str, parameters: list[str] | None) -> None:
    function = getattr(owner, name)
    if parameters is not None:
        assert list(inspect.signature(function).parameters) == parameters


def test_the_association_still_has_its_attributes() -> None:
    association = Association(ApplicationEntity("TEST"), "acceptor")
    for name in ("_accepted_cx", "_dul_ready", "_kill", "_reactor_checkpoint", "_server", "_started_dul"):
        assert hasattr(association, name)
    assert association.dimse.msg_queue.empty()
    assert evt._INTERVENTION_EVENTS


def test_the_thread_of_the_association_polls_nothing_but_its_checkpoint() -> None:
    """Its loop must still pass the checkpoint in each round: that is where it waits."""
    source = inspect.getsource(Association._run_reactor)
    assert source.count("self._reactor_checkpoint.wait()") == 2
    assert source.index("_reactor_checkpoint.wait()") < source.index("self.dimse.get_msg(block=False)")


def test_a_gate_opens_at_once_when_there_is_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reactor, "_IDLE_CHECK", 60.0)
    gate = Gate()
    gate.set()
    gate.wait()  # the wake-up of set()
    waker = threading.Timer(0.05, gate.wake)
    waker.start()
    began = time.monotonic()
    assert gate.wait()
    assert 0.02 < time.monotonic() - began < 30
    waker.join()


def test_a_closed_gate_holds_until_it_is_opened() -> None:
    gate = Gate()
    gate.clear()
    opener = threading.Timer(0.05, gate.set)
    opener.start()
    began = time.monotonic()
    assert gate.wait(60)
    assert time.monotonic() - began < 30
    opener.join()


def test_an_idle_association_rests(start: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = 0
    original = EventDrivenDul._is_transport_event

    def counted(self: EventDrivenDul) -> bool:
        nonlocal rounds
        rounds += 1
        return original(self)

    monkeypatch.setattr(EventDrivenDul, "_is_transport_event", counted)
    site = start()
    with site.associate() as association:
        assert association.send_c_echo().Status == 0x0000

        def rests() -> bool:
            before = rounds
            time.sleep(0.5)
            return rounds - before <= 2

        assert eventually(rests)  # the echo leaves something to be done


def test_an_echo_is_answered_without_delay(start: StartServer) -> None:
    site = start()
    with site.associate() as association:
        began = time.monotonic()
        for _ in range(40):
            assert association.send_c_echo().Status == 0x0000
        assert time.monotonic() - began < 40 * reactor._IDLE_CHECK / 2


def test_reading_goes_on_while_there_is_something_to_send() -> None:
    """One PDU is read for each that is sent: neither direction shuts out the other."""
    association = EventDrivenAssociation(ApplicationEntity("TEST"), Offers([]), MemoryBudget(0))
    dul: Any = association.dul
    ours, theirs = socket.socketpair()
    with ours, theirs:
        dul.socket = BufferedSocket(association, ours)
        theirs.sendall(b"something to read")
        dul.to_provider_queue.put(P_DATA())
        turns = [dul._process_recv_primitive() for _ in range(4)]
    dul._close_pipe()
    assert turns == [True, False, True, False]


@pytest.mark.parametrize(
    ("owner", "name"),
    [(EventDrivenAssociation, "_serve_request"), (EventDrivenDul, "_process_recv_primitive")],
)
def test_a_thread_that_fails_aborts_its_association(
    start: StartServer, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    site = start()

    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError

    with site.associate() as association:
        monkeypatch.setattr(owner, name, fail)
        association.send_c_echo()
        assert eventually(lambda: association.is_aborted)
    assert eventually(lambda: site.server.active_associations == 0)
    monkeypatch.undo()
    assert site.is_alive()


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
