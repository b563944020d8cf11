"""Times as Orthanc writes them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache


def now_utc() -> str:
    """The present moment in UTC, ``YYYYMMDDTHHMMSS``."""
    return _in_utc(int(time.time()))


def now_local() -> str:
    """The present moment in the server's time zone, ``YYYYMMDDTHHMMSS``."""
    return datetime.now().strftime("%Y%m%dT%H%M%S")


@lru_cache(maxsize=1)
def _in_utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%S")
