"""The job engine; the wings whose work is done in jobs register their kinds with it."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.config import Settings
from orthanclite.core.jobs import Keep
from orthanclite.jobs.engine import JobEngine
from orthanclite.jobs.events import JobEvents
from orthanclite.rest.jobs import job_routes
from orthanclite.services.server.membership import SILENCE

log = logging.getLogger("orthanclite.jobs")


@dataclass(frozen=True, slots=True)
class JobsWing:
    engine: JobEngine
    adds: Additions


def jobs_wing(base: Foundation) -> JobsWing:
    settings = base.settings
    keep = Keep(settings.jobs.history_size, settings.jobs.media_archives)
    engine = JobEngine(
        base.index.jobs, base.index.servers, base.blobs, workers(settings), keep, JobEvents(), base.metrics
    )
    if not settings.jobs.save:
        if not base.membership.is_sole and base.index.servers.others(SILENCE):
            log.warning("The jobs of the last execution are kept, as other servers are at work on them")
        else:
            engine.forget_all()
    return JobsWing(engine, Additions(routers=(job_routes(engine),), duties=(engine,)))


def workers(settings: Settings) -> int:
    """How many jobs run at the same time (``ConcurrentJobs``)."""
    return settings.jobs.concurrent or os.cpu_count() or 1
