"""Opening images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orthanclite.core.errors import BadFileFormat, CorruptedFile
from orthanclite.dicom.pixels.reading.source import buffer_of, open_native, open_source, transfer_syntax_of


@pytest.mark.parametrize(
    "use",
    [
        transfer_syntax_of,
        lambda path: open_native(path, 1 << 16).__enter__(),
        lambda path: open_source(path).__enter__(),
        lambda path: buffer_of(path).__enter__(),
    ],
    ids=["syntax", "native", "source", "buffer"],
)
def test_a_file_that_is_deleted_meanwhile(tmp_path: Path, use: Callable[[Path], object]) -> None:
    with pytest.raises(CorruptedFile, match="gone cannot be opened"):
        use(tmp_path / "gone")


def test_an_open_file_is_read_and_left_open(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with path.open("rb") as file:
        for _ in range(2):
            with buffer_of(file) as content:
                assert bytes(content) == b"content"
    path.write_bytes(b"")
    with pytest.raises(BadFileFormat), path.open("rb") as file, buffer_of(file):
        pass
