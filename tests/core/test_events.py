"""The publisher of events."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from orthanclite.core.events import Event, EventKind, Events
from orthanclite.core.levels import Level
from orthanclite.core.model import ResourceRef

EVENT = Event(EventKind.NEW, ResourceRef(Level.STUDY, "id"))


def test_all_listeners_are_told_until_they_end_it() -> None:
    events, first, second = Events(), [], []
    assert not events.is_heard
    end = events.subscribe(first.extend)
    events.subscribe(second.extend)
    events.publish([EVENT])
    end()
    end()
    assert events.is_heard
    events.publish([EVENT])
    assert (first, second) == ([EVENT], [EVENT, EVENT])


def test_nobody_is_called_for_nothing() -> None:
    events, calls = Events(), []
    events.subscribe(calls.append)
    events.publish([])
    assert calls == []


def test_a_failing_listener_keeps_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    events, heard = Events(), []

    def fail(told: Sequence[Event]) -> None:
        raise ValueError("a bug")

    events.subscribe(fail)
    events.subscribe(heard.extend)
    with caplog.at_level(logging.ERROR):
        events.publish([EVENT])
    assert heard == [EVENT]
    assert "a bug" in caplog.text
