"""The gate before the parser: the head of a request, read whole by strict rules or refused (RFC 9112).

Whatever two servers in a row could read in two ways is refused: a proxy before this server must see the same
requests as it does. The rules look at the whole head, so that it does not matter how the network cut it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

import httptools

from orthanclite.core.text.numbers import natural

LARGEST_HEAD = 128 * 1024
"""Bytes of a request line with its headers."""
MOST_HEADERS = 128
LONGEST_HOST = 512
"""Bytes of a header Host; a name of the DNS has at most 255."""

END_OF_HEAD = b"\r\n\r\n"

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([!-~]+) HTTP/([0-9]\.[0-9])\r\n")
_FIRST_BYTES = re.compile(rb"(?:\r\n|\r\Z)?(?:" + _TOKEN + rb"|\Z)")
_STRAY_BYTES = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TEXT = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
"""The bytes that a line of a head may have (RFC 9110, 5.5)."""
_SPECIAL_LINE = re.compile(rb"\r\n(?:[ \t]|upgrade:)", re.IGNORECASE)
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r]*", re.IGNORECASE)
_HOST = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+(?:%[0-9A-Za-z._~%-]+)?\])?[0-9A-Za-z._~!$&'()*+;=%-]*(?::[0-9]{0,5})?"
)
_VERSIONS = frozenset({b"1.0", b"1.1"})
_OTHER_VERSIONS = frozenset({b"0.9", b"2.0", b"3.0"})
_RULED = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"})
_BLANKS = b" \t"

Header = tuple[bytes, bytes]


class Refused(Exception):
    """A message that is not answered but with an error, after which the connection is closed.

    :param status: of the answer
    :param text: its body
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Head:
    """The head of a request that has passed the gate."""

    __slots__ = (
        "_ruled",
        "chunked",
        "expects_continue",
        "headers",
        "keep_alive",
        "length",
        "method",
        "target",
        "version",
    )

    def __init__(self, method: str, target: bytes, version: str) -> None:
        self.method = method
        self.target = target
        self.version = version  # "1.0" or "1.1"
        self.headers: list[Header] = []  # names in lower case, values without blanks around them
        self.length = 0  # bytes of the body, unless it is chunked
        self.chunked = False
        self.keep_alive = version == "1.1"
        self.expects_continue = False
        self._ruled: list[Header] = []

    @property
    def has_body(self) -> bool:
        return self.chunked or self.length > 0

    def location(self) -> tuple[bytes, str, bytes]:
        """The path as it came and decoded, and the query.

        :raises Refused: for a target that is no URL
        """
        if self.target.startswith(b"/"):
            path, _, query = self.target.partition(b"#")[0].partition(b"?")
        else:
            try:
                url = httptools.parse_url(self.target)
            except httptools.HttpParserInvalidURLError as exc:
                raise Refused(400, "The target of the request is no URL.") from exc
            path, query = url.path or b"/", url.query or b""
        text = path.decode("ascii")
        return path, unquote(text) if "%" in text else text, query

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        header = (name.lower(), value.strip(_BLANKS))
        self.headers.append(header)
        if header[0] in _RULED:
            self._ruled.append(header)

    def apply_rules(self) -> None:
        """Take what the headers say about the message itself.

        :raises Refused: where they contradict each other, or could be read in two ways
        """
        found: dict[bytes, bytes] = {}
        for name, value in self._ruled:
            if name == b"connection":
                if value != b"keep-alive" and b"close" in tokens(value):
                    self.keep_alive = False
            elif name in found:
                raise Refused(400, f"There is more than one header {name.decode()}.")
            else:
                found[name] = value
        self._check_host(found.get(b"host"))
        self._frame(found)
        if found.get(b"expect", b"").lower() == b"100-continue":
            self.expects_continue = self.version == "1.1" and self.has_body

    def _check_host(self, host: bytes | None) -> None:
        """RFC 9112, 3.2: exactly one, but for clients of HTTP/1.0."""
        if host is None:
            if self.version == "1.1":
                raise Refused(400, "There is no header Host.")
        elif len(host) > LONGEST_HOST or _HOST.fullmatch(host) is None:
            raise Refused(400, "The header Host names no host.")

    def _frame(self, found: Mapping[bytes, bytes]) -> None:
        """RFC 9112, 6: where the body ends."""
        length, encoding = found.get(b"content-length"), found.get(b"transfer-encoding")
        if encoding is not None:
            if length is not None or self.version != "1.1" or encoding.lower() != b"chunked":
                raise Refused(400, "Transfer-Encoding must be chunked, in HTTP/1.1, without Content-Length.")
            self.chunked = True
        elif length is not None:
            size = natural(length.decode("latin-1"))
            if size is None:
                raise Refused(400, "Content-Length is no number.")
            self.length = size


def tokens(value: bytes) -> list[bytes]:
    """The members of a list such as that of ``Connection``, in lower case."""
    return [token.strip(_BLANKS) for token in value.lower().split(b",")]


def read_head(raw: bytes) -> Head:
    """The head of a request.

    :param raw: the request line and the headers, with the empty line that ends them and nothing else
    :raises Refused: where it breaks a rule
    """
    line = _REQUEST_LINE.match(raw)
    if line is None:
        raise Refused(400, "The request line is malformed.")
    method, target, version = line.groups()
    if version in _OTHER_VERSIONS:
        # In the words of the reference.
        text = f"Error 505: HTTP Version not supported\nBad HTTP version: [{version.decode()}]"
        raise Refused(505, text)
    if version not in _VERSIONS:
        raise Refused(400, "There is no such version of HTTP.")
    if method == b"CONNECT":
        raise Refused(400, "This server is no proxy.")
    lines = raw.count(b"\r\n")
    if len(raw.translate(None, _TEXT)) != 2 * lines:
        raise Refused(400, "The head has a control character.")
    if lines - 2 > MOST_HEADERS:
        raise Refused(431, "There are too many headers.")
    if _SPECIAL_LINE.search(raw):
        if b"\r\n " in raw or b"\r\n\t" in raw:
            raise Refused(400, "A header goes on in a second line.")
        # A server may ignore it (RFC 9110, 7.8). The parser would take the body for another protocol.
        raw = _UPGRADE.sub(b"", raw)
    head = Head(method.decode(), target, version.decode())
    # A parser of its own for each head: nothing of a message can bear on the next.
    parser = httptools.HttpRequestParser(head)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserError as exc:
        raise Refused(400, "The head is malformed.") from exc
    head.apply_rules()
    return head


def check_beginning(part: bytes | bytearray) -> None:
    """Look at a head that is not complete yet: what can never become one is refused at once.

    :raises Refused: where no end could make it a valid head, or it is too large already
    """
    if len(part) > LARGEST_HEAD:
        raise Refused(431, "The head of the request is too large.")
    if _FIRST_BYTES.match(part) is None or _STRAY_BYTES.search(part):
        raise Refused(400, "This is no head of a request.")
