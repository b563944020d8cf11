"""The normal form of an answer: what a client can depend on, as one JSON value.

Left out are free texts (``Details`` of an error), the bytes of compressed images, and the name of the
implementation in files: no two servers have them in common.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable
from itertools import chain
from typing import Any

import png
import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments
from pydicom.multival import MultiValue
from pydicom.pixels import get_decoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

HEADERS = (
    "allow",
    "access-control-allow-origin",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
    "location",
    "set-cookie",
    "www-authenticate",
)
"""The headers that are compared; the others are of the connection."""

_INTEGERS = ("US", "SS", "UL", "SL", "UV", "SV")
_NATIVE = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
_PIXEL_DATA = 0x7FE00010
_VERSION_OF_META = "00020001"
_IMPLEMENTATION = ("00020012", "00020013")
_OFFSETS = (
    "00041200",
    "00041202",
    "00041400",
    "00041410",
    "00041420",
)  # of a DICOMDIR: they follow from the rest
_SHORT = 64  # bytes that are shown as they are


def normal_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Those of the headers that are compared, by their name in lower case."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name.lower() in HEADERS:
            found[name.lower()] = value
    return found


def normal_body(data: bytes, content_type: str = "") -> Any:
    """A body as a JSON value: ``{"$dicom": ...}`` and the like for what is not JSON.

    A single number or string is JSON only if the content type says so.
    """
    if not data:
        return {"$empty": True}
    for begins, name, form in _FORMS:
        if data[128:132] == begins if name == "$dicom" else data.startswith(begins):
            return {name: form(data)}
    try:
        value = json.loads(data)
        if isinstance(value, dict | list) or "json" in content_type:
            return normal_json(value)
    except ValueError:
        pass
    try:
        text = data.decode()
    except ValueError:
        return {"$binary": _digest(data)}
    if "\0" in text:
        return {"$binary": _digest(data)}
    return {"$text": text} if len(text) <= 6000 else {"$long-text": {**_digest(data), "head": text[:200]}}


def normal_json(value: Any) -> Any:
    """JSON as it is, an error as its code: all else follows from that, from the request, or is free text."""
    if isinstance(value, dict) and "OrthancStatus" in value and "HttpStatus" in value:
        return {"$error": value["OrthancStatus"], "message": value.get("Message")}
    return value


def _digest(data: bytes) -> dict[str, Any]:
    return {"length": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _dicom(data: bytes) -> dict[str, Any]:
    with _lenient():
        dataset = pydicom.dcmread(io.BytesIO(data), force=True)
        syntax = str(dataset.file_meta.get("TransferSyntaxUID", ""))
        meta = _dataset(dataset.file_meta, syntax)
        return {"transfer-syntax": syntax, "meta": meta, "tags": _dataset(dataset, syntax)}


def _lenient() -> Any:
    """Elements with invalid values are shown, not refused."""
    return pydicom.config.disable_value_validation()


def _dataset(dataset: Dataset, syntax: str) -> dict[str, Any]:
    shown = {}
    for tag in sorted(dataset.keys()):
        key = f"{int(tag):08X}"
        if key == _VERSION_OF_META or key in _IMPLEMENTATION or key in _OFFSETS or tag.element == 0:
            continue
        shown[key] = _element(dataset, dataset[tag], syntax)
    return shown


def _element(dataset: Dataset, element: DataElement, syntax: str) -> dict[str, Any]:
    vr, value = element.VR, element.value
    if vr == "SQ":
        return {"vr": "SQ", "Value": [_dataset(item, syntax) for item in value or ()]}
    if element.tag == _PIXEL_DATA and isinstance(value, bytes) and syntax not in _NATIVE:
        return _compressed(dataset, value, syntax)
    if element.tag == _PIXEL_DATA:
        return {"vr": vr, **_digest(value or b"")}
    if value is None or value in ("", b""):
        return {"vr": vr}
    if isinstance(value, bytes):
        if len(value) <= _SHORT:
            return {"vr": vr, "InlineBinary": base64.b64encode(value).decode()}
        return {"vr": vr, **_digest(value)}
    values = [_value(vr, one) for one in (value if isinstance(value, (MultiValue, list)) else [value])]
    if len(values) > 256:
        return {
            "vr": vr,
            "count": len(values),
            "sha256": hashlib.sha256(json.dumps(values).encode()).hexdigest(),
        }
    return {"vr": vr, "Value": values}


def _value(vr: str, value: Any) -> Any:
    if vr in _INTEGERS or type(value) is int:
        return int(value)
    if vr in ("FL", "FD"):
        return float(value)
    if vr == "AT":
        return f"{int(value):08X}"
    return str(value) if vr == "PN" else str(getattr(value, "original_string", value))


def _compressed(dataset: Dataset, value: bytes, syntax: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "encapsulated": True,
        "items": len(list(generate_fragments(value))),
        "frames": int(dataset.get("NumberOfFrames") or 1),
    }
    if (
        syntax == RLELossless
    ):  # the only compression that leaves no choice of pixels and has a decoder everywhere
        decoded = hashlib.sha256()
        for frame, _ in get_decoder(RLELossless).iter_buffer(dataset):
            decoded.update(bytes(frame))
        shown["decoded_sha256"] = decoded.hexdigest()
    return shown


def _zip(data: bytes) -> list[dict[str, Any]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [_member(info, archive.read(info)) for info in archive.infolist()]


def _member(info: zipfile.ZipInfo, content: bytes) -> dict[str, Any]:
    """A member; the size of a file depends on the name of the implementation in it."""
    shown: dict[str, Any] = {"name": info.filename, "method": info.compress_type}
    shown["utf8"] = bool(info.flag_bits & 0x800)
    if info.filename.rpartition("/")[2] == "DICOMDIR":
        return {**shown, "dicomdir": _dicom(content)}
    if content[128:132] == b"DICM":
        dataset = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)
        shown["sop-instance"] = str(dataset.get("SOPInstanceUID", ""))
        shown["transfer-syntax"] = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    else:
        shown["size"] = info.file_size
    return shown


def _png(data: bytes) -> dict[str, Any]:
    width, height, rows, info = png.Reader(bytes=data).read()
    sample_bytes = 2 if info["bitdepth"] == 16 else 1
    pixels = b"".join(sample.to_bytes(sample_bytes, "big") for sample in chain.from_iterable(rows))
    return {
        "width": width,
        "height": height,
        "bits": info["bitdepth"],
        "color": (0 if info["greyscale"] else 2) + (4 if info["alpha"] else 0),
        "sha256": hashlib.sha256(pixels).hexdigest(),
    }


def _jpeg(data: bytes) -> dict[str, Any]:
    """Size and kind; the bytes are the encoder's."""
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        if data[at + 1] in (0xC0, 0xC1, 0xC2, 0xC3, 0xF7):  # a start of frame
            height, width = (int.from_bytes(data[at + n : at + n + 2], "big") for n in (5, 7))
            kind = {"bits": data[at + 4], "components": data[at + 9], "process": f"{data[at + 1]:02X}"}
            return {"width": width, "height": height, **kind}
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return {"broken": True}


def _npy(data: bytes) -> dict[str, Any]:
    """Header and numbers."""
    size = int.from_bytes(data[8:10], "little")
    return {"header": npy_header(data[10 : 10 + size].decode("latin-1")), **_digest(data[10 + size :])}


def npy_header(text: str) -> str:
    """The header of an array of NumPy in one spelling: blanks and the order of single bytes mean nothing."""
    return re.sub(r"\s", "", text).replace("'<u1'", "'|u1'")


def _pam(data: bytes) -> dict[str, Any]:
    header, _, pixels = data.partition(b"ENDHDR\n")
    return {"header": header.decode("latin-1"), **_digest(pixels)}


def _gzip(data: bytes) -> Any:
    return normal_body(zlib.decompress(data, wbits=47))


_FORMS: tuple[tuple[bytes, str, Any], ...] = (
    (b"DICM", "$dicom", _dicom),
    (b"PK\x03\x04", "$zip", _zip),
    (b"PK\x05\x06", "$zip", _zip),
    (b"\x89PNG\r\n\x1a\n", "$png", _png),
    (b"\xff\xd8\xff", "$jpeg", _jpeg),
    (b"\x1f\x8b", "$gzip", _gzip),
    (b"\x93NUMPY", "$npy", _npy),
    (b"P7", "$pam", _pam),
)
"""What a body of a kind begins with (DICOM: at byte 128), the name of its normal form, and what makes it."""
