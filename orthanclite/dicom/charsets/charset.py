"""Decoding and encoding the text of one data set."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from orthanclite.dicom.charsets.defaults import parse_default_encoding
from orthanclite.dicom.charsets.terms import canonical_term, codec_of, designation_of

log = logging.getLogger(__name__)

_ESCAPE = 0x1B
_ASCII = "ascii"

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
    """The character repertoire of a data set.

    What cannot be decoded or encoded is left out, as the reference does: a stray byte must not make a file
    unreadable. A warning in the log tells of it.
    """

    terms: tuple[str, ...]  # the values of SpecificCharacterSet, empty where the default applies
    codec: str  # Python's name of the repertoire that is active at the beginning
    extended: bool  # with escape sequences of ISO/IEC 2022

    def decode(self, raw: bytes, vr: str = "LO") -> str:
        """``raw`` as text; delimiters of ``vr`` PN reset the active code."""
        if not self.extended or _ESCAPE not in raw:
            return raw.decode(_ASCII) if raw.isascii() else self._decoded(raw, self.codec)
        pattern = _NAME_DELIMITERS if vr == "PN" else _DELIMITERS
        return "".join(self._decode_run(run) for run in _split_runs(raw, pattern))

    def _decode_run(self, run: bytes) -> str:
        codec = single = self.codec  # what is active, and what is again when a set in G0 ends
        prefix = b""
        parts = []
        for piece in _ESCAPE_SPLIT.split(run):
            found = _ESCAPE_CODECS.get(piece)
            if found is None:
                parts.append(self._decoded(prefix + piece, codec))
                continue
            name, keep = found
            prefix = piece if keep else b""
            if keep:
                codec = name
            else:
                # ESC ( B ends a multi-byte set in G0; what is designated to G1 stays active.
                codec = single = name or single
        return "".join(parts)

    def _decoded(self, raw: bytes, codec: str) -> str:
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            _warn_of_loss(self.terms, "read", _this_minute())
            return raw.decode(codec, "ignore")

    def encode(self, text: str) -> bytes:
        """``text`` in this repertoire, without what it cannot express.

        With code extensions every character goes to the first of the sets that has it, behind its escape
        sequence.
        """
        if text.isascii():
            return text.encode(_ASCII)
        if self.extended:
            return self._encode_extended(text)
        try:
            return text.encode(self.codec)
        except UnicodeEncodeError:
            _warn_of_loss(self.terms, "written", _this_minute())
            return text.encode(self.codec, "ignore")

    def holds(self, text: str, vr: str = "LO") -> bool:
        """Whether ``text`` can be written in this repertoire and read again."""
        if text.isascii():
            return True
        codecs = [codec_of(term) for term in self.terms if designation_of(term) is not None]
        known = [self.codec, *codecs] if self.extended else [self.codec]
        return (
            all(any(_has(codec, char) for codec in known) for char in set(text))
            and self.decode(self.encode(text), vr) == text
        )

    def _encode_extended(self, text: str) -> bytes:
        first, *others = self.terms or ("",)
        # At the beginning of each run the initial set is active: it needs no designation.
        sets = [(designation_of(first) or b"", codec_of(first) if self.terms else self.codec)]
        for term in others:
            designation = designation_of(term)
            if designation is not None:
                sets.append((designation, codec_of(term)))
        return b"".join(self._encode_run(run, sets) for run in re.split(r"([\\^=\r\n\f\t])", text))

    def _encode_run(self, run: str, sets: list[tuple[bytes, str]]) -> bytes:
        """One stretch between delimiters: in the first set that has it all, else character by character."""
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
            else:
                _warn_of_loss(self.terms, "written", _this_minute())
        return bytes(result)


def _has(codec: str, char: str) -> bool:
    try:
        char.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def _this_minute() -> int:
    return int(time.monotonic() // 60)


@lru_cache(maxsize=256)
def _warn_of_loss(terms: tuple[str, ...], verb: str, minute: int) -> None:
    """Once a minute for each character set: the same text is read again and again, and files hold many."""
    name = "\\".join(terms) or "the default encoding"
    log.warning("A text cannot be %s in its character set (%r): what that lacks is left out", verb, name)


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


@lru_cache(maxsize=256)
def charset_of(specific_character_set: str, default_encoding: str = "Latin1") -> Charset:
    r"""The character set that a value of SpecificCharacterSet announces, ``\`` between several.

    :param specific_character_set: in any spelling; empty for ``default_encoding``
    :param default_encoding: a name of :func:`~orthanclite.dicom.charsets.defaults.parse_default_encoding`
    """
    terms = tuple(canonical_term(term) for term in specific_character_set.split("\\"))
    if not any(terms):
        default = parse_default_encoding(default_encoding)
        return Charset((), default.codec, default.term.startswith("ISO 2022"))
    extended = len(terms) > 1 or terms[0].startswith("ISO 2022")
    return Charset(terms, _initial_codec(terms), extended)


def _initial_codec(terms: tuple[str, ...]) -> str:
    """The codec of bytes before any escape sequence.

    Where the first set is ASCII, which says nothing of bytes above 127, many writers leave out the escape
    sequence of the second.
    """
    codecs = [codec_of(term) for term in terms]
    return next((codec for codec in codecs if codec != _ASCII and not codec.startswith("iso2022")), codecs[0])
