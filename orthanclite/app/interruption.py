"""Signals while the server starts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

EXIT_STATUS = {signal.SIGINT: 130, signal.SIGTERM: 0}
"""The status of a process that a signal has ended before it served."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the process at once within the block, until something else handles them.

    Nothing is lost by that: the next start is like one after a crash. An exception would not do. It is raised
    wherever the thread happens to be, and where that is a finaliser or the callback of a weak reference, such
    as SQLAlchemy has for each connection pool, Python prints it and goes on. SIGTERM needs a handler, too:
    without one, the first process of a container does not get it (kill(2)).
    """

    def end(number: int, frame: FrameType | None) -> NoReturn:
        os._exit(EXIT_STATUS[signal.Signals(number)])

    before = {number: signal.signal(number, end) for number in EXIT_STATUS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
