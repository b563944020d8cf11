"""An edited file, read by pydicom, has exactly the planned change; its other bytes are the original's."""

from __future__ import annotations

import io
import struct
import time
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from orthanclite.core.errors import BadFileFormat, BadRequest, ParameterOutOfRange, UnknownDicomTag
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.edit import EditPlan, TagPath, edit, new_uid, parse_path
from orthanclite.dicom.edit.profiles import profile
from orthanclite.dicom.reading.parser import parse
from tests.dicom.dicom_builder import (
    DEFLATED_LE,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    deflate,
    element,
    file_of,
    item,
    minimal,
    sequence_delimiter,
    undefined_fragments,
)

DICTIONARY = TagDictionary.build()
NAME, PATIENT_ID, CHARSET = 0x00100010, 0x00100020, 0x00080005
SEQUENCE, INNER = 0x00400275, 0x00081140

Tree = dict[int, Any]
"""A data set as a model: a text (bytes) by tag, or the items of a sequence."""

TEXTS = {NAME: "PN", 0x00081030: "LO", 0x00104000: "LT", 0x0020000D: "UI", 0x00091001: "UN", 0x00090010: "LO"}
SEQUENCES = (SEQUENCE, INNER, 0x00081110)


def edited(data: bytes, plan: EditPlan) -> bytes:
    return edit(parse(data, DICTIONARY, whole=True), plan, DICTIONARY).tobytes()


def read(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def path(text: str) -> TagPath:
    return parse_path(text, DICTIONARY)


def body(data: bytes) -> bytes:
    """The data set of a file in the order of its bytes."""
    size = struct.unpack_from("<I", data, 140)[0]
    return data[144 + size :]


# -- a model of data sets and of plans ------------------------------------------------------------------


def encode(tree: Tree, syntax: str, undefined: bool) -> bytes:
    parts = []
    for tag in sorted(tree):
        value = tree[tag]
        if isinstance(value, bytes):
            parts.append(element(tag, TEXTS.get(tag, "LO"), value + b" " * (len(value) % 2), syntax))
            continue
        content = b"".join(item(encode(one, syntax, undefined), syntax, undefined=undefined) for one in value)
        length = 0xFFFFFFFF if undefined else None
        parts.append(element(tag, "SQ", content, syntax, length))
        if undefined:
            parts.append(sequence_delimiter(syntax))
    return b"".join(parts)


def shown(dataset: Dataset) -> Tree:
    """What pydicom reads, as the model has it."""
    tree: Tree = {}
    for tag in dataset.keys():  # noqa: SIM118  # iterating a data set converts its elements
        raw = dataset.get_item(tag)
        if tag in SEQUENCES:
            tree[int(tag)] = [shown(one) for one in dataset[tag].value]
        else:
            value = raw.value or b""  # in whatever way pydicom shows an empty one
            assert isinstance(value, bytes)
            tree[int(tag)] = value.rstrip(b" \0")
    return tree


def apply(tree: Tree, plan: EditPlan) -> Tree:
    """The same change on the model."""
    changed = {tag: value for tag, value in tree.items() if not (plan.remove_private and tag >> 16 & 1)}
    for tag, value in changed.items():
        if not isinstance(value, bytes):
            changed[tag] = [apply(one, EditPlan(remove_private=plan.remove_private)) for one in value]
    for where in plan.remove:
        for dataset in reached(changed, where):
            dataset.pop(where.tag, None)
    for where, new in plan.replace.items():
        for dataset in reached(changed, where):
            dataset[where.tag] = new.encode()
    return changed


def reached(tree: Tree, where: TagPath) -> list[Tree]:
    found = [tree]
    for tag, index in where.steps:
        found = [
            one
            for dataset in found
            if isinstance(dataset.get(tag), list)
            for number, one in enumerate(dataset[tag])
            if index in (None, number)
        ]
    return found


text_values = st.text("abcXYZ^.0123", max_size=6).map(lambda text: text.encode())
flat = st.dictionaries(st.sampled_from(sorted(TEXTS)), text_values, max_size=6)
trees = st.recursive(
    flat,
    lambda inner: st.builds(
        lambda texts, sequences: {**texts, **sequences},
        flat,
        st.dictionaries(st.sampled_from(SEQUENCES), st.lists(inner, max_size=3), max_size=3),
    ),
    max_leaves=8,
)
paths = st.builds(
    TagPath,
    st.sampled_from([NAME, 0x00081030, 0x00104000, 0x00080050]),
    st.lists(st.tuples(st.sampled_from(SEQUENCES), st.one_of(st.none(), st.integers(0, 2))), max_size=2).map(
        tuple
    ),
)
removals = st.builds(
    TagPath,
    st.sampled_from([NAME, 0x00081030, 0x00091001, *SEQUENCES]),
    st.lists(st.tuples(st.sampled_from(SEQUENCES), st.one_of(st.none(), st.integers(0, 2))), max_size=2).map(
        tuple
    ),
)


def _is_clear(plan: EditPlan) -> bool:
    """Whether the order of its changes does not matter."""
    replaced = list(plan.replace)
    tags = {where.tag for where in plan.remove}
    return (
        not any(where.tag in tags for where in replaced)
        and not any(step[0] in tags for where in (*replaced, *plan.remove) for step in where.steps)
        and len({where.tag for where in replaced}) == len(replaced)
    )


plans = st.builds(
    lambda replace, remove, private: EditPlan(
        replace=replace, remove=frozenset(remove), remove_private=private
    ),
    st.dictionaries(paths, st.text("defGHI^.456", min_size=1, max_size=7), max_size=3),
    st.lists(removals, max_size=2),
    st.booleans(),
).filter(_is_clear)


@given(trees, plans, st.sampled_from([EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE, DEFLATED_LE]), st.booleans())
def test_pydicom_finds_exactly_the_planned_change(
    tree: Tree, plan: EditPlan, syntax: str, undefined: bool
) -> None:
    tree = {0x00080016: b"1.2.3", 0x00080018: b"1.2.4", **tree}
    dataset = encode(tree, syntax, undefined)
    data = deflate(dataset) if syntax == DEFLATED_LE else file_of(dataset, syntax)
    found = read(edited(data, plan))
    assert found.file_meta.TransferSyntaxUID == syntax
    assert shown(found) == apply(tree, plan)


@given(trees, st.sampled_from([EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE]), st.booleans())
def test_what_is_not_planned_stays_byte_for_byte(tree: Tree, syntax: str, undefined: bool) -> None:
    tree = {0x00080016: b"1.2.3", 0x00080018: b"1.2.4", **tree, 0x7FE00010: b"pixels"}
    dataset = encode(tree, syntax, undefined)
    assert body(edited(file_of(dataset, syntax), EditPlan())) == dataset
    changed = body(edited(file_of(dataset, syntax), EditPlan(replace={TagPath(0x00020010): "x"})))
    assert changed == dataset


# -- cases ----------------------------------------------------------------------------------------------

ODD = (
    element(0x000D1010, "OB", bytes(range(256))),
    element(0x00111010, "UN", item(element(0x00080100, "", b"code", IMPLICIT_LE)), length=0xFFFFFFFF)
    + sequence_delimiter(),
    element(0x00131010, "DS", b"not a number"),
)


@pytest.mark.parametrize("odd", ODD)
def test_odd_elements_stay(odd: bytes) -> None:
    tag = struct.unpack_from("<HH", odd)
    data = file_of(minimal(extra={tag[0] << 16 | tag[1]: odd}))
    assert odd in edited(data, EditPlan(replace={TagPath(NAME): "New"}))


def test_fragments_stay() -> None:
    pixels = undefined_fragments(b"", b"abcd", b"efgh")
    data = file_of(minimal(extra={0x7FE00010: pixels}), "1.2.840.10008.1.2.4.50")
    assert edited(data, EditPlan(replace={TagPath(NAME): "New"})).endswith(pixels)


def test_pixels_are_no_copy() -> None:
    data = file_of(minimal(extra={0x7FE00010: element(0x7FE00010, "OW", b"12" * 5000)}))
    result = edit(parse(data, DICTIONARY, whole=True), EditPlan(replace={TagPath(NAME): "New"}), DICTIONARY)
    assert sum(len(part) for part in result.parts if isinstance(part, bytes)) < 100


def test_a_second_element_of_the_same_tag_does_not_survive_a_change() -> None:
    twice = element(NAME, "PN", b"Secret") * 2
    assert b"Secret" not in edited(
        file_of(minimal(extra={NAME: twice})), EditPlan(replace={TagPath(NAME): "x"})
    )


def test_group_lengths_follow() -> None:
    inside = element(NAME, "PN", b"Long^Name ") + element(PATIENT_ID, "LO", b"ID")
    group = element(0x00100000, "UL", struct.pack("<I", len(inside)))
    data = file_of(
        b"".join([element(0x00080018, "UI", b"1.2\0"), group, inside, element(0x0020000D, "UI", b"1.2.3\0")])
    )
    after = body(edited(data, EditPlan(replace={TagPath(NAME): "x"})))
    assert after == b"".join(
        [
            element(0x00080018, "UI", b"1.2\0"),
            element(0x00100000, "UL", struct.pack("<I", len(inside) - 8)),
            element(NAME, "PN", b"x "),
            element(PATIENT_ID, "LO", b"ID"),
            element(0x0020000D, "UI", b"1.2.3\0"),
        ]
    )


def test_the_meta_information_tells_the_new_uids() -> None:
    plan = EditPlan(renew=frozenset({0x00080018}), new_uid=lambda old: "2.25." + old.replace(".", ""))
    found = read(edited(file_of(minimal()), plan))
    assert found.SOPInstanceUID == found.file_meta.MediaStorageSOPInstanceUID == "2.25.1234"
    assert found.file_meta.MediaStorageSOPClassUID == found.SOPClassUID


LATIN = {
    CHARSET: element(CHARSET, "CS", b"ISO_IR 100"),
    0x00081030: element(0x00081030, "LO", "Schädel".encode("latin-1") + b" "),
    SEQUENCE: element(
        SEQUENCE,
        "SQ",
        item(element(NAME, "PN", "Jürgen".encode("latin-1")))
        + item(element(CHARSET, "CS", b"ISO_IR 144") + element(NAME, "PN", "Юрий".encode("iso8859_5"))),
    ),
}


def test_text_that_fits_stays_in_the_character_set() -> None:
    found = edited(file_of(minimal(extra=LATIN)), EditPlan(replace={TagPath(NAME): "Müller"}))
    assert read(found).SpecificCharacterSet == "ISO_IR 100"
    assert str(read(found).PatientName) == "Müller"
    assert LATIN[SEQUENCE] in found


@pytest.mark.parametrize("where", ["PatientName", "RequestAttributesSequence[0].PatientName"])
def test_text_that_does_not_fit_brings_the_whole_file_to_utf_8(where: str) -> None:
    found = read(edited(file_of(minimal(extra=LATIN)), EditPlan(replace={path(where): "漢字"})))
    items = found.RequestAttributesSequence
    assert found.SpecificCharacterSet == items[1].SpecificCharacterSet == "ISO_IR 192"
    assert "SpecificCharacterSet" not in items[0]
    assert found.StudyDescription == "Schädel"
    assert str(items[1].PatientName) == "Юрий"
    assert str(items[0].PatientName) == ("Jürgen" if where == "PatientName" else "漢字")


def test_what_is_kept_as_it_is_changes_its_character_set_too() -> None:
    plan = EditPlan(replace={TagPath(NAME): "漢字"}, keep=frozenset({TagPath(SEQUENCE)}))
    found = read(edited(file_of(minimal(extra=LATIN)), plan))
    assert [str(one.PatientName) for one in found.RequestAttributesSequence] == ["Jürgen", "Юрий"]


@pytest.mark.parametrize(
    ("default", "term"), [("Latin1", "ISO_IR 100"), ("Greek", "ISO_IR 192"), ("Windows1251", "ISO_IR 192")]
)
def test_a_file_without_character_set_names_one_when_it_needs_it(default: str, term: str) -> None:
    plan = EditPlan(replace={TagPath(NAME): "Müller"})
    file = parse(file_of(minimal()), DICTIONARY, whole=True)
    found = read(edit(file, plan, DICTIONARY, default).tobytes())
    assert found.SpecificCharacterSet == term
    assert str(found.PatientName) == "Müller"
    plain = read(edit(file, EditPlan(replace={TagPath(NAME): "x"}), DICTIONARY, default).tobytes())
    assert "SpecificCharacterSet" not in plain


@pytest.mark.parametrize("term", ["ISO_IR 192", "ISO_IR 144", "GB18030"])
def test_a_new_character_set_converts_the_text(term: str) -> None:
    found = read(edited(file_of(minimal(extra=LATIN)), EditPlan(replace={TagPath(CHARSET): term})))
    # Cyrillic has no umlauts: the text goes to where it can be.
    assert found.SpecificCharacterSet == ("ISO_IR 192" if term == "ISO_IR 144" else term)
    assert found.StudyDescription == "Schädel"


@pytest.mark.parametrize("term", ["FOO", 5, "ISO_IR 100\\FOO"])
def test_an_unknown_character_set_is_refused(term: object) -> None:
    with pytest.raises(ParameterOutOfRange):
        edited(file_of(minimal()), EditPlan(replace={TagPath(CHARSET): term}))


def test_a_character_set_that_is_needed_is_not_removed_but_replaced() -> None:
    plan = EditPlan(remove=frozenset({TagPath(CHARSET)}))
    assert "SpecificCharacterSet" not in read(edited(file_of(minimal(extra={CHARSET: LATIN[CHARSET]})), plan))
    assert read(edited(file_of(minimal(extra=LATIN)), plan)).StudyDescription == "Schädel"


KANJI = element(CHARSET, "CS", b"\\ISO 2022 IR 87 "[:-1] + b" ")


@pytest.mark.parametrize("name", ["Yamada^Tarou=山田^太郎", "Müller"])
def test_code_extensions(name: str) -> None:
    found = read(edited(file_of(minimal(extra={CHARSET: KANJI})), EditPlan(replace={TagPath(NAME): name})))
    assert str(found.PatientName) == name
    assert ("ISO_IR 192" in str(found.SpecificCharacterSet)) == (name == "Müller")


def test_a_sequence_of_vr_un_is_seen_through() -> None:
    inner = item(element(NAME, "PN", b"Secret", IMPLICIT_LE))
    plan = EditPlan(profile=profile("2023b"))
    for hidden in (
        element(INNER, "UN", inner),
        element(INNER, "UN", inner, length=0xFFFFFFFF) + sequence_delimiter(),
    ):
        found = edited(file_of(minimal(extra={INNER: hidden})), plan)
        assert b"Secret" not in found
        assert read(found)[INNER].value[0].PatientName == ""


def test_uids_follow_wherever_they_stand() -> None:
    reference = item(element(0x00081155, "UI", b"1.2.9\\1.2.8 "[:-1] + b"\0"))
    data = file_of(minimal(extra={INNER: element(INNER, "SQ", reference)}))
    found = read(edited(data, EditPlan(references={"1.2.9": "2.25.1"})))
    assert list(found[INNER].value[0].ReferencedSOPInstanceUID) == ["2.25.1", "1.2.8"]


def test_a_new_uid_is_valid_and_follows_from_key_and_original() -> None:
    first, second = new_uid(b"key", "1.2.3"), new_uid(b"other", "1.2.3")
    assert first == new_uid(b"key", "1.2.3") != second
    assert pydicom.uid.UID(first).is_valid
    assert first != new_uid(b"key", "1.2.4")


def test_the_pixels_of_a_compressed_image_are_not_replaced() -> None:
    data = file_of(minimal(extra={0x7FE00010: undefined_fragments(b"", b"abcd")}), "1.2.840.10008.1.2.4.50")
    with pytest.raises(BadRequest):
        edited(data, EditPlan(replace={TagPath(0x7FE00010): "data:application/octet-stream;base64,AAAA"}))


def test_a_value_that_its_vr_cannot_express_is_refused() -> None:
    with pytest.raises(BadFileFormat):
        edited(file_of(minimal()), EditPlan(replace={TagPath(0x00280010): "x"}))


@pytest.mark.parametrize(
    "text", ["PatientID[x].PatientName", "PatientID[-1].PatientName", "PatientID.PatientName"]
)
def test_a_bad_index_is_refused(text: str) -> None:
    with pytest.raises(ParameterOutOfRange):
        path(text)


@pytest.mark.parametrize("text", ["NoSuchTag", "RequestAttributesSequence[0]", "50xx,xxxx", ""])
def test_a_path_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UnknownDicomTag):
        path(text)


def test_a_path_is_no_deeper_than_files_are() -> None:
    step = "RequestAttributesSequence[*]."
    assert len(path(step * 64 + "PatientID").steps) == 64
    with pytest.raises(ParameterOutOfRange):
        path(step * 65 + "PatientID")


def test_a_line_for_one_item_goes_before_nothing_and_beside_those_for_all() -> None:
    dataset = Dataset()
    dataset.RequestAttributesSequence = [Dataset() for _ in range(3)]
    for one in dataset.RequestAttributesSequence:
        one.ScheduledProcedureStepID, one.RequestedProcedureID = "s", "r"
    plan = EditPlan(
        replace={
            path("RequestAttributesSequence[*].ScheduledProcedureStepID"): "all",
            path("RequestAttributesSequence[1].ScheduledProcedureStepID"): "one",
        },
        remove=frozenset({path("RequestAttributesSequence[2].RequestedProcedureID")}),
    )
    items = read(edited(pydicom_file(dataset), plan)).RequestAttributesSequence
    assert [one.ScheduledProcedureStepID for one in items] == ["all", "one", "all"]
    assert ["RequestedProcedureID" in one for one in items] == [True, True, False]


@pytest.mark.parametrize("index", ["[*]", "[{}]"])
def test_many_lines_for_many_items(index: str) -> None:
    """The time grows with lines and items, and not with their product."""
    dataset = Dataset()
    dataset.RequestAttributesSequence = [Dataset() for _ in range(1500)]
    tags = [f"{0x0010 + 2 * (n >> 12):04x},{n & 0xFFF:04x}" for n in range(9000)]
    remove = {path(f"RequestAttributesSequence{index.format(n)}.{tag}") for n, tag in enumerate(tags)}
    file, started = parse(pydicom_file(dataset), DICTIONARY, whole=True), time.thread_time()
    edit(file, EditPlan(remove=frozenset(remove)), DICTIONARY).tobytes()
    assert time.thread_time() - started < 3


def pydicom_file(dataset: Dataset) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
