"""What a wing adds to the whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orthanclite.services.server.conformance import ServiceClasses
from orthanclite.services.server.system import BuiltIn
from orthanclite.services.upkeep.duties import Periodic
from orthanclite.web.routing import Router


@dataclass(frozen=True, slots=True)
class Additions:
    """Nothing, unless said otherwise."""

    routers: tuple[Router, ...] = ()
    """Sections of the REST API."""
    duties: tuple[Periodic, ...] = ()
    """What recurs while the server runs."""
    endings: tuple[Callable[[], None], ...] = ()
    """Called one after the other at the end, after those of the wings that were built later."""
    built_in: tuple[BuiltIn, ...] = ()
    """Capabilities that Orthanc has as plugins, for ``/plugins``."""
    service_classes: tuple[ServiceClasses, ...] = ()
    """What is offered over DICOM, for the conformance statement."""
