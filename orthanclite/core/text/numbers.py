"""Numbers that strangers write."""

from __future__ import annotations

LARGEST = 2**62
"""What larger numbers count as: databases cannot count so far, and nothing here is so large."""

_SURELY_SMALLER = 18  # digits


def natural(text: str) -> int | None:
    """The natural number that ``text`` is in ASCII digits, at most ``LARGEST``; None where it is none.

    Python refuses to convert thousands of digits, at a price that grows with their square.

    >>> natural("007"), natural("9" * 5000) == LARGEST, natural("-1"), natural("")
    (7, True, None, None)
    """
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    return int(digits or "0") if len(digits) <= _SURELY_SMALLER else LARGEST
