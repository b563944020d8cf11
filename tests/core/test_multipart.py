"""Forms as browsers, scripts and careless clients write them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.errors import BadFileFormat
from orthanclite.core.text.multipart import BodyParts

HEAD = b'Content-Disposition: form-data; name="file"\r\nContent-Type: application/dicom\r\n\r\n'
CONTENTS = (b"first\r\n\r\n-- content\r\n--BX\r\n", b"")


def form(
    contents: tuple[bytes, ...] = CONTENTS,
    head: bytes = HEAD,
    before: bytes = b"",
    end: bytes = b"\r\n--B--\r\n",
    padding: bytes = b"",
) -> bytes:
    line = b"--B" + padding + b"\r\n"
    return before + b"\r\n".join(line + head + content for content in contents) + end


def parts(body: bytes, size: int = 0, boundary: str = "B") -> list[bytes]:
    """The contents of all parts, of a body that comes in chunks of ``size``."""

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size or max(1, len(body))):
            yield body[start : start + (size or len(body))]

    async def read() -> list[bytes]:
        found = []
        async for part in BodyParts(chunks(), boundary).parts():
            found.append(b"".join([piece async for piece in part]))
        return found

    return asyncio.run(read())


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7])
@pytest.mark.parametrize(
    "body",
    [
        form(),
        form(head=HEAD.replace(b":", b" :")),
        form(head=HEAD.replace(b":", b"\t:")),
        form(head=b"Content-Disposition form-data\r\n\r\n"),
        form(head=b'Content-Disposition: form-data;\r\n name="file"\r\n\r\n'),
        form(head=b"Con(tent: x\r\n\r\n"),
        form(head=b"\r\n"),
        form(before=b"\r\n"),
        form(before=b"This is a preamble.\r\n"),
        form(padding=b" \t"),
        form(end=b"\r\n--B--"),
        form(end=b"\r\n--B-- \r\n"),
        form(end=b"\r\n--B--\r\nThis is an epilogue."),
        form(end=b"\r\n--B\r\n"),
        form(end=b"\r\n--B"),
        form(end=b"\r\n--B-"),
    ],
)
def test_parts(body: bytes, size: int) -> None:
    assert parts(body, size) == list(CONTENTS)


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        form(end=b""),
        form(end=b"\r\n"),
        form(end=b"\r\n--"),
        form(end=b"\r\n--B\r\nContent-Type: x"),
        form(end=b"\r\n--C--\r\n"),
    ],
)
def test_what_may_have_been_cut_off_is_refused(body: bytes, size: int) -> None:
    with pytest.raises(BadFileFormat):
        parts(body, size)


def test_bounds() -> None:
    with pytest.raises(BadFileFormat, match="boundary"):
        parts(form(), boundary="B" * 201)
    with pytest.raises(BadFileFormat, match="headers"):
        parts(form(head=b"X: " + b"y" * 100_000 + b"\r\n\r\n"), 10_000)


def test_what_is_left_of_a_part_is_skipped() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield form((b"one", b"two", b"three"))

    async def count() -> int:
        return len([part async for part in BodyParts(chunks(), "B").parts()])

    assert asyncio.run(count()) == 3


@given(
    st.lists(
        st.binary(max_size=40) | st.text("\r\n-B ", max_size=20).map(str.encode), min_size=1, max_size=4
    ),
    st.integers(1, 50),
)
def test_any_content_in_any_chunks(contents: list[bytes], size: int) -> None:
    boundary = "Boundary-that-no-content-has"
    body = form(tuple(contents)).replace(b"--B\r\n" + HEAD, b"--%s\r\n%s" % (boundary.encode(), HEAD))
    body = body.removesuffix(b"--B--\r\n") + b"--%s--\r\n" % boundary.encode()
    assert parts(body, size, boundary) == contents


def test_false_delimiters_take_no_longer_than_other_bytes() -> None:
    """Four megabytes in one chunk, as they come past the parser of HTTP."""
    content = b"\r\n--BX" * (4 * 1024 * 1024 // 6)
    started = time.process_time()
    assert parts(b"--B\r\n\r\n" + content + b"\r\n--B--\r\n") == [content]
    assert time.process_time() - started < 10
