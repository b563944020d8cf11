"""Arguments of requests as handlers see them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.constants import Origin
from orthanclite.core.principal import Principal
from orthanclite.web.call import Call, parse_query


def call(query: str) -> Call:
    return Call("GET", "/", Principal(Origin.REST_API), query_string=query)


def test_the_last_of_a_name_wins_and_all_are_kept() -> None:
    asked = call("includefield=a&since=1&includefield=b%2Cc&includefield")
    assert asked.query == {"includefield": "", "since": "1"}
    assert asked.every("includefield") == ["a", "b,c", ""]
    assert asked.every("limit") == []


@given(st.lists(st.tuples(st.text(), st.text())))
def test_every_pair_survives_its_encoding(pairs: list[tuple[str, str]]) -> None:
    pairs = [pair for pair in pairs if pair != ("", "")]
    text = urlencode(pairs)
    assert parse_query(text) == pairs
    assert parse_query(text) == parse_qsl(text, keep_blank_values=True)
