"""Levels of the log by category."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from orthanclite.core.errors import ParameterOutOfRange
from orthanclite.core.log_levels import LogCategory, LogLevel, category_of, get_level, set_level


@pytest.fixture(autouse=True)
def levels_as_before() -> Iterator[None]:
    """The loggers belong to the whole process."""
    loggers = {name: logging.getLogger(name) for name in list(logging.root.manager.loggerDict)}
    before = {name: logger.level for name, logger in loggers.items()}
    set_level(LogLevel.DEFAULT)
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize("category", LogCategory)
def test_one_category_is_set_and_the_others_keep_theirs(category: LogCategory) -> None:
    set_level(LogLevel.TRACE, category)
    for other in LogCategory:
        assert get_level(other) is (LogLevel.TRACE if other is category else LogLevel.DEFAULT)
    assert get_level() is LogLevel.TRACE  # the most talkative of all
    set_level(LogLevel.VERBOSE)
    assert {get_level(other) for other in LogCategory} == {LogLevel.VERBOSE}


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("orthanclite.http", LogCategory.HTTP),
        ("orthanclite.httpx", LogCategory.GENERIC),
        ("orthanclite.index.database.writer", LogCategory.SQLITE),
        ("orthanclite.dimse.upper.accepted.server", LogCategory.DICOM),
        ("uvicorn.error", LogCategory.HTTP),
        ("anything", LogCategory.GENERIC),
    ],
)
def test_categories_of_loggers(name: str, category: LogCategory) -> None:
    assert category_of(name) is category


@pytest.mark.parametrize("text", ["", "TRACE", "debug"])
def test_unknown_levels(text: str) -> None:
    with pytest.raises(ParameterOutOfRange):
        LogLevel.parse(text)
