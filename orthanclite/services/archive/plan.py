"""What goes into an archive and under which names, from the index alone.

A plan is made in a constant number of statements for each batch of resources, and keeps little more than a
name and a blob for each instance: 100,000 of them take some tens of megabytes.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from orthanclite.core.constants import AttachmentType, Metadata
from orthanclite.core.errors import InexistentItem, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import Attachment, Parts, Resource
from orthanclite.core.ports import Resources
from orthanclite.services.archive.names import Folder, file_name, folder_name

_BATCH = 1000
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)")
_EARLIEST = 1 << 21 | 1 << 16  # 1980-01-01 00:00, the first moment that ZIP can express


_Path = tuple[Resource, Resource, Resource]
"""A patient, one of its studies, one of the series of that study."""


class Layout(Enum):
    """Which names the members have."""

    FULL = auto()  # patient/study/series/file
    SERIES = auto()  # series/file
    MEDIA = auto()  # IMAGES/IMn, with a DICOMDIR


@dataclass(frozen=True, slots=True)
class Member:
    """One DICOM instance in an archive."""

    folder: str  # ends with a slash; shared between the members of a series
    file: str
    instance: str
    series: str
    study: str
    patient: str
    uuid: str
    size: int  # bytes of the DICOM file
    compressed: bool  # the blob is zlib behind its size
    transfer_syntax: str
    modified: int  # the date and time of its reception as MS-DOS packs them

    @property
    def name(self) -> str:
        return self.folder + self.file


@dataclass(frozen=True, slots=True)
class Plan:
    """The members of an archive, in the order of patients, studies, series and instances."""

    members: tuple[Member, ...]
    utf8: bool
    media: bool = False
    extended: bool = False  # the DICOMDIR has optional attributes
    size: int = field(default=0)  # bytes of all members, uncompressed

    def digest(self) -> str:
        """A text that differs when the bytes of the archive do."""
        state = hashlib.sha256(f"{self.utf8}{self.media}{self.extended}".encode("ascii"))
        for member in self.members:
            state.update(f"\n{member.name}\0{member.uuid}\0{member.size}\0{member.modified}".encode())
        return state.hexdigest()


class _Tree:
    """The resources asked for, with their ancestors and all that is below them."""

    def __init__(self, resources: Resources, ids: Iterable[str], level: Level | None) -> None:
        """:raises UnknownResource: see :func:`make_plan`."""
        self._resources = resources
        self.patients: dict[str, Resource] = {}
        self.studies: dict[str, Resource] = {}
        self.series: dict[str, Resource] = {}
        self.instances: dict[str, set[str]] = {}  # of each series
        named = self._find(list(dict.fromkeys(ids)), level)
        self._go_down(named)
        self._go_up()

    def _find(self, ids: list[str], only: Level | None) -> dict[Level, list[Resource]]:
        named: dict[Level, list[Resource]] = {level: [] for level in Level}
        for level in Level if only is None else (only,):
            if ids:
                found = self._resources.get_many(level, ids, Parts.CHILDREN | Parts.PARENT)
                named[level] = found
                known = {resource.id for resource in found}
                ids = [id for id in ids if id not in known]
        if ids and only is not None:
            raise InexistentItem(f"Missing resource while creating an archive: {ids[0]}")
        if ids:
            raise UnknownResource
        return named

    def _go_down(self, named: dict[Level, list[Resource]]) -> None:
        self.patients = {patient.id: patient for patient in named[Level.PATIENT]}
        self.studies = {study.id: study for study in named[Level.STUDY]}
        self._add(Level.STUDY, self.studies, self.patients.values())
        self.series = {series.id: series for series in named[Level.SERIES]}
        self._add(Level.SERIES, self.series, self.studies.values())
        self.instances = {series.id: set(series.children) for series in self.series.values()}
        for instance in named[Level.INSTANCE]:
            self.instances.setdefault(instance.parent_id or "", set()).add(instance.id)

    def _go_up(self) -> None:
        self._load(Level.SERIES, self.series, self.instances)
        self._load(Level.STUDY, self.studies, (series.parent_id or "" for series in self.series.values()))
        self._load(Level.PATIENT, self.patients, (study.parent_id or "" for study in self.studies.values()))

    def _add(self, level: Level, into: dict[str, Resource], parents: Iterable[Resource]) -> None:
        self._load(level, into, (child for parent in parents for child in parent.children))

    def _load(self, level: Level, into: dict[str, Resource], ids: Iterable[str]) -> None:
        missing = list(dict.fromkeys(id for id in ids if id not in into))
        if missing:
            parts = Parts.CHILDREN | Parts.PARENT
            into.update((found.id, found) for found in self._resources.get_many(level, missing, parts))

    def walk(self) -> Iterator[_Path]:
        """Patient, study and series, sorted by their identifiers.

        What was deleted since it was found is left out.
        """
        ordered = []
        for series in self.series.values():
            study = self.studies.get(series.parent_id or "")
            patient = None if study is None else self.patients.get(study.parent_id or "")
            if study is not None and patient is not None:
                ordered.append((patient, study, series))
        ordered.sort(key=lambda path: (path[0].id, path[1].id, path[2].id))
        yield from ordered


def make_plan(
    resources: Resources,
    ids: Iterable[str],
    layout: Layout,
    *,
    level: Level | None = None,
    utf8: bool = False,
    extended: bool = False,
) -> Plan:
    """The plan of an archive of the resources ``ids``, which are of ``level`` or of any level.

    What is named twice, by itself or as part of another resource, is there once.

    :raises InexistentItem: for an ID that is not stored at ``level``.
    :raises UnknownResource: for an ID that is not stored, where no level is given, and for an instance
        without its DICOM file.
    """
    tree = _Tree(resources, ids, level)
    members: list[Member] = []
    paths = list(tree.walk())
    namer = _Namer(layout, utf8, _patients_of_one_study(paths) if level is not Level.PATIENT else set())
    for patient, study, series in paths:
        folder = namer.folder(patient, study, series)
        instances = _read_instances(resources, tree.instances[series.id])
        for number, instance in _numbered(instances):
            file = f"IM{len(members)}" if layout is Layout.MEDIA else file_name(series.tags, number)
            members.append(
                Member(
                    folder,
                    file if layout is Layout.MEDIA else namer.files.unique(file),
                    instance.id,
                    series.id,
                    study.id,
                    patient.id,
                    instance.uuid,
                    instance.size,
                    instance.compressed,
                    instance.transfer_syntax,
                    instance.modified,
                )
            )
    size = sum(member.size for member in members)
    return Plan(tuple(members), utf8, layout is Layout.MEDIA, extended, size)


def _patients_of_one_study(paths: Sequence[_Path]) -> set[str]:
    """The Orthanc IDs of the patients of whom there is one study only."""
    pairs = {(patient.id, study.id) for patient, study, _ in paths}
    studies = Counter(patient for patient, _ in pairs)
    return {patient for patient, number in studies.items() if number == 1}


class _Namer:
    """Forms the folders, without using a name twice.

    :param named_by_study: the patients who are named as their study knows them: studies with one PatientID
        may differ in the name, and the index keeps one for the patient
    """

    def __init__(self, layout: Layout, utf8: bool, named_by_study: set[str]) -> None:
        self._layout = layout
        self._utf8 = utf8
        self._named_by_study = named_by_study
        self._root = Folder()
        self._known: dict[str, tuple[str, Folder]] = {}  # Orthanc ID -> path and what it holds
        self.files = Folder()  # of the series at hand

    def folder(self, patient: Resource, study: Resource, series: Resource) -> str:
        self.files = Folder()
        if self._layout is Layout.MEDIA:
            return "IMAGES/"
        if self._layout is Layout.SERIES:
            return self._root.unique(folder_name(Level.SERIES, series.tags, self._utf8)) + "/"
        by_study = patient.id in self._named_by_study and study.patient_tags
        tags = study.patient_tags if by_study else patient.tags
        path, inside = self._enter("", self._root, patient.id, folder_name(Level.PATIENT, tags, self._utf8))
        path, inside = self._enter(path, inside, study.id, folder_name(Level.STUDY, study.tags, self._utf8))
        return path + inside.unique(folder_name(Level.SERIES, series.tags, self._utf8)) + "/"

    def _enter(self, path: str, parent: Folder, id: str, name: str) -> tuple[str, Folder]:
        if id not in self._known:
            self._known[id] = (f"{path}{parent.unique(name)}/", Folder())
        return self._known[id]


@dataclass(frozen=True, slots=True)
class _Instance:
    id: str
    index: int | None  # IndexInSeries, where it is a number
    uuid: str
    size: int
    compressed: bool
    transfer_syntax: str
    modified: int


def _read_instances(resources: Resources, ids: set[str]) -> list[_Instance]:
    """What an archive needs of the instances of a series, read in batches, in the order of their index."""
    ordered = sorted(ids)
    found: list[_Instance] = []
    syntaxes: dict[str, str] = {}
    for start in range(0, len(ordered), _BATCH):
        batch = ordered[start : start + _BATCH]
        for resource in resources.get_many(Level.INSTANCE, batch, Parts.ATTACHMENTS):
            file = _dicom_file(resource)
            index = resource.system_metadata.get(Metadata.INDEX_IN_SERIES, "").strip()
            syntax = resource.system_metadata.get(Metadata.TRANSFER_SYNTAX, "")
            found.append(
                _Instance(
                    resource.id,
                    int(index) if _INTEGER.fullmatch(index) else None,
                    file.uuid,
                    file.size,
                    file.compressed,
                    syntaxes.setdefault(syntax, syntax),
                    _dos_time(resource.system_metadata.get(Metadata.RECEPTION_DATE, "")),
                )
            )
    found.sort(key=lambda instance: (instance.index or 0, instance.id))
    return found


def _dicom_file(resource: Resource) -> Attachment:
    file = resource.attachments.get(AttachmentType.DICOM)
    if file is None:
        raise UnknownResource(f"The DICOM file of an instance is not stored: {resource.id}")
    return file


def _numbered(instances: Sequence[_Instance]) -> Iterator[tuple[int, _Instance]]:
    """The instances with the number of their file: their index, or a count where it is not unique."""
    indices = [instance.index or 0 for instance in instances]
    unique = len(set(indices)) == len(indices)
    for position, instance in enumerate(instances):
        yield (indices[position] if unique else position), instance


def _dos_time(moment: str) -> int:
    """``YYYYMMDDTHHMMSS`` as a date and a time of MS-DOS, the date in the upper half."""
    match = _DATE.match(moment)
    if match is None:
        return _EARLIEST
    year, month, day, hour, minute, second = map(int, match.groups())
    if not 1980 <= year <= 2107:
        return _EARLIEST
    return (year - 1980) << 25 | month << 21 | day << 16 | hour << 11 | minute << 5 | second // 2
