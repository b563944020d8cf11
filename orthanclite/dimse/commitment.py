"""What both sides of storage commitment share (PS3.4 annex J)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from orthanclite.core.errors import BadFileFormat
from orthanclite.dicom.attributes import Attribute, Attributes
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from orthanclite.services.remotes.client import SopReference

COMMITMENT_CLASS: Final = "1.2.840.10008.1.20.1"  # Storage Commitment Push Model
COMMITMENT_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
COMMITMENT_SYNTAXES: Final = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)
REQUEST_COMMITMENT: Final = 1  # action type
ALL_COMMITTED, FAILURES_EXIST = 1, 2  # event types

REFERENCED_SOP_CLASS_UID: Final = 0x00081150
REFERENCED_SOP_INSTANCE_UID: Final = 0x00081155
TRANSACTION_UID: Final = 0x00081195
FAILURE_REASON: Final = 0x00081197
FAILED_SOP_SEQUENCE: Final = 0x00081198
REFERENCED_SOP_SEQUENCE: Final = 0x00081199


def references(instances: Iterable[SopReference]) -> Attribute:
    """A sequence of references to instances."""
    return Attribute("SQ", items=tuple(map(reference, instances)))


def reference(instance: SopReference) -> dict[int, Attribute]:
    """An item that refers to an instance."""
    return {
        REFERENCED_SOP_CLASS_UID: Attribute("UI", instance.class_uid),
        REFERENCED_SOP_INSTANCE_UID: Attribute("UI", instance.instance_uid),
    }


def read_reference(item: Attributes) -> SopReference:
    """The instance that an item refers to.

    :raises BadFileFormat: where a UID is missing
    """
    found = SopReference(text(item, REFERENCED_SOP_CLASS_UID), text(item, REFERENCED_SOP_INSTANCE_UID))
    if not (found.class_uid and found.instance_uid):
        raise BadFileFormat("A reference without a SOP class or instance UID")
    return found


def text(attributes: Attributes, tag: int) -> str:
    """A text without its padding; empty where there is none."""
    attribute = attributes.get(tag)
    return "" if attribute is None else attribute.text.strip("\0 ")
