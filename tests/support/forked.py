"""Servers that start with all modules imported, which is four fifths of what a start costs.

A process of :mod:`multiprocessing` imports the program once for all tests; each server is a fork of it that
runs the command line. It is a process of its own, from its configuration on, and
dies by the same signals. How the program starts by its command is what ``tests/commands`` shows.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path


class ForkedProcess:
    """One run of the command line, with the methods of :class:`subprocess.Popen` that tests use.

    :param arguments: of the command line
    :param cwd: the folder in which it runs
    :param log: file to which its output is appended
    """

    def __init__(
        self, arguments: Sequence[str], cwd: Path, log: Path, environment: Mapping[str, str]
    ) -> None:
        self._process = _context().Process(
            target=_run, args=(list(arguments), str(cwd), str(log), dict(environment)), daemon=True
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The exit status; minus the number of the signal that has ended it; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once there is one.

        :raises subprocess.TimeoutExpired: after ``timeout`` seconds
        """
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(["orthanclite"], timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["alembic.command", "orthanclite.app.house", "orthanclite.app.process", "tests.support.warm"]
    )
    return context


def _run(arguments: list[str], cwd: str, log: str, environment: dict[str, str]) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    from orthanclite.cli import main

    sys.exit(main(arguments))
