"""JSON answers as XML: what clients see is what the same JSON says."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.text.styled_json import dumps
from orthanclite.web.answers.responses import Response, StreamResponse, json_response, literal_object
from orthanclite.web.answers.xml import as_xml, wants_xml, xml_chunks

TYPE = (b"content-type", b"application/xml; charset=utf-8")
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "item")
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1)
VALUES = st.recursive(
    TEXTS | st.booleans() | st.none() | st.integers(-(2**53), 2**53),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


def xml(value: Any) -> str:
    return b"".join(xml_chunks([dumps(value)])).decode()


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (b"application/xml", True),
        (b" application/xml ", True),
        (b"application/xml;q=0.9", True),
        (b"application/xml;q=0.1,application/json", True),
        (b"application/xml, application/json", False),
        (b"application/json, application/xml", False),
        (b"application/json;q=0.2,application/xml;q=0.9", False),
        (b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        (b"APPLICATION/XML", False),
        (b"text/xml", False),
        (b"application/*", False),
        (b"*/*", False),
        (b"", False),
    ],
)
def test_accept(accept: bytes, expected: bool) -> None:
    """As the installed reference decides."""
    assert wants_xml(accept) is expected


def test_form_of_the_reference() -> None:
    value = {
        "Changes": [],
        "Done": True,
        "Labels": {},
        "List": ["a", [1, 2], {"b": None}],
        "Number": 4.5,
        "Text": "A<&\"'>\u00e9\u0001\t\x1f",
        "Zero": "",
    }
    assert xml(value) == (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        "<root>\n"
        "  <Changes />\n"
        "  <Done>true</Done>\n"
        "  <Labels />\n"
        "  <List>\n"
        "    <item>a</item>\n"
        "    <item>\n"
        "      <item>1</item>\n"
        "      <item>2</item>\n"
        "    </item>\n"
        "    <item>\n"
        "      <b>null</b>\n"
        "    </item>\n"
        "  </List>\n"
        "  <Number>4.5</Number>\n"
        "  <Text>A&lt;&amp;\"'&gt;\u00e9&#01;\t&#31;</Text>\n"
        "  <Zero></Zero>\n"
        "</root>\n"
    )
    assert xml([]) == xml({}) == '<?xml version="1.0" encoding="utf-8"?>\n<root />\n'


def test_names_of_members_cannot_make_elements() -> None:
    assert "<b>" not in xml({"a><b>c</b><a": "text"})


@given(VALUES.filter(lambda value: isinstance(value, list | dict)))
def test_structure_and_texts_survive(value: Any) -> None:
    def shown(value: Any) -> Any:
        if isinstance(value, dict):
            return [(name, shown(value[name])) for name in sorted(value)]
        if isinstance(value, list):
            return [("item", shown(one)) for one in value]
        if value is None or isinstance(value, bool):
            return {None: "null", True: "true", False: "false"}[value]
        return str(value)

    def read(element: ElementTree.Element) -> Any:
        if len(element) or not element.text:
            return [(child.tag, read(child)) for child in element]
        return element.text

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [(name, plain(one)) for name, one in value]
        return value

    assert read(ElementTree.fromstring(xml(value))) == plain(shown(value))


@given(st.lists(st.dictionaries(NAMES, TEXTS, min_size=1), min_size=1), st.data())
def test_pieces_make_the_same_document(values: list[dict[str, str]], data: st.DataObject) -> None:
    pieces = [b"["]
    for value in values:
        pieces += [dumps(value), b","]
    pieces[-1] = b"]"
    assert b"".join(xml_chunks(pieces)).decode() == xml(values)


def test_only_json_answers_are_turned() -> None:
    for answer in (Response(404), Response(200, b"a", [(b"content-type", b"application/dicom+json")])):
        assert as_xml(answer) is answer
    etag = (b"etag", b'"0-a"')
    turned = as_xml(json_response(["a"]).with_header("ETag", '"0-a"'))
    assert (turned.status, turned.headers) == (200, [TYPE, etag])
    assert b"<item>a</item>" in turned.body
    assert as_xml(literal_object()).headers == [TYPE]


def test_streamed_answers_stay_streams() -> None:
    answer = StreamResponse(iter([b'[\n"a"', b',\n"b"', b"\n]"]), "application/json; charset=utf-8")
    turned = as_xml(answer)
    assert isinstance(turned, StreamResponse)
    assert turned.headers == [TYPE]
    assert turned.length is None
    body = b"".join(turned.chunks)  # type: ignore[arg-type]
    assert (
        body
        == b'<?xml version="1.0" encoding="utf-8"?>\n<root>\n  <item>a</item>\n  <item>b</item>\n</root>\n'
    )
