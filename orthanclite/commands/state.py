"""What an import has done so far, in a file, so that a stopped import goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from orthanclite.core.errors import BadFileFormat, CannotWriteFile


def default_path(url: str, paths: Sequence[Path]) -> Path:
    """The state file of importing ``paths`` into the server at ``url``, in the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = "\n".join([url, *sorted(str(path.resolve()) for path in paths)])
    return cache / "orthanclite" / f"import-{hashlib.sha256(key.encode()).hexdigest()[:16]}.jsonl"


class ImportState:
    """A journal: one JSON line for each file that the server has answered for, written as it happens."""

    def __init__(self, path: Path) -> None:
        """:raises BadFileFormat: where ``path`` exists and is no such journal.

        :raises CannotWriteFile: where it cannot be read or written.
        """
        self._path = path
        self.done = frozenset(_read(path)) if path.exists() else frozenset()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)
        except OSError as exc:
            raise CannotWriteFile(f'Cannot write the state of the import "{path}": {exc}') from exc

    def add(self, name: str) -> None:
        """Note that a file needs not be sent again."""
        self._file.write(json.dumps(name) + "\n")

    def finish(self) -> None:
        """Everything is done: the next import of the same paths starts anew."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _read(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as exc:
        raise CannotWriteFile(f'Cannot read the state of the import "{path}": {exc}') from exc
    names: list[str] = []
    for line in lines:
        if not line.endswith("\n"):
            continue  # the import was killed while it wrote this line: the file is simply sent again
        try:
            name = json.loads(line)
        except json.JSONDecodeError as exc:
            raise BadFileFormat(f'"{path}" is not the state of an import') from exc
        if not isinstance(name, str):
            raise BadFileFormat(f'"{path}" is not the state of an import')
        names.append(name)
    return names
