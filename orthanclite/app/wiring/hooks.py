"""Code of the operator inside the server: Lua scripts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.core.constants import Origin
from orthanclite.core.principal import Principal
from orthanclite.rest.tools import script_routes
from orthanclite.services.hooks.lua import LuaScripts
from orthanclite.web.internal import InternalClient
from orthanclite.web.routing import RouteTable


@dataclass(frozen=True, slots=True)
class HooksWing:
    adds: Additions


def hooks_wing(base: Foundation, table: Callable[[], RouteTable]) -> HooksWing:
    """:param table: gives the routes once they all are there: scripts call the REST API from inside."""
    if not base.settings.http.execute_lua_enabled:
        return HooksWing(Additions(routers=(script_routes(None),)))
    scripts = LuaScripts(InternalClient(table, Principal(Origin.LUA)))
    return HooksWing(Additions(routers=(script_routes(scripts),), endings=(scripts.close,)))
