"""The transfer syntaxes and the storage SOP classes that the server knows (PS3.6 annex A)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydicom._uid_dict import UID_dictionary

from orthanclite.core.matching import wildcard

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


def select_uids(known: Iterable[str], patterns: Iterable[str]) -> tuple[str, ...]:
    """Those of ``known`` that one of ``patterns`` names, where ``*`` and ``?`` are wildcards.

    >>> select_uids(["1.2.3", "1.2.4", "1.3"], ["1.2.*"])
    ('1.2.3', '1.2.4')
    """
    tests = [wildcard(pattern.strip()) for pattern in patterns]
    return tuple(uid for uid in known if any(test(uid) for test in tests))
