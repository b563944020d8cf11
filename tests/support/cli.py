"""The command line as a user has it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def command_line(
    *arguments: str | Path, cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``orthanclite`` to its end in the folder ``cwd``, which is its home and cache too."""
    return subprocess.run(
        [sys.executable, "-m", "orthanclite", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "HOME": str(cwd), "XDG_CACHE_HOME": str(cwd / "cache"), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
    )
