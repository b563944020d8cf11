"""Starting a module of this package in a process of its own, and threads that others go before."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

_NOTHING: Mapping[str, str] = {}
CONFINEMENT = "ORTHANCLITE_CONFINED"
"""The environment variable that names what confines a helper: ``landlock``, ``seccomp``, both or nothing."""

_BACKGROUND = 10
"""The nice value of threads that others go before."""

_INHERITED = ("LANG", "LANGUAGE", "LC_", "LD_", "MALLOC_", "PATH", "PYTHON", "TZ", "COVERAGE_")
"""How the names of the environment variables begin that a helper inherits: others may hold passwords."""


def start_module(
    module: str,
    arguments: Sequence[object],
    descriptors: Sequence[int],
    environment: Mapping[str, str] = _NOTHING,
    writable: Sequence[os.PathLike[str]] = (),
) -> subprocess.Popen[bytes]:
    """Run ``python -m module arguments`` beside this process, with the same modules to import.

    It has a session of its own: a signal that ends the server from a terminal is not meant for it. And it is
    confined (:mod:`orthanclite.confined`): it reads no files but code, and talks to nobody but this process.

    :param descriptors: open files that it inherits under their numbers
    :param environment: variables besides the few that are inherited
    :param writable: folders in which it may read and write
    :raises OSError: where the process cannot be started
    """
    folders = ":".join(map(os.fspath, writable))
    inherited = {name: value for name, value in os.environ.items() if name.startswith(_INHERITED)}
    return subprocess.Popen(
        [sys.executable, "-m", "orthanclite.confined", folders, module, *map(str, arguments)],
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
        env={**inherited, **environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,
    )


def step_back() -> None:
    """Let the other threads of this process go before the calling one, where the system tells them apart."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _BACKGROUND)
