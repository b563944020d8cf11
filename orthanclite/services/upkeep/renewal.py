"""What was stored when files were kept otherwise is stored anew, bit by bit.

The options are ``StorageCompression`` and ``IngestTranscoding``. The instances are looked through once after
each change. How far the work has come is kept in the index: a restart goes on from there. Where nothing is
known of earlier options, today's are noted and nothing is touched.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from orthanclite.core.errors import (
    BadFileFormat,
    CorruptedFile,
    InexistentTag,
    RevisionConflict,
    UnknownResource,
)
from orthanclite.core.levels import Level
from orthanclite.core.ports import Maintenance, Properties
from orthanclite.services.upkeep.reconstruct import ReconstructService

_BUDGET = 0.25
"""Seconds of work in each call: a quarter of one thread at most, but for the file that is begun last."""
_PROPERTY = "files-housekeeper"
_NOBODYS_SIGNATURE = ""

log = logging.getLogger("orthanclite.generic")


class FileRenewal:
    """Renews files; :meth:`run` does a little of it. Used by one thread, but for :meth:`status`.

    :param options: how files are kept today, by the names of the options
    """

    def __init__(
        self,
        maintenance: Maintenance,
        properties: Properties,
        reconstruction: ReconstructService,
        options: Mapping[str, object],
        budget: float = _BUDGET,
    ) -> None:
        self._maintenance = maintenance
        self._properties = properties
        self._reconstruction = reconstruction
        self._options = dict(options)
        self._budget = budget
        self._waiting: list[str] = []  # the instances that come next
        self._next: int | None = 0  # the internal number to go on after; None where all were looked at
        self._renewed = self._failed = 0
        self._is_loaded = False

    @property
    def is_done(self) -> bool:
        return self._next is None and not self._waiting

    def status(self) -> dict[str, Any]:
        """How far the work has come, on whatever server it is done."""
        state = self._stored_state()
        is_current = state is not None and state["options"] == self._options
        return {
            "Options": self._options,
            "Done": is_current and state is not None and state["after"] is None,
            "Renewed": state["renewed"] if is_current and state is not None else 0,
            "Failed": state["failed"] if is_current and state is not None else 0,
        }

    def run(self) -> None:
        """Work for a moment."""
        if not self._is_loaded:
            self._load()
        until = time.monotonic() + self._budget
        while not self.is_done:
            self._step()
            if time.monotonic() >= until:
                return

    def _step(self) -> None:
        if not self._waiting:
            self._advance(self._next or 0)
            return
        self._renew(self._waiting[0])  # it stays the first if it is to be tried again
        del self._waiting[0]
        if self.is_done:
            self._finish()

    def _advance(self, after: int) -> None:
        self._save(after)
        self._waiting, self._next = self._maintenance.outdated(Level.INSTANCE, _NOBODYS_SIGNATURE, after)
        if self.is_done:
            self._finish()

    def _renew(self, id: str) -> None:
        try:
            self._renewed += self._reconstruction.renew_file(id)
        except (UnknownResource, RevisionConflict):
            pass  # deleted or replaced meanwhile, or stored without its file
        except (BadFileFormat, CorruptedFile, InexistentTag) as exc:
            self._failed += 1
            log.error("The file of instance %s cannot be stored anew: %s", id, exc)

    def _finish(self) -> None:
        if self._renewed:
            log.warning("%d files were stored anew as today's options want them", self._renewed)
        self._save(None)

    def _load(self) -> None:
        state = self._stored_state()
        if state is None:
            self._next = None
            self._save(None)
        elif state["options"] == self._options:
            self._next, self._renewed, self._failed = state["after"], state["renewed"], state["failed"]
        else:
            log.warning("The options of the storage have changed: files are stored anew where they differ")
            self._save(0)
        self._is_loaded = True

    def _stored_state(self) -> dict[str, Any] | None:
        text = self._properties.get_property(_PROPERTY)
        return None if text is None else dict(json.loads(text))

    def _save(self, after: int | None) -> None:
        state = {
            "options": self._options,
            "after": after,
            "renewed": self._renewed,
            "failed": self._failed,
        }
        self._properties.set_property(_PROPERTY, json.dumps(state))
