"""Writing the files of instances to the file system of the server."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from orthanclite.core.errors import CannotWriteFile, ForbiddenAccess
from orthanclite.services.content.files import InstanceFiles

_PREAMBLE = 128  # bytes before the prefix of a DICOM file (PS3.10 section 7.1)
_PREFIX = b"DICM"


class FileExport:
    """Exports files to paths that clients name: only where that cannot harm the server.

    :param files: what is exported
    :param own_folders: those of the server, in which it alone may write
    """

    def __init__(self, files: InstanceFiles, own_folders: Iterable[Path]) -> None:
        self._files = files
        self._own_folders = tuple(folder.resolve() for folder in own_folders)

    def export(self, id: str, path: str) -> None:
        """Write the file of an instance to a path. It appears there whole, or not at all.

        :raises UnknownResource: for an unknown instance
        :raises ForbiddenAccess: for a path in a folder of the server, and where something lies that is no
            DICOM file: a database, a configuration, a device
        :raises CannotWriteFile: where it cannot be written
        """
        file = self._files.locate(id)
        try:
            target = Path(path)
            self._check(target)
            unfinished = target.with_name(f".{uuid.uuid4()}.part")
            try:
                with unfinished.open("xb") as stream:
                    for chunk in self._files.chunks(file):
                        stream.write(chunk)
                unfinished.replace(target)
            except BaseException:
                with suppress(OSError):
                    unfinished.unlink()
                raise
        except (OSError, ValueError) as exc:  # ValueError: a path with a NUL, or without a name
            raise CannotWriteFile(f"Cannot write the file: {exc}") from exc

    def _check(self, target: Path) -> None:
        folder = target.parent.resolve()
        if any(folder.is_relative_to(own) for own in self._own_folders):
            raise ForbiddenAccess("The server exports no file into its own folders")
        if not os.path.lexists(target) or target.is_dir():
            return  # a folder cannot be written
        if not (target.is_file() and _is_dicom(target)):
            raise ForbiddenAccess("The server overwrites nothing but DICOM files")


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(_PREAMBLE + len(_PREFIX))
    return head[_PREAMBLE:] == _PREFIX
