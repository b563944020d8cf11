"""One connection: keeping in step, pausing, slow clients, what is held of it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator

import pytest

from orthanclite.core.errors import BadFileFormat
from orthanclite.web.answers.responses import Response, StreamResponse
from orthanclite.web.answers.sending import Sender
from orthanclite.web.budget import MemoryBudget
from orthanclite.web.policy import HttpPolicy
from orthanclite.web.protocol.direct import SMALLEST
from orthanclite.web.protocol.exchange import WHOLE_ANSWER
from orthanclite.web.protocol.patrol import LEAST_RATE, MOST_UNREAD, Patrol
from tests.web.protocol.rig import Memory, Receive, Recorder, Rig, Scope, Send, exchange, run

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
STREAM = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(body: bytes, *lines: bytes, method: bytes = b"POST") -> bytes:
    head = [method + b" / HTTP/1.1", b"Host: a", b"Content-Length: %d" % len(body), *lines, b"", b""]
    return b"\r\n".join(head) + body


class Deaf:
    """An application that answers without reading the body, when it is let go."""

    def __init__(self, body: bytes = b"ok", whole: bool = False) -> None:
        self.scopes: list[Scope] = []
        self.go = asyncio.Event()
        self.go.set()
        self.whole = whole
        self.body = body
        self.messages: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        await self.go.wait()
        headers = [
            (b"content-length", b"%d" % len(self.body)),
            (b"connection", b"keep-alive"),
            (b"keep-alive", b"timeout=1"),
        ]
        if self.whole and scope["extensions"][WHOLE_ANSWER](200, headers, self.body):
            return
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})
        self.messages.append((await receive())["type"])


@pytest.mark.parametrize("size", [0, 100, 1 << 18, 1 << 20])
def test_an_answer_in_memory_is_sent_at_once(size: int) -> None:
    """A client that waits for a large one is not woken up for its head alone."""
    body = bytes(size)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        sender = Sender(scope, {}, receive, send, HttpPolicy(), asyncio.to_thread, ())
        await sender.send(Response(200, body))

    async def test() -> None:
        rig = Rig(application)
        sent: list[int] = []
        write = rig.wire.write
        rig.wire.write = lambda data: (sent.append(len(data)), write(data))[1]  # type: ignore[method-assign]
        await rig.feed(GET % 1)
        assert len(sent) == 1
        assert rig.sent.endswith(b"\r\n\r\n" + body)
        await rig.close()

    run(test())


def test_an_answer_that_cannot_be_completed_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    """A damaged file is no fault of the server: a line in the log says enough."""

    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise BadFileFormat("the second frame is damaged")

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        sender = Sender(scope, {}, receive, send, HttpPolicy(), asyncio.to_thread, ())
        await sender.send(StreamResponse(pieces(), "a/b"))

    async def test() -> None:
        rig = Rig(application)
        await rig.feed(GET % 1)
        while not rig.wire.closed:
            await asyncio.sleep(0.01)
        assert b"first" in rig.sent
        assert not rig.sent.endswith(b"0\r\n\r\n")
        await rig.close()

    run(test())
    (record,) = caplog.records
    assert "the second frame is damaged" in record.getMessage()
    assert record.exc_info is None


# -- requests in their turn --------------------------------------------------------------------------


def test_requests_sent_ahead_wait_unparsed_and_reading_pauses() -> None:
    async def test() -> None:
        application = Deaf()
        application.go.clear()
        rig = Rig(application)
        left = await rig.feed(b"".join(GET % number for number in range(10_000)))
        assert len(application.scopes) == 1
        assert not rig.wire.reading
        assert len(left) > 200_000
        assert rig.patrol.budget.used < 1 << 15
        application.go.set()
        await rig.settle()
        while left:
            left = await rig.feed(left)
        await rig.settle()
        assert [scope["path"] for scope in application.scopes] == [f"/{number}" for number in range(10_000)]
        assert rig.sent.count(b"HTTP/1.1 200 ") == 10_000
        assert rig.patrol.budget.used == 0
        await rig.close()

    run(test())


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("size", [10, SMALLEST - 1, SMALLEST, 3 * SMALLEST])
def test_a_body_that_is_not_read_is_dropped(whole: bool, size: int) -> None:
    """The answer goes out before the body has come, which is never taken for a request."""

    async def test() -> None:
        application = Deaf(whole=whole)
        rig = Rig(application)
        message = post((GET % 1) * (size // len(GET % 1) + 1))
        await rig.feed(message[:-5])
        assert rig.sent.count(b"HTTP/1.1 200 ") == 1
        await rig.feed(message[-5:] + GET % 2)
        assert [scope["path"] for scope in application.scopes] == ["/", "/2"]
        assert rig.open
        assert rig.patrol.budget.used == 0
        await rig.close()

    run(test())


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"OPTIONS"])
@pytest.mark.parametrize("size", [5, SMALLEST])
def test_a_body_that_is_announced_and_does_not_come(method: bytes, size: int, whole: bool) -> None:
    """The connection closes: what comes next could be that body, or the next request."""

    async def test() -> None:
        application = Deaf(whole=whole)
        rig = Rig(application)
        head = post(bytes(size), method=method)[:-size]
        await rig.feed(head)
        assert rig.sent.count(b"HTTP/1.1 200 ") == 1
        assert b"\r\nconnection: close\r\n" in rig.sent
        assert b"keep-alive" not in rig.sent
        assert rig.wire.ended  # the client may be sending: it is listened to for a while
        await rig.feed(GET % 2)
        assert len(application.scopes) == 1
        rig.pass_time(3)
        assert rig.wire.closed
        await rig.close()

    run(test())


@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
def test_a_body_that_comes_is_kept_apart(method: bytes) -> None:
    requests, sent, is_open = exchange([post(GET % 1, method=method)[:-3], b"\n\r\n" + GET % 2])
    assert [request.target for request in requests] == [b"/", b"/2"]
    assert sent.count(b"HTTP/1.1 200 ") == 2
    assert is_open


def test_a_client_that_waits_to_be_told() -> None:
    async def test() -> None:
        rig = Rig(recorder := Recorder())
        message = post(b"hello", b"Expect: 100-continue")
        await rig.feed(message[:-5])
        assert rig.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
        await rig.feed(message[-5:] + GET % 2)
        assert [request.body for request in recorder.requests] == [b"hello", b""]
        assert rig.sent.count(b"HTTP/1.1 200 ") == 2
        await rig.close()

    run(test())


def test_a_client_that_waits_to_be_told_and_is_refused() -> None:
    """It may send the body all the same, or go on with the next request."""

    async def test() -> None:
        rig = Rig(application := Deaf(whole=True))
        await rig.feed(post(b"hello", b"Expect: 100-continue")[:-5])
        assert b"100 Continue" not in rig.sent
        assert b"\r\nconnection: close\r\n" in rig.sent
        await rig.feed(GET % 2)
        assert len(application.scopes) == 1
        await rig.close()

    run(test())


@pytest.mark.parametrize(
    "closing", [b"Connection: close", b"Connection: Keep-Alive, CLOSE", b"connection:close"]
)
def test_nothing_is_read_after_the_last_request(closing: bytes) -> None:
    requests, sent, is_open = exchange([post(b"", closing) + GET % 2, GET % 3])
    assert len(requests) == 1
    assert b"\r\nconnection: close\r\n" in sent
    assert not is_open


def test_head_has_no_body() -> None:
    _, sent, is_open = exchange([b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"])
    assert sent.endswith(b"content-length: 2\r\n\r\n")
    assert is_open


async def unsized(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for piece in (b"one", b"", b"two"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


@pytest.mark.parametrize(
    ("version", "body"), [(b"1.1", b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"), (b"1.0", b"onetwo")]
)
def test_answers_of_unknown_length(version: bytes, body: bytes) -> None:
    """The end of the connection is their end in HTTP/1.0, which has no chunks."""

    async def test() -> None:
        rig = Rig(unsized)
        await rig.feed(b"GET / HTTP/%s\r\nHost: a\r\n\r\n" % version)
        head, _, rest = rig.sent.partition(b"\r\n\r\n")
        assert rest == body
        assert (b"chunked" in head) is (version == b"1.1") is rig.open
        await rig.close()

    run(test())


@pytest.mark.parametrize("sent_before", [False, True])
def test_an_application_that_fails(sent_before: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        if sent_before:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        raise ValueError

    async def test() -> None:
        rig = Rig(failing)
        await rig.feed(GET % 1)
        assert rig.sent.startswith(b"HTTP/1.1 200 " if sent_before else b"HTTP/1.1 500 ")
        assert not rig.open
        await rig.close()

    run(test())
    assert "failed in the application" in caplog.text


@pytest.mark.parametrize(
    "header",
    [(b"x", b"a\r\nb: c"), (b"x", b"a\0"), (b"x\r\n", b"a"), (b"", b"a"), (b"x y", b"a"), (b"x:", b"a")],
)
def test_answers_cannot_be_split(header: tuple[bytes, bytes]) -> None:
    async def splitting(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [header]})

    async def test() -> None:
        rig = Rig(splitting)
        await rig.feed(GET % 1)
        assert rig.sent.startswith(b"HTTP/1.1 500 ")
        await rig.close()

    run(test())


@pytest.mark.parametrize("body", [b"x", b"xxx"])
def test_answers_are_as_long_as_they_say(body: bytes) -> None:
    async def lying(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": body})

    async def test() -> None:
        rig = Rig(lying)
        await rig.feed(GET % 1)
        assert not rig.open
        await rig.close()

    run(test())


def test_the_scope() -> None:
    async def test() -> None:
        rig = Rig(application := Deaf())
        await rig.feed(b"GET /a%20b/%C3%A4?c=%20 HTTP/1.1\r\nHost: a\r\nX-Y:  z \r\n\r\n")
        [scope] = application.scopes
        assert scope["type"] == "http"
        assert (scope["method"], scope["http_version"], scope["scheme"]) == ("GET", "1.1", "http")
        assert (scope["path"], scope["raw_path"]) == ("/a b/\xe4", b"/a%20b/%C3%A4")
        assert scope["query_string"] == b"c=%20"
        assert scope["headers"] == [(b"host", b"a"), (b"x-y", b"z")]
        assert (scope["client"], scope["server"]) == (("192.0.2.1", 4711), ("192.0.2.2", 8042))
        await rig.close()

    run(test())


def test_an_application_hears_of_a_client_that_goes() -> None:
    async def test() -> None:
        heard: list[str] = []

        async def listening(scope: Scope, receive: Receive, send: Send) -> None:
            for _ in range(2):
                heard.append((await receive())["type"])
            await send({"type": "http.response.start", "status": 200, "headers": []})  # into the void

        rig = Rig(listening)
        await rig.feed(GET % 1)
        assert heard == ["http.request"]
        rig.connection.connection_lost(None)
        await rig.settle()
        assert heard == ["http.request", "http.disconnect"]
        assert rig.sent == b""
        await rig.close()

    run(test())


# -- what is held ----------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True])
def test_reading_pauses_while_the_application_is_slow(chunked: bool) -> None:
    async def test() -> None:
        go = asyncio.Event()
        total = 0

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal total
            more = True
            while more:
                await go.wait()
                message = await receive()
                total += len(message["body"])
                more = message["more_body"]
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

        size = 5_000_000
        rig = Rig(slow, memory=Memory(0))
        body = STREAM + b"%x\r\n%s\r\n0\r\n\r\n" % (size, bytes(size)) if chunked else post(bytes(size))
        left = await rig.feed(body)
        assert not rig.wire.reading
        assert rig.patrol.budget.used <= 1 << 19
        go.set()
        while left:
            await rig.settle()
            left = await rig.feed(left)
        assert total == size
        assert rig.patrol.budget.used == 0
        assert rig.sent.startswith(b"HTTP/1.1 204 ")
        await rig.close()

    run(test())


def test_unfinished_heads_are_counted() -> None:
    async def test() -> None:
        rig = Rig()
        await rig.feed(GET[:-2] + b"X: " + b"y" * 50_000)
        assert rig.patrol.budget.used > 50_000
        await rig.close()
        assert rig.patrol.budget.used == 0

    run(test())


def test_answers_that_nobody_reads_are_bounded_as_a_whole() -> None:
    """The connection that has waited longest goes; the last one never does."""

    async def test() -> None:
        patrol = Patrol(Memory(), MemoryBudget(), 30.0)
        size = MOST_UNREAD // 4
        rigs = []
        for number in range(6):
            rig = Rig(Deaf(bytes(size)), patrol=patrol, room=0)
            rigs.append(rig)
            await rig.feed(GET % number)
            assert patrol.budget.used <= MOST_UNREAD
        assert [rig.wire.aborted for rig in rigs] == [True] * 3 + [False] * 3
        rigs[3].wire.read(math.inf)
        await rigs[3].settle()
        assert patrol.budget.used == 2 * len(rigs[4].sent)
        for rig in rigs:
            await rig.close()
        assert patrol.budget.used == 0
        alone = Rig(Deaf(bytes(2 * MOST_UNREAD)), patrol=patrol, room=0)
        await alone.feed(GET % 1)
        assert not alone.wire.aborted
        await alone.close()

    run(test())


def test_who_reads_goes_last() -> None:
    async def test() -> None:
        patrol = Patrol(Memory(), MemoryBudget(), 30.0)
        rigs = []
        for _ in range(5):
            rig = Rig(Deaf(bytes(MOST_UNREAD // 4)), patrol=patrol, room=0)
            rigs.append(rig)
            if len(rigs) == 4:  # the first has waited longest, but reads
                rigs[0].wire.read(100_000)
                rigs[0].connection.check(asyncio.get_running_loop().time())
            await rig.feed(GET % 1)
        assert [rig.wire.aborted for rig in rigs] == [False, True, False, False, False]
        for rig in rigs:
            await rig.close()

    run(test())


def test_an_application_waits_for_its_reader() -> None:
    async def test() -> None:
        sent = 0

        async def endless(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal sent
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
                sent += 1

        rig = Rig(endless, room=0)
        await rig.feed(GET % 1)
        assert sent == 0  # not even the second part is made
        rig.wire.read(1 << 20)
        await rig.settle()
        assert 10 <= sent <= 11
        await rig.close()

    run(test())


# -- slow clients ----------------------------------------------------------------------------------


def test_a_head_that_does_not_come() -> None:
    async def test() -> None:
        silent, dripping = Rig(), Rig()
        await dripping.feed(GET[:-2])
        for rig in (silent, dripping):
            rig.pass_time(29)
            assert rig.open
            rig.pass_time(31)
            assert not rig.open
        assert silent.sent == b""
        assert dripping.sent.startswith(b"HTTP/1.1 408 ")
        await silent.close()
        await dripping.close()

    run(test())


def test_an_idle_connection_is_closed() -> None:
    async def test() -> None:
        rig = Rig()
        await rig.feed(GET % 1)
        rig.pass_time(4)
        assert rig.open
        rig.pass_time(6)
        assert rig.wire.closed
        await rig.close()

    run(test())


@pytest.mark.parametrize("begin", [STREAM, post(bytes(60_000))[:-60_000], post(bytes(10**6))[: -(10**6)]])
@pytest.mark.parametrize(("rate", "lives"), [(LEAST_RATE // 2, False), (5_000, True)])
def test_a_body_that_drips(begin: bytes, rate: int, lives: bool) -> None:
    """In chunks, in pieces, and read directly; a client with 5 KB/s is served."""

    async def test() -> None:
        rig = Rig(memory=Memory(1 << 20))
        await rig.feed(begin)
        chunk = b"%x\r\n%s\r\n" % (rate, bytes(rate)) if begin == STREAM else bytes(rate)
        now = asyncio.get_running_loop().time()
        for second in range(60):
            if begin != STREAM and rate * (second + 1) >= 50_000:
                break
            if rig.open:
                await rig.feed(chunk)
                rig.connection.check(now + second)
        assert rig.open is lives
        assert rig.sent.startswith(b"" if lives else b"HTTP/1.1 408 ")
        await rig.close()

    run(test())


def test_a_body_waits_for_the_application_without_blame() -> None:
    async def test() -> None:
        go = asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            await go.wait()
            await Recorder()(scope, receive, send)

        paused, untold = Rig(slow, memory=Memory(0)), Rig(slow)
        await paused.feed(post(bytes(10**6)))
        await untold.feed(post(b"hello", b"Expect: 100-continue")[:-5])
        for rig in (paused, untold):
            rig.pass_time(200)
            assert rig.open
            await rig.close()

    run(test())


@pytest.mark.parametrize(("rate", "lives"), [(0, False), (LEAST_RATE // 2, False), (5_000, True)])
def test_a_download_that_is_not_read(rate: int, lives: bool) -> None:
    async def test() -> None:
        rig = Rig(Deaf(bytes(5_000_000)), room=100_000)
        await rig.feed(GET % 1)
        now = asyncio.get_running_loop().time()
        for second in range(200):
            if not rig.wire.aborted:
                rig.wire.read(rate)
                rig.connection.check(now + second)
        assert rig.wire.aborted is not lives
        await rig.close()

    run(test())


def test_a_body_that_is_read_directly_is_handed_on_in_time() -> None:
    """The application sees that something comes."""

    async def test() -> None:
        seen: list[int] = []

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            while True:
                message = await receive()
                seen.append(len(message["body"]))
                if not message["more_body"]:
                    return

        rig = Rig(counting)
        body = bytes(range(256)) * 1000
        message = post(body)
        await rig.feed(message[:-100_000])
        assert seen == []
        rig.pass_time(4)
        await rig.settle()
        assert seen == [len(body) - 100_000]
        await rig.feed(message[-100_000:])
        assert seen == [len(body) - 100_000, 100_000]
        await rig.close()

    run(test())


def test_a_connection_too_many_takes_the_place_of_the_one_that_is_idle_longest() -> None:
    async def test() -> None:
        patrol = Patrol(Memory(), MemoryBudget(), 30.0, most=3)
        go = asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            await go.wait()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

        busy, idle, begun = Rig(slow, patrol=patrol), Rig(slow, patrol=patrol), Rig(slow, patrol=patrol)
        await busy.feed(GET % 1)
        await begun.feed(b"GET / HT")
        newer = Rig(slow, patrol=patrol)
        assert [rig.open for rig in (busy, idle, begun, newer)] == [True, False, True, True]
        newest = Rig(slow, patrol=patrol)
        assert [rig.open for rig in (busy, begun, newer, newest)] == [True, False, True, True]
        for rig in (newer, newest):
            await rig.feed(GET % 1)
        refused = Rig(slow, patrol=patrol)
        assert [rig.open for rig in (busy, newer, newest, refused)] == [True, True, True, False]
        go.set()
        await asyncio.sleep(0.01)
        assert busy.sent.startswith(b"HTTP/1.1 204 ")
        following = Rig(slow, patrol=patrol)  # all are idle now, busy for the longest time
        assert [rig.open for rig in (busy, newer, newest, following)] == [False, True, True, True]
        for rig in (newer, newest, following):
            await rig.close()

    run(test())


@pytest.mark.parametrize(("length", "accepted"), [(512, True), (513, False), (100_000, False)])
def test_the_name_of_a_host_is_bounded(length: int, accepted: bool) -> None:
    async def test() -> None:
        rig = Rig()
        await rig.feed(f"GET / HTTP/1.1\r\nHost: {'a' * length}\r\n\r\n".encode())
        assert rig.sent.startswith(b"HTTP/1.1 200 " if accepted else b"HTTP/1.1 400 ")
        await rig.close()

    run(test())


def test_who_only_announces_a_body_takes_no_memory() -> None:
    async def test() -> None:
        memory = Memory()
        rig = Rig(memory=memory)
        body = bytes(1 << 20)
        message = post(body)
        await rig.feed(message[:1000])
        assert memory.populated == 0
        await rig.feed(message[1000:])
        assert memory.populated == len(body)
        await rig.close()

    run(test())
