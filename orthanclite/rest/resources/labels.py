"""Labels of resources: ``/{level}/{id}/labels`` and ``/tools/labels``."""

from __future__ import annotations

from orthanclite.core.levels import Level
from orthanclite.services.resources.annotations import LabelService
from orthanclite.web.answers.responses import Response, empty, json_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Router


def label_routes(labels: LabelService) -> Router:
    """Routes that read and write labels."""
    router = Router("Labels")
    for level in Level:
        _add_routes(router, level, labels)

    @router.get("/tools/labels", "List the labels in use")
    def list_all(call: Call) -> Response:
        return json_response(labels.in_use())

    return router


def _add_routes(router: Router, level: Level, labels: LabelService) -> None:
    name = level.label.lower()
    path = f"/{level.plural}/{{id}}/labels"

    @router.get(path, f"List the labels of a {name}")
    def list_labels(call: Call) -> Response:
        return json_response(labels.all(level, call.params["id"]))

    @router.get(f"{path}/{{label}}", f"Does a {name} have a label?", answers="text/plain")
    def has_label(call: Call) -> Response | None:
        return empty() if call.params["label"] in labels.all(level, call.params["id"]) else None

    @router.put(f"{path}/{{label}}", f"Add a label to a {name}")
    def add_label(call: Call) -> Response:
        labels.add(level, call.params["id"], call.params["label"])
        return empty()

    @router.delete(f"{path}/{{label}}", f"Remove a label from a {name}")
    def remove_label(call: Call) -> Response:
        labels.remove(level, call.params["id"], call.params["label"])
        return empty()
