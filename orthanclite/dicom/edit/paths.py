"""Paths to elements, in sequences too: ``RequestAttributesSequence[0].PatientID``, ``0008,1140[*].0008,1155``

An index names an item, ``*`` all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.core.errors import ParameterOutOfRange
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import MAX_DEPTH

Step = tuple[int, int | None]
"""A sequence, and which of its items: None for all."""


@dataclass(frozen=True, slots=True)
class TagPath:
    """Where an element is."""

    tag: int
    steps: tuple[Step, ...] = ()  # from the outermost sequence on; empty for the data set itself


def parse_path(text: str, dictionary: TagDictionary) -> TagPath:
    """The path that ``text`` means.

    :raises UnknownDicomTag: for a name that is no tag, and for a path that ends in an item.
    :raises ParameterOutOfRange: for an index that is missing, negative or no number, and for a path that
        leads deeper than sequences are nested in files that can be read.
    """
    *parents, last = text.split(".")
    if len(parents) > MAX_DEPTH:
        raise ParameterOutOfRange(f"A path leads through at most {MAX_DEPTH} sequences")
    return TagPath(dictionary.parse_tag(last), tuple(_step(part, dictionary) for part in parents))


def _step(text: str, dictionary: TagDictionary) -> Step:
    name, bracket, rest = text.partition("[")
    if not bracket or not rest.endswith("]"):
        raise ParameterOutOfRange("Parent path doesn't contain an index")
    index = rest[:-1]
    if index == "*":
        return dictionary.parse_tag(name), None
    if index.startswith("-") and index[1:].isdecimal():
        raise ParameterOutOfRange(f"Negative index in parent path: {index}")
    if not (index.isascii() and index.isdecimal()) or len(index) > 9:
        raise ParameterOutOfRange(f"Not a valid index in parent path: [{index}]")
    return dictionary.parse_tag(name), int(index)
