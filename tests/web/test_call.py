"""Arguments of requests as handlers see them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.constants import Origin
from orthanclite.core.errors import BadRequest, BodyTooLarge
from orthanclite.core.principal import Principal
from orthanclite.web.call import LARGEST_JSON, LARGEST_JSON_WITH_DATA, Call, parse_query


def call(query: str) -> Call:
    return Call("GET", "/", Principal(Origin.REST_API), query_string=query)


def test_json_is_bounded_by_what_may_stand_in_it() -> None:
    asked = Call("POST", "/", Principal(Origin.REST_API), body=b'"' + b"x" * LARGEST_JSON + b'"')
    with pytest.raises(BodyTooLarge, match="larger than 16 MB"):
        asked.json()
    with pytest.raises(BodyTooLarge):
        asked.json_object(BadRequest)
    assert len(asked.json(largest=LARGEST_JSON_WITH_DATA)) == LARGEST_JSON
    asked = Call("POST", "/", Principal(Origin.REST_API), body=b'"' + b"x" * (LARGEST_JSON - 2) + b'"')
    assert len(asked.json()) == LARGEST_JSON - 2


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
