"""Character sets: the examples of PS3.5 annexes H to K, pydicom's files, and round trips."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from orthanclite.core.errors import ParameterOutOfRange
from orthanclite.dicom.attributes import (
    Attribute,
    attributes_from_json,
    encode_attributes,
    read_attributes,
)
from orthanclite.dicom.charsets import charset_of, is_known_term, parse_default_encoding
from orthanclite.dicom.charsets.terms import canonical_term, codec_of
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN
from orthanclite.dicom.reading.dataset import SPECIFIC_CHARACTER_SET, dataset_charset
from orthanclite.dicom.reading.parser import parse, parse_dataset
from orthanclite.dicom.renderings.tags_json import Renderer, Style


@pytest.mark.parametrize(
    ("term", "raw", "text"),
    [
        ("ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
        ("ISO_IR 101", b"W\xb3a", "Wła"),
        ("ISO_IR 144", b"\xbb\xee\xdace\xdc\xd1yp\xd3", "Люкceмбypг"),
        ("ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
        ("ISO_IR 127", b"\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1", "قباني^لنزار"),
        ("ISO_IR 138", b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "שרון^דבורה"),
        ("ISO_IR 148", b"\xdd\xfe", "İş"),
        ("ISO_IR 166", b"\xb7\xb4", "ทด"),
        ("ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        ("ISO_IR 192", "Wang^小東".encode(), "Wang^小東"),
        ("GB18030", "王^小东".encode("gb18030"), "王^小东"),
        ("GBK", "王^小东".encode("gbk"), "王^小东"),
        ("ISO_IR 6", b"M\xe9", "M"),
        ("No such set", b"M\xe9 n", "M n"),
        ("", b"\xe9", "é"),
        # H.3.1
        (
            "\\ISO 2022 IR 87",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        ),
        # H.3.2
        (
            "ISO 2022 IR 13\\ISO 2022 IR 87",
            b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J="
            b"\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
        ),
        # I.2
        (
            "\\ISO 2022 IR 149",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
            "Hong^Gildong=洪^吉洞=홍^길동",
        ),
        # K.2
        (
            "\\ISO 2022 IR 58",
            b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
            "Zhang^XiaoDong=张^小东=",
        ),
        (
            "ISO 2022 IR 100\\ISO 2022 IR 144",
            b"Dionysios is \xe9 \x1b-L\xbb\xee",
            "Dionysios is é Лю",
        ),
    ],
)
def test_decode(term: str, raw: bytes, text: str) -> None:
    assert charset_of(term).decode(raw, "PN") == text


def test_kanji_may_contain_delimiter_bytes() -> None:
    # The second byte of both characters is one of "^=\\"
    text = "ソ構"
    raw = "ソ構".encode("iso2022_jp") + b"^" + "構".encode("iso2022_jp")
    assert charset_of("\\ISO 2022 IR 87").decode(raw, "PN") == text + "^構"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("chrH31.dcm", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("chrI2.dcm", "Hong^Gildong=洪^吉洞=홍^길동"),
        ("chrX1.dcm", "Wang^XiaoDong=王^小東="),
        ("chrX2.dcm", "Wang^XiaoDong=王^小东="),
        ("chrRuss.dcm", "Люкceмбypг"),
        ("chrGreek.dcm", "Διονυσιος"),
        ("chrFrenMulti.dcm", "Buc^Jérôme"),
    ],
)
def test_files_of_pydicom(file: str, name: str) -> None:
    dictionary = TagDictionary.build()
    path = Path(get_testdata_file("CT_small.dcm", download=False)).parents[1] / "charset_files" / file
    dataset = parse(path.read_bytes(), dictionary).dataset
    shown = Renderer(dictionary, Style.SIMPLE).dataset(dataset, dataset_charset(dataset, "Latin1"))
    assert shown["PatientName"] == name


def test_items_have_their_own_character_set() -> None:
    dictionary = TagDictionary.build()
    folder = Path(get_testdata_file("CT_small.dcm", download=False)).parents[1] / "charset_files"
    dataset = parse((folder / "chrSQEncoding.dcm").read_bytes(), dictionary).dataset
    shown = Renderer(dictionary, Style.SIMPLE).dataset(dataset, dataset_charset(dataset, "Latin1"))
    assert shown["RequestedProcedureCodeSequence"][0]["PatientName"] == "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"


LATIN = "ABCxyz éèçÿ"
SETS = {
    "ISO_IR 100": LATIN,
    "ISO_IR 101": "Łódź",
    "ISO_IR 109": "Ħ",
    "ISO_IR 110": "ĸ",
    "ISO_IR 144": "Люк",
    "ISO_IR 127": "قباني",
    "ISO_IR 126": "Διονυσιος",
    "ISO_IR 138": "שרון",
    "ISO_IR 148": "İş",
    "ISO_IR 166": "ทด",
    "ISO_IR 203": "€",
    "ISO_IR 13": "ﾔﾏﾀﾞ",
    "ISO_IR 192": "é小東🙂",
    "GB18030": "王小东€",
    "GBK": "王小东",
    "ISO 2022 IR 87": "山田",
    "\\ISO 2022 IR 87": "山田ヤ",
    "\\ISO 2022 IR 159": "丂",
    "\\ISO 2022 IR 149": "洪길동",
    "\\ISO 2022 IR 58": "张小东",
    "ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126": "éЛюΔι",
    "ISO 2022 IR 13\\ISO 2022 IR 87": "ﾔﾏ山",
}


@pytest.mark.parametrize("term", SETS)
def test_round_trips(term: str) -> None:
    @given(st.text(alphabet=SETS[term] + "Az 09^=", max_size=12))
    def check(text: str) -> None:
        charset = charset_of(term)
        assert charset.decode(charset.encode(text), "PN") == text

    check()


@given(st.binary(max_size=60), st.sampled_from(sorted(SETS)))
def test_any_bytes_decode(raw: bytes, term: str) -> None:
    charset_of(term).decode(raw, "PN")
    charset_of(term).decode(b"\x1b$B" + raw, "LO")


@st.composite
def spellings(draw: st.DrawFn, term: str) -> str:
    """A defined term as writers have misspelled it: case, separators, padding."""
    parts = [draw(st.sampled_from((part, part.lower()))) for part in re.split("[ _]", term)]
    separators = [draw(st.sampled_from((" ", "_", "-", "  "))) for _ in parts]
    if parts[0].lower() == "iso" and draw(st.booleans()):
        separators[-2] = ""  # ISO_IR100
    padding = draw(st.sampled_from(("", " ", "\0", " \0")))
    spelled = "".join(part + separator for part, separator in zip(parts, separators, strict=True))
    return draw(st.sampled_from(("", " "))) + spelled.removesuffix(separators[-1]) + padding


TERMS = sorted({term for terms in SETS for term in terms.split("\\") if term} - {"GBK", "GB18030"})


@given(st.data(), st.sampled_from([*TERMS, "GB18030"]))
def test_spellings(data: st.DataObject, term: str) -> None:
    spelled = data.draw(spellings(term))
    assert canonical_term(spelled) == term
    assert charset_of(spelled) == charset_of(term)
    assert charset_of("\\" + spelled) == charset_of("\\" + term)


@pytest.mark.parametrize(
    ("term", "canonical"),
    [
        ("UTF-8", "ISO_IR 192"),
        ("utf8", "ISO_IR 192"),
        ("ISO 2022 IR 192", "ISO_IR 192"),
        ("LATIN1", "ISO_IR 100"),
        ("ISO8859-1", "ISO_IR 100"),
        ("ISO_8859-15", "ISO_IR 203"),
        ("US-ASCII", "ISO_IR 6"),
        ("ISO_2022_IR_6", "ISO 2022 IR 6"),
        ("ISO_IR 149", "ISO 2022 IR 149"),
        ("KOI8-R", "KOI8-R"),
        ("ISO_IR 1", "ISO_IR 1"),
    ],
)
def test_canonical_terms(term: str, canonical: str) -> None:
    assert canonical_term(term) == canonical


@pytest.mark.parametrize(
    "term", sorted(set(SETS) - {"ISO 2022 IR 87", "\\ISO 2022 IR 87", "\\ISO 2022 IR 159"})
)
def test_the_set_after_an_empty_value_needs_no_escape_sequence(term: str) -> None:
    """But the Japanese ones, which are not told apart from ASCII without it."""
    *_, last = (part for part in term.split("\\") if part != "ISO 2022 IR 87")
    [text] = (text for name, text in SETS.items() if name == term)
    codec = codec_of(last)
    text = "".join(char for char in text if char.encode(codec, "ignore"))
    for first in ("", "ISO 2022 IR 6", "ISO_IR 6"):
        charset = charset_of(f"{first}\\{last}")
        assert charset.decode(text.encode(codec), "PN") == text
        assert charset.decode(b"A=" + text.encode(codec), "PN") == "A=" + text


def test_what_is_designated_ends_where_the_initial_set_is_active_again() -> None:
    korean = "김".encode("euc_kr")
    assert charset_of("\\ISO 2022 IR 149").decode(b"\x1b$)C" + korean + b"\r\n" + korean) == "김\r\n김"
    latin = charset_of("ISO 2022 IR 100\\ISO 2022 IR 149")
    assert latin.decode(b"\xe7^\x1b$)C" + korean + b"^\xe7", "PN") == "ç^김^ç"
    greek = charset_of("ISO 2022 IR 6\\ISO 2022 IR 126")
    assert greek.decode(b"\x1b-F\xc4^\xc4", "PN") == "Δ^Δ"


def test_what_is_left_out_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    charset = charset_of("No such set of this test")
    assert charset.decode(b"abc") == "abc"
    assert not caplog.records
    for _ in range(100):
        assert charset.decode(b"a\xffc") == "ac"
    # Once a minute, which may just have ended.
    assert 1 <= len(caplog.records) <= 2
    assert "No such set of this test" in caplog.text
    caplog.clear()
    assert charset_of("ISO_IR 138\\ISO 2022 IR 127").encode("ü") == b""
    assert charset_of("ISO_IR 138").encode("ü") == b""
    assert len(caplog.records) >= 2


@pytest.mark.parametrize("term", ["iso_ir_100", "\\ISO_2022_IR_100", "ISO8859-1", "ISO IR 192", "GB 18030"])
def test_identifiers_and_worklists_in_any_spelling(term: str) -> None:
    dictionary = TagDictionary.build()
    asked = attributes_from_json(
        {"PatientName": "Jürgen^Öz", "ScheduledProcedureStepSequence": [{"StationName": "Ü"}]}, dictionary
    )
    charset = charset_of(term)
    written = encode_attributes({**asked, SPECIFIC_CHARACTER_SET: Attribute("CS", term)}, charset)
    dataset = parse_dataset(written, EXPLICIT_LITTLE_ENDIAN, dictionary)
    read = read_attributes(dataset, dataset_charset(dataset, "Latin1"), dictionary)
    assert {tag: read[tag] for tag in asked} == asked


def test_what_a_set_lacks_is_dropped() -> None:
    assert charset_of("ISO_IR 100").encode("aé山b") == b"a\xe9b"
    assert charset_of("", "Ascii").encode("aéb") == b"ab"
    assert charset_of("\\ISO 2022 IR 87").decode(charset_of("\\ISO 2022 IR 87").encode("山é田")) == "山田"


@pytest.mark.parametrize(
    ("name", "canonical", "term"),
    [
        ("latin1", "Latin1", "ISO_IR 100"),
        ("UTF8", "Utf8", "ISO_IR 192"),
        ("Latin5", "Latin5", "ISO_IR 148"),
        ("japanesekanji", "JapaneseKanji", "ISO 2022 IR 87"),
        ("ascii", "Ascii", "ISO_IR 6"),
    ],
)
def test_default_encodings(name: str, canonical: str, term: str) -> None:
    encoding = parse_default_encoding(name)
    assert (encoding.name, encoding.term) == (canonical, term)


def test_unknown_default_encoding() -> None:
    with pytest.raises(ParameterOutOfRange):
        parse_default_encoding("Klingon")


def test_default_encoding_applies_without_a_character_set() -> None:
    assert charset_of("", "Windows1251").decode(b"\xc0") == "А"
    assert charset_of(" ", "Cyrillic").decode(b"\xb0") == "А"


def test_known_terms() -> None:
    assert is_known_term("ISO_IR 100")
    assert is_known_term("ISO 2022 IR 100")
    assert not is_known_term("Latin1")
