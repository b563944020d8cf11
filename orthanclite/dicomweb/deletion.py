"""Deleting by DICOMweb, which the standard does not have: off unless ``AllowDelete`` is set."""

from __future__ import annotations

from collections.abc import Callable

from orthanclite.core.levels import Level
from orthanclite.dicomweb.paths import LEVELS, uid_path
from orthanclite.services.dicomweb.locator import Locator
from orthanclite.web.answers.responses import Response, empty
from orthanclite.web.call import Call
from orthanclite.web.routing import Router


def deletion_routes(root: str, locator: Locator, delete: Callable[[Level, str], object]) -> Router:
    """Routes that delete studies, series and instances.

    :param delete: removes a resource, by its level and Orthanc ID
    """
    router = Router("DICOMweb")
    for place in LEVELS:

        @router.delete(f"{root}{place}", "Delete all that is here, at or below the resource")
        def remove(call: Call) -> Response:
            for found in locator.find(uid_path(call)):
                delete(found.level, found.id)
            return empty()

    return router
