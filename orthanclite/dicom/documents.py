"""Documents inside of instances (PS3.3 section C.24.2, the Encapsulated Document module)."""

from __future__ import annotations

from orthanclite.dicom.reading.dataset import DataSet

ENCAPSULATED_DOCUMENT = 0x00420011
ENCAPSULATED_DOCUMENT_LENGTH = 0x00420015


def document_of(dataset: DataSet) -> bytes | None:
    """The document as it was before it was padded to an even length; None where there is none.

    Where its length is not told, or cannot be true, a NUL at its end is taken for padding: documents end with
    text.
    """
    element = dataset.elements.get(ENCAPSULATED_DOCUMENT)
    if element is None:
        return None
    value = dataset.value(element)
    told = dataset.raw(ENCAPSULATED_DOCUMENT_LENGTH)
    if told is not None and len(told) == 4:
        length = int.from_bytes(told, "big" if dataset.big_endian else "little")
        if length <= len(value) and not value[length:].strip(b"\0"):
            return value[:length]
    return value.removesuffix(b"\0")
