"""The lines of the log."""

from __future__ import annotations

import logging
import sys

import pytest

from orthanclite.logs import OrthancFormatter


@pytest.mark.parametrize("forged", ["a\nW1124 03:51:43.795257 main.py:1] forged", "\x1b[2J", "\r", "\u2028x"])
def test_a_message_is_one_line_that_no_terminal_obeys(forged: str) -> None:
    record = logging.LogRecord("orthanclite.http", logging.WARNING, "main.py", 1, "from %s", (forged,), None)
    text = OrthancFormatter().format(record)
    assert text.isprintable()
    try:
        raise ValueError(forged)
    except ValueError:
        record.exc_info = sys.exc_info()
    lines = OrthancFormatter().format(record).split("\n")
    assert lines[1] == "Traceback (most recent call last):"
    assert all(line.isprintable() for line in lines)
