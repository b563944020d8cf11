"""What is told of answers that are not as they should be."""

from __future__ import annotations

_LONGEST = 200


def excerpt(body: bytes) -> str:
    """The beginning of an answer, in which there may be anything, in at most 200 printable characters."""
    text = body[:_LONGEST].decode("utf-8", "replace")
    shown = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return shown or "nothing"
