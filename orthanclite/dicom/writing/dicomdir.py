"""The directory of a DICOM medium (PS3.3 annex F, PS3.10 section 8), written record by record.

A record points to the next one at its level and to the first one below it, by their positions in the file.
Records are added in the order of the hierarchy, so each goes at the end and the pointers to it are set in the
bytes that are there already: time and memory grow with the number of records, never with its square.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct, pack_into

from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import Buffer
from orthanclite.dicom.charsets import charset_of
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN
from orthanclite.dicom.reading.dataset import SPECIFIC_CHARACTER_SET, DataSet
from orthanclite.dicom.reading.parser import parse
from orthanclite.dicom.values import decode_text
from orthanclite.dicom.writing.elements import element, file_head, item

_MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
_FILE_SET_ID = b"ORTHANC_MEDIA"
_SOP_CLASS_UID = 0x00080016
_SOP_INSTANCE_UID = 0x00080018

_TYPES = {Level.PATIENT: b"PATIENT", Level.STUDY: b"STUDY", Level.SERIES: b"SERIES", Level.INSTANCE: b"IMAGE"}


@dataclass(frozen=True, slots=True)
class _Key:
    """An attribute of a record."""

    tag: int
    vr: str
    always: bool = True  # written empty where the file lacks it, as the reference does for types 1 and 2
    extended: bool = False  # only in an extended DICOMDIR


# PS3.3 F.5.1 to F.5.4. The reference describes every kind of object by an IMAGE record.
_KEYS: Mapping[Level, tuple[_Key, ...]] = {
    Level.PATIENT: (
        _Key(0x00100010, "PN"),
        _Key(0x00100020, "LO"),
        _Key(0x00100030, "DA", always=False, extended=True),
        _Key(0x00100040, "CS", always=False, extended=True),
    ),
    Level.STUDY: (
        _Key(0x00080020, "DA"),
        _Key(0x00080030, "TM"),
        _Key(0x00080050, "SH"),
        _Key(0x00081030, "LO"),
        _Key(0x0020000D, "UI"),
        _Key(0x00200010, "SH"),
    ),
    Level.SERIES: (
        _Key(0x00080060, "CS"),
        _Key(0x0008103E, "LO", always=False, extended=True),
        _Key(0x0020000E, "UI"),
        _Key(0x00200011, "IS"),
    ),
    Level.INSTANCE: (_Key(0x00200013, "IS"),),
}


@dataclass(frozen=True, slots=True)
class DirectoryKeys:
    """The encoded attributes that one file gives to the four records it belongs to."""

    records: tuple[bytes, bytes, bytes, bytes]  # patient, study, series, image
    sop_class: str
    sop_instance: str
    transfer_syntax: str


def read_keys(
    data: Buffer, dictionary: TagDictionary, *, extended: bool = False, default_encoding: str = "Latin1"
) -> DirectoryKeys:
    """What the DICOMDIR says of the file ``data``; text is reduced to ASCII.

    :raises BadFileFormat: if it is no DICOM file.
    """
    file = parse(data, dictionary)
    dataset = file.dataset
    terms = _text(dataset, SPECIFIC_CHARACTER_SET, "CS", "", default_encoding)
    prefix = element(SPECIFIC_CHARACTER_SET, "CS", terms.encode("ascii")) if terms else b""

    def record(level: Level) -> bytes:
        parts = [prefix]
        for key in _KEYS[level]:
            if key.extended and not extended:
                continue
            value = _text(dataset, key.tag, key.vr, terms, default_encoding)
            if value or key.always:
                parts.append(element(key.tag, key.vr, value.encode("ascii")))
        return b"".join(parts)

    return DirectoryKeys(
        (record(Level.PATIENT), record(Level.STUDY), record(Level.SERIES), record(Level.INSTANCE)),
        _text(dataset, _SOP_CLASS_UID, "UI", terms, default_encoding),
        _text(dataset, _SOP_INSTANCE_UID, "UI", terms, default_encoding),
        file.transfer_syntax,
    )


def _text(dataset: DataSet, tag: int, vr: str, terms: str, default_encoding: str) -> str:
    """A value without padding; what is not printable ASCII is dropped, as in the reference."""
    raw = dataset.raw(tag)
    if not raw:
        return ""
    text = decode_text(raw, vr, charset_of(terms, default_encoding))
    return "".join(character for character in text if " " <= character <= "~").strip(" ")


class DicomDirWriter:
    """Collects the records of a file-set; :meth:`finish` gives the file.

    :param uid: the UID of the file-set
    """

    def __init__(self, uid: str) -> None:
        self._head = file_head(_MEDIA_STORAGE_DIRECTORY, uid, EXPLICIT_LITTLE_ENDIAN) + element(
            0x00041130, "CS", _FILE_SET_ID
        )
        self._first = len(self._head) + _ROOT_SIZE
        self._records = bytearray()
        self._open: list[_Open] = []  # the record at each level that the next one may belong to
        self._root_first = 0
        self._root_last = 0

    def add(self, parents: tuple[str, str, str], path: str, keys: DirectoryKeys) -> None:
        r"""Add a file of the file-set.

        :param parents: what tells its patient, study and series from others; files of one parent follow
            each other
        :param path: its name in the file-set, ``\`` between folders
        """
        shared = 0
        while shared < min(3, len(self._open)) and self._open[shared].name == parents[shared]:
            shared += 1
        self._open[shared + 1 :] = []  # the record at ``shared`` becomes the previous one at its level
        for depth in range(shared, 3):
            self._append(depth, Level(depth + 1), parents[depth], keys.records[depth])
        reference = (
            element(0x00041500, "CS", path.encode("ascii")),
            element(0x00041510, "UI", keys.sop_class.encode("ascii")),
            element(0x00041511, "UI", keys.sop_instance.encode("ascii")),
            element(0x00041512, "UI", keys.transfer_syntax.encode("ascii", "ignore")),
        )
        self._append(3, Level.INSTANCE, path, b"".join(reference) + keys.records[3])

    def finish(self) -> bytes:
        """The DICOMDIR with all that was added."""
        root = b"".join(
            (
                element(0x00041200, "UL", self._root_first.to_bytes(4, "little")),
                element(0x00041202, "UL", self._root_last.to_bytes(4, "little")),
                element(0x00041212, "US", b"\0\0"),
                _SEQUENCE.pack(0x0004, 0x1220, b"SQ", 0, len(self._records)),
            )
        )
        return b"".join((self._head, root, self._records))

    def _append(self, depth: int, level: Level, name: str, attributes: bytes) -> None:
        start = len(self._records)
        position = self._first + start
        self._records += item(
            b"".join(
                (
                    element(0x00041400, "UL", b"\0\0\0\0"),
                    element(0x00041410, "US", b"\xff\xff"),
                    element(0x00041420, "UL", b"\0\0\0\0"),
                    element(0x00041430, "CS", _TYPES[level]),
                    attributes,
                )
            )
        )
        if depth < len(self._open):
            pack_into("<I", self._records, self._open[depth].start + _NEXT, position)
        elif depth:
            pack_into("<I", self._records, self._open[depth - 1].start + _LOWER, position)
        else:
            self._root_first = position
        if depth == 0:
            self._root_last = position
        self._open[depth:] = [_Open(name, start)]


@dataclass(frozen=True, slots=True)
class _Open:
    """A record that may get a next one or a lower one."""

    name: str
    start: int  # in the records


_SEQUENCE = Struct("<HH2sHI")
_ROOT_SIZE = 12 + 12 + 10 + 12  # bytes from the file-set's identification to the first record
_NEXT = 8 + 8  # from the start of an item to the value of its OffsetOfTheNextDirectoryRecord
_LOWER = 8 + 12 + 10 + 8
