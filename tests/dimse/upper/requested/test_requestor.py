"""Associations that this server requests: what is sent, what comes of each answer, and what is left."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.pdu import A_ASSOCIATE_RQ

from orthanclite.core.errors import Busy, NetworkProtocol, NoPresentationContext
from orthanclite.core.levels import Level
from orthanclite.core.remotes.registry import Modality
from orthanclite.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    C_ECHO_RQ,
    C_FIND_RQ,
    C_GET_RQ,
    C_STORE_RQ,
    COMMAND_FIELD,
    Command,
)
from orthanclite.dimse.conversation import Offer, Offers
from orthanclite.dimse.options import DicomClientOptions, TlsClientOptions, TlsOptions
from orthanclite.dimse.outgoing import Association, CallDefaults, Connector, Proposal, Remote
from orthanclite.dimse.scp.store import StoreScp
from orthanclite.dimse.service import Service
from orthanclite.dimse.upper.requested.negotiation import association_request, read_acceptance, rejection
from orthanclite.dimse.upper.requested.requestor import AssociationRequestor
from tests.dimse.conftest import StartServer
from tests.dimse.raw_peer import ABORT, Call, RawPeer, raw_peer
from tests.dimse.support import CT, ECHO, ct, implicit
from tests.support.certificates import make_identity
from tests.support.lab import Lab
from tests.support.ports import free_port

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
ECHO_PROPOSAL = Proposal(ECHO, (EXPLICIT, IMPLICIT))
ECHO_ELEMENTS = {AFFECTED_SOP_CLASS_UID: ECHO, COMMAND_FIELD: C_ECHO_RQ}
FIND_ELEMENTS = {AFFECTED_SOP_CLASS_UID: STUDY_FIND, COMMAND_FIELD: C_FIND_RQ, 0x0700: 0}


@pytest.fixture
def requestor() -> Iterator[AssociationRequestor]:
    """Whatever a test does, it leaves no association, place or thread behind."""
    before = threading.active_count()
    made = AssociationRequestor(DicomClientOptions(maximum_associations=4))
    yield made
    assert made.active_associations == 0
    assert made._places._value == 4
    assert threading.active_count() <= before


def remote(port: int, timeout: float | None = 10, **changes: Any) -> Remote:
    return Remote(
        **(
            {"aet": "PEER", "host": "127.0.0.1", "port": port, "local_aet": "US", "timeout": timeout}
            | changes
        )
    )


def echo(association: Association) -> int:
    context = association.find(ECHO)
    assert context is not None
    return association.ask(context, ECHO_ELEMENTS).command.status


def fails(
    requestor: AssociationRequestor,
    behave: Callable[[Call], None],
    reason: str,
    timeout: float | None = 10,
    act: Callable[[Association], object] = echo,
    proposal: Proposal = ECHO_PROPOSAL,
) -> RawPeer:
    """Whether an association fails for that reason; the peer as it then is."""
    with raw_peer(behave) as peer:
        with (
            pytest.raises(NetworkProtocol, match=reason),
            requestor.open(remote(peer.port, timeout), [proposal]) as association,
        ):
            act(association)
        assert requestor.active_associations == 0
        peer.join()
    return peer


# -- what is sent ----------------------------------------------------------------------------------


def test_contract_with_other_modules() -> None:
    connector: Connector = AssociationRequestor(DicomClientOptions())
    assert connector


@given(
    st.text("ABC xyz", min_size=1, max_size=20),
    st.lists(
        st.tuples(
            st.sampled_from([ECHO, CT, STUDY_FIND]),
            st.lists(
                st.sampled_from([EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.2"]),
                min_size=1,
                max_size=3,
                unique=True,
            ),
            st.booleans(),
        ),
        min_size=1,
        max_size=128,
    ),
)
def test_a_request_is_what_pynetdicom_reads(aet: str, proposed: list[tuple[str, list[str], bool]]) -> None:
    proposals = [Proposal(uid, tuple(syntaxes), as_scp) for uid, syntaxes, as_scp in proposed]
    read = A_ASSOCIATE_RQ()
    read.decode(association_request(f"X{aet}", "US", proposals, 16384))
    assert read.called_ae_title == f"X{aet}"[:16].strip()
    assert read.calling_ae_title == "US"
    assert [
        (one.context_id, str(one.abstract_syntax), tuple(map(str, one.transfer_syntax)))
        for one in read.presentation_context
    ] == [(2 * n + 1, one.abstract_syntax, one.transfer_syntaxes) for n, one in enumerate(proposals)]
    assert read.user_information.maximum_length == 16384
    roles = {
        one.sop_class_uid: (one.scu_role, one.scp_role)
        for one in read.to_primitive().user_information
        if hasattr(one, "scp_role")
    }
    assert roles == {one.abstract_syntax: (False, True) for one in proposals if one.as_scp}


@given(st.binary(max_size=400))
def test_a_malformed_acceptance_is_told(body: bytes) -> None:
    try:
        acceptance = read_acceptance(bytes(68) + body, [ECHO_PROPOSAL])
    except NetworkProtocol:
        return
    assert len(acceptance.contexts) <= 1


def test_a_syntax_that_was_not_proposed_is_not_accepted() -> None:
    item = struct.pack(">BBHBBBBBBH", 0x21, 0, 25, 1, 0, 0, 0, 0x40, 0, 17) + b"1.2.840.10008.1.2"
    assert read_acceptance(bytes(68) + item, [Proposal(ECHO, (EXPLICIT,))]).contexts == ()
    assert read_acceptance(bytes(68) + item, [ECHO_PROPOSAL]).contexts[0].transfer_syntax == IMPLICIT


@pytest.mark.parametrize("body", [b"", b"\0\1", b"\0\1\1\7", b"\0\2\3\2", b"\xff\xff\xff\xff"])
def test_any_rejection_is_described(body: bytes) -> None:
    assert rejection(body).startswith("Association rejected")


def test_what_is_not_said_of_a_modality_is_what_the_options_say() -> None:
    defaults = CallDefaults("SELF", 10)
    plain = Modality("PEER", "host", 104)
    assert defaults.remote(plain) == Remote("PEER", "host", 104, "SELF", 10, False)
    special = Modality("PEER", "host", 104, local_aet="OTHER", timeout=3, use_dicom_tls=True)
    assert defaults.remote(special) == Remote("PEER", "host", 104, "OTHER", 3, True)
    assert defaults.remote(special, "MINE", 0) == Remote("PEER", "host", 104, "MINE", None, True)
    assert CallDefaults("SELF", 0).remote(plain).timeout is None


# -- what works ------------------------------------------------------------------------------------


def test_echo(requestor: AssociationRequestor, start: StartServer) -> None:
    site = start()
    with requestor.open(remote(site.port), [ECHO_PROPOSAL, Proposal("1.2.3", (IMPLICIT,))]) as association:
        assert [one.context_id for one in association.contexts] == [1]
        assert (association.peer.aet, association.peer.ip) == ("PEER", "127.0.0.1")
        assert [echo(association), echo(association)] == [0, 0]
        assert requestor.active_associations == 1


def test_a_data_set_is_sent_in_pieces(requestor: AssociationRequestor, start: StartServer) -> None:
    site = start()
    data = implicit(ct())
    elements = {
        AFFECTED_SOP_CLASS_UID: CT,
        COMMAND_FIELD: C_STORE_RQ,
        AFFECTED_SOP_INSTANCE_UID: ct().SOPInstanceUID,
        0x0700: 0,
    }
    with requestor.open(remote(site.port), [Proposal(CT, (IMPLICIT,))]) as association:
        pieces = (data[start : start + 999] for start in range(0, len(data), 999))
        assert association.ask(association.contexts[0], elements, pieces).command.status == 0
    assert site.stored()[0].PixelData == ct().PixelData


def test_many_at_once(start: StartServer) -> None:
    site = start()
    requestor = AssociationRequestor(DicomClientOptions())
    barrier = threading.Barrier(20)
    statuses: list[int] = []

    def call() -> None:
        with requestor.open(remote(site.port, 30), [ECHO_PROPOSAL]) as association:
            barrier.wait(30)
            statuses.append(echo(association))

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [0] * 20
    assert requestor.active_associations == 0


def test_who_finds_no_place_is_told(start: StartServer) -> None:
    site = start()
    requestor = AssociationRequestor(DicomClientOptions(maximum_associations=1))
    with requestor.open(remote(site.port), [ECHO_PROPOSAL]), pytest.raises(Busy):
        requestor.open(remote(site.port, 0.1), [ECHO_PROPOSAL])
    with requestor.open(remote(site.port, 0.1), [ECHO_PROPOSAL]):
        pass


@contextmanager
def scp(*handlers: Any, contexts: dict[str, bool]) -> Iterator[int]:
    """A pynetdicom SCP; the port."""
    application = AE("PEER")
    for uid, has_roles in contexts.items():
        roles = {"scu_role": True, "scp_role": True} if has_roles else {}
        application.add_supported_context(uid, [EXPLICIT, IMPLICIT], **roles)
    server = application.start_server(("127.0.0.1", 0), block=False, evt_handlers=list(handlers))
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def study(uid: str) -> Dataset:
    answer = Dataset()
    answer.StudyInstanceUID, answer.QueryRetrieveLevel = uid, "STUDY"
    return answer


def find(association: Association) -> Iterator[Any]:
    context = association.find(STUDY_FIND)
    assert context is not None
    return association.ask_all(context, FIND_ELEMENTS, [b"\x08\0\x52\0\x06\0\0\0STUDY "])


def test_pending_responses_come_one_by_one_and_can_be_cancelled(requestor: AssociationRequestor) -> None:
    cancelled = threading.Event()

    def answers(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        for number in range(10_000):
            if event.is_cancelled:
                cancelled.set()
                yield 0xFE00, None
                return
            yield 0xFF00 + number % 2, study(f"1.2.{number}")
            time.sleep(0.002)
        yield 0x0000, None

    with (
        scp((evt.EVT_C_FIND, answers), contexts={STUDY_FIND: False}) as port,
        requestor.open(remote(port), [Proposal(STUDY_FIND, (IMPLICIT,))]) as association,
    ):
        statuses = []
        for response in find(association):
            statuses.append(response.command.status)
            assert bool(response.data) is (response.command.status != 0xFE00)
            if len(statuses) == 3:
                association.cancel()
        assert statuses[:3] == [0xFF00, 0xFF01, 0xFF00]
        assert statuses[-1] == 0xFE00
        assert cancelled.is_set()
        association.cancel()  # too late: nothing is sent
        assert next(find(association)).command.status == 0xFF00
        assert not association.is_open  # who stops before the end, ends it


def test_what_the_peer_sends_for_a_c_get_is_stored(requestor: AssociationRequestor, laboratory: Lab) -> None:
    stored = StoreScp(laboratory.ingest, threading.Lock())

    def instances(event: evt.Event) -> Iterator[Any]:
        yield 2
        for number in range(2):
            yield 0xFF00, ct(SOPInstanceUID=f"1.2.3.{number}")

    offers = Offers([Offer(Service.STORE, C_STORE_RQ, None, stored)])
    with scp((evt.EVT_C_GET, instances), contexts={STUDY_GET: False, CT: True}) as port:
        proposals = [Proposal(STUDY_GET, (IMPLICIT,)), Proposal(CT, (EXPLICIT,), as_scp=True)]
        with requestor.open(remote(port), proposals, offers) as association:
            get, store = association.contexts
            assert get.is_scu
            assert not store.is_scu
            elements = {AFFECTED_SOP_CLASS_UID: STUDY_GET, COMMAND_FIELD: C_GET_RQ, 0x0700: 0}
            responses = list(association.ask_all(get, elements, [b"\x08\0\x52\0\x06\0\0\0STUDY "]))
            assert [one.command.status for one in responses] == [0xFF00, 0xFF00, 0]
            assert responses[-1].command.number(0x1021) == 2
    assert len(laboratory.resources.list_ids(Level.INSTANCE)) == 2


# -- what fails ------------------------------------------------------------------------------------


def test_nobody_listens(requestor: AssociationRequestor) -> None:
    with pytest.raises(
        NetworkProtocol, match='connecting to AET "PEER": TCP Initialization Error: Connection refused'
    ):
        requestor.open(remote(free_port()), [ECHO_PROPOSAL])


@pytest.mark.parametrize(
    "changes", [{"host": "no.such.host.invalid"}, {"port": 70_000}, {"host": "a" * 70 + ".b"}, {"host": ""}]
)
def test_an_address_that_cannot_be(requestor: AssociationRequestor, changes: dict[str, Any]) -> None:
    with pytest.raises(NetworkProtocol, match="TCP Initialization Error"):
        requestor.open(remote(**({"port": 1} | changes)), [ECHO_PROPOSAL])


@pytest.mark.parametrize("changes", [{"aet": ""}, {"local_aet": ""}])
def test_an_empty_title_is_refused(requestor: AssociationRequestor, changes: dict[str, Any]) -> None:
    with pytest.raises(NetworkProtocol, match="AE title is empty"):
        requestor.open(remote(**({"port": 1} | changes)), [ECHO_PROPOSAL])


def test_a_rejection_is_told_with_its_reason(requestor: AssociationRequestor) -> None:
    def reject(call: Call) -> None:
        call.read_request()
        call.send(3, b"\0\1\1\7")

    fails(requestor, reject, "rejected permanently: called AE title not recognized")


def test_no_accepted_context(requestor: AssociationRequestor) -> None:
    def refuse(call: Call) -> None:
        call.accept(result=3)
        call.finish()

    with raw_peer(refuse) as peer:
        with pytest.raises(NoPresentationContext, match='"PEER"'):
            requestor.open(remote(peer.port), [ECHO_PROPOSAL])
        peer.join()
    assert peer.calls[0].kinds == [1, 5]  # released


def test_an_abort_instead_of_an_answer(requestor: AssociationRequestor) -> None:
    def abort(call: Call) -> None:
        call.read_request()
        call.connection.sendall(ABORT)

    fails(requestor, abort, "connecting to .*: Peer aborted")


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\2\0\0\0\0\2\0\1", bytes(2000), b"\2\0\xff\xff\xff\xff"],
)
def test_an_answer_that_is_none(requestor: AssociationRequestor, answer: bytes) -> None:
    def answer_so(call: Call) -> None:
        call.read_request()
        call.connection.sendall(answer)

    with raw_peer(answer_so) as peer, pytest.raises((NetworkProtocol, NoPresentationContext)):
        requestor.open(remote(peer.port), [ECHO_PROPOSAL])


def test_silence_instead_of_an_answer(requestor: AssociationRequestor) -> None:
    started = time.monotonic()
    peer = fails(
        requestor, lambda call: (call.read_request(), call.finish())[0], "No answer of the peer in time", 0.5
    )
    assert 0.4 < time.monotonic() - started < 20
    assert peer.calls[0].kinds == [1]


def after_request(then: Callable[[Call, int, Command], object]) -> Callable[[Call], None]:
    """Accept, read one message, do something, and wait for the end."""

    def behave(call: Call) -> None:
        call.accept()
        context, request, _ = call.read_message()
        then(call, context, request)
        call.finish()

    return behave


ABORTED = 7


def test_silence_instead_of_a_response(requestor: AssociationRequestor) -> None:
    peer = fails(requestor, after_request(lambda *_: None), 'C-ECHO to AET "PEER": No answer', 0.5)
    assert peer.calls[0].kinds == [1, 4, ABORTED]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"message_id": 2}, "answered a message that was not sent"),
        ({"field": C_FIND_RQ | 0x8000}, "another command"),
        ({"field": C_FIND_RQ}, "not offered"),
    ],
)
def test_a_wrong_response_aborts(requestor: AssociationRequestor, wrong: dict[str, int], reason: str) -> None:
    behave = after_request(lambda call, context, request: call.respond(context, request, 0, **wrong))
    peer = fails(requestor, behave, reason)
    assert peer.calls[0].kinds == [1, 4, ABORTED]


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack(">BBIIBB", 4, 0, 6, 2, 1, 2),  # data without a command
        struct.pack(">BBIIBB", 4, 0, 6, 2, 5, 3),  # a context that is none
        struct.pack(">BBIIBB", 4, 0, 6, 99, 1, 3),  # a length that does not fit
        struct.pack(">BBIIBBHHI", 4, 0, 14, 10, 1, 3, 8, 1, 0),  # a command of another group
        struct.pack(">BBI", 4, 0, 1 << 30),
        struct.pack(">BBI", 9, 0, 4) + bytes(4),
        struct.pack(">BBI", 2, 0, 4) + bytes(4),
    ],
)
def test_garbage_aborts(requestor: AssociationRequestor, sent: bytes) -> None:
    peer = fails(requestor, after_request(lambda call, *_: call.connection.sendall(sent)), "C-ECHO to AET")
    assert peer.calls[0].kinds == [1, 4, ABORTED]


def test_the_peer_aborts_closes_or_releases(requestor: AssociationRequestor) -> None:
    fails(requestor, after_request(lambda call, *_: call.connection.sendall(ABORT)), "C-ECHO .*Peer aborted")
    fails(
        requestor, after_request(lambda call, *_: call.connection.shutdown(socket.SHUT_RDWR)), "Peer aborted"
    )
    peer = fails(requestor, after_request(lambda call, *_: call.send(5, bytes(4))), "Peer requested Release")
    assert peer.calls[0].kinds == [1, 4, 6]


def send_much(association: Association) -> object:
    elements = {AFFECTED_SOP_CLASS_UID: ECHO, COMMAND_FIELD: C_STORE_RQ}
    return association.ask(association.contexts[0], elements, (bytes(1 << 20) for _ in range(64)))


def test_a_peer_that_closes_in_the_middle_of_a_data_set(requestor: AssociationRequestor) -> None:
    def close(call: Call) -> None:
        call.accept()
        for _ in range(100):
            call.read()

    fails(requestor, close, 'C-STORE to AET "PEER": Peer aborted', act=send_much)


def test_a_peer_that_stops_reading(requestor: AssociationRequestor) -> None:
    over = threading.Event()

    def stop(call: Call) -> None:
        call.accept()
        call.read()
        over.wait(20)

    def act(association: Association) -> None:
        try:
            send_much(association)
        finally:
            over.set()

    fails(requestor, stop, "No answer of the peer in time", 0.5, act)


def test_a_slow_reader_is_waited_for(requestor: AssociationRequestor) -> None:
    def behave(call: Call) -> None:
        call.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
        call.accept()
        read = call.read

        def slow() -> tuple[int, bytes]:
            if len(call.kinds) < 40:
                time.sleep(0.05)
            return read()

        call.read = slow  # type: ignore[method-assign]
        context, request, data = call.read_message()
        assert len(data) == 4 << 20
        call.respond(context, request, 0)
        call.finish()

    with raw_peer(behave) as peer, requestor.open(remote(peer.port, 1), [ECHO_PROPOSAL]) as association:
        elements = {AFFECTED_SOP_CLASS_UID: ECHO, COMMAND_FIELD: C_STORE_RQ}
        data = (bytes(1 << 20) for _ in range(4))
        assert association.ask(association.contexts[0], elements, data).command.status == 0


def test_a_data_set_that_ends_early_aborts(requestor: AssociationRequestor) -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(100_000)
        raise RuntimeError("the file is gone")

    def behave(call: Call) -> None:
        call.accept()
        call.finish()

    with raw_peer(behave) as peer:
        association = requestor.open(remote(peer.port), [ECHO_PROPOSAL])
        elements = {AFFECTED_SOP_CLASS_UID: ECHO, COMMAND_FIELD: C_STORE_RQ}
        with pytest.raises(RuntimeError):
            association.ask(association.contexts[0], elements, pieces())
        assert not association.is_open
        peer.join()
    assert peer.calls[0].kinds[-1] == ABORTED


def test_nothing_is_asked_once_it_is_over(requestor: AssociationRequestor, start: StartServer) -> None:
    site = start()
    association = requestor.open(remote(site.port), [ECHO_PROPOSAL])
    association.close()
    association.close()
    association.abort()
    with pytest.raises(NetworkProtocol, match="is over"):
        echo(association)


def test_a_release_that_is_not_answered_has_an_end(requestor: AssociationRequestor) -> None:
    def behave(call: Call) -> None:
        call.accept()
        while call.read()[0]:
            pass

    with raw_peer(behave) as peer:
        started = time.monotonic()
        requestor.open(remote(peer.port, 0.3), [ECHO_PROPOSAL]).close()
        assert time.monotonic() - started < 20


def test_both_release_at_the_same_time(requestor: AssociationRequestor) -> None:
    def behave(call: Call) -> None:
        call.accept()
        assert call.read()[0] == 5
        call.send(5, bytes(4))
        assert call.read()[0] == 6
        call.send(6, bytes(4))

    with raw_peer(behave) as peer:
        requestor.open(remote(peer.port), [ECHO_PROPOSAL]).close()
        peer.join()
    assert peer.calls[0].kinds == [1, 5, 6]


def test_the_end_of_the_server_breaks_off_what_waits_without_limit(requestor: AssociationRequestor) -> None:
    def behave(call: Call) -> None:
        call.accept()
        call.read()
        threading.Timer(0.2, requestor.close).start()
        call.finish()

    fails(requestor, behave, "Peer aborted", None)
    with raw_peer(Call.finish) as peer, pytest.raises(NetworkProtocol):
        requestor.open(remote(peer.port), [ECHO_PROPOSAL])


# -- TLS -------------------------------------------------------------------------------------------


@pytest.fixture
def identities(tmp_path: Path) -> Any:
    return {name: make_identity(tmp_path, name) for name in ("server", "client", "stranger")}


def test_tls(start: StartServer, identities: Any) -> None:
    server, client, stranger = identities["server"], identities["client"], identities["stranger"]
    site = start(tls=TlsOptions(server.certificate, server.key, client.certificate))

    def call(**options: Any) -> int:
        requestor = AssociationRequestor(DicomClientOptions(tls=TlsClientOptions(**options)))
        with requestor.open(remote(site.port, use_tls=True), [ECHO_PROPOSAL]) as association:
            return echo(association)

    known = {"certificate": client.certificate, "private_key": client.key}
    assert call(**known, trusted_certificates=server.certificate) == 0
    with pytest.raises(NetworkProtocol, match=r"TLS Error.*certificate verify failed"):
        call(**known, trusted_certificates=stranger.certificate)
    with pytest.raises(NetworkProtocol, match="needs DicomTlsTrustedCertificates"):
        call(**known)
    assert call(**known, verify=False) == 0
    with pytest.raises(NetworkProtocol):
        call(trusted_certificates=server.certificate)  # the server wants a certificate, too
    with pytest.raises(NetworkProtocol, match="Cannot set up DICOM TLS"):
        call(certificate=Path("/nowhere"), private_key=Path("/nowhere"))


def test_tls_towards_a_peer_without_it(requestor: AssociationRequestor, identities: Any) -> None:
    def behave(call: Call) -> None:
        call.connection.recv(100)
        call.connection.sendall(ABORT)

    tls = TlsClientOptions(trusted_certificates=identities["server"].certificate)
    made = AssociationRequestor(DicomClientOptions(tls=tls))
    with raw_peer(behave) as peer, pytest.raises(NetworkProtocol, match="TLS Error"):
        made.open(remote(peer.port, use_tls=True), [ECHO_PROPOSAL])
    assert made.active_associations == 0
