"""Where the log goes, and the look of its lines: that of Orthanc, which log readers know."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orthanclite.core.errors import CannotWriteFile
from orthanclite.core.log_levels import LogCategory, LogLevel, category_of, set_level
from orthanclite.core.metrics import Metrics
from orthanclite.core.text.printable import printable

_LETTERS = ((logging.ERROR, "E"), (logging.WARNING, "W"), (logging.INFO, "I"))


@dataclass(frozen=True, slots=True)
class LogOptions:
    """The options of the command line that concern the log."""

    levels: Sequence[tuple[LogLevel, LogCategory | None]] = ()  # applied in this order
    file: Path | None = None
    folder: Path | None = None


class OrthancFormatter(logging.Formatter):
    """``W1124 03:51:43.795257 http_server.py:42] (http) message``.

    A message may tell what strangers have sent: it stays one line, and no terminal obeys it.
    """

    def format(self, record: logging.LogRecord) -> str:
        letter = next((letter for level, letter in _LETTERS if record.levelno >= level), "T")
        moment = datetime.fromtimestamp(record.created)
        category = category_of(record.name)
        label = "" if category is LogCategory.GENERIC else f"({category}) "
        head = f"{letter}{moment:%m%d %H:%M:%S.%f} {record.filename}:{record.lineno}]"
        text = f"{head} {label}{printable(record.getMessage())}"
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            text += "".join("\n" + printable(line) for line in trace.split("\n"))
        return text


class LogCounter(logging.Handler):
    """Counts the warnings and errors that are logged while it is open, in two metrics."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(logging.WARNING)
        self._metrics = metrics
        metrics.declare("orthanc_logged_warnings_count", "orthanc_logged_errors_count")
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        kind = "errors" if record.levelno >= logging.ERROR else "warnings"
        self._metrics.add(f"orthanc_logged_{kind}_count")

    def close(self) -> None:
        logging.getLogger().removeHandler(self)
        super().close()


def set_up(options: LogOptions) -> None:
    """Send the log of this process to where ``options`` say, replacing any earlier set-up.

    :raises CannotWriteFile: where the file cannot be opened or the folder does not exist.
    """
    handler = _handler(options)
    handler.setFormatter(OrthancFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    set_level(LogLevel.DEFAULT)
    for level, category in options.levels:
        set_level(level, category)


def _handler(options: LogOptions) -> logging.Handler:
    if options.folder is not None:
        if not options.folder.is_dir():
            raise CannotWriteFile(f'The folder of the log "{options.folder}" does not exist')
        return _open(_dated_file(options.folder))
    if options.file is not None:
        return _open(options.file)
    return logging.StreamHandler(sys.stderr)


def _open(path: Path) -> logging.Handler:
    try:
        return logging.FileHandler(path, encoding="utf-8")
    except OSError as exc:
        raise CannotWriteFile(f'Cannot write the log "{path}": {exc}') from exc


def _dated_file(folder: Path) -> Path:
    """A new file for this process, to which ``Orthanc.log`` leads."""
    path = folder / f"Orthanc.log.{time.strftime('%Y%m%d-%H%M%S')}.{os.getpid()}"
    link = folder / "Orthanc.log"
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(path.name)
    except OSError as exc:
        raise CannotWriteFile(f'Cannot write into the folder of the log "{folder}": {exc}') from exc
    return path
