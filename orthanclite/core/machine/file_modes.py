"""Who may read what this process writes: its user, and its group without writing. Never everybody."""

from __future__ import annotations

import os

OTHERS = 0o027
"""The permissions that no file and no folder of this server has: all of others, and writing of the group."""


def keep_files_private() -> None:
    """Have this process, and those that it starts, make files of mode 0640 and folders of 0750 at most.

    It is the one place for all of them, those that libraries make included: the database with its journals,
    temporary files, logs. A stricter umask stays as it is.
    """
    os.umask(os.umask(OTHERS) | OTHERS)
