"""How many operations of the DICOM server run at the same time."""

from __future__ import annotations

import threading

from orthanclite.core.metrics import Metrics

_FREE_THREADS = "orthanc_available_dicom_threads"


class Slots:
    """``count`` places, entered (``with``) around each operation; who finds none free waits. Thread-safe."""

    def __init__(self, count: int, metrics: Metrics) -> None:
        self._semaphore = threading.BoundedSemaphore(count)
        self._lock = threading.Lock()
        self._free = count
        self._metrics = metrics
        metrics.watch(self._observe)

    def __enter__(self) -> None:
        self._semaphore.acquire()
        with self._lock:
            self._free -= 1
        self._observe()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._free += 1
        self._semaphore.release()

    def _observe(self) -> None:
        self._metrics.observe_lowest(_FREE_THREADS, self._free)
