"""Texts that several servers change without losing what another has acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orthanclite.core.ports import Properties


@dataclass(frozen=True, slots=True)
class Version:
    """A text, and how often it was changed."""

    number: int  # 0 for one that is not kept yet
    text: str


class VersionedTexts:
    """Named texts, each of which is replaced only by who knows its last version. Thread-safe.

    Each version is a property of its own, and adding one is what decides between two who replace the same.

    :param prefix: of the names of properties, with a slash at its end
    """

    def __init__(self, properties: Properties, prefix: str) -> None:
        self._properties = properties
        self._prefix = prefix

    def all(self) -> Iterator[tuple[str, Version]]:
        """Each name with its last version."""
        last: dict[str, Version] = {}
        for path, text in self._properties.list_properties(self._prefix).items():
            name, _, number = path.removeprefix(self._prefix).rpartition("/")
            version = Version(int(number), text)
            if name not in last or last[name].number < version.number:
                last[name] = version
        yield from sorted(last.items())

    def get(self, name: str) -> Version | None:
        """The last version; None where there is none."""
        numbers = self._versions(name)
        return Version(max(numbers), numbers[max(numbers)]) if numbers else None

    def replace(self, name: str, known: int, text: str) -> bool:
        """Make ``text`` the version after ``known``; False where somebody else was faster.

        :param known: the number of the last version; 0 for a text that is new
        """
        path = self._path(name, known + 1)
        if self._properties.add_property(path, text) != text:
            return False
        present = self._versions(name)
        if max(present, default=0) > known + 1:
            # That of another had been there, and was gone again: it is the later one that holds.
            self._properties.set_property(path, None)
            return False
        for number in present:
            if number <= known:
                self._properties.set_property(self._path(name, number), None)
        return True

    def delete(self, name: str) -> None:
        for number in self._versions(name):
            self._properties.set_property(self._path(name, number), None)

    def _versions(self, name: str) -> dict[int, str]:
        prefix = f"{self._prefix}{name}/"
        found = self._properties.list_properties(prefix)
        return {int(path.removeprefix(prefix)): text for path, text in found.items()}

    def _path(self, name: str, number: int) -> str:
        return f"{self._prefix}{name}/{number}"
