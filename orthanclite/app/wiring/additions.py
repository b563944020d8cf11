"""What a wing adds to the whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from orthanclite.services.server.conformance import ServiceClasses
from orthanclite.services.server.system import BuiltIn
from orthanclite.web.routing import Router


class Duty(Protocol):
    """Something that goes on beside the requests, in threads of its own."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Ask it to end, and wait for that."""
        ...


@dataclass(frozen=True, slots=True)
class Additions:
    """Nothing, unless said otherwise."""

    routers: tuple[Router, ...] = ()
    """Sections of the REST API."""
    duties: tuple[Duty, ...] = ()
    """What goes on while the server runs."""
    endings: tuple[Callable[[], None], ...] = ()
    """Called one after the other at the end, after those of the wings that were built later."""
    built_in: tuple[BuiltIn, ...] = ()
    """Capabilities that Orthanc has as plugins, for ``/plugins``."""
    service_classes: tuple[ServiceClasses, ...] = ()
    """What is offered over DICOM, for the conformance statement."""
