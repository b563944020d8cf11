"""What the command line tells the server beside its configuration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of one execution."""

    resume_jobs: bool = True  # false with --no-jobs: forget what was running when the server stopped
