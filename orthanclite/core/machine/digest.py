"""MD5, by which Orthanc's clients recognise contents. It guards nothing."""

from __future__ import annotations

import hashlib

from orthanclite.core.machine.buffers import View


def md5_of(content: str | View) -> str:
    """The MD5 of a content, hexadecimal; of a text, that of its UTF-8."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
