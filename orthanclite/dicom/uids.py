"""The transfer syntaxes and the storage SOP classes that the server knows (PS3.6 annex A)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydicom._uid_dict import UID_dictionary

from orthanclite.core.text.matching import wildcard

_PREFIX = "1.2.840.10008.1.2"

# In the order in which the reference lists them.
KNOWN_TRANSFER_SYNTAXES: tuple[str, ...] = (
    _PREFIX,
    *(f"{_PREFIX}.{suffix}" for suffix in ("1", "1.99", "2")),
    *(f"{_PREFIX}.4.{number}" for number in (*range(50, 67), 70, 80, 81, *range(90, 96))),
    *(f"{_PREFIX}.4.{number}" for number in range(100, 109)),
    *(f"{_PREFIX}.{suffix}" for suffix in ("5", "6.1", "6.2")),
    *(f"{_PREFIX}.4.{number}" for number in (110, 111, 112, 201, 202, 203)),
)

TRANSFER_SYNTAX_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "DeflatedTransferSyntaxAccepted": (f"{_PREFIX}.1.99",),
    "JpegTransferSyntaxAccepted": tuple(f"{_PREFIX}.4.{number}" for number in (*range(50, 67), 70)),
    "Jpeg2000TransferSyntaxAccepted": tuple(f"{_PREFIX}.4.{number}" for number in (90, 91, 92, 93)),
    "JpegLosslessTransferSyntaxAccepted": (f"{_PREFIX}.4.80", f"{_PREFIX}.4.81"),
    "JpipTransferSyntaxAccepted": (f"{_PREFIX}.4.94", f"{_PREFIX}.4.95"),
    "Mpeg2TransferSyntaxAccepted": (f"{_PREFIX}.4.100", f"{_PREFIX}.4.101"),
    "Mpeg4TransferSyntaxAccepted": tuple(f"{_PREFIX}.4.{number}" for number in range(102, 107)),
    "H265TransferSyntaxAccepted": (f"{_PREFIX}.4.107", f"{_PREFIX}.4.108"),
    "RleTransferSyntaxAccepted": (f"{_PREFIX}.5",),
}
"""What the older options of Orthanc, one per family of transfer syntaxes, stand for."""

# In the UID registry beside the storage classes, but not stored by C-STORE.
_NOT_STORAGE = {
    "1.2.840.10008.1.20.1",
    "1.2.840.10008.1.20.2",
    "1.2.840.10008.1.3.10",
}

KNOWN_STORAGE_CLASSES: Mapping[str, str] = {
    uid: entry[4]
    for uid, entry in UID_dictionary.items()
    if entry[1] == "SOP Class" and "Storage" in entry[0] and uid not in _NOT_STORAGE
}
"""Storage SOP classes, retired ones included, and their keywords."""


_STORAGE = "1.2.840.10008.5.1.4.1.1"
_COMMON_SUFFIXES = """
    1 1.1 1.1.1 1.2 1.2.1 1.3 1.3.1 2 2.1 2.2 3 3.1 4 4.1 4.2 4.3 4.4 5 6 6.1 6.2 7 7.1 7.2 7.3 7.4 8
    9 9.1.1 9.1.2 9.1.3 9.2.1 9.3.1 9.4.1 9.4.2 9.5.1 9.6.1 10 11 11.1 11.2 11.3 11.4 11.5
    12.1 12.1.1 12.2 12.2.1 12.3 13.1.1 13.1.2 13.1.3 14.1 14.2 20 66 66.1 66.2 66.3 66.4 66.5 67 68.1 68.2
    77.1 77.1.1 77.1.1.1 77.1.2 77.1.2.1 77.1.3 77.1.4 77.1.4.1 77.1.5.1 77.1.5.2 77.1.5.3 77.1.5.4 77.1.6
    77.2 78.1 78.2 78.3 78.4 78.5 78.6 78.7 78.8 79.1 80.1 81.1
    88.11 88.22 88.33 88.34 88.40 88.50 88.59 88.65 88.67 88.69 88.70 104.1 104.2 128 128.1 129 130 131
    481.1 481.2 481.3 481.4 481.5 481.6 481.7 481.8 481.9
"""
COMMON_STORAGE_CLASSES: tuple[str, ...] = tuple(
    sorted(
        (
            *(f"{_STORAGE}.{suffix}" for suffix in _COMMON_SUFFIXES.split()),
            "1.2.840.10008.5.1.1.27",  # Stored Print, and two more that are retired
            "1.2.840.10008.5.1.1.29",
            "1.2.840.10008.5.1.1.30",
            "1.2.840.10008.5.1.4.34.7",  # RT Beams Delivery Instruction
        )
    )
)
"""The classes that are proposed where it is not known what will come, as the reference does: fewer than all,
so that one association has room for them."""


def select_uids(known: Iterable[str], patterns: Iterable[str]) -> tuple[str, ...]:
    """Those of ``known`` that one of ``patterns`` names, where ``*`` and ``?`` are wildcards.

    >>> select_uids(["1.2.3", "1.2.4", "1.3"], ["1.2.*"])
    ('1.2.3', '1.2.4')
    """
    tests = [wildcard(pattern.strip()) for pattern in patterns]
    return tuple(uid for uid in known if any(test(uid) for test in tests))
