"""What is to be changed in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orthanclite.dicom.edit.cleaning import Cleaning
from orthanclite.dicom.edit.paths import TagPath
from orthanclite.dicom.edit.profiles import Profile
from orthanclite.dicom.edit.rules import Entry, Rules


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
    cleaning: Cleaning = field(default_factory=Cleaning)
    remove_overlays: bool = False  # groups 60xx
    remove_icons: bool = False  # IconImageSequence, wherever it stands
    rules: Rules = field(init=False, repr=False, compare=False)
    """What of this names single elements: made once for all files."""

    def __post_init__(self) -> None:
        lines: list[Entry] = [(path, "keep", None) for path in self.keep]
        lines += [(path, "replace", value) for path, value in self.replace.items()]
        lines += [(path, "remove", None) for path in self.remove]
        object.__setattr__(self, "rules", Rules.of(lines))
