"""Times as Orthanc writes them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from orthanclite.core.machine.clock import now_local, now_utc


def test_now() -> None:
    moment = datetime.strptime(now_utc(), "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - moment) < timedelta(seconds=5)
    here = datetime.strptime(now_local(), "%Y%m%dT%H%M%S")
    assert abs(datetime.now() - here) < timedelta(seconds=5)


def test_what_is_remembered_is_not_out_of_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.9)
    assert now_utc() == "19700101T000000"
    monkeypatch.setattr(time, "time", lambda: 1.0)
    assert now_utc() == "19700101T000001"
