"""Requests to other HTTP servers. ``remote.HttpxClient`` makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from orthanclite.core.machine.buffers import View
from orthanclite.core.remotes.endpoints import Endpoint

LIMIT = 16 << 20
"""Bytes that an answer may have, unless said otherwise."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is read while it is sent."""

    pieces: Callable[[], Iterable[View]]
    """Gives the body from its beginning; called once more where the request is repeated elsewhere."""
    size: int | None
    """Bytes; None where nobody knows: it is then sent in chunks."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server has answered, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class StreamedAnswer(Protocol):
    """An answer whose body is read as it comes."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """By their names in lower case."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """The body, once.

        :raises NetworkProtocol: where it ends too early, or nothing comes for too long
        """
        ...

    def read(self, limit: int = LIMIT) -> bytes:
        """The whole body.

        :raises NetworkProtocol: as :meth:`pieces`, and where it has more than ``limit`` bytes
        """
        ...


class HttpClient(Protocol):
    """Speaks to other HTTP servers. Thread-safe.

    GET follows redirections; a server that is not the one of the endpoint is then told none of its
    credentials. Another method is repeated at another place of the same server where it says so (307, 308);
    elsewhere nothing is sent, as a body is meant for the endpoint alone.
    """

    def request(
        self,
        endpoint: Endpoint,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Upload = b"",
        limit: int = LIMIT,
    ) -> Answer:
        """The whole answer.

        :param path: below the URL of the endpoint, encoded, with its query; without a slash in front
        :param limit: bytes that its body may have
        :raises NetworkProtocol: where the server cannot be reached or is not trusted, does not answer in
            time, ends too early, speaks no HTTP, or answers too much
        :raises BadFileFormat: where the client's certificate cannot be used
        """
        ...

    def stream(
        self,
        endpoint: Endpoint,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Upload = b"",
    ) -> AbstractContextManager[StreamedAnswer]:
        """The answer as it comes, as long as the context lasts; raises as :meth:`request`."""
        ...
