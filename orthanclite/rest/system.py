"""``/system``, ``/statistics`` and ``/plugins``."""

from __future__ import annotations

from collections.abc import Sequence

from orthanclite.core.ports import Resources
from orthanclite.core.text.styled_json import dumps
from orthanclite.services.server.system import BuiltIn, SystemInformation, statistics_json
from orthanclite.web.answers.responses import Response, json_bytes, json_response, text_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Router

_EXPLORER_JS = "// Extensions to Orthanc Explorer by the registered plugins\n\n"


def system_routes(
    information: SystemInformation, resources: Resources, built_in: Sequence[BuiltIn] = ()
) -> Router:
    router = Router("System")
    system = dumps(information.to_json())
    plugins = {plugin.id: plugin for plugin in built_in}

    @router.get("/system", "Information about the server", inline=True)
    def show_system(call: Call) -> Response:
        return json_bytes(system)

    @router.get("/statistics", "Number and size of what is stored", quick=True)
    def show_statistics(call: Call) -> Response:
        return json_response(statistics_json(resources.counts()))

    @router.get(
        "/plugins",
        "List plugins",
        description="Capabilities that Orthanc has as plugins and this server has built in.",
        inline=True,
    )
    def list_plugins(call: Call) -> Response:
        return json_response(sorted([*plugins, "explorer.js"]))

    @router.get("/plugins/{id}", "Describe a plugin", inline=True)
    def show_plugin(call: Call) -> Response | None:
        plugin = plugins.get(call.params["id"])
        return None if plugin is None else json_response(plugin.to_json())

    @router.get(
        "/plugins/explorer.js",
        "JavaScript with which plugins extend Orthanc Explorer",
        description="Always without content: nothing is added to Orthanc's own user interface.",
        answers="application/javascript",
        inline=True,
    )
    def explorer_js(call: Call) -> Response:
        return text_response(_EXPLORER_JS, "application/javascript")

    return router
