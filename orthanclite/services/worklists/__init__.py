"""Modality worklists (PS3.4 annex K): where they are kept, which answer a query, and their care."""

from __future__ import annotations

from orthanclite.services.worklists.service import WorklistOptions, WorklistService
from orthanclite.services.worklists.steps import Steps
from orthanclite.services.worklists.stores import DatabaseStore, FolderStore, WorklistStore
from orthanclite.services.worklists.workitems import Workitems, of_worklists

__all__ = [
    "DatabaseStore",
    "FolderStore",
    "Steps",
    "Workitems",
    "WorklistOptions",
    "WorklistService",
    "WorklistStore",
    "of_worklists",
]
