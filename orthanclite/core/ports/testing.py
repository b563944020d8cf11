"""Doubles of the ports, for tests: they keep the same contract, in memory."""

from __future__ import annotations

import io
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from orthanclite.core.buffers import View
from orthanclite.core.errors import CorruptedFile
from orthanclite.core.ports.blobs import LocalBlobs


class MemoryBlobs:
    """The port ``core.ports.Blobs`` without files, as an object store is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blobs: dict[str, tuple[bytes, float]] = {}
        self._mark: str | None = None

    @property
    def local(self) -> LocalBlobs | None:
        return None

    def create(self) -> MemoryBlobWriter:
        return MemoryBlobWriter(self)

    def put(self, data: View) -> str:
        writer = self.create()
        writer.write(data)
        writer.commit()
        return writer.uuid

    def read(self, uuid: str, start: int = 0, length: int | None = None) -> bytes:
        content = self._content(uuid)[start:]
        if length is None:
            return content
        if len(content) < length:
            raise CorruptedFile(f"The stored file {uuid} is shorter than the index says")
        return content[:length]

    def open(self, uuid: str) -> BinaryIO:
        return io.BytesIO(self._content(uuid))

    def delete(self, uuid: str) -> None:
        with self._lock:
            self._blobs.pop(uuid, None)

    def scan(self) -> Iterator[tuple[str, int, float]]:
        with self._lock:
            found = sorted(self._blobs.items())
        yield from ((uuid, len(content), moment) for uuid, (content, moment) in found)

    def get_mark(self) -> str | None:
        return self._mark

    def set_mark(self, mark: str) -> None:
        self._mark = mark

    def add(self, uuid: str, content: bytes) -> None:
        """Make a blob visible."""
        with self._lock:
            self._blobs[uuid] = (content, time.time())

    def _content(self, uuid: str) -> bytes:
        with self._lock:
            found = self._blobs.get(uuid)
        if found is None:
            raise CorruptedFile(f"The stored file {uuid} cannot be opened")
        return found[0]


class MemoryBlobWriter:
    """The port ``core.ports.BlobWriter`` of :class:`MemoryBlobs`."""

    def __init__(self, blobs: MemoryBlobs) -> None:
        self.uuid = str(uuid.uuid4())
        self._blobs = blobs
        self._content = bytearray()

    def write(self, data: View) -> None:
        self._content += data

    def commit(self) -> None:
        self._blobs.add(self.uuid, bytes(self._content))

    def abort(self) -> None:
        self._blobs.delete(self.uuid)


class MemoryServers:
    """The port ``core.ports.Servers``: several of them share a dictionary as if it was the index.

    :param seen: when each server has shown last, by number and name
    :param clock: the present moment in seconds
    """

    is_sole = False

    def __init__(self, seen: dict[tuple[int, str], float], clock: Callable[[], float]) -> None:
        self._seen = seen
        self._clock = clock
        self._name = ""
        self.id = 0

    def join(self, name: str) -> None:
        for known in [known for known in self._seen if known[1] == name]:
            del self._seen[known]
        self._name = name
        self._enter()

    def others(self, silent_for: float) -> int:
        since = self._clock() - silent_for
        return sum(seen >= since and number != self.id for (number, _), seen in self._seen.items())

    def beat(self) -> bool:
        known = (self.id, self._name) in self._seen
        if known:
            self._seen[self.id, self._name] = self._clock()
        else:
            self._enter()
        return known

    def adopt(self, silent_for: float) -> list[str]:
        since = self._clock() - silent_for
        dead = [one for one, seen in self._seen.items() if seen < since and one[0] != self.id]
        for one in dead:
            del self._seen[one]
        return [name for _, name in dead]

    def leave(self) -> None:
        self._seen.pop((self.id, self._name), None)

    def _enter(self) -> None:
        self.id = 1 + max([self.id, *(number for number, _ in self._seen)])
        self._seen[self.id, self._name] = self._clock()


class MemoryLeases:
    """The port ``core.ports.Leases``.

    :param clock: the present moment in seconds
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._leases: dict[str, tuple[int, float]] = {}  # holder and end

    def take(self, holder: int, duties: Iterable[str], seconds: float) -> set[str]:
        now = self._clock()
        held = set()
        for duty in duties:
            known = self._leases.get(duty)
            if known is None or known[0] == holder or known[1] < now:
                self._leases[duty] = (holder, now + seconds)
                held.add(duty)
        return held

    def release(self, holder: int) -> None:
        self._leases = {duty: lease for duty, lease in self._leases.items() if lease[0] != holder}
