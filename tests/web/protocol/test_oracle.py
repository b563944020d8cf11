"""The protocol beside h11: no message that one takes for two requests and the other for one.

``HTTP_EXAMPLES=100000 python -m pytest tests/web/protocol/test_oracle.py`` tries more of them, and other ones
each time.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import urlsplit

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.web.protocol.rig import exchange

EXAMPLES = int(os.environ.get("HTTP_EXAMPLES", "0"))
thorough = settings(max_examples=EXAMPLES or 400, derandomize=not EXAMPLES, database=None)


@dataclass
class Seen:
    """A request, as either of the two saw it."""

    method: str
    target: bytes
    body: bytes
    complete: bool


def by_h11(data: bytes) -> tuple[list[Seen], bool]:
    """The requests in ``data``, each of which is answered; and whether the rest was refused."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    seen: list[Seen] = []
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return seen, True
        if isinstance(event, h11.Request):
            seen.append(Seen(event.method.decode(), bytes(event.target), b"", False))
        elif isinstance(event, h11.Data):
            seen[-1].body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            seen[-1].complete = True
            # Not 200: after that, CONNECT would begin a tunnel.
            connection.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is not h11.DONE:
                return seen, False  # the connection ends
            connection.start_next_cycle()
        else:
            return seen, False  # more is needed


def by_us(pieces: list[bytes]) -> tuple[list[Seen], bool]:
    """The same by our protocol, with ``pieces`` arriving one after the other."""
    requests, sent, _ = exchange(pieces)
    refused = any(line in sent for line in (b"HTTP/1.1 400 ", b"HTTP/1.1 431 ", b"HTTP/1.1 505 "))
    return [Seen(one.method, one.target, one.body, one.complete) for one in requests], refused


def path_of(target: bytes) -> bytes:
    """What we make of a target: an application sees no fragment, and no server in it."""
    if target.startswith(b"/"):
        return target.partition(b"#")[0].rstrip(b"?")
    parts = urlsplit(target)
    return (parts.path or b"/") + (b"?" + parts.query if parts.query else b"")


def agree(data: bytes, pieces: list[bytes]) -> tuple[int, bool, bool]:
    """Check that both see the same, as far as neither refuses; how many requests, and which one refused."""
    theirs, refused_there = by_h11(data)
    ours, refused_here = by_us(pieces)
    for one, other in zip(ours, theirs, strict=False):
        assert one.method == other.method
        assert one.target == path_of(other.target)
        if one.complete and other.complete:
            assert one.body == other.body
        else:
            assert one.body.startswith(other.body) or other.body.startswith(one.body)
            assert one.complete is other.complete or (refused_here if other.complete else refused_there)
    if len(ours) < len(theirs):
        assert refused_here, (ours, theirs)
    if len(ours) > len(theirs):
        assert refused_there, (ours, theirs)
    return len(ours), refused_here, refused_there


# -- messages as they should be --------------------------------------------------------------------

names = st.sampled_from(["X-A", "Accept", "user-agent", "Cookie", "X_b", "Expect2", "TE", "Trailer"])
values = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=12
)
targets = st.sampled_from(["/", "/a", "/a/b?c=d", "/%00", "/a?b?c", "/a//../b", "*", "http://h/x?y"])
contents = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"GET /in HTTP/1.1\r\nHost: a\r\n\r\n", b"0\r\n\r\n", b"\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"]
    ),
)
upgrades = st.sampled_from(
    [[], [], ["Connection: upgrade", "Upgrade: h2c"], ["Upgrade: websocket"], ["Connection: keep-alive"]]
)


@st.composite
def chunked(draw: st.DrawFn, content: bytes) -> bytes:
    """A body in chunks."""
    out, position = b"", 0
    while position < len(content):
        size = draw(st.integers(1, len(content) - position))
        digits = b"%X" % size if draw(st.booleans()) else b"%04x" % size
        extension = draw(st.sampled_from([b"", b"", b";a", b';a="b;c"', b";a=b"]))
        out += digits + extension + b"\r\n" + content[position : position + size] + b"\r\n"
        position += size
    trailers = draw(
        st.sampled_from([b"", b"", b"X: y\r\n", b"Content-Length: 3\r\n", b"Upgrade: h2c\r\nA:b\r\n"])
    )
    return out + b"0\r\n" + trailers + b"\r\n"


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A request that nobody may refuse."""
    headers = [f"{name}: {value}" for name, value in draw(st.lists(st.tuples(names, values), max_size=4))]
    headers += draw(upgrades)
    headers.insert(draw(st.integers(0, len(headers))), "Host: example.org")
    content = draw(contents)
    how = draw(st.sampled_from(["none", "length", "chunks"]))
    body = b""
    if how == "length":
        headers.insert(draw(st.integers(0, len(headers))), f"Content-Length: {len(content)}")
        body = content
    elif how == "chunks":
        headers.insert(draw(st.integers(0, len(headers))), "Transfer-Encoding: chunked")
        body = draw(chunked(content))
    method = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]))
    head = "\r\n".join([f"{method} {draw(targets)} HTTP/1.1", *headers, "", ""])
    return head.encode("latin-1") + body


# -- messages as they should not be ----------------------------------------------------------------

tricks = st.sampled_from(
    [
        "Content-Length: 5",
        "Content-Length: 0",
        "Content-Length: +5",
        "Content-Length: 5, 5",
        "Content-Length : 5",
        " Content-Length: 5",
        "Content-Length:\t5",
        "Content-Length: 5\x0b",
        "Content-Length: 5\n",
        "Content-Length: 5\rX: y",
        "Content-Length: 5\nX: y",
        "content-length: 31",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: Chunked",
        "Transfer-Encoding:chunked ",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\x0cchunked",
        "Transfer-Encoding:",
        " chunked",
        "X: y\n",
        "X: \0",
        "Host: b",
        "Host:",
        "Host: a b",
        "Connection: close",
        "Connection: close, upgrade",
        "Connection: upgrade",
        "Upgrade: h2c",
        "Expect: 100-continue",
        "nothing",
        ":",
        "",
    ]
)
pieces_of_bodies = st.sampled_from(
    [
        b"hello",
        b"5\r\nhello\r\n",
        b"5;a=b\r\nhello\r\n",
        b"5\nhello\r\n",
        b"5 \r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5\r\nhelloXX",
        b"5\r\nhello\n",
        b"0000000000000000000005\r\nhello\r\n",
        b"ffffffffffffffff\r\n",
        b"0\r\n\r\n",
        b"0\r\n",
        b"0\n\n",
        b"X: y\r\n",
        b"\r\n",
        b"\n",
        b"GET /in HTTP/1.1\r\nHost: a\r\n\r\n",
    ]
)
first_lines = st.one_of(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["GET", "POST", "CONNECT", "HEAD", "get", "G\0T", "PRI", ""]),
        st.sampled_from(["/", "/a", "*", "a:80", "http://h/x", "", "/a b", "/\t"]),
        st.sampled_from(
            ["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.1 ", ""]
        ),
    ),
    st.just("POST / HTTP/1.1"),
    st.just("POST / HTTP/1.1"),
)


@st.composite
def tricky(draw: st.DrawFn) -> bytes:
    """A request that tries to be two, or to hide one."""
    lines = draw(st.lists(tricks, max_size=4))
    if draw(st.integers(0, 4)):
        lines.insert(draw(st.integers(0, len(lines))), "Host: a")
    end = "\r\n" if draw(st.integers(0, 9)) else "\n"
    head = end.join([draw(first_lines), *lines, "", ""])
    return head.encode("latin-1") + b"".join(draw(st.lists(pieces_of_bodies, max_size=4)))


splinters = st.sampled_from(
    [b"", b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b";", b"0", b"1", b",", b"\xff"]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Messages in which a few bytes were changed, added or lost."""
    data = bytearray(b"".join(draw(st.lists(st.one_of(messages(), tricky()), min_size=1, max_size=3))))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, max(0, len(data) - 1)))
        data[start : start + draw(st.integers(0, 2))] = draw(
            st.sampled_from(
                [b"", b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b";", b"0", b"1", b",", b"\xff"]
            )
        )
    return bytes(data)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """``data`` in pieces."""
    borders = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(borders)]


cuts = st.lists(st.integers(0, 400), max_size=4)


@thorough
@given(st.lists(messages(), min_size=1, max_size=4), cuts)
def test_good_messages_are_all_understood(sent: list[bytes], places: list[int]) -> None:
    data = b"".join(sent)
    count, refused_here, refused_there = agree(data, cut(data, places))
    assert (count, refused_here, refused_there) == (len(sent), False, False)


@thorough
@given(st.lists(st.one_of(tricky(), messages()), min_size=1, max_size=4), cuts)
def test_tricky_messages_fool_neither(sent: list[bytes], places: list[int]) -> None:
    data = b"".join(sent)
    agree(data, cut(data, places))


@thorough
@given(mutated(), cuts)
def test_broken_messages_fool_neither(data: bytes, places: list[int]) -> None:
    agree(data, cut(data, places))
