"""Storage commitment as a job (``StorageCommitmentScp``): instances are looked up, then the report is sent.

What is saved is how far the look-up has come. Where a server dies behind the report, it is sent once more; it
is the same then, unless something was deleted meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from orthanclite.core.jobs import Claim, Progress, Submission
from orthanclite.core.remotes.registry import Modality
from orthanclite.services.remotes.client import SopReference
from orthanclite.services.remotes.commitment import (
    CommitmentReport,
    CommitmentReporter,
    FailureReason,
)

_BATCH = 500
"""Instances that are looked up in a step."""
_LOOKED_UP = 2 / 3
"""The part of the work that the look-up counts for, as in the reference; the report is the rest."""


class Checker(Protocol):
    """The part of ``services.remotes.commitment.CommitmentService`` that is used here."""

    def check(self, references: Sequence[SopReference]) -> list[FailureReason | None]: ...


class CommitmentKind:
    """Answers requests for storage commitment."""

    name = "StorageCommitmentScp"
    retries = 0

    def __init__(self, checker: Checker, reporter: CommitmentReporter) -> None:
        self._checker = checker
        self._reporter = reporter

    def submission(
        self,
        modality: Modality,
        transaction_uid: str,
        references: Sequence[SopReference],
        *,
        remote_ip: str,
        called_aet: str,
    ) -> Submission:
        """The job that answers one request.

        :param modality: who has asked, and is told
        :param called_aet: the AE title of this server that it has called
        """
        parameters = {
            "modality": modality.to_json(),
            "transaction": transaction_uid,
            "references": [[one.class_uid, one.instance_uid] for one in references],
        }
        content = {
            "CalledAet": called_aet,
            "Description": "",
            "RemoteAet": modality.aet,
            "RemoteIp": remote_ip,
            "TransactionUid": transaction_uid,
        }
        return Submission(self.name, parameters, content)

    def begin(self, claim: Claim, is_stopping: Callable[[], bool]) -> _CommitmentRun:
        return _CommitmentRun(claim, self._checker, self._reporter)


class _CommitmentRun:
    def __init__(self, claim: Claim, checker: Checker, reporter: CommitmentReporter) -> None:
        parameters, saved = claim.parameters, claim.saved or {"checked": 0, "failures": []}
        self._modality = Modality.parse(parameters["modality"])
        self._transaction: str = parameters["transaction"]
        self._references = [SopReference(*one) for one in parameters["references"]]
        self._checked: int = saved["checked"]
        self._failures = {index: FailureReason(reason) for index, reason in saved["failures"]}
        self._content = claim.content
        self._checker = checker
        self._reporter = reporter

    def step(self) -> Progress:
        if self._checked < len(self._references):
            return self._check()
        self._reporter.report(self._modality, self._report())
        return Progress(1, self._content, done=True)

    def close(self) -> None:
        """Nothing is held."""

    def _check(self) -> Progress:
        batch = self._references[self._checked : self._checked + _BATCH]
        for index, reason in enumerate(self._checker.check(batch), self._checked):
            if reason is not None:
                self._failures[index] = reason
        self._checked += len(batch)
        saved: dict[str, Any] = {"checked": self._checked, "failures": list(self._failures.items())}
        return Progress(_LOOKED_UP * self._checked / len(self._references), self._content, saved=saved)

    def _report(self) -> CommitmentReport:
        committed = [one for index, one in enumerate(self._references) if index not in self._failures]
        failed = [(self._references[index], reason) for index, reason in sorted(self._failures.items())]
        return CommitmentReport(self._transaction, committed, failed)
