"""A second process that hashes, writes and syncs large blobs, so that the first is free for all else.

Blobs are not sent to it: they lie in the :class:`~orthanclite.storage.shared_memory.SharedMemory`. The two
talk over a socket that keeps messages apart: each names a piece of the memory; its answer, the blob or the
error.

The files are written past the system's cache of files: to find memory for them takes longer than all the
rest, most of all in a virtual machine whose host takes unused memory back. What was stored will be read soon:
it is brought into the cache whenever nothing waits to be stored.
"""

from __future__ import annotations

import logging
import mmap
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from orthanclite.core.errors import OrthancError, error_named
from orthanclite.core.machine.processes import start_module
from orthanclite.core.model import StoredBlob
from orthanclite.storage.filesystem import FileStorage
from orthanclite.storage.shared_memory import SharedMemory, SharedPiece

_THREADS = 4
"""Blobs that are written at the same time."""
_MESSAGE = 4096
"""Bytes of the longest message."""

log = logging.getLogger("orthanclite.generic")


class _Task(NamedTuple):
    piece: SharedPiece
    hashed: bool
    stored: Future[StoredBlob]
    started: float  # of time.perf_counter()


class BlobProcess:
    """The port ``core.ports.BlobHelper``: the process, as the server sees it. Thread-safe; to be closed.

    Should it die, what it had under way is stored by this process, and another one is started.

    :param storage: where the blobs go
    :param memory: where they come from
    """

    def __init__(self, storage: FileStorage, memory: SharedMemory) -> None:
        self._storage = storage
        self._memory = memory
        self._lock = threading.Lock()
        self._last = 0
        self._tasks: dict[int, _Task] = {}
        self._socket: socket.socket | None = None  # None while there is no process
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._start()
        self._thread = threading.Thread(target=self._run, name="blob process", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """The identifier of the process; None while there is none."""
        return self._process.pid if self._process is not None and self._socket is not None else None

    def takes(self, data: bytes | mmap.mmap) -> bool:
        return self._socket is not None and isinstance(data, SharedPiece)

    def store(self, data: bytes | mmap.mmap, hashed: bool) -> Future[StoredBlob]:
        assert isinstance(data, SharedPiece)
        task = _Task(data, hashed, Future(), time.perf_counter())
        if not self._send(task):
            self._store_here(task)
        return task.stored

    def close(self) -> None:
        """Have the process finish what it has to do, and end it."""
        with self._lock:
            self._closed = True
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_WR)
                self._socket = None
        self._thread.join()

    def _send(self, task: _Task) -> bool:
        with self._lock:
            if self._socket is None:
                return False
            self._last += 1
            message = orjson.dumps((self._last, task.piece.offset, len(task.piece), task.hashed))
            try:
                # Never waits: there are fewer pieces than the socket holds messages.
                self._socket.send(message, socket.MSG_DONTWAIT)
            except OSError:
                return False
            self._tasks[self._last] = task
            return True

    def _start(self) -> None:
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                descriptors = (theirs.fileno(), self._memory.descriptor)
                arguments = (*descriptors, self._memory.size, self._storage.root, int(self._storage.sync))
                # Not the storage folder alone: where a disk is mounted anew, that is another folder.
                self._process = start_module(__name__, arguments, descriptors, writable=[Path("/")])
        except OSError as exc:
            log.warning("Large files are written by the main process: %s", exc)
            return
        with self._lock:
            if not self._closed:
                self._socket = ours
                return
        ours.close()
        self._process.wait()

    def _run(self) -> None:
        while (channel := self._socket) is not None and self._process is not None:
            with channel:
                has_worked = self._take_answers(channel)
            self._process.wait()
            with self._lock:
                self._socket = None
                left, self._tasks = self._tasks, {}
            if not self._closed:
                log.error(
                    "The process that writes large files has ended, with status %d", self._process.returncode
                )
            for task in left.values():
                self._store_here(task)
            if has_worked and not self._closed:
                self._start()

    def _take_answers(self, channel: socket.socket) -> bool:
        """Pass on what the process answers until it ends; whether it answered anything."""
        answered = False
        while answer := _received(channel):
            number, *result = orjson.loads(answer)
            with self._lock:
                task = self._tasks.pop(number)
            try:
                _settle(task.stored, result)
            except Exception as exc:  # noqa: BLE001 - who waits must know, and the thread goes on
                task.stored.set_exception(exc)
            else:
                self._storage.note_written(len(task.piece), time.perf_counter() - task.started)
            del task  # whose memory is free now
            answered = True
        return answered

    def _store_here(self, task: _Task) -> None:
        try:
            task.stored.set_result(self._storage.put_hashed(memoryview(task.piece), task.hashed))
        except Exception as exc:  # noqa: BLE001 - who waits must know
            task.stored.set_exception(exc)


def _settle(stored: Future[StoredBlob], result: list[Any]) -> None:
    match result:
        case [str(uuid), str(md5)]:
            stored.set_result(StoredBlob(uuid, md5))
        case [{"error": error, "details": details}]:
            stored.set_exception(error_named(error)(details))
        case _:
            stored.set_exception(OrthancError(f"Unexpected answer: {result}"))


def main(channel: int, memory: int, size: int, root: str, sync: int) -> None:
    """Do what is asked for until the server goes away.

    :param channel: descriptor of the socket
    :param memory: descriptor of the memory
    :param size: bytes of the memory
    :param root: the storage folder
    :param sync: whether blobs are to be synced
    """
    # A system that stops ends every process of a server at once; this one has work until the other has ended.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    view = memoryview(mmap.mmap(memory, size, prot=mmap.PROT_READ))
    # Without a sync there is no wait for the disk, which writing past the cache would be.
    storage = FileStorage(Path(root), bool(sync), direct=bool(sync))
    with socket.socket(fileno=channel) as connection:
        threads = [threading.Thread(target=_serve, args=(connection, view, storage)) for _ in range(_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _serve(channel: socket.socket, memory: memoryview, storage: FileStorage) -> None:
    while message := _received(channel):
        number, offset, size, hashed = orjson.loads(message)
        answer = (number, *_stored(storage, memory[offset : offset + size], hashed))
        try:
            channel.send(orjson.dumps(answer))
        except OSError:  # the server is gone; the sweep will remove the blob
            return
        if not _is_waiting(channel) and isinstance(answer[1], str):
            storage.prefetch(answer[1])


def _is_waiting(channel: socket.socket) -> bool:
    """Whether there is a message to be taken, or the server has gone."""
    try:
        channel.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True


def _stored(storage: FileStorage, data: memoryview, hashed: bool) -> tuple[object, ...]:
    try:
        return storage.put_hashed(data, hashed)
    except OrthancError as exc:
        return ({"error": type(exc).__name__, "details": exc.details},)
    except Exception as exc:  # noqa: BLE001 - an answer must come
        return ({"error": OrthancError.__name__, "details": repr(exc)},)


def _received(channel: socket.socket) -> bytes:
    """The next message; empty when the other side has gone."""
    try:
        return channel.recv(_MESSAGE)
    except ConnectionError:
        return b""


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
