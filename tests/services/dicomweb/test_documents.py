"""Documents of metadata: what is packed comes out, and what is none is told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orthanclite.services.dicomweb.documents import Document

TEXTS = st.lists(st.tuples(st.text("abc-09"), st.text("abc-09"), st.binary(max_size=3000)), max_size=20)


@given(st.text(), TEXTS)
def test_what_is_packed_comes_out(key: str, texts: list[tuple[str, str, bytes]]) -> None:
    document = Document.build(key, texts)
    again = Document.unpack(document.pack())
    assert again == document
    assert [(one.instance, one.blob, text) for one, text in document.texts()] == texts
    assert b"".join(document.pieces()) == b",".join(text for _, _, text in texts)


def test_large_documents_come_in_pieces() -> None:
    text = bytes(range(256)) * 4096
    document = Document.build("key", [("a", "b", text), ("c", "d", text)])
    pieces = list(document.pieces())
    assert len(pieces) > 1
    assert max(map(len, pieces)) <= 1 << 20
    assert b"".join(pieces) == text + b"," + text


@given(st.binary(max_size=200))
def test_anything_else_is_no_document(data: bytes) -> None:
    assert Document.unpack(data) is None
    assert Document.unpack(b"OLDW" + data) is None
