"""A parsed file and a plan give another file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orthanclite.core.errors import BadFileFormat, ParameterOutOfRange
from orthanclite.core.main_tags import SOP_CLASS_UID, SOP_INSTANCE_UID
from orthanclite.dicom.charsets import charset_of, is_known_term, parse_default_encoding
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.edit.changes import Changer, Recoding
from orthanclite.dicom.edit.paths import TagPath
from orthanclite.dicom.edit.pixels import NewPixels
from orthanclite.dicom.edit.plan import EditPlan
from orthanclite.dicom.edit.rewrite import Changes, EditedFile, Replacement, Value, rewrite
from orthanclite.dicom.edit.treatment import DoesNotFit
from orthanclite.dicom.reading.dataset import SPECIFIC_CHARACTER_SET, DicomFile, dataset_charset
from orthanclite.dicom.writing.elements import file_head

_UTF_8 = Recoding(charset_of("ISO_IR 192"), "ISO_IR 192")
_CHARSET = TagPath(SPECIFIC_CHARACTER_SET)


def edit(
    file: DicomFile,
    plan: EditPlan,
    dictionary: TagDictionary,
    default_encoding: str = "Latin1",
    pixels: NewPixels | None = None,
) -> EditedFile:
    """``file``, parsed to its end, with the changes of ``plan``.

    What the plan does not touch stays byte for byte. Where a new text cannot be written in the character set
    of the file, the whole file is brought to one that has it: to the default encoding where it names none,
    else to UTF-8. The file meta information is written anew (PS3.10 section 7.1), as of a new file.

    :param pixels: go before what the plan says of the same elements
    :param default_encoding: that of files that name none (option ``DefaultEncoding``)
    :raises ParameterOutOfRange: for an unknown character set among the new values.
    :raises BadRequest: for the pixel data of a compressed image among them.
    :raises OrthancError: for a value that its VR cannot express, see :class:`.JsonEncoder`.
    """
    charset = dataset_charset(file.dataset, default_encoding)
    for recoding in _recodings(file, plan, default_encoding):
        try:
            changes = Changer(file, plan, dictionary, charset, recoding).changes()
        except DoesNotFit:
            continue
        transfer_syntax = file.transfer_syntax
        if pixels is not None:
            changes, transfer_syntax = {**changes, **pixels.changes}, pixels.transfer_syntax
        sop_instance = _text(file, changes, SOP_INSTANCE_UID)
        head = file_head(_text(file, changes, SOP_CLASS_UID), sop_instance, transfer_syntax)
        return EditedFile(head, file.dataset.data, rewrite(file, changes), file.deflated, sop_instance)
    raise BadFileFormat("A new value is no text in Unicode")


def _recodings(file: DicomFile, plan: EditPlan, default_encoding: str) -> Iterator[Recoding | None]:
    """The character sets to try, one after the other; None is that of the file."""
    default = parse_default_encoding(default_encoding)
    if _CHARSET in plan.replace and _CHARSET not in plan.keep:
        yield _wanted(plan.replace[_CHARSET])
    elif _CHARSET in plan.remove and _CHARSET not in plan.keep:
        yield Recoding(charset_of("ISO_IR 6"), "")
    else:
        yield None
        announced = charset_of(default.term)
        if not dataset_charset(file.dataset, default_encoding).terms and announced.codec == default.codec:
            yield Recoding(announced, default.term)
    yield _UTF_8


def _wanted(value: Any) -> Recoding:
    if value in ("", None):
        return Recoding(charset_of("ISO_IR 6"), "")
    terms = value.split("\\") if isinstance(value, str) else [""]
    if not (is_known_term(terms[0]) or (len(terms) > 1 and not terms[0])) or not all(
        map(_is_known_or_ascii, terms[1:])
    ):
        raise ParameterOutOfRange(f"Unknown specific character set: {value}")
    return Recoding(charset_of(value), value)


def _is_known_or_ascii(term: str) -> bool:
    return is_known_term(term) or term == "ISO 2022 IR 6"


def _text(file: DicomFile, changes: Changes, tag: int) -> str:
    """The UID that an element has after the changes."""
    raw = file.dataset.raw(tag) or b""
    if tag in changes:
        change = changes[tag]
        if isinstance(change, Value):
            raw = change.content
        elif isinstance(change, Replacement):
            raw = change.source.value(change.element)
        else:
            raw = b""
    return raw.decode("ascii", "ignore").strip(" \0")
