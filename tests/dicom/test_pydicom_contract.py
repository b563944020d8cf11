"""What is used of pydicom beyond its promises: a new release that changes it fails here.

Its dictionaries are read as they are stored (``dicom/dictionary.py``, ``dicom/uids.py``): the functions
around them look up one entry at a time, and not all that there are.
"""

from __future__ import annotations

import io
import re

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom._private_dict import private_dictionaries
from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import get_entry
from pydicom.filereader import read_dataset

_VR = re.compile(r"[A-Z]{2}( or [A-Z]{2}){0,2}|NONE|OB_OW")
_MULTIPLICITY = re.compile(r"\d+(-(\d+n?|n))?( or \d+)*")


def is_entry(entry: tuple[str, ...]) -> bool:
    vr, multiplicity, name, retired, keyword = entry
    return (
        _VR.fullmatch(vr) is not None
        and retired in ("", "Retired")
        and all(isinstance(text, str) for text in (multiplicity, name, keyword))
    )


def test_attributes_are_known_by_number() -> None:
    assert len(DicomDictionary) > 5000
    assert DicomDictionary[0x00100010] == ("PN", "1", "Patient's Name", "", "PatientName")
    assert DicomDictionary[0x00280106][0] == "US or SS"
    wrong = [f"{tag:08x}" for tag, entry in DicomDictionary.items() if not is_entry(entry)]
    assert not wrong
    assert all(isinstance(tag, int) for tag in DicomDictionary)


def test_repeating_groups_are_known_by_mask() -> None:
    assert RepeatersDictionary["60xx3000"][4] == "OverlayData"
    assert all(re.fullmatch("[0-9A-Fa-fx]{8}", mask) for mask in RepeatersDictionary)
    assert all(is_entry(entry) for entry in RepeatersDictionary.values())
    assert get_entry(0x60023000)[4] == "OverlayData"


def test_private_attributes_are_known_by_creator_and_mask() -> None:
    assert private_dictionaries["GEMS_IDEN_01"]["0009xx01"][:3] == ("LO", "1", "Full fidelity")
    for creator, attributes in private_dictionaries.items():
        assert isinstance(creator, str)
        for mask, entry in attributes.items():
            assert re.fullmatch("[0-9A-Fa-fx]{8}", mask), (creator, mask)
            assert len(entry) == 4, (creator, mask)
            assert _VR.fullmatch(entry[0]), (creator, mask)


def test_uids_are_known_with_their_kind_and_keyword() -> None:
    assert UID_dictionary["1.2.840.10008.5.1.4.1.1.2"] == (
        "CT Image Storage",
        "SOP Class",
        "",
        "",
        "CTImageStorage",
    )
    kinds = {entry[1] for entry in UID_dictionary.values()}
    assert kinds >= {"SOP Class", "Meta SOP Class", "Service Class", "Transfer Syntax"}
    assert all(len(entry) == 5 for entry in UID_dictionary.values())


def test_reading_stops_at_the_tag_that_is_told() -> None:
    """``read_dataset`` is documented, but not where it leaves the stream: before the head of that element."""
    head = b"\x10\x00\x20\x00\x04\x00\x00\x001234"
    stream = io.BytesIO(head + b"\xe0\x7f\x10\x00\x02\x00\x00\x00ab")
    dataset = read_dataset(
        stream,
        is_implicit_VR=True,
        is_little_endian=True,
        stop_when=lambda tag, vr, length: tag == 0x7FE00010,
    )
    assert dataset.PatientID == "1234"
    assert stream.tell() == len(head)
