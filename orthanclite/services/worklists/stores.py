"""Where worklists are kept: files in a folder, or entries of the database."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orthanclite.core.errors import CannotWriteFile, UnknownResource
from orthanclite.core.ports import Properties

log = logging.getLogger("orthanclite.plugins")


@dataclass(frozen=True, slots=True)
class StoredWorklist:
    """A worklist as it is kept."""

    id: str
    data: bytes  # a DICOM file
    created: float | None = None  # seconds since the epoch; None where only files tell


class WorklistStore(Protocol):
    """Where worklists are kept. Thread-safe.

    :raises CannotWriteFile: on writing and deleting, where that fails.
    """

    def all(self) -> Iterator[StoredWorklist]:
        """All worklists in the order of their IDs; those that cannot be read are left out."""
        ...

    def get(self, id: str) -> StoredWorklist:
        """:raises UnknownResource: for an unknown ID."""
        ...

    def put(self, worklist: StoredWorklist) -> None:
        """Add or replace a worklist, durably."""
        ...

    def delete(self, id: str) -> None:
        """:raises UnknownResource: for an unknown ID."""
        ...


_SUFFIX = ".wl"
_NAME = re.compile(r"[^/\\\0]+")


class FolderStore:
    """Files ``*.wl`` of one folder, which others write, too; the ID is the name without its suffix.

    Folders below are not looked into.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> Iterator[StoredWorklist]:
        for path in self._paths():
            try:
                yield StoredWorklist(path.stem, path.read_bytes())
            except FileNotFoundError:  # removed meanwhile
                continue
            except OSError as exc:
                log.warning("Cannot read the worklist %s: %s", path.name, exc)

    def get(self, id: str) -> StoredWorklist:
        try:
            return StoredWorklist(id, self._path(id).read_bytes())
        except OSError as exc:
            raise UnknownResource(f"Unknown worklist: {id}") from exc

    def put(self, worklist: StoredWorklist) -> None:
        path = self._folder / f"{worklist.id}{_SUFFIX}"
        part = self._folder / f"{worklist.id}.part"
        with _translated("write"):
            self._folder.mkdir(parents=True, exist_ok=True)
            # Readers see the file only when it is complete.
            with part.open("wb") as file:
                file.write(worklist.data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)

    def delete(self, id: str) -> None:
        path = self._path(id)
        with _translated("delete"):
            try:
                path.unlink()
            except FileNotFoundError as exc:
                raise UnknownResource(f"Unknown worklist: {id}") from exc

    def _paths(self) -> list[Path]:
        try:
            return sorted(path for path in self._folder.iterdir() if _is_worklist(path))
        except FileNotFoundError:  # nobody has written one yet
            return []
        except OSError as exc:
            log.error("Cannot list the folder of the worklists: %s", exc)
            return []

    def _path(self, id: str) -> Path:
        """The file of a worklist; an ID comes from a client and must not lead out of the folder."""
        if _NAME.fullmatch(id):
            for path in self._paths():
                if path.stem == id:
                    return path
        raise UnknownResource(f"Unknown worklist: {id}")


def _is_worklist(path: Path) -> bool:
    return path.suffix.lower() == _SUFFIX and path.is_file()


@contextmanager
def _translated(verb: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise CannotWriteFile(f"Cannot {verb} the worklist: {exc}") from exc


class DatabaseStore:
    """Entries of the index (option ``SaveInOrthancDatabase``), shared by all servers on it."""

    _PREFIX = "worklist/"

    def __init__(self, properties: Properties) -> None:
        self._properties = properties

    def all(self) -> Iterator[StoredWorklist]:
        for name, text in sorted(self._properties.list_properties(self._PREFIX).items()):
            yield self._parse(name.removeprefix(self._PREFIX), text)

    def get(self, id: str) -> StoredWorklist:
        text = self._properties.get_property(self._PREFIX + id)
        if text is None:
            raise UnknownResource(f"Unknown worklist: {id}")
        return self._parse(id, text)

    def put(self, worklist: StoredWorklist) -> None:
        entry = {"created": worklist.created, "dicom": base64.b64encode(worklist.data).decode("ascii")}
        self._properties.set_property(self._PREFIX + worklist.id, json.dumps(entry))

    def delete(self, id: str) -> None:
        self.get(id)
        self._properties.set_property(self._PREFIX + id, None)

    @staticmethod
    def _parse(id: str, text: str) -> StoredWorklist:
        entry = json.loads(text)
        return StoredWorklist(id, base64.b64decode(entry["dicom"]), entry["created"])
