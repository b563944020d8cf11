"""What the system says of a disk that cannot be written, in the errors that clients know."""

from __future__ import annotations

import errno
from types import TracebackType

from orthanclite.core.errors import CannotWriteFile, FullStorage

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Writing:
    """A context in which a file is written: an :class:`OSError` becomes one of our errors. Reusable.

    :param target: what is written, as the error names it
    :raises FullStorage: where the disk is full, or a quota or the largest size of a file is reached
    :raises CannotWriteFile: where it cannot be written otherwise
    """

    __slots__ = ("_target",)

    def __init__(self, target: str) -> None:
        self._target = target

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not isinstance(error, OSError):
            return
        if error.errno in _FULL:
            raise FullStorage(f"No space is left for {self._target}: {error.strerror}") from error
        raise CannotWriteFile(f"Cannot write {self._target}: {error.strerror}") from error
