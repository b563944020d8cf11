"""The job that sends instances: order, counts, what it does with each failure, and where it goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from orthanclite.core.errors import (
    BadFileFormat,
    DimseFailure,
    NetworkProtocol,
    NoPresentationContext,
    OrthancError,
    UnknownResource,
)
from orthanclite.core.jobs import RETRY, Claim, Progress, Wish
from orthanclite.core.levels import Level
from orthanclite.core.model import ResourceRef
from orthanclite.core.remotes.registry import Modality
from orthanclite.jobs.kinds.modality_store import ModalityStoreKind, StoreRequest
from orthanclite.services.content.outgoing import OutgoingInstance
from orthanclite.services.remotes.client import Call, MoveOriginator, SopReference
from orthanclite.services.remotes.selection import Selection

FULL = DimseFailure("full", 0xA700)
BROKEN = NetworkProtocol("aborted")
NOBODY = NetworkProtocol("connection refused")


@dataclass
class Peer:
    """A modality: what it does with each instance, in turn by its number."""

    refuses: dict[str, OrthancError] = field(default_factory=dict)
    breaks_at: set[str] = field(default_factory=set)
    unreachable: bool = False
    delay: Callable[[str], float] = lambda id: 0
    taken: list[str] = field(default_factory=list)
    expected: list[list[str]] = field(default_factory=list)
    opened: int = 0
    closed: int = 0
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    originator: MoveOriginator | None = None

    def local_aet(self, call: Call) -> str:
        return call.local_aet or "US"

    def echo(self, call: Call, check_find: bool) -> None:
        raise AssertionError

    def request_commitment(self, call: Call, transaction_uid: str, instances: Sequence[SopReference]) -> None:
        raise AssertionError

    def store_file(self, call: Call, file: bytes) -> SopReference:
        raise AssertionError

    def store(self, call: Call, originator: MoveOriginator | None = None) -> Session:
        self.originator = originator
        return Session(self)


@dataclass
class Session:
    peer: Peer
    is_open: bool = False

    def expect(self, instances: Iterable[OutgoingInstance]) -> None:
        self.peer.expected.append([one.id for one in instances])

    def prepare(self, instance: OutgoingInstance) -> None:
        if self.peer.unreachable:
            raise NOBODY
        if not self.is_open:
            self.is_open = True
            self.peer.opened += 1

    def send(
        self, instance: OutgoingInstance, following: OutgoingInstance | None = None
    ) -> OrthancError | None:
        assert self.is_open
        peer = self.peer
        with peer.lock:
            peer.at_once += 1
            peer.most_at_once = max(peer.most_at_once, peer.at_once)
        time.sleep(peer.delay(instance.id))
        with peer.lock:
            peer.at_once -= 1
            if instance.id in peer.breaks_at:
                peer.breaks_at.discard(instance.id)
                self.close()
                raise BROKEN
            if (error := peer.refuses.get(instance.id)) is not None:
                return error
            peer.taken.append(instance.id)
        return None

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self.peer.closed += 1


@dataclass
class Asked:
    """Requests for commitment, and why they fail."""

    error: OrthancError | None = None
    requests: list[tuple[str, list[SopReference]]] = field(default_factory=list)

    def request(self, call: Call, transaction_uid: str, instances: Sequence[SopReference]) -> None:
        if self.error is not None:
            raise self.error
        self.requests.append((transaction_uid, list(instances)))


class Stored:
    """Instances that are stored: all but some."""

    def __init__(self, *gone: str) -> None:
        self.gone = gone

    def find(self, ids: Sequence[str]) -> Iterator[OutgoingInstance | None]:
        for id in ids:
            yield None if id in self.gone else OutgoingInstance(id, "s", "1.2", id, None)  # type: ignore[arg-type]


IDS = tuple("abcdef")


def request(ids: Sequence[str] = IDS, parallel: int = 1, **more: Any) -> StoreRequest:
    call = Call(Modality("PEER", "h", 104, parallel_associations=parallel))
    return StoreRequest(call, Selection((ResourceRef(Level.SERIES, "s"),), tuple(ids)), **more)


def begin(
    peer: Peer,
    asked: StoreRequest | None = None,
    permissive: bool = False,
    retries: int = 0,
    stored: Stored | None = None,
    saved: Mapping[str, Any] | None = None,
    tried: int = 0,
    stopping: bool = False,
    commitments: Asked | None = None,
) -> Any:
    kind = ModalityStoreKind(stored or Stored(), peer, commitments or Asked())
    made = kind.submission(asked or request(), parameters={RETRY: retries} if retries else None)
    claim = Claim(
        "job", made.kind, 1, 1, made.parameters, saved, 0, made.content, permissive, tried, 0, Wish.NONE
    )
    return kind.begin(claim, lambda: stopping)


def finish(run: Any) -> Progress:
    try:
        while not (progress := run.step()).done:
            pass
    finally:
        run.close()
    return progress


def test_all_in_their_order_over_one_association() -> None:
    peer = Peer()
    progress = finish(begin(peer))
    assert peer.taken == list(IDS)
    assert (peer.opened, peer.closed) == (1, 1)
    assert peer.expected == [list(IDS)]
    assert progress.failure is None
    assert progress.fraction == 1
    assert progress.content == {
        "Description": "REST API",
        "FailedInstancesCount": 0,
        "InstancesCount": 6,
        "LocalAet": "US",
        "RemoteAet": "PEER",
        "ParentResources": ["s"],
        "Resources": [{"ID": "s", "Type": "Series"}],
    }


def test_nothing_to_send_connects_to_nobody() -> None:
    peer = Peer(unreachable=True)
    progress = finish(begin(peer, StoreRequest(Call(Modality("PEER", "h", 104)), Selection((), ()))))
    assert progress.failure is None
    assert "Resources" not in progress.content


def test_the_originator_is_shown_where_there_is_one() -> None:
    peer = Peer()
    refs = tuple(ResourceRef(Level.INSTANCE, id) for id in "abc")
    call = Call(Modality("PEER", "h", 104), "MINE", 3)
    asked = StoreRequest(call, Selection(refs, tuple("cabc")), MoveOriginator("THEY", 7), "C-MOVE")
    content = finish(begin(peer, asked)).content
    assert content["ParentResources"] == ["a", "b", "c"]
    assert (content["MoveOriginatorAET"], content["MoveOriginatorID"]) == ("THEY", 7)
    assert (content["LocalAet"], content["Description"]) == ("MINE", "C-MOVE")
    assert peer.taken == list("cabc")
    assert peer.originator == MoveOriginator("THEY", 7)


@pytest.mark.parametrize("error", [FULL, BadFileFormat("broken"), NoPresentationContext("none")])
def test_a_refusal_ends_the_job_and_is_counted(error: OrthancError) -> None:
    peer = Peer(refuses={"c": error})
    progress = finish(begin(peer))
    assert peer.taken == ["a", "b"]
    assert progress.failure is not None
    assert (progress.failure.code, progress.failure.payload) == (error.code, error.payload)
    assert progress.fraction == 2 / 6
    assert progress.content["FailedInstancesCount"] == 1
    assert progress.content["FailedInstances"] == [{"ID": "c", "ErrorCode": error.code, "Reason": str(error)}]
    assert peer.closed == 1


def test_a_permissive_job_goes_on_and_counts() -> None:
    peer = Peer(refuses={"b": FULL, "e": FULL}, breaks_at={"c"})
    progress = finish(begin(peer, permissive=True, stored=Stored("f")))
    assert peer.taken == ["a", "d"]
    assert progress.failure is None
    assert progress.content["FailedInstancesCount"] == 4
    assert [one["ID"] for one in progress.content["FailedInstances"]] == ["b", "c", "e", "f"]
    assert peer.opened == peer.closed == 2  # anew after the one that broke


def test_a_permissive_job_does_not_try_thousands_of_times_to_connect() -> None:
    peer = Peer(unreachable=True)
    run = begin(peer, permissive=True)
    progress = run.step()
    run.close()
    assert progress.done
    assert progress.content["FailedInstancesCount"] == 6
    assert {one["Reason"] for one in progress.content["FailedInstances"]} == {"connection refused"}


def test_a_broken_association_ends_a_job_that_is_not_permissive() -> None:
    peer = Peer(breaks_at={"b"})
    progress = finish(begin(peer))
    assert progress.failure is not None
    assert progress.failure.details == "aborted"
    assert progress.content["FailedInstancesCount"] == 1
    assert peer.taken == ["a"]


def test_an_instance_that_is_gone_is_a_failure() -> None:
    progress = finish(begin(Peer(), stored=Stored("b")))
    assert progress.failure is not None
    assert progress.failure.code == UnknownResource.code


@pytest.mark.parametrize("permissive", [True, False])
def test_with_retries_it_goes_on_with_what_is_missing(permissive: bool) -> None:
    peer = Peer(breaks_at={"c"})
    run = begin(peer, retries=2, permissive=permissive)
    saved = [run.step().saved for _ in range(2)][-1]
    progress = run.step()
    assert progress.retry is not None
    assert progress.saved is None
    run.close()
    finish(begin(peer, retries=2, permissive=permissive, saved=saved, tried=1))
    assert peer.taken == list(IDS)


def test_retries_have_an_end_and_are_granted_anew_by_each_success() -> None:
    peer = Peer(breaks_at={"a", "d"})
    assert begin(peer, retries=1).step().retry is not None
    run = begin(peer, retries=1, tried=1)
    for _ in range(3):
        assert run.step().failure is None
    assert run.step().retry is not None
    progress = finish(begin(Peer(unreachable=True), retries=1, tried=1))
    assert progress.failure is not None
    assert progress.retry is None


def test_a_failure_amid_the_end_of_the_server_is_none_of_the_job() -> None:
    run = begin(Peer(unreachable=True), stopping=True)
    with pytest.raises(NetworkProtocol):
        run.step()


def test_what_was_counted_is_not_forgotten_over_a_restart() -> None:
    peer = Peer(refuses={"a": FULL})
    run = begin(peer, permissive=True)
    saved = [run.step().saved for _ in range(2)][-1]
    run.close()
    progress = finish(begin(peer, permissive=True, saved=saved))
    assert peer.taken == list("bcdef")
    assert progress.content["FailedInstancesCount"] == 1


def test_several_associations_at_the_same_time() -> None:
    peer = Peer(delay=lambda id: 0.02, refuses={"c": FULL})
    ids = [chr(ord("a") + n) for n in range(20)]
    threads = threading.active_count()
    progress = finish(begin(peer, request(ids, parallel=4), permissive=True))
    assert sorted(peer.taken) == [id for id in ids if id != "c"]
    assert 2 <= peer.most_at_once <= 4
    assert peer.opened == peer.closed <= 4
    assert progress.content["FailedInstancesCount"] == 1
    assert threading.active_count() == threads


def test_a_failure_among_several_associations_leaves_nothing_behind() -> None:
    peer = Peer(delay=lambda id: 0.01, breaks_at={"b"})
    threads = threading.active_count()
    progress = finish(begin(peer, request(parallel=3)))
    assert progress.failure is not None
    assert peer.opened == peer.closed
    assert threading.active_count() == threads


def test_a_commitment_is_asked_for_once_all_is_sent() -> None:
    asked, peer = Asked(), Peer()
    progress = finish(begin(peer, request("aab", wants_commitment=True), commitments=asked))
    [(transaction, references)] = asked.requests
    assert progress.content["StorageCommitmentTransactionUID"] == transaction
    assert transaction.startswith("2.25.")
    assert references == [SopReference("1.2", "a"), SopReference("1.2", "b")]
    assert peer.opened == peer.closed == 1
    assert finish(begin(peer, commitments=asked)).failure is None
    assert len(asked.requests) == 1  # not without a word


def test_a_commitment_that_is_refused_fails_the_job_and_is_tried_again() -> None:
    asked = Asked(NetworkProtocol("no commitment"))
    progress = finish(begin(Peer(), request(wants_commitment=True), commitments=asked))
    assert progress.failure is not None
    assert progress.failure.details == "no commitment"
    assert progress.content["FailedInstancesCount"] == 0
    refused = finish(begin(Peer(), request(wants_commitment=True), permissive=True, commitments=asked))
    assert refused.failure is not None  # nobody may take for kept what is not


def test_only_so_many_reasons_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [str(n) for n in range(1200)]
    peer = Peer(refuses=dict.fromkeys(ids, FULL))
    content = finish(begin(peer, request(ids), permissive=True)).content
    assert content["FailedInstancesCount"] == 1200
    assert len(content["FailedInstances"]) == 1000
