"""The command line: ``orthanclite [OPTIONS] [CONFIG...]``, ``orthanclite import``, ``orthanclite verify``."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from orthanclite import __version__, logs
from orthanclite.config import Settings, load
from orthanclite.core.error_codes import ERROR_MESSAGES
from orthanclite.core.errors import CannotWriteFile, OrthancError
from orthanclite.core.log_levels import LogCategory, LogLevel
from orthanclite.core.machine.file_modes import keep_files_private
from orthanclite.core.ports import Blobs, Maintenance, Properties

_log = logging.getLogger("orthanclite")

EXIT_OK = 0
EXIT_FAILURE = 255  # Orthanc's -1
EXIT_INTERRUPTED = 130


_LEVEL_HELP = ((LogLevel.VERBOSE, "log more"), (LogLevel.TRACE, "log everything"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status of the process."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    keep_files_private()
    try:
        return _dispatch(arguments)
    except OrthancError as exc:
        _log.error("%s (code %d)", exc, exc.code)
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _dispatch(arguments: list[str]) -> int:
    # Commands and the server are imported where they are called: none starts with the libraries of another.
    if arguments[:1] == ["import"]:
        from orthanclite.commands import import_files

        return import_files.main(arguments[1:])
    if arguments[:1] == ["verify"]:
        from orthanclite.commands import verify

        return verify.main(arguments[1:], _open_stores)
    return _server(arguments)


def _server(arguments: list[str]) -> int:
    options = server_parser().parse_args(arguments)
    if options.errors:
        _write("-", "".join(f"{code:16d}   {text}\n" for code, text in sorted(ERROR_MESSAGES.items())))
        return EXIT_OK
    if options.config is not None:
        from orthanclite.config.render import default_file

        _write(options.config, default_file())
        return EXIT_OK
    logs.set_up(logs.LogOptions(options.levels, options.logfile, options.logdir))
    return _serve(options)


def _serve(options: argparse.Namespace) -> int:
    from orthanclite import app

    while True:
        settings = _load_settings(options.configurations)
        if options.no_jobs:
            settings = replace(settings, jobs=replace(settings.jobs, save=False))
        if options.openapi is not None:
            _write(options.openapi, json.dumps(app.openapi(settings), indent=2) + "\n")
            return EXIT_OK
        if options.upgrade:
            app.upgrade(settings)
            return EXIT_OK
        if not app.run(settings):
            return EXIT_OK


def _open_stores(
    configurations: Sequence[Path],
) -> AbstractContextManager[tuple[Maintenance, Properties, Blobs]]:
    """The index and the storage of the server of a configuration, opened without serving."""
    from orthanclite import app

    logs.set_up(logs.LogOptions())
    return app.stores(_load_settings(configurations))


def _load_settings(paths: Sequence[Path]) -> Settings:
    """The settings of these files and of the environment; what is peculiar about them goes to the log."""
    loaded = load(paths)
    for warning in loaded.warnings:
        _log.warning("%s", warning)
    return loaded.settings


def server_parser() -> argparse.ArgumentParser:
    """The options of the server. Of the log levels, the last one given for a category counts."""
    parser = argparse.ArgumentParser(
        prog="orthanclite",
        description="A DICOM server with the REST API of Orthanc.",
        epilog='Commands: "orthanclite import --help" sends files and archives to a running server, '
        '"orthanclite verify --help" checks the stored files against the index.',
        allow_abbrev=False,
    )
    parser.add_argument(
        "configurations",
        metavar="CONFIG",
        nargs="*",
        type=Path,
        help="configuration file, or folder of which all *.json are read; the defaults, if there is none",
    )
    parser.add_argument("--version", action="version", version=f"orthanclite {__version__}")
    parser.add_argument(
        "--config", metavar="FILE", help='write a commented configuration ("-": stdout), exit'
    )
    parser.add_argument("--errors", action="store_true", help="print the error codes and exit")
    parser.add_argument("--openapi", metavar="FILE", help='write the OpenAPI document ("-": stdout) and exit')
    parser.add_argument("--upgrade", action="store_true", help="bring the database to this version and exit")
    parser.add_argument("--no-jobs", action="store_true", help="forget the jobs of the last execution")
    parser.add_argument("--logdir", metavar="DIR", type=Path, help="existing folder for the log files")
    parser.add_argument("--logfile", metavar="FILE", type=Path, help="file for the log, instead of stderr")
    _add_log_levels(parser)
    return parser


def _add_log_levels(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(levels=[])
    for level, text in _LEVEL_HELP:
        parser.add_argument(
            f"--{level}", dest="levels", action="append_const", const=(level, None), help=text
        )
    categories = parser.add_argument_group("log levels by category")
    for category in LogCategory:
        for level, text in _LEVEL_HELP:
            categories.add_argument(
                f"--{level}-{category}",
                dest="levels",
                action="append_const",
                const=(level, category),
                help=f"{text} of {category}",
            )


def _write(target: str, text: str) -> None:
    if target == "-":
        sys.stdout.write(text)
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise CannotWriteFile(f'Cannot write "{target}": {exc}') from exc
