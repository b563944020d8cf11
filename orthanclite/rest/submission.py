"""Requests that are jobs: the members of their bodies that all of them share, and their answers."""

from __future__ import annotations

from orthanclite.core.jobs import RETRY, Submission
from orthanclite.jobs.engine import JobEngine
from orthanclite.jobs.options import JobOptions as JobOptions
from orthanclite.web.answers.responses import Response, json_response

SUBMISSION_FIELDS = {
    "Synchronous": "boolean: Answer once the job has ended (the default), with what it came to",
    "Asynchronous": "boolean: Answer at once, with the job",
    "Priority": "number: Priority of the job",
    "Permissive": "boolean: The job goes on after failures, counts them, and succeeds",
    "UserData": "any: Kept with the job",
}
RETRY_FIELD = {
    RETRY: "number: How many times in a row the job is tried again, after pauses of 1, 2, 4... up to 60 s"
}


def done(engine: JobEngine, submission: Submission, synchronous: bool) -> Response:
    """Have a job done: the answer is the job, or, where the request is synchronous, what it came to.

    :raises OrthancError: that for which a synchronous job has failed
    """
    if synchronous:
        return json_response(engine.perform(submission))
    id = engine.submit(submission)
    return json_response({"ID": id, "Path": f"/jobs/{id}"})
