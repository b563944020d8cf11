"""Many associations at once: bounded work, waiting instead of failing, and nothing lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest

from orthanclite.dimse.command import AFFECTED_SOP_CLASS_UID, C_ECHO_RQ, COMMAND_FIELD
from orthanclite.dimse.options import DicomClientOptions
from orthanclite.dimse.outgoing import Proposal, Remote
from orthanclite.dimse.upper.requested.requestor import AssociationRequestor
from orthanclite.services.ingest.service import IngestService
from tests.dimse.conftest import StartServer
from tests.dimse.support import CT, ECHO, IMPLICIT, Site, ct, eventually, implicit, store_request

REJECTED_FOR_NOW = (0x02, 0x03, 0x02)  # transient, by the presentation layer: local limit exceeded


class Gauge:
    """Counts how many run at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = 0
        self.most = 0

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self.now -= 1


def slow_ingest(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Gauge:
    """Make each instance take so long to store; how many are being stored."""
    gauge = Gauge()
    original = IngestService.store

    def store(*arguments: Any) -> Any:
        with gauge:
            time.sleep(seconds)
            return original(*arguments)

    monkeypatch.setattr(IngestService, "store", store)
    return gauge


def at_once(functions: Iterable[Callable[[], None]]) -> None:
    """Run functions in threads of their own, and wait for all."""
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def sender(site: Site, number: int, count: int, statuses: list[int | None]) -> Callable[[], None]:
    """Sends ``count`` instances over an association of its own."""

    def send() -> None:
        with site.associate(CT) as association:
            if not association.is_established:
                statuses.append(None)
                return
            for index in range(count):
                answer = association.send_c_store(ct(SOPInstanceUID=f"1.2.{number}.{index}"))
                statuses.append(answer.get("Status"))

    return send


def test_no_more_instances_are_stored_at_once_than_there_are_threads(
    start: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = start(threads=2)
    gauge = slow_ingest(monkeypatch, 0.03)
    statuses: list[int | None] = []
    at_once([sender(site, number, 3, statuses) for number in range(8)])
    assert statuses == [0] * 24
    assert gauge.most == 2
    assert len(site.instances()) == 24


def test_who_waits_for_a_thread_is_not_taken_for_silent(
    start: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = start(threads=1, scp_timeout=3)
    slow_ingest(monkeypatch, 1.9)
    statuses: list[int | None] = []
    at_once([sender(site, number, 1, statuses) for number in range(3)])
    assert statuses == [0] * 3
    assert len(site.instances()) == 3


def test_one_association_too_many_is_rejected_for_the_time_being(start: StartServer) -> None:
    site = start(maximum_associations=2, maximum_associations_per_host=2)
    with site.associate() as first, site.associate() as second:
        assert first.is_established
        assert second.is_established
        with site.associate() as third:
            assert third.is_rejected
            answer = third.acceptor.primitive
            assert answer is not None
            assert (answer.result, answer.result_source, answer.diagnostic) == REJECTED_FOR_NOW
        assert first.send_c_echo().Status == 0
    assert eventually(lambda: site.server.active_associations == 0)
    assert site.is_alive()


def test_a_storm_of_associations_loses_nothing(start: StartServer) -> None:
    site = start(threads=2, maximum_associations=8)
    statuses: list[int | None] = []
    at_once([sender(site, number, 2, statuses) for number in range(30)])
    stored = [status for status in statuses if status is not None]
    assert set(stored) == {0}
    assert len(stored) >= 16  # those that came first, however many came at the same moment
    assert len(stored) + 2 * statuses.count(None) == 60
    assert len(site.instances()) == len(stored)
    assert eventually(lambda: site.server.active_associations == 0)
    assert site.is_alive()


def test_fifty_associations_in_and_twenty_out_at_the_same_time(start: StartServer) -> None:
    site = start(threads=4, maximum_associations=150)
    called = start(maximum_associations=50)
    requestor = AssociationRequestor(DicomClientOptions())
    everybody = threading.Barrier(50 + 20)
    statuses: list[int] = []

    def send(number: int) -> None:
        with site.associate(CT) as association:
            assert association.is_established
            everybody.wait(60)
            statuses.append(association.send_c_store(ct(SOPInstanceUID=f"1.2.{number}")).Status)

    def call() -> None:
        remote = Remote("SITE", "127.0.0.1", called.port, "US", 60)
        with requestor.open(remote, [Proposal(ECHO, tuple(IMPLICIT))]) as association:
            everybody.wait(60)
            elements = {AFFECTED_SOP_CLASS_UID: ECHO, COMMAND_FIELD: C_ECHO_RQ}
            statuses.append(association.ask(association.contexts[0], elements).command.status)

    at_once([*(partial(send, number) for number in range(50)), *([call] * 20)])
    assert statuses == [0] * 70
    assert len(site.instances()) == 50
    assert requestor.active_associations == 0
    assert eventually(lambda: site.server.active_associations == called.server.active_associations == 0)


def test_associations_that_break_off_under_load_make_room(
    start: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = start(threads=1, maximum_associations=4)
    gauge = slow_ingest(monkeypatch, 0.2)

    def send_and_leave() -> None:
        with site.associate(CT, syntaxes=IMPLICIT) as association:
            request = store_request(implicit(ct()), ct().SOPInstanceUID)
            association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
            assert eventually(lambda: gauge.now > 0)
            association.abort()

    at_once([send_and_leave] * 4)
    assert eventually(lambda: site.server.active_associations == 0 and gauge.now == 0)
    assert site.is_alive()
    assert len(site.instances()) == 1
