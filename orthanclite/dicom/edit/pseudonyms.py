"""What follows from a secret key and an original: UIDs, names of patients, and the days dates are moved by.

The same key gives the same, years apart and on any server. Who does not have the key can neither tell which
original belongs to what follows from it, nor try originals out.
"""

from __future__ import annotations

import base64
import hmac


def keyed(key: bytes, purpose: str, text: str) -> bytes:
    """32 bytes that follow from a key and a text, others for each purpose (HMAC-SHA-256, RFC 2104)."""
    return hmac.digest(key, f"{purpose}\0{text}".encode("utf-8", "surrogatepass"), "sha256")


def new_uid(key: bytes, original: str) -> str:
    """A UID of at most 44 characters (PS3.5 section B.2)."""
    digest = bytearray(keyed(key, "uid", original)[:16])
    digest[6] = digest[6] & 0x0F | 0x40  # the bits of a random UUID (RFC 9562 section 5.4)
    digest[8] = digest[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(digest, 'big')}"


def patient_pseudonym(key: bytes, patient: str) -> str:
    """16 letters and digits, of which the chance to meet twice among a million patients is below 1e-12."""
    return base64.b32encode(keyed(key, "patient", patient)[:10]).decode("ascii")


def date_shift(key: bytes, patient: str) -> int:
    """By how many days the dates of a patient are moved: one to ten years back."""
    return -365 - int.from_bytes(keyed(key, "dates", patient)[:8], "big") % 3288
