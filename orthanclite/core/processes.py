"""Starting a module of this package in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

_NOTHING: Mapping[str, str] = {}


def start_module(
    module: str,
    arguments: Sequence[object],
    descriptors: Sequence[int],
    environment: Mapping[str, str] = _NOTHING,
) -> subprocess.Popen[bytes]:
    """Run ``python -m module arguments`` beside this process, with the same modules to import.

    It has a session of its own: a signal that ends the server from a terminal is not meant for it.

    :param descriptors: open files that it inherits under their numbers
    :param environment: variables besides those of this process
    :raises OSError: where the process cannot be started
    """
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
        env=os.environ | environment | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,
    )
