"""What requests say of the jobs that they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from orthanclite.core.errors import ParameterOutOfRange
from orthanclite.core.jobs import RETRY, Submission
from orthanclite.core.text.fields import boolean_field, integer_field

_MOST_RETRIES = 1000
_LEAST_PRIORITY = -(2**31)


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What a request says of the job that it is."""

    synchronous: bool = True
    priority: int = 0
    permissive: bool = False
    user_data: Any = None
    retries: int | None = None
    """How many times in a row a failed step is tried again; None for what the kind says."""

    @staticmethod
    def of(fields: Mapping[str, Any], synchronous: bool = True) -> JobOptions:
        """Those of a JSON body. ``Synchronous`` decides where both words are given.

        :param synchronous: what holds without a word
        :raises BadFileFormat: for a wrong type
        :raises ParameterOutOfRange: for an impossible number
        """
        asynchronous = boolean_field(fields, "Asynchronous", not synchronous)
        retries = integer_field(fields, RETRY, 0) if RETRY in fields else None
        if retries is not None and retries > _MOST_RETRIES:
            raise ParameterOutOfRange(f'Member "{RETRY}" should be at most {_MOST_RETRIES}')
        return JobOptions(
            boolean_field(fields, "Synchronous", not asynchronous),
            integer_field(fields, "Priority", 0, minimum=_LEAST_PRIORITY),
            boolean_field(fields, "Permissive", False),
            fields.get("UserData"),
            retries,
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the job that the engine reads."""
        return {} if self.retries is None else {RETRY: self.retries}

    def of_submission(self, submission: Submission) -> Submission:
        """A job with these options."""
        return replace(
            submission,
            parameters={**submission.parameters, **self.parameters},
            priority=self.priority,
            permissive=self.permissive,
            user_data=self.user_data,
        )
