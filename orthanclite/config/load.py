"""From configuration files and environment to :class:`Settings`, with all that is worth a warning."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orthanclite.config import environment, jsonc
from orthanclite.config.convert import Where, convert
from orthanclite.config.sections.clients import THREADED_JOBS
from orthanclite.config.settings import UNUSED, Settings, all_rows
from orthanclite.config.table import Fate, Row, groups, nested, rows, sections
from orthanclite.core.errors import BadFileFormat, IncompatibleConfigurations
from orthanclite.core.remotes.registry import MODALITY_KEYS

DEFAULTS = "ORTHANCLITE_DEFAULTS"
"""The environment variable with a file of defaults."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The outcome of :func:`load`."""

    settings: Settings
    warnings: tuple[str, ...]  # one line each, for the log


def load(
    paths: Sequence[Path] = (),
    environ: Mapping[str, str] | None = None,
    secrets: Path = environment.SECRETS,
) -> Loaded:
    """Read the configuration.

    :param paths: files, and folders of which every ``*.json`` is read; relative paths inside of them refer
        to the folder of the first. As with Orthanc, two files may not define the same top-level key.
    :param environ: the environment; that of the process by default.
    :raises OrthancError: for what cannot be accepted (``BadFileFormat``, ``BadParameterType``,
        ``ParameterOutOfRange``, ``IncompatibleConfigurations``), naming the key and where it is set.
    """
    return _Loader(os.environ if environ is None else environ, secrets).load(paths)


@dataclass(slots=True)
class _Loader:
    environ: Mapping[str, str]
    secrets: Path
    warnings: list[str] = field(default_factory=list)
    sources: dict[tuple[str, ...], str] = field(default_factory=dict)
    base: Path = Path()

    def load(self, paths: Sequence[Path]) -> Loaded:
        if paths:
            first = paths[0]
            self.base = first if first.is_dir() else first.parent
        content = self._read_files(paths)
        self._add_defaults(content)
        for override in environment.overrides(self.environ, self.secrets):
            environment.merge(content, override.path, override.value)
            for path in _leaves(override):
                self.sources[path] = override.source
        settings: Settings = self._build(Settings, content, ())
        self._check_unused(content)
        self._warn_of_unknown(content)
        _check_whole(settings)
        self.warnings.extend(_consequences(settings))
        return Loaded(settings, tuple(self.warnings))

    def _read_files(self, paths: Sequence[Path]) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for file in _files(paths):
            for key, value in jsonc.read(file, self.environ).items():
                if key in content:
                    raise BadFileFormat(
                        f'The configuration section "{key}" is defined in 2 different configuration files: '
                        f'{self.sources[(key,)]} and "{file}"'
                    )
                content[key] = value
                self.sources[(key,)] = f'"{file}"'
        return content

    def _add_defaults(self, content: dict[str, Any]) -> None:
        """Take what no file sets from the one that ``ORTHANCLITE_DEFAULTS`` names, as the image does."""
        if file := self.environ.get(DEFAULTS):
            for key, value in jsonc.read(Path(file), self.environ).items():
                if key not in content:
                    content[key] = value
                    self.sources[(key,)] = f'"{file}"'

    def _build(self, cls: type[Any], content: Mapping[str, object], path: tuple[str, ...]) -> Any:
        values: dict[str, Any] = {}
        defaults = cls()
        for row in rows(cls):
            if row.key.name in content:
                values[row.field] = self._value(row, content[row.key.name], path)
            elif row.key.path and (default := getattr(defaults, row.field)) is not None:
                values[row.field] = self.base / default
        for row in sections(cls):
            value = content.get(row.key.name, {})
            if not isinstance(value, dict):
                raise self._where((*path, row.key.name)).wrong_type(value, "an object")
            values[row.field] = self._build(row.type, value, (*path, row.key.name))
        for name, group in groups(cls):
            values[name] = self._build(group, content, path)
        return cls(**values)

    def _value(self, row: Row, value: object, path: tuple[str, ...]) -> Any:
        where = self._where((*path, row.key.name))
        converted = convert(row.key, row.type, value, where)
        if row.key.refuse is not None and (reason := row.key.refuse(value)) is not None:
            raise IncompatibleConfigurations(
                f'The configuration option "{where.path}" in {where.source} cannot be honoured: {reason}'
            )
        # The default written out, as in a file made by --config, asks for nothing.
        if row.key.fate in (Fate.LATER, Fate.INERT) and (row.key.optional or value != row.key.default):
            self.warnings.append(
                f'The configuration option "{where.path}" in {where.source} has no effect: {row.key.why}'
            )
        return converted

    def _check_unused(self, content: Mapping[str, object]) -> None:
        for row in UNUSED:
            if row.key.name in content:
                self._value(row, content[row.key.name], ())

    def _warn_of_unknown(self, content: Mapping[str, object]) -> None:
        for path in _unknown(content):
            where = self._where(path)
            self.warnings.append(f'Unknown configuration option "{where.path}" in {where.source}')

    def _where(self, path: tuple[str, ...]) -> Where:
        """The place of a key: what sets it, or the nearest object around it."""
        source = next(
            (
                self.sources[path[:length]]
                for length in range(len(path), 0, -1)
                if path[:length] in self.sources
            ),
            "the configuration",
        )
        return Where(".".join(path), source, self.base)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.glob("*.json") if file.is_file())
        elif path.is_file():
            yield path
        else:
            raise BadFileFormat(f'The configuration path "{path}" does not exist')


def _leaves(override: environment.Override) -> Iterator[tuple[str, ...]]:
    if override.path or not isinstance(override.value, dict):
        yield override.path
    else:
        for key, value in override.value.items():
            yield (key,)
            if isinstance(value, dict):
                yield from ((key, name) for name in value)


def _unknown(content: Mapping[str, object]) -> Iterator[tuple[str, ...]]:
    """The keys that no table knows, in objects whose keys are known."""
    known = {row.key.name for row in all_rows()} | {row.key.name for row in sections(Settings)}
    for path, section in nested(Settings):
        inside = {row.key.name for row in (*rows(section.type), *sections(section.type))}
        yield from ((*path, name) for name in _at(content, path) if name not in inside)
    for key, value in content.items():
        if key not in known:
            yield (key,)
        elif key == "JobsEngineThreadsCount" and isinstance(value, dict):
            yield from ((key, name) for name in value if name not in THREADED_JOBS)
        elif key == "DicomModalities" and isinstance(value, dict):
            for name, modality in value.items():
                if isinstance(modality, dict):
                    yield from ((key, name, item) for item in modality if item not in MODALITY_KEYS)


def _at(content: Mapping[str, object], path: Iterable[str]) -> Mapping[str, object]:
    """The object that the names of ``path`` lead to; empty where there is none."""
    for name in path:
        inner = content.get(name)
        content = inner if isinstance(inner, dict) else {}
    return content


def _check_whole(settings: Settings) -> None:
    """Refuse settings that are right one by one, and wrong together."""
    access = settings.access
    if access.remote_access and access.authentication_enabled and not access.registered_users:
        raise IncompatibleConfigurations(
            'Remote access is allowed ("RemoteAccessAllowed") and users must log in '
            '("AuthenticationEnabled"), but no user is registered: give at least one in "RegisteredUsers"'
        )


def _consequences(settings: Settings) -> Iterator[str]:
    """What whoever runs the server should know of the settings as a whole."""
    access = settings.access
    if access.remote_access and access.authentication is None:
        yield (
            'Remote access is allowed but "AuthenticationEnabled" is not in the configuration: HTTP '
            "authentication is enabled for security"
        )
    if access.remote_access and not access.authentication_enabled:
        yield "Remote access is allowed without authentication: this setup is POSSIBLY INSECURE"
    if access.has_well_known_user:
        yield 'A user of "RegisteredUsers" has the password that everybody knows: this setup is INSECURE'
    if access.authentication_enabled and not access.registered_users:
        yield 'HTTP authentication is enabled, but nobody can log in: set "RegisteredUsers"'
