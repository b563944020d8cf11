"""The four levels of the DICOM model of the real world (PS3.3 section 7)."""

from __future__ import annotations

from enum import IntEnum

from orthanclite.core.errors import ParameterOutOfRange


class Level(IntEnum):
    """A level of the hierarchy; the numbers are those Orthanc stores."""

    PATIENT = 1
    STUDY = 2
    SERIES = 3
    INSTANCE = 4

    @property
    def label(self) -> str:
        """``Patient``, ``Study``, ``Series`` or ``Instance``: the ``Type`` of the REST API."""
        return _LABELS[self]

    @property
    def plural(self) -> str:
        """``patients``, ``studies``, ``series`` or ``instances``: the first segment of its URIs."""
        return _PLURALS[self]

    @property
    def children_label(self) -> str:
        """``Studies``, ``Series`` or ``Instances``: the key that lists the children in the JSON."""
        return _PLURALS[Level(self + 1)].capitalize()

    @property
    def parent(self) -> Level | None:
        return Level(self - 1) if self > Level.PATIENT else None

    @property
    def child(self) -> Level | None:
        return Level(self + 1) if self < Level.INSTANCE else None

    @staticmethod
    def parse(text: str) -> Level:
        """The level that ``text`` names: singular or plural, any case, ``IMAGE`` for instance.

        :raises ParameterOutOfRange: for any other text.
        """
        level = _NAMES.get(text.strip().upper())
        if level is None:
            raise ParameterOutOfRange(f'Unknown resource level: "{text}"')
        return level


_LABELS = {Level.PATIENT: "Patient", Level.STUDY: "Study", Level.SERIES: "Series", Level.INSTANCE: "Instance"}
_PLURALS = {
    Level.PATIENT: "patients",
    Level.STUDY: "studies",
    Level.SERIES: "series",
    Level.INSTANCE: "instances",
}
_NAMES = (
    {name.upper(): level for level, name in _LABELS.items()}
    | {name.upper(): level for level, name in _PLURALS.items()}
    | {"IMAGE": Level.INSTANCE, "IMAGES": Level.INSTANCE}
)
