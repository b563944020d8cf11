"""Names of numbered things that users may extend: metadata and attachments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from orthanclite.core.constants import ATTACHMENT_NAMES, METADATA_NAMES, USER_RANGE
from orthanclite.core.errors import InexistentItem

_NUMBER = re.compile("-?[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class NameRegistry:
    """Numbers and their names, one name for each."""

    names: Mapping[int, str]
    numbers: Mapping[str, int]

    @staticmethod
    def of_metadata(user: Mapping[str, int] | None = None) -> NameRegistry:
        """System metadata and those of the option ``UserMetadata``."""
        return _registry(METADATA_NAMES, user or {})

    @staticmethod
    def of_attachments(user: Mapping[str, int] | None = None) -> NameRegistry:
        """System attachments and those of the option ``UserContentType``."""
        return _registry(ATTACHMENT_NAMES, user or {})

    def name(self, number: int) -> str:
        """The name of ``number``; the number itself where it has none."""
        return self.names.get(number) or str(number)

    def number(self, text: str) -> int:
        """The number that ``text``, a name or a decimal number, stands for.

        :raises InexistentItem: for an unknown name.
        """
        number = self.numbers.get(text)
        if number is not None:
            return number
        if _NUMBER.fullmatch(text):
            return int(text)
        raise InexistentItem


def is_user_number(number: int) -> bool:
    """Whether users may write the metadata or attachment of that number."""
    return number in USER_RANGE


def _registry(system: Mapping[int, str], user: Mapping[str, int]) -> NameRegistry:
    names = {**system, **{number: name for name, number in user.items()}}
    return NameRegistry(names, {name: number for number, name in names.items()})
