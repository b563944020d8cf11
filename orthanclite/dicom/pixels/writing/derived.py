"""The attributes that change with the pixel data (PS3.3 C.7.6.3, C.7.6.1.1.5, C.12.4)."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.core.main_tags import SOP_CLASS_UID, SOP_INSTANCE_UID
from orthanclite.dicom.pixels.reading.description import PixelDescription
from orthanclite.dicom.pixels.writing.encoders import FrameFormat
from orthanclite.dicom.reading.dataset import DataSet
from orthanclite.dicom.writing.elements import element, sequence

_IMAGE_TYPE = 0x00080008
_RATIO, _METHOD = 0x00282112, 0x00282114


@dataclass(frozen=True, slots=True)
class Derivation:
    """A lossy compression that was just done."""

    sop_uid: str  # the new one; empty to keep the present one
    method: str  # LossyImageCompressionMethod
    ratio: float  # of the sizes before and after


def image_attributes(before: PixelDescription, after: FrameFormat, photometric: str) -> bytes:
    """Those attributes of the Image Pixel module that are different now, in explicit little endian."""
    parts: list[tuple[int, str, bytes]] = []
    if after.samples != before.samples:
        parts.append((0x00280002, "US", _short(after.samples)))
    if photometric != before.photometric:
        parts.append((0x00280004, "CS", photometric.encode("ascii")))
    if after.samples > 1 and (before.planar or before.samples == 1):
        parts.append((0x00280006, "US", _short(0)))
    if after.bits_allocated != before.bits_allocated:
        parts.append((0x00280100, "US", _short(after.bits_allocated)))
    if after.bits_stored != before.bits_stored:
        parts.append((0x00280101, "US", _short(after.bits_stored)))
    if after.bits_stored - 1 != before.high_bit:
        parts.append((0x00280102, "US", _short(after.bits_stored - 1)))
    return b"".join(element(*part) for part in parts)


def derived_attributes(dataset: DataSet, derivation: Derivation) -> bytes:
    """The attributes of an image after lossy compression, in explicit little endian."""
    image_type = _text(dataset, _IMAGE_TYPE).split("\\")
    parts = [
        element(_IMAGE_TYPE, "CS", "\\".join(["DERIVED", *image_type[1:]]).encode("latin-1")),
        element(
            0x00082111, "ST", f"Lossy compression, ratio {derivation.ratio:.6g}".encode("ascii")
        ),  # DerivationDescription
        # Where the result keeps the identity, it cannot name what it was made from.
        _source_image(dataset) if derivation.sop_uid else b"",
        # DerivationCodeSequence (PS3.16 CID 7203)
        sequence(0x00089215, [_code("113040", "Lossy Compression")]),
        element(0x00282110, "CS", b"01"),
        element(_RATIO, "DS", _appended(dataset, _RATIO, f"{derivation.ratio:.6g}")),
        element(_METHOD, "CS", _appended(dataset, _METHOD, derivation.method)),
    ]
    if derivation.sop_uid:
        parts.append(element(SOP_INSTANCE_UID, "UI", derivation.sop_uid.encode("ascii")))
    return b"".join(parts)


def _source_image(dataset: DataSet) -> bytes:
    """SourceImageSequence: the image before compression (PS3.16 CID 7202)."""
    purpose = sequence(0x0040A170, [_code("121320", "Uncompressed predecessor")])
    content = (
        element(0x00081150, "UI", _text(dataset, SOP_CLASS_UID).encode("latin-1"))
        + element(0x00081155, "UI", _text(dataset, SOP_INSTANCE_UID).encode("latin-1"))
        + purpose
    )
    return sequence(0x00082112, [content])


def _code(value: str, meaning: str) -> bytes:
    return (
        element(0x00080100, "SH", value.encode("ascii"))
        + element(0x00080102, "SH", b"DCM")
        + element(0x00080104, "LO", meaning.encode("ascii"))
    )


def _appended(dataset: DataSet, tag: int, value: str) -> bytes:
    """The values of all compressions, the latest last (PS3.3 C.7.6.1.1.5.2)."""
    return "\\".join(filter(None, (_text(dataset, tag), value))).encode("latin-1")


def _text(dataset: DataSet, tag: int) -> str:
    return (dataset.raw(tag) or b"").decode("latin-1").strip(" \0")


def _short(value: int) -> bytes:
    return value.to_bytes(2, "little")
