"""Tasks on their way to a worker, with open files: a worker may open none itself.

A task is a function of one of our modules and its arguments. Its files travel beside it as descriptors
(SCM_RIGHTS, unix(7)): a path among the arguments is opened for reading here. Those who read a temporary file
share its position, so they map it.
"""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from orthanclite.core.errors import CorruptedFile
from orthanclite.services.content.scratch import ScratchFile

_MOST_FILES = 8


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that is open here, to be written there from where it stands."""

    descriptor: int


@dataclass(frozen=True, slots=True)
class _Handed:
    """What stands for a file on the way."""

    position: int  # among the descriptors
    writable: bool


@dataclass(frozen=True, slots=True)
class Task:
    """A task, ready to be sent."""

    request: bytes
    descriptors: Sequence[int]

    def send(self, channel: socket.socket, connection: Connection) -> None:
        """:param connection: the same socket as ``channel``

        :raises OSError: where nobody is there.
        """
        if self.descriptors:
            socket.send_fds(channel, [b"f"], self.descriptors)
        else:
            channel.sendall(b"-")
        connection.send_bytes(self.request)


@contextmanager
def task(function: str, arguments: Sequence[Any]) -> Iterator[Task]:
    """The task of calling ``function`` (``module:name``); its files are open within the ``with`` block.

    :raises CorruptedFile: where a file cannot be opened.
    """
    with ExitStack() as stack:
        descriptors: list[int] = []

        def handed(argument: Any) -> Any:
            if isinstance(argument, OpenFile):
                descriptors.append(argument.descriptor)
                return _Handed(len(descriptors) - 1, True)
            if isinstance(argument, ScratchFile):
                descriptors.append(argument.descriptor)
                return _Handed(len(descriptors) - 1, False)
            if not isinstance(argument, Path):
                return argument
            try:
                descriptors.append(stack.enter_context(argument.open("rb", buffering=0)).fileno())
            except OSError as exc:
                raise CorruptedFile(f"Cannot open the file {argument.name}: {exc.strerror}") from exc
            return _Handed(len(descriptors) - 1, False)

        plain = tuple(map(handed, arguments))
        yield Task(pickle.dumps((function, plain), protocol=pickle.HIGHEST_PROTOCOL), descriptors)


def receive(channel: socket.socket, connection: Connection) -> tuple[bytes, list[int]]:
    """The next request and its descriptors, at the other end.

    :raises EOFError: when the server goes away.
    """
    mark, descriptors, _, _ = socket.recv_fds(channel, 1, _MOST_FILES)
    if not mark:
        raise EOFError
    return connection.recv_bytes(), descriptors


@contextmanager
def opened(arguments: Sequence[Any], descriptors: Sequence[int]) -> Iterator[list[Any]]:
    """The arguments of a task with its files as binary files, which are flushed and closed at the end."""
    with ExitStack() as stack:
        files: list[IO[bytes]] = []
        modes = {one.position: one.writable for one in arguments if isinstance(one, _Handed)}
        for position, descriptor in enumerate(descriptors):
            files.append(stack.enter_context(open(descriptor, "r+b" if modes.get(position) else "rb")))
        yield [files[one.position] if isinstance(one, _Handed) else one for one in arguments]
