"""Texts of strangers, made safe to show."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""A text in which nothing is left that a terminal would obey, or that would begin another line of a log.

    Control characters (also those that turn the direction of writing, and halves of surrogate pairs, which
    stand for the bytes of file names that are not UTF-8) become escapes as Python writes them.

    >>> print(printable("a\x1b[2Jb\n\N{RIGHT-TO-LEFT OVERRIDE}c"))
    a\x1b[2Jb\n\u202ec
    >>> print(printable("Zoë Ångström"))
    Zoë Ångström
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )
