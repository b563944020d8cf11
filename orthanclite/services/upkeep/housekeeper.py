"""What was stored with an older list of main tags (``ExtraMainDicomTags``) is indexed anew, bit by bit.

Resources are looked through from the instances up, so that one file serves an instance, its series and its
study. Only files of outdated resources are read. How far the work has come is kept in the index: a restart
goes on from there, and once all is done nothing is looked at again until the list changes.
"""

from __future__ import annotations

import json
import logging
import time

from orthanclite.core.errors import BadFileFormat, CorruptedFile, InexistentTag, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.ports import Maintenance, Properties
from orthanclite.services.upkeep.reconstruct import ReconstructService

log = logging.getLogger("orthanclite.generic")

INTERVAL = 1.0
"""Seconds between two calls of :meth:`Housekeeper.run`."""
_BUDGET = 0.25
"""Seconds of work in each call: a quarter of one thread at most."""
_PROPERTY = "main-tags-housekeeper"


class Housekeeper:
    """Renews the main tags of older resources; :meth:`run` does a little of it. Used by one thread."""

    def __init__(
        self,
        maintenance: Maintenance,
        properties: Properties,
        reconstruction: ReconstructService,
        main_tags: MainTags,
        budget: float = _BUDGET,
    ) -> None:
        self._maintenance = maintenance
        self._properties = properties
        self._reconstruction = reconstruction
        self._main_tags = main_tags
        self._budget = budget
        self._level: Level | None = Level.INSTANCE  # None once everything is done
        self._after = 0  # the internal number up to which the level is done
        self._waiting: list[str] = []  # outdated resources of the level that come next
        self._next: int | None = 0  # where to go on behind them; None at the end of the level
        self._renewed = 0
        self._is_loaded = False

    @property
    def is_done(self) -> bool:
        return self._level is None

    def status(self) -> dict[str, object]:
        """How far the work has come, on whatever server it is done."""
        text = self._properties.get_property(_PROPERTY)
        state = json.loads(text) if text else {}
        is_done = state.get("signatures") == self._signatures() and not state["level"]
        return {"Signatures": self._signatures(), "Done": is_done}

    def run(self) -> None:
        """Work for a moment."""
        if not self._is_loaded:
            self._load()
        until = time.monotonic() + self._budget
        while self._level is not None and time.monotonic() < until:
            if self._waiting:
                self._renew(self._level, self._waiting.pop(0))
            else:
                self._advance(self._level)

    def _advance(self, level: Level) -> None:
        """Go on to the next outdated resources, of this level or of the one above."""
        if self._next is None:
            self._level = level.parent
            self._next = 0
            if self._level is None:
                self._finish()
                return
            level = self._level
        if self._next != self._after:
            self._after = self._next
            if self._renewed:
                self._save()
        signature = self._main_tags.signatures[level]
        self._waiting, self._next = self._maintenance.outdated(level, signature, self._after)

    def _renew(self, level: Level, id: str) -> None:
        if not self._renewed:
            log.warning("The list of main DICOM tags has changed: older resources are indexed anew")
        self._renewed += 1
        try:
            self._reconstruction.renew_main_tags(level, id)
        except UnknownResource:
            pass  # deleted meanwhile, or stored without its file
        except (BadFileFormat, CorruptedFile, InexistentTag) as exc:
            log.error("The file of %s %s cannot be indexed anew: %s", level.label.lower(), id, exc)

    def _finish(self) -> None:
        if self._renewed:
            log.warning("%d older resources were indexed with today's main DICOM tags", self._renewed)
        self._save()

    def _load(self) -> None:
        text = self._properties.get_property(_PROPERTY)
        state = json.loads(text) if text else {}
        if state.get("signatures") == self._signatures():
            self._level = Level(state["level"]) if state["level"] else None
            self._after = self._next = int(state["after"])
        self._is_loaded = True

    def _save(self) -> None:
        state = {
            "signatures": self._signatures(),
            "level": int(self._level or 0),
            "after": self._after,
        }
        self._properties.set_property(_PROPERTY, json.dumps(state))

    def _signatures(self) -> dict[str, str]:
        return {level.label: self._main_tags.signatures[level] for level in Level}
