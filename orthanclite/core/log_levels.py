"""How much each part of the server logs: Orthanc's categories over Python's loggers.

``default`` shows warnings and errors, ``verbose`` also what happens, ``trace`` everything. A logger belongs
to the category of the longest of the names below that it starts with; all others are ``generic``.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from functools import lru_cache

from orthanclite.core.errors import ParameterOutOfRange

ROOT = "orthanclite"


class LogLevel(StrEnum):
    """How much is logged."""

    DEFAULT = "default"
    VERBOSE = "verbose"
    TRACE = "trace"

    @staticmethod
    def parse(text: str) -> LogLevel:
        """:raises ParameterOutOfRange: for an unknown name."""
        try:
            return LogLevel(text)
        except ValueError as exc:
            raise ParameterOutOfRange(f'Verbosity can be "default", "verbose" or "trace": {text}') from exc


class LogCategory(StrEnum):
    """The parts of the server whose levels are set one by one (``/tools/log-level-{category}``)."""

    GENERIC = "generic"
    DICOM = "dicom"
    HTTP = "http"
    JOBS = "jobs"
    LUA = "lua"
    PLUGINS = "plugins"
    SQLITE = "sqlite"


_LOGGERS: dict[LogCategory, tuple[str, ...]] = {
    LogCategory.GENERIC: (ROOT,),  # inherited by every logger that is not listed
    LogCategory.DICOM: (f"{ROOT}.dicom", f"{ROOT}.dimse"),
    LogCategory.HTTP: (f"{ROOT}.http", f"{ROOT}.rest", "uvicorn"),
    LogCategory.JOBS: (f"{ROOT}.jobs",),
    LogCategory.LUA: (f"{ROOT}.lua",),
    LogCategory.PLUGINS: (f"{ROOT}.plugins",),
    LogCategory.SQLITE: (f"{ROOT}.sqlite", f"{ROOT}.index"),
}

_TO_PYTHON = {
    LogLevel.DEFAULT: logging.WARNING,
    LogLevel.VERBOSE: logging.INFO,
    LogLevel.TRACE: logging.DEBUG,
}


@lru_cache(maxsize=512)
def category_of(logger_name: str) -> LogCategory:
    """The category that a logger belongs to.

    >>> str(category_of("orthanclite.dimse.scp.store"))
    'dicom'
    """
    for category, names in _LOGGERS.items():
        if category is not LogCategory.GENERIC and any(
            logger_name == name or logger_name.startswith(name + ".") for name in names
        ):
            return category
    return LogCategory.GENERIC


def get_level(category: LogCategory | None = None) -> LogLevel:
    """The level of one category; without one the most talkative of all, as the reference tells it."""
    categories = LogCategory if category is None else (category,)
    level = min(logging.getLogger(_LOGGERS[one][0]).getEffectiveLevel() for one in categories)
    if level <= logging.DEBUG:
        return LogLevel.TRACE
    return LogLevel.VERBOSE if level <= logging.INFO else LogLevel.DEFAULT


def set_level(level: LogLevel, category: LogCategory | None = None) -> None:
    """Set one category (the others keep theirs, also where they inherited it), or all of them."""
    levels = {one: level if category in (None, one) else get_level(one) for one in LogCategory}
    for one, wanted in levels.items():
        for name in _LOGGERS[one]:
            logging.getLogger(name).setLevel(_TO_PYTHON[wanted])
