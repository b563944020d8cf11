"""Bytes in memory, whoever owns them: the two names under which all of the server hands them on."""

from __future__ import annotations

import mmap

Buffer = bytes | mmap.mmap
"""A whole body or file, or a part of one as it came: owned, mapped, or shared with another process. It can be
searched, and a slice of it is ``bytes``."""

View = Buffer | bytearray | memoryview
"""Whatever can be written to a file or sent: a buffer, or a window on one. A ``memoryview`` has single bytes
as its items, and is valid as long as its owner says."""

SMALL_SIZE = 1 << 20
"""Bytes up to which a content is read and answered whole rather than mapped or streamed."""
