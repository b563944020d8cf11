"""Archives and media that are made in jobs, to be downloaded later.

Nothing of an archive is saved between its steps: one that was interrupted or paused begins anew, with what
the resources hold then. It has no effect but its output, which appears with the end of the job.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from orthanclite.core.errors import OrthancError
from orthanclite.core.jobs import ARCHIVE, Claim, Failure, Output, Progress, Submission
from orthanclite.core.levels import Level
from orthanclite.core.ports import Blobs
from orthanclite.services.archive.plan import Layout, Member, Plan
from orthanclite.services.archive.service import ArchiveRequest, ArchiveService

_MEGABYTE = 1 << 20
_MOST_REASONS = 1000
"""Failed instances that are shown; all of them are counted."""


class ArchiveKind:
    """Makes archives (``Archive``) or media (``Media``).

    :param default_quality: of lossy transcoding, where a request does not say
    """

    retries = 0

    def __init__(self, name: str, archives: ArchiveService, blobs: Blobs, default_quality: int) -> None:
        self.name = name
        self._archives = archives
        self._blobs = blobs
        self._default_quality = default_quality

    def submission(
        self,
        request: ArchiveRequest,
        filename: str,
        *,
        priority: int = 0,
        permissive: bool = False,
        user_data: Any = None,
    ) -> Submission:
        """The job that makes an archive.

        :param filename: of the output
        :raises OrthancError: as :meth:`ArchiveService.plan`
        """
        plan = self._archives.plan(request)
        content = self._content(plan, request, 0, ())
        parameters = {**_parameters(request), "filename": filename}
        return Submission(self.name, parameters, content, priority, permissive, user_data)

    def begin(self, claim: Claim, is_stopping: Callable[[], bool]) -> _ArchiveRun:
        request = _request(claim.parameters)
        return _ArchiveRun(self, claim, request, self._archives, self._blobs)

    def _content(
        self,
        plan: Plan,
        request: ArchiveRequest,
        size: int,
        failures: tuple[tuple[Member, OrthancError], ...],
    ) -> dict[str, Any]:
        content: dict[str, Any] = {
            "ArchiveSize": str(size),
            "ArchiveSizeMB": size // _MEGABYTE,
            "Description": "REST API",
            "InstancesCount": len(plan.members),
            "UncompressedSize": str(plan.size),  # of the stored files, before any transcoding
            "UncompressedSizeMB": plan.size // _MEGABYTE,
            "Utf8": plan.utf8,
        }
        if request.transfer_syntax is not None:
            content["Transcode"] = request.transfer_syntax
            content["LossyQuality"] = request.lossy_quality or self._default_quality
        if failures:
            content["FailedInstancesCount"] = len(failures)
            content["FailedInstances"] = [
                {"ID": member.instance, "ErrorCode": error.code, "Reason": str(error)}
                for member, error in failures[:_MOST_REASONS]
            ]
        return content


class _ArchiveRun:
    def __init__(
        self,
        kind: ArchiveKind,
        claim: Claim,
        request: ArchiveRequest,
        archives: ArchiveService,
        blobs: Blobs,
    ) -> None:
        self._kind = kind
        self._permissive = claim.permissive
        self._filename: str = claim.parameters["filename"]
        self._request = request
        self._lock = threading.Lock()
        self._failures: dict[str, tuple[Member, OrthancError]] = {}
        self._plan = archives.plan(request)
        self._writer = archives.write_plan(self._plan, request, self._report)
        self._blob = blobs.create()
        self._is_over = False

    def step(self) -> Progress:
        if self._writer.step(self._blob.write):
            fraction = self._writer.uncompressed_size / max(self._plan.size, 1)
            # A transcoded file may be larger than the plan knows.
            return Progress(min(fraction, 0.99), self._content())
        failures = self._failed()
        if failures and not self._permissive:
            error = failures[0][1]
            details = (
                f"{len(failures)} of {len(self._plan.members)} instances are not in the archive as asked for"
            )
            failure = Failure(error.code, f"{details}; {failures[0][0].instance}: {error}"[:1000])
            return Progress(1, self._content(), done=True, failure=failure)
        self._blob.commit()
        self._is_over = True
        output = Output(
            ARCHIVE, self._blob.uuid, self._writer.archive_size, "application/zip", self._filename
        )
        return Progress(1, self._content(), done=True, outputs=(output,))

    def close(self) -> None:
        self._writer.close()
        if not self._is_over:
            self._blob.abort()

    def _report(self, member: Member, error: OrthancError) -> None:
        with self._lock:
            self._failures.setdefault(member.instance, (member, error))

    def _failed(self) -> tuple[tuple[Member, OrthancError], ...]:
        with self._lock:
            return tuple(self._failures.values())

    def _content(self) -> Mapping[str, Any]:
        return self._kind._content(self._plan, self._request, self._writer.archive_size, self._failed())


def _parameters(request: ArchiveRequest) -> dict[str, Any]:
    return {
        "ids": list(request.ids),
        "layout": request.layout.name,
        "level": None if request.level is None else request.level.name,
        "extended": request.extended,
        "utf8": request.utf8,
        "transfer_syntax": request.transfer_syntax,
        "lossy_quality": request.lossy_quality,
    }


def _request(parameters: Mapping[str, Any]) -> ArchiveRequest:
    level = parameters["level"]
    return ArchiveRequest(
        parameters["ids"],
        Layout[parameters["layout"]],
        None if level is None else Level[level],
        parameters["extended"],
        parameters["utf8"],
        parameters["transfer_syntax"],
        parameters["lossy_quality"],
    )
