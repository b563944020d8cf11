"""The patterns by which UIDs are chosen."""

from __future__ import annotations

from orthanclite.dicom.uids import KNOWN_TRANSFER_SYNTAXES, select_uids


def test_transfer_syntaxes_are_selected_by_the_same_patterns() -> None:
    assert select_uids(KNOWN_TRANSFER_SYNTAXES, ["1.2.840.10008.1.2.?"]) == (
        "1.2.840.10008.1.2.1",
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2.5",
    )
    assert select_uids(KNOWN_TRANSFER_SYNTAXES, ["*"]) == KNOWN_TRANSFER_SYNTAXES
    assert select_uids(KNOWN_TRANSFER_SYNTAXES, []) == ()
    assert select_uids(KNOWN_TRANSFER_SYNTAXES, ["*" * 65 + "a"]) == ()
