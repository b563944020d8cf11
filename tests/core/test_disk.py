"""Errors of the disk in the words of clients."""

from __future__ import annotations

import errno
import os

import pytest

from orthanclite.core.errors import CannotWriteFile, FullStorage, OrthancError
from orthanclite.core.machine.disk import Writing


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, FullStorage),
        (errno.EDQUOT, FullStorage),
        (errno.EFBIG, FullStorage),
        (errno.EACCES, CannotWriteFile),
        (errno.EROFS, CannotWriteFile),
        (errno.EIO, CannotWriteFile),
    ],
)
def test_errors_of_the_disk(number: int, kind: type[OrthancError]) -> None:
    writing = Writing("a file")
    for _ in range(2):
        with pytest.raises(kind, match="a file") as failure, writing:
            raise OSError(number, os.strerror(number))
        assert isinstance(failure.value.__cause__, OSError)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ValueError, match="other"), Writing("a file"):
        raise ValueError("other")
    with Writing("a file"):
        pass
