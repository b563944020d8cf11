"""Times as Orthanc writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def now_utc() -> str:
    """The present moment in UTC, ``YYYYMMDDTHHMMSS``."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S")


def now_local() -> str:
    """The present moment in the server's time zone, ``YYYYMMDDTHHMMSS``."""
    return datetime.now().strftime("%Y%m%dT%H%M%S")
