"""Transfer syntaxes of pixel data, by family (PS3.6 table A-1)."""

from __future__ import annotations

from pydicom.config import IGNORE
from pydicom.uid import UID

from orthanclite.dicom.encoding import GE_BIG_ENDIAN_PIXELS, UNCOMPRESSED_SYNTAXES

RLE_LOSSLESS = "1.2.840.10008.1.2.5"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_LS_LOSSLESS = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR_LOSSLESS = "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000_LOSSY = "1.2.840.10008.1.2.4.91"
HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
HTJ2K_LOSSLESS_RPCL = "1.2.840.10008.1.2.4.202"
HTJ2K = "1.2.840.10008.1.2.4.203"
HIGH_THROUGHPUT = frozenset({HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, HTJ2K})
JPEG_2000 = HIGH_THROUGHPUT | {JPEG_2000_LOSSLESS, JPEG_2000_LOSSY}

JPEG = frozenset({JPEG_BASELINE, JPEG_EXTENDED, JPEG_LOSSLESS, JPEG_LOSSLESS_SV1})
JPEG_PROGRESSIVE = frozenset({"1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"})
"""Spectral selection and full progression (retired): they are read, but not written."""
VIDEO = "1.2.840.10008.1.2.4.10"
"""What the UIDs of MPEG-2, MPEG-4 and HEVC begin with (100 to 108)."""

JPEG_LS = frozenset({JPEG_LS_LOSSLESS, JPEG_LS_NEAR_LOSSLESS})
ENCODABLE = JPEG | JPEG_LS | JPEG_2000 | {RLE_LOSSLESS}
"""The encapsulated transfer syntaxes that can be written."""

WRITABLE = ENCODABLE | UNCOMPRESSED_SYNTAXES - {GE_BIG_ENDIAN_PIXELS}
"""The transfer syntaxes that can be written."""

LOSSLESS = WRITABLE - {JPEG_BASELINE, JPEG_EXTENDED, JPEG_LS_NEAR_LOSSLESS, JPEG_2000_LOSSY, HTJ2K}
"""Those of them that never lose anything."""


_MPEG_2 = frozenset({"1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.101"})


def frame_media_type(transfer_syntax: str) -> str:
    """The type under which the reference sends a stored frame."""
    if transfer_syntax == JPEG_BASELINE:
        return "image/jpeg"
    if transfer_syntax in (JPEG_2000_LOSSLESS, JPEG_2000_LOSSY):
        return "image/jp2"
    if transfer_syntax.startswith(VIDEO):
        return "video/mpeg" if transfer_syntax in _MPEG_2 else "video/mp4"
    return "application/octet-stream"


def is_transfer_syntax(uid: str) -> bool:
    """Whether ``uid`` is a registered transfer syntax."""
    known = UID(uid, IGNORE)  # without a warning of what is no UID
    return not known.is_private and known.type == "Transfer Syntax"
