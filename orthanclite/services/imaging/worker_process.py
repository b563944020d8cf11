"""The other side of :mod:`orthanclite.services.imaging.workers`: the loop of one worker process."""

from __future__ import annotations

import importlib
import os
import pickle
import resource
import socket
import sys
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import orjson

from orthanclite.core.errors import BadFileFormat, OrthancError
from orthanclite.core.machine.disk import Writing
from orthanclite.core.machine.processes import CONFINEMENT
from orthanclite.services.imaging.handover import opened, receive

_WRITING = Writing("what is decoded")


def main(descriptor: int, memory: int) -> None:
    """Answer requests until the server goes away."""
    # private memory only: a mapped file costs nothing, however large
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # codecs written in C complain about damaged images on the standard error of the server
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    warnings.simplefilter("ignore")
    # Loaded here, so that the first image does not wait for them.
    from orthanclite.dicom.pixels import operations  # noqa: F401

    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    with socket.socket(fileno=os.dup(descriptor)) as channel, Connection(descriptor) as connection:
        connection.send_bytes(os.environ.get(CONFINEMENT, "").encode("ascii"))
        while True:
            try:
                request, descriptors = receive(channel, connection)
            except EOFError:
                return
            head, body = answer(request, descriptors)
            connection.send_bytes(head)
            connection.send_bytes(body)


def answer(request: bytes, descriptors: Sequence[int]) -> tuple[bytes, bytes | bytearray]:
    """Run one request: ``{}`` and the result, or the error and nothing."""
    name, arguments = pickle.loads(request)
    try:
        with _WRITING, opened(arguments, descriptors) as files:
            result = call(name, files)
        return b"{}", result
    except OrthancError as exc:
        return _failure(type(exc).__name__, exc.details), b""
    except MemoryError:
        return _failure(BadFileFormat.__name__, "The image takes too much memory"), b""
    # the process exists to shield the server from what damaged images make libraries do
    except Exception as exc:  # noqa: BLE001
        return _failure(BadFileFormat.__name__, f"{type(exc).__name__}: {exc}"), b""


def call(name: str, arguments: Sequence[Any]) -> bytes | bytearray:
    """Call the function ``module:name``."""
    module, _, function = name.partition(":")
    result: bytes | bytearray = getattr(importlib.import_module(module), function)(*arguments)
    return result


def _failure(error: str, details: str) -> bytes:
    return orjson.dumps({"error": error, "details": details.encode("utf-8", "replace").decode("utf-8")})


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
