"""Instances that are sent to a peer (``OrthancPeerStore``).

What was sent is saved as the job goes on, so that one that is interrupted, paused or tried again sends what
is missing. Who is no peer any more when the job begins gets nothing. Passwords and keys are never part of a
job: the registry has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orthanclite.core.errors import OrthancError
from orthanclite.core.jobs import Claim, Failure, Progress, Submission
from orthanclite.core.remotes.registry import Peer
from orthanclite.services.remotes.peers import PeerClient
from orthanclite.services.remotes.registries import Registry
from orthanclite.services.remotes.selection import Selection
from orthanclite.services.remotes.transfer import Form, PeerTransfer, Sources

_STEP = 0.5  # seconds
_MEGABYTE = 1 << 20
_MOST_REASONS = 1000
"""Failed instances that are shown; all of them are counted."""


class PeerStoreKind:
    """Sends instances to peers.

    :param threads: uploads of one job at the same time
    """

    name = "OrthancPeerStore"
    retries = 0

    def __init__(self, peers: Registry[Peer], client: PeerClient, sources: Sources, threads: int) -> None:
        self._peers = peers
        self._client = client
        self._sources = sources
        self._threads = threads

    def submission(
        self,
        peer: str,
        selection: Selection,
        form: Form,
        *,
        priority: int = 0,
        permissive: bool = False,
        user_data: Any = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Submission:
        """The job that sends a selection to a peer.

        :param parameters: those of the engine
        :raises UnknownResource: for an unknown peer
        """
        content: dict[str, Any] = {
            "Compress": form.compress,
            "Description": "REST API",
            "InstancesCount": len(selection.instances),
            "Peer": self._peers.get(peer).to_job_json(),
            **selection.content,
        }
        if form.transfer_syntax is not None:
            content["Transcode"] = form.transfer_syntax
        own = {
            "peer": peer,
            "instances": list(selection.instances),
            "compress": form.compress,
            "transfer_syntax": form.transfer_syntax,
            "lossy_quality": form.lossy_quality,
            "content": content,
        }
        return Submission(
            self.name,
            {**own, **(parameters or {})},
            _content(content, 0, {}, 0),
            priority,
            permissive,
            user_data,
        )

    def begin(self, claim: Claim, is_stopping: Callable[[], bool]) -> _PeerStoreRun:
        parameters = claim.parameters
        saved = claim.saved or {"sent": [], "size": 0}
        sent = _marks(saved["sent"], len(parameters["instances"]))
        transfer = PeerTransfer(
            self._client,
            self._peers.get(parameters["peer"]).endpoint,
            self._sources,
            Form(parameters["compress"], parameters["transfer_syntax"], parameters["lossy_quality"]),
            parameters["instances"],
            sent,
            stop_at_failure=not claim.permissive,
            threads=self._threads,
        )
        return _PeerStoreRun(transfer, parameters["content"], claim.permissive, saved["size"])


class _PeerStoreRun:
    def __init__(
        self, transfer: PeerTransfer, content: Mapping[str, Any], is_permissive: bool, size_before: int
    ) -> None:
        self._transfer = transfer
        self._content = content
        self._is_permissive = is_permissive
        self._size_before = size_before
        self._saved_count = sum(transfer.sent)

    def step(self) -> Progress:
        transfer = self._transfer
        transfer.advance(_STEP)
        size = self._size_before + transfer.size
        count, total = sum(transfer.sent), len(transfer.sent)
        saved = None
        if count > self._saved_count:
            saved = {"sent": _ranges(transfer.sent), "size": size}
            self._saved_count = count
        content = _content(self._content, size, transfer.failures, len(transfer.untranscoded))
        fraction = count / max(total, 1)
        if not transfer.is_over:
            return Progress(fraction, content, saved=saved)
        why = None
        if transfer.failures:
            id, error = next(iter(transfer.failures.items()))
            why = Failure(error.code, f"{error} (instance {id})", error.payload)
        elif count < total:
            raise OrthancError(f"{total - count} instances were neither sent nor refused")
        return Progress(
            fraction,
            content,
            done=True,
            saved=saved,
            failure=None if self._is_permissive else why,
            retry=why,
        )

    def close(self) -> None:
        self._transfer.close()


def _content(
    content: Mapping[str, Any], size: int, failures: Mapping[str, OrthancError], untranscoded: int
) -> dict[str, Any]:
    shown = {
        **content,
        "FailedInstancesCount": len(failures),
        "Size": str(size),
        "SizeMB": size // _MEGABYTE,
    }
    if untranscoded:
        shown["NotTranscodedCount"] = untranscoded
    if failures:
        shown["FailedInstances"] = [
            {"ID": id, "ErrorCode": error.code, "Reason": str(error)}
            for id, error in list(failures.items())[:_MOST_REASONS]
        ]
    return shown


def _ranges(marks: bytearray) -> list[list[int]]:
    """Where marks are set, as pairs of the first and the one behind the last.

    >>> _ranges(bytearray([1, 1, 0, 1]))
    [[0, 2], [3, 4]]
    """
    ranges: list[list[int]] = []
    start = marks.find(1)
    while start >= 0:
        end = marks.find(0, start)
        end = len(marks) if end < 0 else end
        ranges.append([start, end])
        start = marks.find(1, end)
    return ranges


def _marks(ranges: list[list[int]], size: int) -> bytearray:
    """The marks of which :func:`_ranges` tells.

    >>> list(_marks([[0, 2], [3, 4]], 5))
    [1, 1, 0, 1, 0]
    """
    marks = bytearray(size)
    for start, end in ranges:
        marks[start:end] = b"\1" * (end - start)
    return marks
