"""A content that is read as it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orthanclite.services.content.blobs import CHUNK, Reader


@dataclass(frozen=True, slots=True)
class Content:
    """A content any part of which can be read; as an iterable, it is its pieces."""

    size: int  # bytes
    read: Reader

    @staticmethod
    def of(data: bytes) -> Content:
        """What is in memory."""
        return Content(len(data), lambda start, length: data[start : start + length])

    @staticmethod
    def joined(read: Reader, stretches: Sequence[tuple[int, int]]) -> Content:
        """Stretches of what ``read`` reads, start and end of each, one after the other.

        Between two there is hardly anything: one read of all is cheaper than one for each.
        """
        if len(stretches) == 1:
            ((first, last),) = stretches
            return Content(last - first, lambda start, length: read(first + start, length))

        def part(start: int, length: int) -> bytes:
            wanted = []
            for first, last in stretches:
                size = last - first
                if start < size and length > 0:
                    end = min(size, start + length)
                    wanted.append((first + start, first + end))
                    length -= end - start
                start = max(0, start - size)
            if not wanted:
                return b""
            begin, end = wanted[0][0], wanted[-1][1]
            data = read(begin, end - begin)
            return b"".join([data[first - begin : last - begin] for first, last in wanted])

        return Content(sum(last - first for first, last in stretches), part)

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, self.size, CHUNK):
            yield self.read(start, min(CHUNK, self.size - start))
