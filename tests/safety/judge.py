"""What a hostile request may be answered, and how a server is seen to be well afterwards."""

from __future__ import annotations

from typing import Any

import httpx
import orjson

from tests.support.server import Server

PATIENCE = 30.0
"""Seconds within which every answer must come, also on a busy machine."""

MEANT = {
    2: "not implemented here: the reference answers 500, too",
    6: "a bad sequence of calls",
    9: "the peer of a registered modality is not there",
    19: "the storage is full",
    20: "a file that is damaged was stored as it is",
    23: "an image of another format than was asked for",
    24: "an image of another size than was asked for",
    2040: "a series that has no order",
}
"""The 5xx that are answers: what Orthanc calls its errors, by code. Code -1, "internal error", is a bug."""


def judge(status: int, body: bytes, what: Any) -> None:
    """Fail unless this is an answer: 2xx, 3xx, 4xx, or one of the 5xx that the reference has."""
    if status < 500:
        return
    try:
        code = orjson.loads(body)["OrthancStatus"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        code = None
    assert code in MEANT, f"{status} {body[:500]!r} to {what}"


class Checkup:
    """Sees whether a server is still well, and what it has logged since it was made."""

    def __init__(self, server: Server, auth: tuple[str, str] | None = None) -> None:
        self._server = server
        self._auth = auth
        self._seen = len(server.log())

    def __call__(self) -> None:
        """Fail unless the server lives, answers at once, and nothing went wrong that nobody expected."""
        server = self._server
        assert server.process is not None
        assert server.process.poll() is None, server.log()[-3000:]
        assert httpx.get(f"{server.url}/system", auth=self._auth, timeout=PATIENCE).status_code == 200
        log = server.log()[self._seen :]
        found = log.find("Traceback")
        assert found < 0, log[max(0, found - 200) : found + 3000]
        assert "failed unexpectedly" not in log
