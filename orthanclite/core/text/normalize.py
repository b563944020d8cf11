"""Normalised text: what searches and orderings compare when case does not matter."""

from __future__ import annotations

import unicodedata


def normalize(value: str) -> str:
    """``value`` stripped, in upper case, accents folded.

    Letters that have no unaccented form (kanji, Cyrillic, Greek...) stay as they are, in upper case.

    >>> normalize(" Noël^René ")
    'NOEL^RENE'
    """
    if value.isascii():
        return value.strip(" \0").upper()
    decomposed = unicodedata.normalize("NFKD", value.strip(" \0"))
    folded = "".join(char for char in decomposed if not unicodedata.combining(char))
    # Recomposed, so that scripts whose marks are letters (Hangul) keep one form.
    return unicodedata.normalize("NFC", folded.upper())
