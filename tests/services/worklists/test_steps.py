"""Workitems that are kept: how long, and how many."""

from __future__ import annotations

import time

import pytest

from orthanclite.core.errors import Busy
from orthanclite.dicom.attributes import Attribute, Attributes
from orthanclite.services.worklists import steps as module
from orthanclite.services.worklists.steps import Steps
from tests.services.worklists.test_versions import MemoryProperties

NEW = {
    0x00404005: Attribute("DT", "20240101"),
    0x00404041: Attribute("CS", "READY"),
    0x00741200: Attribute("CS", "LOW"),
    0x00741204: Attribute("LO", "x"),
}
OF_WORKLIST = {**NEW, 0x00741000: Attribute("CS", "SCHEDULED"), 0x00080018: Attribute("UI", "9.1")}


class World:
    def __init__(self) -> None:
        self.worklists: dict[str, Attributes] = {"9.1": OF_WORKLIST, "9.2": OF_WORKLIST}
        self.steps = Steps(MemoryProperties(), self.worklists.get, keep_hours=24)

    @property
    def kept(self) -> list[str]:
        return [uid for uid, _ in self.steps.all()]


def test_what_has_ended_goes_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.steps.create("1.1", NEW)
    world.steps.create("1.2", NEW)
    world.steps.request_cancellation("1.1", {})
    assert world.steps.housekeep() == 0
    later = time.time() + 25 * 3600
    monkeypatch.setattr(time, "time", lambda: later)
    assert world.steps.housekeep() == 1
    assert world.kept == ["1.2"]


def test_what_was_not_begun_goes_with_its_worklist() -> None:
    world = World()
    for uid in ("9.1", "9.2"):
        world.steps.update(uid, {0x00741204: Attribute("LO", "y")}, "")
    world.steps.change_state("9.2", "IN PROGRESS", "5.5")
    assert world.steps.housekeep() == 0
    world.worklists.clear()
    assert world.steps.housekeep() == 1
    assert world.kept == ["9.2"]


def test_there_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAXIMUM_KEPT", 2)
    world = World()
    world.steps.create("1.1", NEW)
    world.steps.create("1.2", NEW)
    with pytest.raises(Busy):
        world.steps.create("1.3", NEW)
