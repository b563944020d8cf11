"""No host keeps the others out, by associations, by connections, or by taking its time."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.dimse.options import TlsOptions
from orthanclite.dimse.upper.accepted import association as accepted
from orthanclite.dimse.upper.accepted import listener
from orthanclite.dimse.upper.accepted.admission import Places
from tests.dimse.conftest import StartServer
from tests.dimse.support import Site, eventually
from tests.dimse.test_robustness import closed_by_server
from tests.dimse.upper.accepted.test_negotiation import answer, request, usual
from tests.support.certificates import make_identity

HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40))
def test_places_are_bounded_in_all_and_for_each_host(steps: list[tuple[str, bool]]) -> None:
    places = Places(6, 3)
    alive: list[tuple[str, list[bool]]] = []
    for host, ends in steps:
        if ends and alive:
            alive.pop(0)[1][0] = False
        state = [True]
        expected = len(alive) < 6 and sum(one[0] == host for one in alive) < 3
        assert places.take(host, lambda state=state: state[0]) == expected  # type: ignore[misc]
        if expected:
            alive.append((host, state))


def connect_from(site: Site, host: str) -> socket.socket:
    """A connection of an address of this machine."""
    return socket.create_connection(("127.0.0.1", site.port), timeout=60, source_address=(host, 0))


def associates(site: Site, host: str, stack: ExitStack) -> bool:
    """Associate, and stay so; whether the server accepted."""
    connection = stack.enter_context(connect_from(site, host))
    connection.sendall(request(usual()))
    return connection.recv(1) == b"\x02"


def test_idle_associations_of_one_host_leave_room_for_others(start: StartServer) -> None:
    site = start(maximum_associations=6, maximum_associations_per_host=3)
    with ExitStack() as stack:
        assert [associates(site, HOSTS[0], stack) for _ in range(5)] == [True] * 3 + [False] * 2
        assert [associates(site, HOSTS[1], stack) for _ in range(4)] == [True] * 3 + [False]
        assert not associates(site, HOSTS[2], stack)
    assert eventually(lambda: answer(site, request(usual())) == 2)


def test_by_default_a_host_gets_half(start: StartServer) -> None:
    options = start().options
    assert options.maximum_associations_per_host * 2 == options.maximum_associations


def test_idle_connections_of_one_host_leave_room_for_others(start: StartServer) -> None:
    site = start(maximum_associations=6, maximum_associations_per_host=3)
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(connect_from(site, HOSTS[0]))
        assert eventually(lambda: site.server.active_associations == 6)
        with connect_from(site, HOSTS[0]) as one_too_many:
            assert closed_by_server(one_too_many)
        assert associates(site, HOSTS[1], stack)
    assert eventually(lambda: answer(site, request(usual())) == 2)
    assert eventually(lambda: site.server.active_associations == 0)


def drip(connection: socket.socket, data: bytes, seconds: float) -> bool:
    """Send a byte at a time; whether the server closes the connection meanwhile."""
    end = time.monotonic() + seconds
    connection.settimeout(0.05)
    for byte in data:
        try:
            connection.sendall(bytes((byte,)))
            if not connection.recv(100):
                return True
        except TimeoutError:
            pass
        except OSError:
            return True
        if time.monotonic() > end:
            break
    return False


@pytest.mark.parametrize("scp_timeout", [0, 30])
def test_a_request_that_drips_is_given_up(
    start: StartServer, monkeypatch: pytest.MonkeyPatch, scp_timeout: int
) -> None:
    monkeypatch.setattr(accepted, "_NEGOTIATION_TIMEOUT", 1.0)
    site = start(scp_timeout=scp_timeout)
    with site.connect() as connection:
        assert drip(connection, request(usual(), tail=bytes(4000)), 20)
    assert eventually(lambda: site.server.active_associations == 0)
    with site.associate() as association:
        time.sleep(1.5)
        assert association.send_c_echo().Status == 0


@pytest.mark.parametrize("scp_timeout", [0, 30])
@pytest.mark.parametrize("sent", ["nothing", "drips"])
def test_half_open_hand_shakes_are_ended(
    start: StartServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scp_timeout: int, sent: str
) -> None:
    monkeypatch.setattr(listener, "_HAND_SHAKE_TIMEOUT", 1.0)
    identity = make_identity(tmp_path, "server")
    tls = TlsOptions(identity.certificate, identity.key, remote_certificate_required=False)
    site = start(tls=tls, scp_timeout=scp_timeout)
    before = threading.active_count()
    with site.connect() as connection:
        if sent == "drips":
            # The head of a record of 16 KB, which then comes byte by byte.
            assert drip(connection, b"\x16\x03\x01\x40\x00" + bytes(4000), 20)
        else:
            assert closed_by_server(connection)
    assert eventually(lambda: threading.active_count() <= before)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(identity.certificate)
    with site.associate(tls_args=(context, "localhost")) as association:
        assert association.send_c_echo().Status == 0


def test_half_open_hand_shakes_of_one_host_leave_room_for_others(start: StartServer, tmp_path: Path) -> None:
    identity = make_identity(tmp_path, "server")
    tls = TlsOptions(identity.certificate, identity.key, remote_certificate_required=False)
    site = start(tls=tls, maximum_associations=4, maximum_associations_per_host=2)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(identity.certificate)
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(connect_from(site, HOSTS[0]))
        with connect_from(site, HOSTS[0]) as one_too_many:
            assert closed_by_server(one_too_many)
        plain = connect_from(site, HOSTS[1])
        with context.wrap_socket(plain, server_hostname="localhost") as other:
            other.sendall(request(usual()))
            assert other.recv(1) == b"\x02"
