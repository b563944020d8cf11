"""What peers may ask of this server; each service has a permission of its own."""

from __future__ import annotations

from enum import Enum

from orthanclite.core.remotes.registry import Modality


class Service(Enum):
    """A service, as the options ``DicomAlwaysAllow...`` and the entries of ``DicomModalities`` know it."""

    ECHO = "echo"
    STORE = "store"
    FIND = "find"
    FIND_WORKLIST = "find-worklist"
    GET = "get"
    MOVE = "move"
    N_ACTION = "n-action"
    N_EVENT_REPORT = "n-event-report"

    def allowed_to(self, modality: Modality) -> bool:
        """Whether the entry of a known modality grants this service."""
        return bool(getattr(modality, _FLAGS[self]))


_FLAGS = {
    Service.ECHO: "allow_echo",
    Service.STORE: "allow_store",
    Service.FIND: "allow_find",
    Service.FIND_WORKLIST: "allow_find_worklist",
    Service.GET: "allow_get",
    Service.MOVE: "allow_move",
    Service.N_ACTION: "allow_n_action",
    Service.N_EVENT_REPORT: "allow_event_report",
}
