"""HTTP headers that clients add to a job: they may hold passwords, and so are kept in memory only."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping

from orthanclite.core.errors import BadSequenceOfCalls
from orthanclite.core.jobs import Claim

_MOST_JOBS = 10_000


class SecretHeaders:
    """The headers of jobs that were submitted here. Thread-safe.

    A job has a parameter ``headers``, which says whether there are any.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._headers: OrderedDict[str, dict[str, str]] = OrderedDict()

    def keep(self, id: str, headers: Mapping[str, str]) -> None:
        """Keep the headers of a job. Those of the oldest of 10,000 jobs are forgotten."""
        if not headers:
            return
        with self._lock:
            self._headers[id] = dict(headers)
            while len(self._headers) > _MOST_JOBS:
                self._headers.popitem(last=False)

    def of(self, claim: Claim) -> Mapping[str, str]:
        """The headers of a job.

        :raises BadSequenceOfCalls: where it has some, and another run of a server had them
        """
        if not claim.parameters["headers"]:
            return {}
        with self._lock:
            headers = self._headers.get(claim.id)
        if headers is None:
            raise BadSequenceOfCalls(
                "The HTTP headers of this job were in the memory of another server, or of an earlier run"
            )
        return headers
