"""Instances that are sent to a DICOMweb server (``DicomWebStowClient``), request by request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from orthanclite.core.jobs import Claim, Failure, Progress, Submission
from orthanclite.core.remotes.dicomweb_server import DicomWebServer
from orthanclite.services.remotes.registries import Registry
from orthanclite.services.remotes.selection import Selection
from orthanclite.services.remotes.stow import Sent, StowSender

_STEP = 0.5  # seconds
_MEGABYTE = 1 << 20
_MOST_REASONS = 1000
"""Failed instances that are shown; all of them are counted."""


class StowKind:
    """Sends instances to DICOMweb servers. What was sent is saved after each request."""

    name = "DicomWebStowClient"
    retries = 0

    def __init__(self, servers: Registry[DicomWebServer], sender: StowSender) -> None:
        self._servers = servers
        self._sender = sender

    def submission(
        self,
        server: str,
        selection: Selection,
        headers: Mapping[str, str],
    ) -> Submission:
        """The job that sends a selection.

        :param headers: sent with each request; they are secrets of the job
        :raises InexistentItem: for an unknown server
        """
        self._servers.get(server)
        instances = list(dict.fromkeys(selection.instances))
        content = {"Server": server, "Resources": [one.id for one in selection.resources]}
        own = {"server": server, "instances": instances, "content": content}
        return Submission(self.name, own, _content(content, len(instances), 0, {}), secrets=headers)

    def begin(self, claim: Claim, is_stopping: Callable[[], bool]) -> _StowRun:
        return _StowRun(self._servers.get(claim.parameters["server"]), self._sender, claim)


class _StowRun:
    def __init__(self, server: DicomWebServer, sender: StowSender, claim: Claim) -> None:
        saved = claim.saved or {"next": 0, "size": 0, "failed": []}
        self._server = server
        self._sender = sender
        self._headers = claim.secrets
        self._ids: list[str] = claim.parameters["instances"]
        self._shown: Mapping[str, Any] = claim.parameters["content"]
        self._is_permissive = claim.permissive
        self._next: int = saved["next"]
        self._size: int = saved["size"]
        self._failed: dict[str, list[Any]] = {id: [code, reason] for id, code, reason in saved["failed"]}
        self._stop = {"stop": False}
        self._pool = ThreadPoolExecutor(1, "stow")
        self._request: Future[Sent] | None = None

    def step(self) -> Progress:
        if self._next < len(self._ids) and not self._is_stopped:
            if self._request is None:
                self._request = self._pool.submit(
                    self._sender.send, self._server, self._ids[self._next :], self._headers, self._stop
                )
            try:
                sent = self._request.result(_STEP)
            except TimeoutError:
                return self._progress()
            self._request = None
            self._next += sent.count
            self._size += sent.size
            self._failed |= {id: [error.code, str(error)] for id, error in sent.failures.items()}
        is_done = self._next >= len(self._ids) or self._is_stopped
        return self._progress(is_done, {"next": self._next, "size": self._size, "failed": self._failures()})

    def close(self) -> None:
        self._stop["stop"] = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def _is_stopped(self) -> bool:
        return bool(self._failed) and not self._is_permissive

    def _failures(self) -> list[list[Any]]:
        return [[id, *failure] for id, failure in self._failed.items()]

    def _progress(self, is_done: bool = False, saved: Mapping[str, Any] | None = None) -> Progress:
        failure = None
        if is_done and self._is_stopped:
            id, (code, reason) = next(iter(self._failed.items()))
            failure = Failure(code, f"{reason} (instance {id})")
        return Progress(
            self._next / max(len(self._ids), 1),
            _content(self._shown, len(self._ids), self._size, self._failed),
            done=is_done,
            saved=saved,
            failure=failure,
        )


def _content(
    shown: Mapping[str, Any], count: int, size: int, failed: Mapping[str, list[Any]]
) -> dict[str, Any]:
    content = {**shown, "InstancesCount": str(count), "NetworkSizeMB": str(size // _MEGABYTE)}
    if failed:
        content["FailedInstancesCount"] = len(failed)
        content["FailedInstances"] = [
            {"ID": id, "ErrorCode": code, "Reason": reason}
            for id, (code, reason) in list(failed.items())[:_MOST_REASONS]
        ]
    return content
