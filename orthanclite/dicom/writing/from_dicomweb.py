"""DICOM files of data sets in the DICOM JSON Model, with bulk data beside them (PS3.18 section 10.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from orthanclite.core.errors import BadFileFormat, OrthancError
from orthanclite.core.main_tags import PIXEL_DATA
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN, UNCOMPRESSED_SYNTAXES
from orthanclite.dicom.writing.elements import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION

Bulk = Callable[[str], tuple[Sequence[bytes], str]]
"""Gives, for a URI, the parts of a value and their transfer syntax, empty where they have none."""

_FIRST_GROUP = 0x0008
_LARGEST_TABLE = (1 << 32) - (1 << 20)
"""Bytes of frames of which a basic offset table can tell the places."""

_MODEL_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    NotImplementedError,
    RecursionError,
)
"""What pydicom raises for what is no data set."""


def file_of(model: Mapping[str, Any], bulk: Bulk) -> bytes:
    """A DICOM file of a data set. Text is written in UTF-8, all else in explicit VR little endian.

    :raises BadFileFormat: where the model is malformed, or bulk data is missing.
    """
    syntaxes: list[str] = []

    def value(tag: str, vr: str, uri: str) -> bytes:
        parts, syntax = bulk(uri)
        if int(tag, 16) != PIXEL_DATA:
            return b"".join(parts)
        syntax = syntax or EXPLICIT_LITTLE_ENDIAN
        syntaxes.append(syntax)
        if syntax in UNCOMPRESSED_SYNTAXES:
            return b"".join(parts)
        frames = list(parts)
        if sum(map(len, frames)) >= _LARGEST_TABLE:
            return bytes(encapsulate(frames, has_bot=False))
        return bytes(encapsulate(frames))

    try:
        kept = {tag: attribute for tag, attribute in model.items() if int(tag[:4], 16) >= _FIRST_GROUP}
        dataset = Dataset.from_json(kept, bulk_data_uri_handler=value)
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = UID(syntaxes[-1] if syntaxes else EXPLICIT_LITTLE_ENDIAN)
        dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "")
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "")
        dataset.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
        dataset.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION
        if dataset.file_meta.TransferSyntaxUID not in UNCOMPRESSED_SYNTAXES:
            dataset["PixelData"].VR = "OB"
            dataset["PixelData"].is_undefined_length = True
        output = BytesIO()
        dataset.save_as(output, enforce_file_format=True)
    except OrthancError:
        raise
    except _MODEL_ERRORS as exc:
        raise BadFileFormat(f"Not a data set in the DICOM JSON Model: {exc}") from exc
    return output.getvalue()
