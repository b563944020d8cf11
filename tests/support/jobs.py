"""A job engine for tests of what submits jobs."""

from __future__ import annotations

from orthanclite.core.jobs import Keep
from orthanclite.core.metrics import Metrics
from orthanclite.jobs.engine import JobEngine
from orthanclite.jobs.events import JobEvents
from orthanclite.jobs.kinds.archive import ArchiveKind
from orthanclite.rest.resources.archives import ArchiveKinds
from orthanclite.services.archive.service import ArchiveService
from tests.support.lab import Lab


def job_engine(bench: Lab) -> JobEngine:
    """An engine that is not started: jobs stay in its queue."""
    return JobEngine(
        bench.index.jobs, bench.index.servers, bench.blobs, 1, Keep(10, 1), JobEvents(), Metrics()
    )


def archive_kinds(archives: ArchiveService, bench: Lab) -> ArchiveKinds:
    return ArchiveKinds(*(ArchiveKind(name, archives, bench.blobs, 90) for name in ("Archive", "Media")))
