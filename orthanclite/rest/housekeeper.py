"""``/plugins/housekeeper/status``: how far the work on what was stored under other options has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orthanclite.web.answers.responses import Response, json_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Router


def housekeeper_routes(parts: Mapping[str, Callable[[], Mapping[str, object]]]) -> Router:
    """:param parts: what there is to be done, and how far each has come"""
    router = Router("System")

    @router.get(
        "/plugins/{id}/status",
        "How far a plugin has come with its work",
        description="Of ``housekeeper``, which brings what was stored under other options to today's.",
    )
    def status(call: Call) -> Response | None:
        if call.params["id"] != "housekeeper":
            return None
        return json_response({name: part() for name, part in parts.items()})

    return router
