"""Costly work that several clients ask for at the same time, done once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Calls with the same key that come while one is under way wait for its result. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, Future[T]] = {}

    def do(self, key: Hashable, work: Callable[[], T]) -> T:
        """The result of ``work``, or of the same work that is under way; raises what it raises."""
        with self._lock:
            present = self._under_way.get(key)
            if present is None:
                mine = self._under_way[key] = Future[T]()
        if present is not None:
            return present.result()
        try:
            result = work()
        except BaseException as exc:
            mine.set_exception(exc)
            raise
        else:
            mine.set_result(result)
            return result
        finally:
            with self._lock:
                del self._under_way[key]
