"""Splitting and merging studies: ``/studies/{id}/split`` and ``merge``."""

from __future__ import annotations

from typing import Any

from orthanclite.jobs.engine import JobEngine
from orthanclite.jobs.kinds.studies import MergeKind, SplitKind
from orthanclite.rest.editing.modify import SOURCE_FIELDS, request_of_job
from orthanclite.rest.submission import SUBMISSION_FIELDS, JobOptions, done
from orthanclite.services.ingest.arrival import IngestOrigin
from orthanclite.web.answers.responses import Response
from orthanclite.web.call import Call
from orthanclite.web.routing import Body, Router

_SPLIT_FIELDS = {
    "Series": "array: Orthanc identifiers of the series that are split off",
    "Instances": "array: Orthanc identifiers of the instances that are split off",
    "Replace": "object: New values of tags of the patient and of the study, by their names",
    "Remove": "array: Tags of the patient and of the study that are removed",
}
_MERGE_FIELDS = {"Resources": "array: Orthanc identifiers of the studies, series and instances to be merged"}


def study_edit_routes(engine: JobEngine, split: SplitKind, merge: MergeKind) -> Router:
    """The routes that give instances to another study, in jobs."""
    router = Router("Studies", slow=True)
    for verb, summary, kind, fields in (
        ("split", "Make a new study of a part of one", split, _SPLIT_FIELDS),
        ("merge", "Merge other resources into the study", merge, _MERGE_FIELDS),
    ):

        def on_post(call: Call, kind: Any = kind) -> Response:
            body = request_of_job(call)
            options, origin = JobOptions.of(body), IngestOrigin.of(call.principal)
            submission = kind.of_study(call.params["id"], body, origin)
            return done(engine, options.of_submission(submission), options.synchronous)

        router.post(
            f"/studies/{{id}}/{verb}",
            summary,
            description="A job that makes new instances. The sources are removed, unless KeepSource is true.",
            body=Body(fields={**fields, **SOURCE_FIELDS, **SUBMISSION_FIELDS}),
            answers="application/json",
        )(on_post)
    return router
