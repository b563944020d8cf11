"""What the index wants to know of a file, in one scan of its header.

This is the hot path of every upload. The scan goes over the element heads with :func:`struct.unpack_from`,
cuts out the wanted values and skips the rest, yet it walks through every sequence to the end of the file, so
that a file that is cut off or broken anywhere is refused before it is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orthanclite.core.errors import BadFileFormat, EmptyIdentifier, InexistentTag, OrthancError
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.main_tags import (
    IDENTIFIER_OF,
    IMAGE_INDEX,
    INSTANCE_NUMBER,
    SOP_CLASS_UID,
    MainTags,
    tag_key,
)
from orthanclite.core.model import DicomSummary, TagValues
from orthanclite.dicom.charsets import Charset, charset_of
from orthanclite.dicom.dictionary import SIGNED_LIKE_PIXELS, TagDictionary
from orthanclite.dicom.encoding import (
    DEFLATED_LITTLE_ENDIAN,
    TEXT_VRS,
    UNCOMPRESSED_SYNTAXES,
    Encoding,
    encoding_of,
)
from orthanclite.dicom.reading.dataset import SPECIFIC_CHARACTER_SET, Element
from orthanclite.dicom.reading.header import InvalidBytes, invalid_file, read_header
from orthanclite.dicom.reading.inflation import inflate
from orthanclite.dicom.reading.parser import TooManyElements, parse_items
from orthanclite.dicom.reading.scanner import MAX_ELEMENTS, Found, padding_start, scan
from orthanclite.dicom.renderings.tags_json import Renderer, Style
from orthanclite.dicom.values import SURELY_SHORT, decode_text, is_surely_too_long, is_too_long, text_value

_BITS_ALLOCATED = 0x00280100
_PIXEL_REPRESENTATION = 0x00280103

_FREE_ELEMENTS = 10_000
_ELEMENTS_PER_BYTE = 4
"""Elements for each byte of a compressed file. The functional groups of thousands of equal frames have fewer;
zeros, which are sent for nothing, shall not be worked on for long."""

_UID_LEVELS = (Level.STUDY, Level.SERIES, Level.INSTANCE)
_LEVELS = tuple(Level)  # iterating the enumeration itself is slow
_TEXT_VRS = frozenset(vr.encode("ascii") for vr in TEXT_VRS)

_IDENTIFIER_KEYS = {level: tag_key(tag) for level, tag in IDENTIFIER_OF.items()}

_UNUSUAL = frozenset(b"\0\x1b\t\n\r\v\f")
"""Bytes of a text that need a closer look."""

_EXPECTED_INSTANCES: tuple[tuple[int, ...], ...] = (
    (0x00201002, 0x00200105),  # ImagesInAcquisition, NumberOfTemporalPositions
    (0x00540081, 0x00540101),  # NumberOfSlices, NumberOfTimeSlices
    (0x00181090,),  # CardiacNumberOfImages
)
"""The counts whose product is the expected number of instances of a series; the first that are all there."""

_ALWAYS_WANTED = frozenset(
    {
        SPECIFIC_CHARACTER_SET,
        *IDENTIFIER_OF.values(),
        SOP_CLASS_UID,
        INSTANCE_NUMBER,
        IMAGE_INDEX,
        _BITS_ALLOCATED,
        _PIXEL_REPRESENTATION,
    }.union(*_EXPECTED_INSTANCES)
)


class Summarizer:
    """Makes summaries with one list of main tags. Immutable, hence shared by all threads; build it once."""

    __slots__ = ("_dictionary", "_levels", "_renderer", "_vrs", "_wanted")

    def __init__(self, main_tags: MainTags, dictionary: TagDictionary) -> None:
        self._dictionary = dictionary
        self._renderer = Renderer(dictionary, Style.FULL)
        levels: dict[int, list[Level]] = {}
        for level, tags in main_tags.by_level.items():
            for tag in tags:
                levels.setdefault(tag, []).append(level)
        self._levels = {tag: (tag_key(tag), tuple(at)) for tag, at in levels.items()}
        self._wanted = _ALWAYS_WANTED.union(levels)
        self._vrs = {tag: dictionary.vr(tag, dictionary.creator_of(tag)) for tag in self._wanted}

    def summarize(
        self, data: Buffer, default_encoding: str = "Latin1", sent_size: int | None = None
    ) -> DicomSummary:
        """The summary of a DICOM file, bytes or a memory map of it.

        :param default_encoding: the option ``DefaultEncoding``
        :param sent_size: bytes that were sent for the file, where it was compressed on its way
        :raises BadFileFormat: if it is no DICOM file, or broken or cut off anywhere.
        :raises InexistentTag: if it lacks one of the Study, Series and SOP Instance UIDs.
        :raises EmptyIdentifier: if one of them is empty.
        """
        header = read_header(data)
        syntax = header.transfer_syntax
        encoding = encoding_of(syntax)
        deflated = syntax == DEFLATED_LITTLE_ENDIAN
        if deflated:
            sent_size = len(data) if sent_size is None else min(len(data), sent_size)
        limit = _element_limit(sent_size)
        body, start = (inflate(data, header.start), 0) if deflated else (data, header.start)
        try:
            found = scan(body, start, encoding, self._wanted, self._dictionary.sequences, limit)
        except InvalidBytes as exc:
            raise invalid_file(len(data)) from exc
        except TooManyElements as exc:
            raise BadFileFormat(f"The file has more than {limit} elements") from exc
        reader = _Reader(body, encoding, found, self._vrs, default_encoding)
        tags, sequences = self._main_tags(reader)
        study_uid, series_uid, sop_uid = (_identifier(reader, tags, level) for level in _UID_LEVELS)
        if not (study_uid and series_uid and sop_uid):
            raise _unidentified(reader)
        located = found.pixel_data >= 0 and header.has_preamble and not deflated
        return DicomSummary(
            patient_id=_identifier(reader, tags, Level.PATIENT),
            study_uid=study_uid,
            series_uid=series_uid,
            sop_uid=sop_uid,
            sop_class_uid=reader.text(SOP_CLASS_UID) if SOP_CLASS_UID in reader.positions else None,
            transfer_syntax=syntax,
            tags=tags,
            sequences=sequences,
            has_pixel_data=found.pixel_data >= 0,
            pixel_data_offset=found.pixel_data if located else None,
            pixel_data_vr=_unusual_pixel_vr(reader, found, syntax) if located else None,
            index_in_series=_index_in_series(reader),
            expected_instances=_expected_instances(reader),
            has_meta=header.has_meta,
        )

    def padding_start(self, data: Buffer) -> int | None:
        """Where a file has nothing but padding left behind its last element; None where it is not so.

        :raises BadFileFormat: if it begins with no DICOM
        """
        return padding_start(data, self._dictionary.sequences)

    def refuse_endless(self, head: Buffer, sent_size: int) -> None:
        """Look at the first bytes of a file that was compressed, before the rest of it is inflated.

        :param sent_size: bytes that were sent for them
        :raises BadFileFormat: if they are no DICOM, or have more elements than so few bytes may hold
        """
        header = read_header(head)
        limit = _element_limit(sent_size)
        if header.transfer_syntax == DEFLATED_LITTLE_ENDIAN:
            return
        try:
            scan(
                head, header.start, encoding_of(header.transfer_syntax), (), self._dictionary.sequences, limit
            )
        except InvalidBytes:
            pass  # it is not all there
        except TooManyElements as exc:
            raise BadFileFormat(f"The file has more than {limit} elements") from exc

    def _main_tags(
        self, reader: _Reader
    ) -> tuple[dict[Level, dict[str, str]], dict[Level, dict[str, list[dict[str, Any]]]]]:
        tags: dict[Level, dict[str, str]] = {level: {} for level in _LEVELS}
        sequences: dict[Level, dict[str, list[dict[str, Any]]]] = {level: {} for level in _LEVELS}
        levels, data, charset = self._levels, reader.data, reader.charset
        for tag, (file_vr, start, end) in reader.positions.items():
            wanted = levels.get(tag)
            if wanted is None:
                continue
            key, at = wanted
            if file_vr in _TEXT_VRS and end - start <= SURELY_SHORT:
                raw = data[start:end]
                is_uid = file_vr == b"UI"
                shown = raw.rstrip(b"\0" if is_uid else b" ")
                is_plain = shown.isascii() and _UNUSUAL.isdisjoint(shown) and not (end - start) & 1
                if is_plain and not (is_uid and b" " in shown):
                    text: str | None = shown.decode("ascii")
                else:
                    text = decode_text(raw, file_vr.decode("ascii"), charset)
            elif reader.vr(tag) == "SQ":
                items = self._items(reader, tag)
                for level in at:
                    sequences[level][key] = items
                continue
            else:
                text = reader.main_value(tag)
            if text is not None:
                for level in at:
                    tags[level][key] = text
        return tags, sequences

    def _items(self, reader: _Reader, tag: int) -> list[dict[str, Any]]:
        _, start, end = reader.positions[tag]
        element = Element(tag, "SQ", start, start, end)
        items = parse_items(reader.data, element, reader.encoding, self._dictionary)
        return self._renderer.items(items, reader.charset)


_MOST_INSTANCES = 2**31 - 1
"""Instances that a series can be expected to have: what the index can keep."""


class _Reader:
    """The values of the elements that a scan has found."""

    __slots__ = ("_vrs", "charset", "data", "encoding", "positions")

    def __init__(
        self, data: Buffer, encoding: Encoding, found: Found, vrs: dict[int, str], default_encoding: str
    ) -> None:
        self.data = data
        self.encoding = encoding
        self.positions = found.positions
        self._vrs = vrs
        position = found.positions.get(SPECIFIC_CHARACTER_SET)
        term = "" if position is None else data[position[1] : position[2]].decode("latin_1")
        self.charset: Charset = charset_of(term, default_encoding)

    def vr(self, tag: int) -> str:
        vr = self.positions[tag][0]
        if not vr and tag in SIGNED_LIKE_PIXELS and self.number(_PIXEL_REPRESENTATION):
            return "SS"
        # What a writer did not know and passed on as UN is read as the dictionary says.
        return vr.decode("latin_1") if vr and vr != b"UN" else self._vrs[tag]

    def main_value(self, tag: int) -> str | None:
        """The value as kept in the index; None for one that is binary or too long."""
        _, start, end = self.positions[tag]
        vr = self.vr(tag)
        if is_surely_too_long(end - start, vr):
            return None
        text = text_value(self.data[start:end], vr, self.encoding.big_endian, self.charset)
        return None if text is None or is_too_long(text) else text

    def text(self, tag: int) -> str:
        """The value as text, however long; empty where it is absent."""
        position = self.positions.get(tag)
        if position is None:
            return ""
        raw = self.data[position[1] : position[2]]
        return text_value(raw, self.vr(tag), self.encoding.big_endian, self.charset) or ""

    def number(self, tag: int) -> int | None:
        try:
            return int(self.text(tag))
        except ValueError:
            return None


def _element_limit(sent_size: int | None) -> int:
    """Elements that a file may have.

    :param sent_size: bytes that were sent for it, where they were compressed; None where they were not
    """
    if sent_size is None:
        return MAX_ELEMENTS
    return min(MAX_ELEMENTS, _FREE_ELEMENTS + _ELEMENTS_PER_BYTE * sent_size)


def _identifier(reader: _Reader, tags: Mapping[Level, TagValues], level: Level) -> str:
    """The identifying value of a level; empty where it is absent."""
    # Read anew only where it is absent or too long to be shown.
    return tags[level].get(_IDENTIFIER_KEYS[level]) or reader.text(IDENTIFIER_OF[level])


def _unidentified(reader: _Reader) -> OrthancError:
    """The error for a file that has no identifying UID, or an empty one: the reference tells them apart."""
    if all(IDENTIFIER_OF[level] in reader.positions for level in _UID_LEVELS):
        return EmptyIdentifier("missing StudyInstanceUID, SeriesInstanceUID or SOPInstanceUID")
    return InexistentTag()


def _index_in_series(reader: _Reader) -> str | None:
    for tag in (INSTANCE_NUMBER, IMAGE_INDEX):
        if tag in reader.positions:
            return reader.text(tag).strip()
    return None


def _expected_instances(reader: _Reader) -> int | None:
    for tags in _EXPECTED_INSTANCES:
        if all(tag in reader.positions for tag in tags):
            product = 1
            for tag in tags:
                product *= reader.number(tag) or 0
            return product if 0 < product <= _MOST_INSTANCES else None
    return None


def _unusual_pixel_vr(reader: _Reader, found: Found, syntax: str) -> str | None:
    """The VR of the pixel data where it must be known: OB or OW where PS3.5 annex A implies the other."""
    vr = found.pixel_vr.decode("latin_1")
    if not reader.encoding.explicit or vr not in ("OB", "OW"):
        return None
    if syntax not in UNCOMPRESSED_SYNTAXES:
        usual = "OB"
    else:
        usual = "OW" if (reader.number(_BITS_ALLOCATED) or 8) > 8 else "OB"
    return None if vr == usual else vr
