"""The section ``Worklists``, as in Orthanc's worklists plugin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orthanclite.config.table import setting


@dataclass(frozen=True, slots=True)
class WorklistSettings:
    """Modality worklists: where they are kept and how queries of them are answered."""

    enabled: bool = setting("Enable", False, "Answer C-FIND of modality worklists, and offer /worklists.")
    directory: Path | None = setting(
        "Directory",
        None,
        "Folder of the worklists, files *.wl; unless SaveInOrthancDatabase is true.",
        example="WorklistsDatabase",
        path=True,
    )
    database: Path | None = setting(
        "Database",
        None,
        "The older name of Directory.",
        example="WorklistsDatabase",
        path=True,
    )
    in_database: bool = setting(
        "SaveInOrthancDatabase",
        False,
        "Keep the worklists, which must then be made over REST, in the index.",
    )
    filter_issuer_aet: bool = setting(
        "FilterIssuerAet", False, "Answer only the steps whose station is the AET that asks."
    )
    limit_answers: int = setting("LimitAnswers", 0, "Most answers to one query; 0 for no limit.", minimum=0)
    set_study_uid: bool = setting(
        "SetStudyInstanceUidIfMissing",
        True,
        "Give a StudyInstanceUID to worklists made over REST without one.",
    )
    delete_on_stable_study: bool = setting(
        "DeleteWorklistsOnStableStudy",
        True,
        "Remove a worklist when the study with its UID is here and stable.",
    )
    housekeeping_interval: int = setting(
        "HousekeepingInterval", 60, "Seconds between two looks for worklists to remove.", minimum=1
    )
    delete_delay: int = setting(
        "DeleteWorklistsDelay",
        24,
        "Hours after which a worklist in the index is removed; 0 for never.",
        minimum=0,
    )
