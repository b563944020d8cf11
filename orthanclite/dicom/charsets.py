"""Text in the character sets of DICOM (PS3.3 C.12.1.1.2, PS3.5 section 6.1).

A :class:`Charset` decodes the values of one data set. What cannot be decoded or encoded is dropped, as the
reference does: a stray byte must not make a file unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from orthanclite.core.errors import ParameterOutOfRange

_ESCAPE = 0x1B

_CODECS: dict[str, str] = {
    "ISO_IR 6": "ascii",
    "ISO_IR 13": "shift_jis",  # JIS X 0201: the single bytes of Shift JIS
    "ISO_IR 100": "latin_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 166": "iso8859_11",
    "ISO_IR 203": "iso8859_15",
    "ISO_IR 192": "utf_8",
    "GB18030": "gb18030",
    "GBK": "gbk",
    # Multi-byte sets that exist only with code extensions
    "ISO 2022 IR 58": "gb2312",
    "ISO 2022 IR 87": "iso2022_jp",
    "ISO 2022 IR 149": "euc_kr",
    "ISO 2022 IR 159": "iso2022_jp_2",
}

# Escape sequence (PS3.3 tables C.12-3, C.12-4) -> codec of the bytes after it, and whether the codec must see
# the escape sequence itself.
_ESCAPES: tuple[tuple[bytes, str, bool], ...] = (
    (b"\x1b(B", "", False),  # back to ASCII in G0; G1 stays
    (b"\x1b(J", "shift_jis", False),
    (b"\x1b)I", "shift_jis", False),
    (b"\x1b-A", "latin_1", False),
    (b"\x1b-B", "iso8859_2", False),
    (b"\x1b-C", "iso8859_3", False),
    (b"\x1b-D", "iso8859_4", False),
    (b"\x1b-F", "iso8859_7", False),
    (b"\x1b-G", "iso8859_6", False),
    (b"\x1b-H", "iso8859_8", False),
    (b"\x1b-L", "iso8859_5", False),
    (b"\x1b-M", "iso8859_9", False),
    (b"\x1b-T", "iso8859_11", False),
    (b"\x1b-b", "iso8859_15", False),
    (b"\x1b$B", "iso2022_jp", True),
    (b"\x1b$(D", "iso2022_jp_2", True),
    (b"\x1b$)C", "euc_kr", False),
    (b"\x1b$)A", "gb2312", False),
)
_ESCAPE_CODECS = {escape: (codec, keep) for escape, codec, keep in _ESCAPES}
_ESCAPE_SPLIT = re.compile(b"(" + b"|".join(re.escape(escape) for escape, _, _ in _ESCAPES) + b")")

# Where the initial code elements are active again (PS3.5 6.1.2.5.3).
_DELIMITERS = re.compile(rb"([\\\r\n\f\t])")
_NAME_DELIMITERS = re.compile(rb"([\\^=\r\n\f\t])")


@dataclass(frozen=True, slots=True)
class Charset:
    """The character repertoire of a data set."""

    terms: tuple[str, ...]  # the values of SpecificCharacterSet, empty where the default applies
    codec: str  # Python's name of the initial repertoire
    extended: bool  # with escape sequences of ISO/IEC 2022

    def decode(self, raw: bytes, vr: str = "LO") -> str:
        """``raw`` as text; delimiters of ``vr`` PN reset the active code."""
        if raw.isascii():
            if not self.extended or _ESCAPE not in raw:
                return raw.decode("ascii")
        elif not self.extended or _ESCAPE not in raw:
            return raw.decode(self.codec, "ignore")
        pattern = _NAME_DELIMITERS if vr == "PN" else _DELIMITERS
        return "".join(self._decode_run(run) for run in _split_runs(raw, pattern))

    def _decode_run(self, run: bytes) -> str:
        codec = single = self.codec  # what is active, and what is again when a set in G0 ends
        prefix = b""
        parts = []
        for piece in _ESCAPE_SPLIT.split(run):
            found = _ESCAPE_CODECS.get(piece)
            if found is None:
                parts.append((prefix + piece).decode(codec, "ignore"))
                continue
            name, keep = found
            prefix = piece if keep else b""
            if keep:
                codec = name
            else:
                # ESC ( B ends a multi-byte set in G0; what is designated to G1 stays active.
                codec = single = name or single
        return "".join(parts)

    def encode(self, text: str) -> bytes:
        """``text`` in this repertoire, without what it cannot express.

        With code extensions every character goes to the first of the sets that has it, behind its escape
        sequence.
        """
        if text.isascii():
            return text.encode("ascii")
        if not self.extended:
            return text.encode(self.codec, "ignore")
        return _encode_extended(text, self.codec, self.terms)


def _split_runs(raw: bytes, pattern: re.Pattern[bytes]) -> Iterable[bytes]:
    """Split at delimiters that are not the second byte of a character of a 94x94 set in G0."""
    if b"\x1b$B" not in raw and b"\x1b$(D" not in raw:
        return pattern.split(raw)
    runs: list[bytes] = []
    # Between ESC $ B and the next escape sequence 0x5C, 0x5E and 0x3D are halves of kanji.
    for index, piece in enumerate(re.split(rb"(\x1b\$(?:B|\(D)[^\x1b]*)", raw)):
        if index % 2:
            runs.append(piece)
            continue
        first, *rest = pattern.split(piece)
        if runs:
            runs[-1] += first
        else:
            runs.append(first)
        runs.extend(rest)
    return _join_kanji(runs)


def _join_kanji(runs: list[bytes]) -> list[bytes]:
    """Runs in which a kanji segment continues the run before it."""
    joined: list[bytes] = []
    for run in runs:
        if joined and run.startswith((b"\x1b$B", b"\x1b$(D")):
            joined[-1] += run
        else:
            joined.append(run)
    return joined


_DESIGNATIONS: dict[str, bytes] = {
    "ISO 2022 IR 100": b"\x1b-A",
    "ISO 2022 IR 101": b"\x1b-B",
    "ISO 2022 IR 109": b"\x1b-C",
    "ISO 2022 IR 110": b"\x1b-D",
    "ISO 2022 IR 126": b"\x1b-F",
    "ISO 2022 IR 127": b"\x1b-G",
    "ISO 2022 IR 138": b"\x1b-H",
    "ISO 2022 IR 144": b"\x1b-L",
    "ISO 2022 IR 148": b"\x1b-M",
    "ISO 2022 IR 166": b"\x1b-T",
    "ISO 2022 IR 203": b"\x1b-b",
    "ISO 2022 IR 13": b"\x1b)I",
    "ISO 2022 IR 149": b"\x1b$)C",
    "ISO 2022 IR 58": b"\x1b$)A",
    # Python's codecs write the escape sequences of the Japanese sets themselves.
    "ISO 2022 IR 87": b"",
    "ISO 2022 IR 159": b"",
}
"""The escape sequence that makes a set active."""


def _encode_extended(text: str, first: str, terms: tuple[str, ...]) -> bytes:
    initial = terms[0] if terms else ""
    sets = [(_DESIGNATIONS.get(initial, b""), first)]
    sets += [(_DESIGNATIONS[term], _codec_of(term)) for term in terms[1:] if term in _DESIGNATIONS]
    runs = re.split(r"([\\^=\r\n\f\t])", text)
    return b"".join(_encode_run(run, sets) for run in runs)


def _encode_run(run: str, sets: list[tuple[bytes, str]]) -> bytes:
    """One stretch between delimiters: in the first set that has it all, else character by character.

    At its beginning the initial set is active.
    """
    for index, (designation, codec) in enumerate(sets):
        try:
            return (designation if index and not run.isascii() else b"") + run.encode(codec)
        except UnicodeEncodeError:
            continue
    result, active = bytearray(), 0
    for char in run:
        for index, (designation, codec) in enumerate(sets):
            encoded = char.encode(codec, "ignore")
            if encoded:
                if index != active and not char.isascii():
                    result += designation
                    # A Japanese set in G0 ends by itself and leaves G1 as it was.
                    active = index if designation else active
                result += encoded
                break
    return bytes(result)


def _codec_of(term: str) -> str:
    """Python's codec for one defined term; what is unknown is read as ASCII."""
    if term in _CODECS:
        return _CODECS[term]
    plain = term.replace("ISO 2022 IR", "ISO_IR").replace("ISO-IR", "ISO_IR").replace("ISO IR", "ISO_IR")
    return _CODECS.get(plain, "ascii")


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


def is_known_term(term: str) -> bool:
    """Whether ``term`` is a single defined term of SpecificCharacterSet that this server can write."""
    return term in _CODECS or term in _DESIGNATIONS


@lru_cache(maxsize=256)
def charset_of(specific_character_set: str, default_encoding: str = "Latin1") -> Charset:
    r"""The character set that a value of SpecificCharacterSet announces, ``\`` between several.

    An empty value means ``default_encoding`` (a name of :func:`parse_default_encoding`).
    """
    terms = tuple(term.strip(" \0") for term in specific_character_set.strip(" \0").split("\\"))
    if terms == ("",):
        default = parse_default_encoding(default_encoding)
        return Charset((), default.codec, default.term.startswith("ISO 2022"))
    if len(terms) == 1 and not terms[0].startswith("ISO 2022"):
        return Charset(terms, _codec_of(terms[0]), extended=False)
    first = terms[0] or "ISO_IR 6"
    if len(terms) == 1 and _codec_of(first).startswith("iso2022"):
        return Charset(terms, _codec_of(first), extended=True)
    return Charset(terms, _codec_of(first), extended=True)
