"""How much each part of the server logs: Orthanc's categories over Python's loggers.

``default`` shows warnings and errors, ``verbose`` also what happens, ``trace`` everything. A logger belongs
to the category named after its first part below ``orthanclite``; all others are ``generic``.
"""

from __future__ import annotations

import logging
from enum import StrEnum

from orthanclite.core.errors import ParameterOutOfRange

ROOT = "orthanclite"


class LogLevel(StrEnum):
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


# Category -> its loggers. What is not listed inherits from the first one.
_LOGGERS: dict[str, tuple[str, ...]] = {
    "generic": (ROOT,),
    "dicom": (f"{ROOT}.dicom", f"{ROOT}.dimse", "pynetdicom"),
    "http": (f"{ROOT}.http", f"{ROOT}.rest"),
    "jobs": (f"{ROOT}.jobs",),
    "lua": (f"{ROOT}.lua",),
    "plugins": (f"{ROOT}.plugins",),
    "sqlite": (f"{ROOT}.sqlite", f"{ROOT}.index"),
}

CATEGORIES: tuple[str, ...] = tuple(sorted(_LOGGERS))

_TO_PYTHON = {
    LogLevel.DEFAULT: logging.WARNING,
    LogLevel.VERBOSE: logging.INFO,
    LogLevel.TRACE: logging.DEBUG,
}


def get_level(category: str) -> LogLevel:
    """The level of one of :data:`CATEGORIES`."""
    effective = logging.getLogger(_LOGGERS[category][0]).getEffectiveLevel()
    if effective <= logging.DEBUG:
        return LogLevel.TRACE
    return LogLevel.VERBOSE if effective <= logging.INFO else LogLevel.DEFAULT


def set_level(category: str, level: LogLevel) -> None:
    """Set one category; the others keep theirs, also where they inherited it."""
    kept = {other: get_level(other) for other in CATEGORIES if other != category}
    for other, previous in {**kept, category: level}.items():
        for name in _LOGGERS[other]:
            logging.getLogger(name).setLevel(_TO_PYTHON[previous])


def get_overall_level() -> LogLevel:
    """The most talkative level of all categories, as the reference tells it."""
    levels = {get_level(category) for category in CATEGORIES}
    for level in (LogLevel.TRACE, LogLevel.VERBOSE):
        if level in levels:
            return level
    return LogLevel.DEFAULT


def set_overall_level(level: LogLevel) -> None:
    for category in CATEGORIES:
        set_level(category, level)
