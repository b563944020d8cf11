"""Settings of the web interface, with the names that Orthanc Explorer 2 gave them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orthanclite.config.sections.openers import OpenerOptions
from orthanclite.config.table import Fate, section, setting
from orthanclite.core.errors import ParameterOutOfRange

_NO_SUCH_PAGE = "the interface has no such page"
_ENDLESS = "the list has no end, and is fetched as it is scrolled"


_LOGOS = (".gif", ".ico", ".jpeg", ".jpg", ".png", ".svg", ".webp")


def parse_pattern(value: object) -> str:
    """A regular expression, as far as those of JavaScript are like Python's.

    :raises ParameterOutOfRange: for anything else.
    """
    if isinstance(value, str):
        with contextlib.suppress(re.error):
            re.compile(re.sub(r"\(\?<(?![=!])", "(?P<", value))  # groups with names
            return value
    raise ParameterOutOfRange("it has to be a regular expression")


def _refuse_other_types(*suffixes: str) -> Callable[[object], str | None]:
    def refuse(value: object) -> str | None:
        is_fine = isinstance(value, str) and value.lower().endswith(suffixes)
        return None if is_fine else f"its name has to end with one of {', '.join(suffixes)}"

    return refuse


@dataclass(frozen=True, slots=True)
class Modifications:
    """What becomes of a source when it is modified."""

    modes: tuple[str, ...] = setting(
        "AllowedModes",
        ("modify-new-uids", "modify-keep-uids", "duplicate"),
        "What may be chosen for a study: new identifiers, the same ones, or a copy beside the original.",
    )
    default_mode: str = setting("DefaultMode", "duplicate", "What is chosen at first.")
    series_modes: tuple[str, ...] = setting(
        "SeriesAllowedModes",
        ("modify-new-uids", "modify-keep-uids", "duplicate"),
        "What may be chosen for a series.",
    )
    series_default_mode: str = setting("SeriesDefaultMode", "duplicate", "What is chosen at first.")


@dataclass(frozen=True, slots=True)
class UiOptions(OpenerOptions):
    """What the web interface offers."""

    upload: bool = setting("EnableUpload", True, "Send files to the server.")
    delete: bool = setting("EnableDeleteResources", True, "Delete studies and series.")
    modify: bool = setting("EnableModification", True, "Modify, split, merge and attach studies and series.")
    anonymize: bool = setting("EnableAnonymization", True, "Anonymise studies and series.")
    add_series: bool = setting("EnableAddSeries", True, "Add a PDF or pictures to a study or a patient.")
    labels: bool = setting("EnableEditLabels", True, "Add and remove labels.")
    labels_count: bool = setting("EnableLabelsCount", True, "How many studies have each label.")
    available_labels: tuple[str, ...] = setting(
        "AvailableLabels", (), "The labels that may be given. Empty: any."
    )
    send: bool = setting("EnableSendTo", True, "Send to modalities, peers and DICOMweb servers.")
    modalities: bool = setting("EnableDicomModalities", True, "Search in modalities.")
    dicomweb_servers: bool = setting("EnableDicomWebServers", True, "Search in DICOMweb servers.")
    download: bool = setting("EnableDownloadZip", True, "Download archives.")
    download_media: bool = setting("EnableDownloadDicomDir", True, "Download archives with a DICOMDIR.")
    download_file: bool = setting("EnableDownloadDicomFile", True, "Download DICOM files.")
    api_links: bool = setting("EnableApiViewMenu", True, "Links to the resource in the REST API.")
    worklists: bool = setting("EnableWorklists", True, "The page of worklists, where the server has them.")
    jobs: bool = setting("EnableJobsList", True, "The page of jobs.")
    settings: bool = setting(
        "EnableSettings", True, "The page of the server: statistics, metrics, log level."
    )
    name: bool = setting("ShowOrthancName", True, "The name of the server (Name) at the top.")
    translated: bool = setting(
        "TranslateDicomTags", True, "Names of DICOM tags in the user's language; else their keywords."
    )
    wildcards: bool = setting(
        "AutoAddWildcardsToSearchFields", True, "What is typed is found anywhere in the value."
    )
    search_mode: str = setting(
        "StudyListSearchMode",
        "search-as-you-type",
        "When the list is searched: while one types, or when Enter is pressed.",
        choices=("search-as-you-type", "search-button"),
    )
    shortest_search: int = setting(
        "StudyListSearchAsYouTypeMinChars",
        1,
        "How many characters are searched for while one types.",
        minimum=1,
    )
    search_delay: int = setting(
        "StudyListSearchAsYouTypeDelay",
        60,
        "Milliseconds without a key before the list is searched.",
        minimum=0,
    )
    content_without_search: str = setting(
        "StudyListContentIfNoSearch",
        "default-ordering",
        "What the list shows before anything is searched for.",
        choices=("default-ordering", "most-recents", "empty"),
    )
    columns: tuple[str, ...] = setting(
        "StudyListColumns",
        (),
        "Columns of the study list until a user chooses others: keywords of DICOM tags, modalities, "
        "seriesCount, instancesCount, seriesAndInstancesCount. Empty: the usual ones.",
    )
    modalities_filter: tuple[str, ...] = setting(
        "ModalitiesFilter", (), "The modalities that the list can be filtered by. Empty: all usual ones."
    )
    patient_tags: tuple[str, ...] = setting(
        "PatientMainTags", (), "Keywords of the tags that are shown of a patient. Empty: the main DICOM tags."
    )
    study_tags: tuple[str, ...] = setting("StudyMainTags", (), "The same of a study.")
    series_tags: tuple[str, ...] = setting("SeriesMainTags", (), "The same of a series.")
    worklist_columns: tuple[str, ...] = setting(
        "WorklistsColumns", (), "Keywords of the tags in the list of worklists. Empty: the usual ones."
    )
    worklist_tags: Mapping[str, Any] = setting(
        "NewWorklistDefaultTags",
        {},
        "What the form of a new worklist begins with, by keywords; $TODAY$, $NOW$ and $GENERATE_DICOM_UUID$ "
        "are replaced.",
    )
    series_default_tags: Mapping[str, Any] = setting(
        "AddSeriesDefaultTags",
        {},
        "What the form of a new series begins with, by keywords, or by keywords below pdf and image; "
        "$TODAY$, $STUDY_DATE$ and $FILE_DATE$ are replaced.",
    )
    same_patient: tuple[str, ...] = setting(
        "ShowSamePatientStudiesFilter", ("PatientID",), "The tags that other studies of the patient share."
    )
    modifications: Modifications = section(
        "Modifications", Modifications(), "What becomes of a study or series that is modified."
    )
    languages: tuple[str, ...] = setting(
        "AvailableLanguages", ("en", "de", "es", "fr"), "The languages that can be chosen: en, de, es, fr."
    )
    language: str | None = setting(
        "DefaultLanguage",
        None,
        "The language until a user chooses another. Unset: the browser's.",
        example="en",
    )
    date_format: str | None = setting(
        "DateFormat",
        None,
        "How dates are shown, of yyyy, MM and dd. Unset: as is usual in the user's language.",
        example="yyyy-MM-dd",
    )
    name_pattern: str = setting(
        "PatientNameCapture",
        r"([^\^]+)\^?([^\^]+)?\^?([^\^]+)?\^?([^\^]+)?\^?([^\^]+)?",
        "A regular expression of JavaScript that finds the parts of a name, for PatientNameFormatting.",
        parse=parse_pattern,
    )
    name_format: str | None = setting(
        "PatientNameFormatting",
        None,
        "How names of people are shown, of the parts $1, $2... that PatientNameCapture finds. Unset: family "
        "name, prefix, given and middle name, suffix.",
        example="$2 $1",
    )
    study_list: bool = setting(
        "EnableStudyList", True, "The list.", fate=Fate.INERT, why="the list is where each page leads back to"
    )
    multi_labels: bool = setting(
        "EnableMultiLabelsSearch",
        False,
        "Search by several labels.",
        fate=Fate.INERT,
        why="several labels can always be searched for",
    )
    audit_logs: bool = setting("EnableAuditLogs", True, "Audit logs.", fate=Fate.INERT, why=_NO_SUCH_PAGE)
    legacy_link: bool = setting(
        "EnableLinkToLegacyUi", True, "The former interface.", fate=Fate.INERT, why=_NO_SUCH_PAGE
    )
    change_password: bool = setting(
        "EnableChangePassword", True, "Change a password.", fate=Fate.INERT, why=_NO_SUCH_PAGE
    )
    shares: bool = setting("EnableShares", False, "Shares.", fate=Fate.INERT, why=_NO_SUCH_PAGE)
    share_duration: int = setting("ShareDuration", 15, "Days.", fate=Fate.INERT, why=_NO_SUCH_PAGE)
    mailed_shares: bool = setting(
        "EnableSharesByEmail", False, "Shares by mail.", fate=Fate.INERT, why=_NO_SUCH_PAGE
    )
    inbox: bool = setting("EnableInboxLinks", False, "Inboxes.", fate=Fate.INERT, why=_NO_SUCH_PAGE)
    inbox_duration: int = setting("InboxLinksDuration", 7, "Days.", fate=Fate.INERT, why=_NO_SUCH_PAGE)
    mailed_inbox: bool = setting(
        "EnableInboxLinksByEmail", False, "Inboxes by mail.", fate=Fate.INERT, why=_NO_SUCH_PAGE
    )
    most_studies: int = setting("MaxStudiesDisplayed", 100, "Studies.", fate=Fate.INERT, why=_ENDLESS)
    page_size: int = setting("PageLoadSize", 50, "Studies.", fate=Fate.INERT, why=_ENDLESS)
    most_jobs: int = setting(
        "MaxMyJobsHistorySize", 5, "Jobs.", fate=Fate.INERT, why="all jobs are listed, see JobsHistorySize"
    )


@dataclass(frozen=True, slots=True)
class ExplorerSettings:
    """The web interface."""

    theme: str | None = setting(
        "Theme",
        None,
        "Colours until a user chooses others. Unset: those of the user's system.",
        example="light",
        choices=("light", "dark"),
    )
    title: str | None = setting(
        "CustomTitle",
        None,
        "What the browser's tab is called. Unset: the name of the server.",
        example="My archive",
    )
    css: Path | None = setting(
        "CustomCssPath",
        None,
        "Rules of style that are added to the interface's own, such as "
        ":root { --accent: light-dark(#a30, #fa7) }.",
        example="custom.css",
        path=True,
        refuse=_refuse_other_types(".css"),
    )
    logo: Path | None = setting(
        "CustomLogoPath",
        None,
        "The picture before the name at the top.",
        example="logo.svg",
        path=True,
        refuse=_refuse_other_types(*_LOGOS),
    )
    icon: Path | None = setting(
        "CustomFavIconPath",
        None,
        "The picture of the browser's tab.",
        example="favicon.ico",
        path=True,
        refuse=_refuse_other_types(*_LOGOS),
    )
    logo_address: str | None = setting(
        "CustomLogoUrl",
        None,
        "The same from another server.",
        example="https://hospital.example.com/logo.png",
        fate=Fate.INERT,
        why="the pages ask no other server for anything: see CustomLogoPath",
    )
    options: UiOptions = section("UiOptions", UiOptions(), "What the web interface offers.")
