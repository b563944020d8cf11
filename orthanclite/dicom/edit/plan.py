"""What is to be changed in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orthanclite.dicom.edit.paths import TagPath
from orthanclite.dicom.edit.profiles import Profile


@dataclass(frozen=True, slots=True)
class EditPlan:
    """A change of files. What is kept is not replaced, what is replaced is not removed, and so on downwards.

    ``keep``, as the paths of it say, also holds off the profile from an attribute in the items of sequences.
    """

    keep: frozenset[TagPath] = frozenset()
    replace: Mapping[TagPath, Any] = field(default_factory=dict)
    """New values in the JSON of the REST API. An element that is not there is made; an item is not."""
    remove: frozenset[TagPath] = frozenset()
    remove_private: bool = False  # private elements, in the items of sequences too
    profile: Profile | None = None
    renew: frozenset[int] = frozenset()  # attributes of the data set itself that get new UIDs
    new_uid: Callable[[str], str] = str
    """The new UID for an original one, always the same for the same."""
    references: Mapping[str, str] = field(default_factory=dict)
    """UIDs that are replaced wherever they stand in the items of sequences, by what replaces them."""
    creator: str = ""  # of the private elements among the new ones


def new_uid(key: bytes, original: str) -> str:
    """A UID that follows from an original one and a secret key, of at most 44 characters (PS3.5 B.2).

    Who does not have the key cannot tell which original a new UID belongs to.
    """
    digest = bytearray(hashlib.blake2b(original.encode("utf-8"), key=key, digest_size=16).digest())
    digest[6] = digest[6] & 0x0F | 0x40  # the bits of a random UUID (RFC 9562 section 5.4)
    digest[8] = digest[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(digest, 'big')}"
