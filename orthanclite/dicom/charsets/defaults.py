"""The option ``DefaultEncoding``: the character set of data sets that announce none, and of answers."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.core.errors import ParameterOutOfRange


@dataclass(frozen=True, slots=True)
class DefaultEncoding:
    """A value of the option ``DefaultEncoding``."""

    name: str  # canonical
    term: str  # of SpecificCharacterSet; what C-FIND answers announce
    codec: str


_DEFAULT_ENCODINGS = {
    encoding.name.lower(): encoding
    for encoding in (
        DefaultEncoding("Ascii", "ISO_IR 6", "ascii"),
        DefaultEncoding("Utf8", "ISO_IR 192", "utf_8"),
        DefaultEncoding("Latin1", "ISO_IR 100", "latin_1"),
        DefaultEncoding("Latin2", "ISO_IR 101", "iso8859_2"),
        DefaultEncoding("Latin3", "ISO_IR 109", "iso8859_3"),
        DefaultEncoding("Latin4", "ISO_IR 110", "iso8859_4"),
        DefaultEncoding("Latin5", "ISO_IR 148", "iso8859_9"),
        DefaultEncoding("Cyrillic", "ISO_IR 144", "iso8859_5"),
        # No term of DICOM: announced as Cyrillic, as the reference does.
        DefaultEncoding("Windows1251", "ISO_IR 144", "cp1251"),
        DefaultEncoding("Arabic", "ISO_IR 127", "iso8859_6"),
        DefaultEncoding("Greek", "ISO_IR 126", "iso8859_7"),
        DefaultEncoding("Hebrew", "ISO_IR 138", "iso8859_8"),
        DefaultEncoding("Thai", "ISO_IR 166", "iso8859_11"),
        DefaultEncoding("Japanese", "ISO_IR 13", "shift_jis"),
        DefaultEncoding("Chinese", "GB18030", "gb18030"),
        DefaultEncoding("JapaneseKanji", "ISO 2022 IR 87", "iso2022_jp"),
        DefaultEncoding("Korean", "ISO 2022 IR 149", "euc_kr"),
        DefaultEncoding("SimplifiedChinese", "ISO 2022 IR 58", "gb2312"),
    )
}


def parse_default_encoding(name: str) -> DefaultEncoding:
    """The encoding that ``name`` (any case) means.

    :raises ParameterOutOfRange: for an unknown name.
    """
    encoding = _DEFAULT_ENCODINGS.get(name.strip().lower())
    if encoding is None:
        raise ParameterOutOfRange(f'Unknown encoding: "{name}"')
    return encoding
