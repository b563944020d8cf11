"""The changes of a file whose pixel data is another."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.core.machine.buffers import Buffer
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.edit.rewrite import Change, Changes, Content, Replacement, Value
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN
from orthanclite.dicom.pixels.masking.masks import MaskedPixels
from orthanclite.dicom.reading.dataset import DicomFile
from orthanclite.dicom.reading.parser import parse_dataset

_STALE = (
    0x00280106,  # SmallestImagePixelValue
    0x00280107,  # LargestImagePixelValue
    0x7FE00001,  # ExtendedOffsetTable
    0x7FE00002,  # ExtendedOffsetTableLengths
)
"""What need not be true any more; all of it optional."""


@dataclass(frozen=True, slots=True)
class NewPixels:
    """Other pixel data for a file."""

    changes: Changes
    """Of the data set itself: of the pixel data, and of what describes it."""
    transfer_syntax: str
    """Of the same encoding as that of the file."""


def masked_pixels(
    file: DicomFile, masked: MaskedPixels, value: Buffer, dictionary: TagDictionary
) -> NewPixels:
    """``value`` as the pixel data of ``file``; the result refers to it.

    :param masked: what else has changed with it
    """
    elements = file.dataset.elements
    changes: dict[int, Change] = {tag: None for tag in _STALE if tag in elements}
    described = parse_dataset(masked.attributes, EXPLICIT_LITTLE_ENDIAN, dictionary)
    changes.update((element.tag, Replacement(described, element)) for element in described)
    changes.update((tag, Value(elements[tag].vr, content)) for tag, content in masked.overlays)
    changes[masked.tag] = Content(masked.vr, value, masked.is_encapsulated)
    return NewPixels(changes, masked.transfer_syntax)
