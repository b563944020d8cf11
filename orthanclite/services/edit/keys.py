"""Secret keys of jobs that give new UIDs."""

from __future__ import annotations

import hashlib
import secrets
from functools import cached_property

from orthanclite.core.ports import Properties

KEY_SIZE = 32
"""Bytes of a secret key that new UIDs are made with."""

_SECRET = "edit-secret"


class JobKeys:
    """Gives each job a key of its own, always the same for the same job.

    A step that is repeated, on whatever server, and a job that is submitted again give the same new UIDs. The
    key follows from a secret of the database and from the job's random identifier; once the job is forgotten,
    nobody can tell from an original UID what became of it.
    """

    def __init__(self, properties: Properties) -> None:
        self._properties = properties

    def key(self, job: str) -> bytes:
        """The key of a job, given by its identifier."""
        return hashlib.blake2b(job.encode("utf-8"), key=self._secret, digest_size=KEY_SIZE).digest()

    @cached_property
    def _secret(self) -> bytes:
        return bytes.fromhex(self._properties.add_property(_SECRET, secrets.token_hex(KEY_SIZE)))
