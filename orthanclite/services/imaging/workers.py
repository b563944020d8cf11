"""A pool of processes for work that may take the process down: decoding images of strangers.

The pool starts nothing until it is used. A worker runs one task at a time; one that dies, hangs or grows
beyond its memory fails its caller only and is replaced. Workers are renewed after some hundred tasks, for
libraries that leak. Requests travel pickled (they come from us); answers travel as JSON and bytes, so that a
worker taken over by a hostile file cannot make the server unpickle its wishes. Nor can it open files, reach
the network or start programs (:mod:`orthanclite.confined`): the files of a task are handed over open.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import Any

import orjson

from orthanclite.core.errors import BadFileFormat, Busy, OrthancError, error_named
from orthanclite.core.machine.processes import start_module
from orthanclite.core.metrics import Metrics
from orthanclite.services.imaging.handover import Task, task

log = logging.getLogger("orthanclite.generic")

IMAGE_TIMEOUT = 8.0
"""Seconds for the decoding of one image."""

_START_TIMEOUT = 60.0  # seconds until a new process has imported the codecs

_FREE_WORKERS = "orthanc_transcoder_available_threads"


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """What the workers may use."""

    workers: int = field(default_factory=lambda: max(1, min(8, os.cpu_count() or 1)))
    tasks_per_worker: int = 500
    memory: int = 3 << 28  # bytes of private memory of one worker
    waiting: int = 256  # callers that may wait for a worker
    patience: float = 60.0  # seconds that a caller waits for a worker


class WorkerPool:
    """Runs functions of ``orthanclite`` modules in other processes. Thread-safe.

    :param metrics: shown how many workers are free
    """

    def __init__(self, limits: PoolLimits | None = None, metrics: Metrics | None = None) -> None:
        self._limits = limits or PoolLimits()
        self._metrics = metrics or Metrics()
        self._metrics.watch(self._observe)
        self._idle: deque[_Worker] = deque()
        self._free = self._limits.workers  # workers that may still be started or taken
        self._waiting = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def size(self) -> int:
        """How many tasks can run at the same time."""
        return self._limits.workers

    def run(self, function: str, *arguments: Any, timeout: float = IMAGE_TIMEOUT) -> bytes:
        """Call ``module:name`` with ``arguments`` in a worker; it returns bytes.

        A path and an :class:`OpenFile` among the arguments are open binary files there.

        :raises OrthancError: the one that the function raised.
        :raises Busy: where too many others wait for a worker, or it takes too long until one is free.
        :raises BadFileFormat: where the worker died, ran out of memory or of time.
        """
        with task(function, arguments) as packed:
            worker = self._take()
            try:
                answer = worker.call(packed, timeout)
            except BaseException:
                worker.kill()
                self._give_back(None)
                raise
        if worker.tasks >= self._limits.tasks_per_worker:
            worker.kill()
            self._give_back(None)
        else:
            self._give_back(worker)
        return _result(answer)

    def close(self) -> None:
        """Stop the workers; callers still waiting are refused."""
        with self._changed:
            self._closed = True
            workers = list(self._idle)
            self._idle.clear()
            self._changed.notify_all()
        for worker in workers:
            worker.kill()

    def _take(self) -> _Worker:
        with self._changed:
            if self._waiting >= self._limits.waiting:
                raise Busy("Too many images are being decoded")
            self._waiting += 1
            try:
                if not self._changed.wait_for(lambda: self._free > 0 or self._closed, self._limits.patience):
                    raise Busy("Too many images are being decoded")
                if self._closed:
                    raise OrthancError("The server is stopping")
            finally:
                self._waiting -= 1
            self._free -= 1
            self._observe()
            while self._idle:
                worker = self._idle.pop()
                if worker.is_alive():
                    return worker
                worker.kill()  # ended while it had nothing to do: the system may have been short of memory
        try:
            return _Worker(self._limits.memory)
        except OSError as exc:
            self._give_back(None)
            raise OrthancError(f"Cannot start a worker process: {exc}") from exc

    def _observe(self) -> None:
        self._metrics.observe_lowest(_FREE_WORKERS, self._free)

    def _give_back(self, worker: _Worker | None) -> None:
        with self._changed:
            self._free += 1
            if worker is not None and not self._closed:
                self._idle.append(worker)
                worker = None
            self._changed.notify()
        if worker is not None:
            worker.kill()


class _Worker:
    """One process and the socket to it."""

    def __init__(self, memory: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = start_module(
                "orthanclite.services.imaging.worker_process",
                (theirs.fileno(), memory),
                (theirs.fileno(),),
                _ENVIRONMENT,
            )
        self._channel = ours
        self._connection = Connection(os.dup(ours.fileno()))
        self.tasks = 0
        if not self._connection.poll(_START_TIMEOUT):
            self.kill()
            raise OSError("the process does not answer")
        self._ready()

    def _ready(self) -> None:
        try:
            means = self._connection.recv_bytes().decode("ascii")
        except EOFError as exc:
            self.kill()
            raise OSError("the process ended at once") from exc
        _tell_once(means)

    def call(self, request: Task, timeout: float) -> Sequence[bytes]:
        """Send a request and wait for the head and the body of its answer."""
        self.tasks += 1
        try:
            request.send(self._channel, self._connection)
            if not self._connection.poll(timeout):
                raise BadFileFormat("The image takes too long to decode")
            return self._connection.recv_bytes(), self._connection.recv_bytes()
        except (EOFError, OSError) as exc:
            raise BadFileFormat("The image cannot be decoded") from exc

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        with suppress(OSError):
            self._connection.close()
        self._channel.close()
        self._process.kill()
        self._process.wait()


@lru_cache
def _tell_once(means: str) -> None:
    """Log what keeps workers from doing harm, once."""
    if "landlock" in means:
        log.info("Images are decoded in processes that are confined by %s", means)
    else:
        log.warning(
            "Images are decoded in processes that may read and write what the server may: this system has no "
            "Landlock (SECURITY.md)"
        )


_ENVIRONMENT = {
    # one task at a time: threads of numerical libraries would only take memory
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


def _result(answer: Sequence[bytes]) -> bytes:
    head, body = answer
    failure = orjson.loads(head)
    if not failure:
        return body
    raise error_named(str(failure["error"]))(str(failure["details"]))
