"""What clients accept: any header has an answer, and the best that fits it is chosen."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.constants import Origin
from orthanclite.core.errors import NotAcceptable
from orthanclite.core.principal import Principal
from orthanclite.dicomweb.addresses import Addresses
from orthanclite.dicomweb.negotiation import Offer, choose, quality, ranges
from orthanclite.web.call import Call

OFFERS = (
    Offer("application/dicom+json"),
    Offer("application/dicom+xml", parts=True),
    Offer("image/jpeg"),
    Offer("application/octet-stream", parts=True, asked="*"),
)
TYPES = [
    "application/dicom+json",
    "application/*",
    "*/*",
    "image/jpeg",
    "image/*",
    "text/html",
    "multipart/related",
]
QUALITY = st.sampled_from(["", ";q=0", "; q=0.5", ";Q=1", " ; q = .2", ";q=0.001"])
PARAMETERS = st.sampled_from(
    [
        "",
        '; type="application/dicom+xml"',
        "; type=application/octet-stream; transfer-syntax=*",
        ";charset=utf-8",
    ]
)
HEADERS = st.lists(
    st.tuples(st.sampled_from(TYPES), PARAMETERS, QUALITY).map("".join), min_size=1, max_size=6
)


def call(accept: str | None = None, query: str = "", **headers: str) -> Call:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if accept is not None:
        sent["accept"] = accept
    encoded = [(name.encode(), value.encode("latin-1", "replace")) for name, value in sent.items()]
    principal = Principal(Origin.REST_API, address="127.0.0.1")
    return Call("GET", "/", principal, query_string=query, headers=encoded)


@given(HEADERS)
def test_the_choice_is_the_best_liked(items: list[str]) -> None:
    wanted = ranges(call(", ".join(items)))
    likes = [quality(wanted, offer) for offer in OFFERS]
    assert all(0 <= like <= 1 for like in likes)
    try:
        chosen = choose(wanted, OFFERS)
    except NotAcceptable:
        assert max(likes) == 0
    else:
        assert quality(wanted, chosen) == max(likes) > 0


@given(HEADERS)
def test_blanks_and_order_mean_nothing(items: list[str]) -> None:
    """As long as nothing is liked in two ways."""
    wanted = ranges(call(",".join(items)))
    if len({(one.media_type, one.parts) for one in wanted}) < len(wanted):
        return
    turned = ranges(call(" ,\t".join(reversed(items))))
    for offer in OFFERS:
        assert quality(wanted, offer) == quality(turned, offer)


@given(st.text(max_size=60), st.text(max_size=30))
def test_any_header_has_an_answer(accept: str, query: str) -> None:
    with suppress(NotAcceptable):
        choose(ranges(call(accept, f"accept={query}")), OFFERS)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/dicom+json;q=0.1, multipart/related;type=application/dicom+xml", OFFERS[1]),
        ("*/*;q=0.1, application/dicom+json;q=0", OFFERS[1]),
        ("text/html, */*;q=0.2", OFFERS[0]),
        ("image/*", OFFERS[2]),
        ('multipart/related; type="application/octet-stream"; transfer-syntax="*"', OFFERS[3]),
        ("multipart/*;q=0.4, image/jpeg;q=0.3", OFFERS[1]),
    ],
)
def test_examples(accept: str, expected: Offer) -> None:
    assert choose(ranges(call(accept)), OFFERS) is expected


@given(
    st.text(max_size=40),
    st.text(max_size=40),
    st.text(max_size=40),
    st.text(max_size=60),
    st.text(max_size=20),
)
def test_addresses_are_addresses(host: str, proto: str, prefix: str, forwarded: str, own: str) -> None:
    """Nothing that a client sends ends up in an address but what an address may have."""
    addresses = Addresses("/dicom-web/", "", False, ["127.0.0.0/8"])
    base = addresses.base(
        call(
            host=own,
            x_forwarded_host=host,
            x_forwarded_proto=proto,
            x_forwarded_prefix=prefix,
            forwarded=forwarded,
        )
    )
    assert base.endswith("/dicom-web")
    assert not set(base) & set("\"'<>\\ \r\n\0?#")
    assert base.startswith(("http://", "https://", "/"))


def test_only_trusted_proxies_are_believed() -> None:
    strict = Addresses("/dicom-web/", "", False, ["10.0.0.0/8"])
    told = call(host="me:1", x_forwarded_host="other", x_forwarded_proto="https")
    assert strict.base(told) == "http://me:1/dicom-web"
    assert Addresses("/dicom-web/", "", False, ["127.0.0.1"]).base(told) == "https://other/dicom-web"
