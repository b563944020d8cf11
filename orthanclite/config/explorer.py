"""Settings of the web interface, with the names that Orthanc Explorer 2 gave them."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.config.table import section, setting


@dataclass(frozen=True, slots=True)
class UiOptions:
    """What the web interface offers."""

    upload: bool = setting("EnableUpload", True, "Send files to the server.")
    delete: bool = setting("EnableDeleteResources", True, "Delete studies and series.")
    modify: bool = setting("EnableModification", True, "Modify studies.")
    anonymize: bool = setting("EnableAnonymization", True, "Anonymise studies.")
    labels: bool = setting("EnableEditLabels", True, "Add and remove labels.")
    send: bool = setting("EnableSendTo", True, "Send to modalities and peers.")
    download: bool = setting("EnableDownloadZip", True, "Download archives.")
    download_file: bool = setting("EnableDownloadDicomFile", True, "Download DICOM files.")
    worklists: bool = setting("EnableWorklists", True, "The page of worklists, where the server has them.")
    jobs: bool = setting("EnableJobsList", True, "The page of jobs.")
    settings: bool = setting(
        "EnableSettings", True, "The page of the server: statistics, metrics, log level."
    )


@dataclass(frozen=True, slots=True)
class ExplorerSettings:
    """The web interface."""

    options: UiOptions = section("UiOptions", UiOptions(), "What the web interface offers.")
