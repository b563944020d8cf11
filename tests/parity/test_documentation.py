"""The table of intended differences is in the documentation."""

from __future__ import annotations

from pathlib import Path

from tests.parity.differences import INTENDED, INTENDED_OF_1_13

DOCUMENT = Path(__file__).parents[2] / "docs" / "differences.md"


def test_every_intended_difference_is_documented() -> None:
    section = DOCUMENT.read_text(encoding="utf-8").partition("\n## REST\n")[2].partition("\n## ")[0]
    missing = [entry.what for entry in (*INTENDED, *INTENDED_OF_1_13) if f"\n- {entry.what}\n" not in section]
    assert not missing
