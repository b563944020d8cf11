"""Messages that two servers in a row could take for different ones: refused, or read in the one right way."""

from __future__ import annotations

import re

import pytest

from orthanclite.web.protocol.bodies import LARGEST_EXTRAS, LONGEST_LINE, MOST_TRAILERS
from orthanclite.web.protocol.head import LARGEST_HEAD, MOST_HEADERS
from tests.web.protocol.rig import exchange

INNER = b"GET /inner HTTP/1.1\r\nHost: a\r\n\r\n"


def post(
    *lines: str, body: bytes = b"", method: str = "POST", version: str = "1.1", host: str = "a"
) -> bytes:
    head = [f"{method} /outer HTTP/{version}", *([f"Host: {host}"] if host else []), *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


LENGTH = f"Content-Length: {len(INNER)}"
CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(INNER), INNER)

REFUSED = {
    "CONNECT": post(method="CONNECT", body=INNER),
    "CONNECT with a body": post(LENGTH, method="CONNECT", body=INNER),
    "CONNECT with chunks": post(CHUNKED, method="CONNECT", body=CHUNKS),
    "length and chunks": post(LENGTH, CHUNKED, body=CHUNKS),
    "chunks and length": post(CHUNKED, LENGTH, body=CHUNKS),
    "length of zero and chunks": post("Content-Length: 0", CHUNKED, body=CHUNKS),
    "two lengths": post("Content-Length: 0", LENGTH, body=INNER),
    "two equal lengths": post(LENGTH, LENGTH, body=INNER),
    "a list of lengths": post(f"{LENGTH}, {len(INNER)}", body=INNER),
    "length with a sign": post(f"Content-Length: +{len(INNER)}", body=INNER),
    "negative length": post("Content-Length: -1", body=INNER),
    "length with an underscore": post("Content-Length: 3_2", body=INNER),
    "hexadecimal length": post("Content-Length: 0x20", body=INNER),
    "length with a blank": post("Content-Length: 3 2", body=INNER),
    "empty length": post("Content-Length:", body=INNER),
    "other digits": post("Content-Length: \xb2\xb3", body=INNER),
    "chunked twice": post(CHUNKED, CHUNKED, body=CHUNKS),
    "chunked twice in one": post("Transfer-Encoding: chunked, chunked", body=CHUNKS),
    "identity": post("Transfer-Encoding: identity", body=INNER),
    "identity and chunked": post("Transfer-Encoding: identity, chunked", body=CHUNKS),
    "gzip and chunked": post("Transfer-Encoding: gzip, chunked", body=CHUNKS),
    "chunked and identity": post("Transfer-Encoding: chunked, identity", body=CHUNKS),
    "quoted": post('Transfer-Encoding: "chunked"', body=CHUNKS),
    "with a parameter": post("Transfer-Encoding: chunked;q=1", body=CHUNKS),
    "vertical tab": post("Transfer-Encoding: \x0bchunked", body=CHUNKS),
    "empty encoding": post("Transfer-Encoding:", body=CHUNKS),
    "xchunked": post("Transfer-Encoding: xchunked", body=CHUNKS),
    "chunks in HTTP/1.0": post(CHUNKED, version="1.0", body=CHUNKS),
    "blank before the colon": post("Transfer-Encoding : chunked", body=CHUNKS),
    "tab before the colon": post("Content-Length\t: 5", body=INNER),
    "blank before the name": post("X: y", " Transfer-Encoding: chunked", body=CHUNKS),
    "second line": post("Transfer-Encoding:", " chunked", body=CHUNKS),
    "second line with a tab": post("X: y", "\tz", body=INNER),
    "a blank before the first header": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "bare LF": post(LENGTH + "\nX: y", body=INNER),
    "bare CR": post(LENGTH + "\rX: y", body=INNER),
    "CR before CRLF": post(LENGTH + "\r", body=INNER),
    "head with bare LF": post(LENGTH, body=INNER).replace(b"\r\n", b"\n"),
    "NUL in a name": post("Content\0Length: 5", body=INNER),
    "NUL in a value": post(f"{LENGTH}\0", body=INNER),
    "NUL in the target": b"GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n",
    "header without a colon": post("Content-Length", body=INNER),
    "header without a name": post(": 5", body=INNER),
    "underscore is no hyphen": post("Content_Length: 5", "Content-Length: x"),
    "no host": post(LENGTH, host="", body=INNER),
    "two hosts": post("Host: b"),
    "two equal hosts": post("Host: a"),
    "host with a path": post(host="a/b"),
    "host with a blank": post(host="a b"),
    "host with a user": post(host="b@a"),
    "two hosts in one": post(host="a, b"),
    "host with a query": post(host="a?b"),
    "host with a bad port": post(host="a:b"),
    "host in HTTP/1.0, twice": post("Host: b", version="1.0"),
    "host in raw UTF-8": post(host="\xc3\xa4"),
    "no target": b"GET HTTP/1.1\r\nHost: a\r\n\r\n",
    "two blanks": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tab for a blank": b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "blank in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "blank behind the version": b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "lower case": b"GET / http/1.1\r\nHost: a\r\n\r\n",
    "another protocol": b"GET / ICE/1.1\r\nHost: a\r\n\r\n",
    "HTTP/1.2": post(version="1.2"),
    "HTTP/1.10": post(version="1.10"),
    "HTTP/11": post(version="11"),
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "two empty lines before": b"\r\n\r\n" + INNER,
    "too many headers": post(*["X: y"] * MOST_HEADERS),
    "too large": post("X: " + "y" * LARGEST_HEAD),
    "endless": post("X: " + "y" * LARGEST_HEAD)[:-4],
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    requests, sent, is_open = exchange([REFUSED[name] + INNER])
    assert requests == []
    assert sent.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 ", b"HTTP/1.1 505 "))
    assert sent.count(b"HTTP/1.1 ") == 1
    assert not is_open


BAD_CHUNKS = {
    "no hexadecimal": b"g\r\n",
    "sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "minus": b"-1\r\nhello\r\n0\r\n\r\n",
    "prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "empty size": b"\r\nhello\r\n0\r\n\r\n",
    "blank before": b" 5\r\nhello\r\n0\r\n\r\n",
    "blank behind": b"5 \r\nhello\r\n0\r\n\r\n",
    "bare LF": b"5\nhello\r\n0\r\n\r\n",
    "bare CR": b"5\rhello\r\n0\r\n\r\n",
    "LF in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "NUL in an extension": b"5;\0\r\nhello\r\n0\r\n\r\n",
    "no semicolon": b"5 a=b\r\nhello\r\n0\r\n\r\n",
    "17 digits": b"00000000000000005\r\nhello\r\n0\r\n\r\n",
    "too short": b"4\r\nhello\r\n0\r\n\r\n",
    "too long": b"6\r\nhello\r\n0\r\n\r\n",
    "LF behind": b"5\r\nhello\n0\r\n\r\n",
    "anything behind": b"5\r\nhelloXX0\r\n\r\n",
    "endless line": b"5;" + b"a" * (LONGEST_LINE + 1),
    "many extensions": b"1;%s\r\nx\r\n" % (b"a" * 100) * (LARGEST_EXTRAS // 100 + 1),
    "trailer without a colon": b"0\r\nabc\r\n\r\n",
    "trailer with a blank before the colon": b"0\r\na : b\r\n\r\n",
    "trailer that goes on": b"0\r\na: b\r\n c\r\n\r\n",
    "trailer with LF": b"0\r\na: b\nc: d\r\n\r\n",
    "request for a trailer": b"0\r\nGET /inner HTTP/1.1\r\nHost: a\r\n\r\n",
    "many trailers": b"0\r\n" + b"a: b\r\n" * (MOST_TRAILERS + 1),
    "large trailers": b"0\r\n" + b"a: %s\r\n" % (b"b" * 4000) * 5,
    "endless trailer": b"0\r\na: " + b"b" * (LONGEST_LINE + 1),
}


@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_bad_chunks_are_refused(name: str) -> None:
    requests, sent, is_open = exchange([post(CHUNKED, body=BAD_CHUNKS[name]) + INNER])
    assert [request.target for request in requests] == [b"/outer"]
    assert not requests[0].complete
    assert sent.startswith(b"HTTP/1.1 400 ")
    assert sent.count(b"HTTP/1.1 ") == 1
    assert not is_open


UPGRADES = {
    "h2c": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
    "websocket": ("Connection: upgrade", "Upgrade: websocket"),
    "lower case": ("connection: upgrade", "upgrade: x"),
    "upper case": ("CONNECTION: UPGRADE", "UPGRADE: X"),
    "without Connection": ("Upgrade: x",),
    "twice": ("Connection: upgrade", "Upgrade: x", "Upgrade: y"),
    "no value": ("Connection: upgrade", "Upgrade:"),
}


@pytest.mark.parametrize("name", UPGRADES)
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("before", [b"", INNER, post(LENGTH, body=INNER), post(CHUNKED, body=CHUNKS)])
def test_an_upgrade_is_ignored(name: str, chunked: bool, before: bytes) -> None:
    """First, second and behind a body; however the network cuts it."""
    body = CHUNKS if chunked else INNER
    message = post(*UPGRADES[name], CHUNKED if chunked else LENGTH, body=body)
    whole = before + message + INNER
    expected = [*exchange([before])[0], *exchange([post(LENGTH, body=INNER)])[0], *exchange([INNER])[0]]
    for cut in range(len(before), len(before + message)):
        requests, _, is_open = exchange([whole[:cut], whole[cut:]])
        assert [(one.target, one.body) for one in requests] == [(one.target, one.body) for one in expected]
        assert is_open


TAKEN = {
    "nothing special": post(LENGTH, body=INNER),
    "HTTP/1.0 without a host": post(LENGTH, version="1.0", host="", body=INNER),
    "empty host": b"POST /outer HTTP/1.1\r\nHost:\r\nContent-Length: 32\r\n\r\n" + INNER,
    "host with a port": post(LENGTH, host="a.example:8042", body=INNER),
    "host with an underscore": post(LENGTH, host="my_server", body=INNER),
    "IPv6": post(LENGTH, host="[::1]:8042", body=INNER),
    "no blank behind the colon": post(f"Content-Length:{len(INNER)}", body=INNER),
    "blanks around": post(f"Content-Length: \t {len(INNER)} \t", body=INNER),
    "zeros before": post(f"Content-Length: 000{len(INNER)}", body=INNER),
    "chunked in capitals": post("Transfer-Encoding: CHUNKED", body=CHUNKS),
    "size in capitals": post(CHUNKED, body=CHUNKS.replace(b"1f", b"1F")),
    "extensions": post(CHUNKED, body=CHUNKS.replace(b"\r\nGET", b';a=b;c="d"\r\nGET')),
    "trailers": post(CHUNKED, body=CHUNKS[:-2] + b"Content-Length: 5\r\nUpgrade: x\r\nX:y\r\n\r\n"),
    "an empty line before": b"\r\n" + post(LENGTH, body=INNER),
    "high bytes in a value": post("X: \xe4\xff", LENGTH, body=INNER),
    "whole URL": post(LENGTH, body=INNER).replace(b" /outer", b" http://a/outer"),
    "fragment": post(LENGTH, body=INNER).replace(b" /outer", b" /outer#a?b"),
    "many headers": post(*["X: y"] * (MOST_HEADERS - 2), LENGTH, body=INNER),
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken_as_it_is(name: str) -> None:
    requests, sent, is_open = exchange([TAKEN[name]])
    [request] = requests
    assert (request.method, request.target, request.body) == ("POST", b"/outer", INNER)
    assert request.complete
    assert sent.startswith(b"HTTP/1.1 200 ")
    assert is_open is (b"HTTP/1.0" not in TAKEN[name])


@pytest.mark.parametrize("name", ["HTTP/0.9 spelt out", "HTTP/2.0", "HTTP/3.0"])
def test_other_versions_are_told_so(name: str) -> None:
    version = name.split()[0].partition("/")[2]
    _, sent, is_open = exchange([post(version=version)])
    assert sent.startswith(b"HTTP/1.1 505 ")
    assert sent.endswith(f"Bad HTTP version: [{version}]".encode())
    assert not is_open


CORPUS = {
    **REFUSED,
    **TAKEN,
    **{f"chunk: {name}": post(CHUNKED, body=body) for name, body in BAD_CHUNKS.items()},
}


def outcome(*pieces: bytes) -> tuple[list[object], list[bytes], bool]:
    """What came of a message.

    Of a body that is refused in the middle, more or less may have come in; why may be told in other words.
    """
    requests, sent, is_open = exchange(pieces)
    seen: list[object] = [
        (one.method, one.target, one.headers, one.complete and one.body) for one in requests
    ]
    return seen, re.findall(rb"HTTP/1\.1 (\d\d\d)", sent), is_open


@pytest.mark.parametrize("name", [name for name, message in CORPUS.items() if len(message) < 2000])
def test_cut_in_two_anywhere(name: str) -> None:
    """What a message is does not depend on how the network cuts it."""
    message = CORPUS[name] + INNER
    whole = outcome(message)
    for cut in range(1, len(message)):
        assert outcome(message[:cut], message[cut:]) == whole, cut
    assert outcome(*(message[i : i + 1] for i in range(len(message)))) == whole
