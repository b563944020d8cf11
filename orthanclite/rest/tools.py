"""The small routes below ``/tools``: times, UIDs, options at run time, logs, metrics, life of the server."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from orthanclite.core.errors import BadFileFormat
from orthanclite.core.identifiers import generate_uid
from orthanclite.core.log_levels import LogCategory, LogLevel, get_level, set_level
from orthanclite.core.machine.clock import now_local, now_utc
from orthanclite.core.principal import Access
from orthanclite.services.hooks.lua import LuaScripts
from orthanclite.services.server.conformance import ServiceClasses, conformance_statement
from orthanclite.services.server.runtime import RuntimeOptions
from orthanclite.services.server.system import Monitor
from orthanclite.web.answers.responses import Response, empty, json_response, literal_object, text_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Body, Router

_TEXT = Body(("text/plain",))


def tools_routes(
    stop: Callable[[], None], restart: Callable[[], None], invalidate_tags: Callable[[], None]
) -> Router:
    """The tools that need no service.

    :param stop: begins an orderly shutdown and returns.
    :param restart: the same, followed by a new start with the configuration read again.
    :param invalidate_tags: forgets renderings of tags that are kept in memory.
    """
    router = Router("System")

    @router.get("/tools/now", "The time in UTC", answers="text/plain", inline=True)
    def now(call: Call) -> Response:
        return text_response(now_utc())

    @router.get("/tools/now-local", "The time of the server's time zone", answers="text/plain", inline=True)
    def local_now(call: Call) -> Response:
        return text_response(now_local())

    @router.get(
        "/tools/generate-uid",
        "Make an identifier",
        query=[Arg("level", "patient, study, series or instance")],
        answers="text/plain",
        inline=True,
    )
    def new_uid(call: Call) -> Response | None:
        level = call.argument("level")
        if level == "patient":
            return text_response(str(uuid.uuid4()))
        return text_response(generate_uid()) if level in ("study", "series", "instance") else None

    @router.post(
        "/tools/invalidate-tags",
        "Forget the renderings of tags that are kept in memory",
        access=Access.ADMINISTER,
    )
    def forget_tags(call: Call) -> Response:
        invalidate_tags()
        return empty()

    @router.post(
        "/tools/shutdown",
        "Stop the server",
        answers="application/json",
        inline=True,
        access=Access.ADMINISTER,
    )
    def shut_down(call: Call) -> Response:
        stop()
        return literal_object()

    @router.post(
        "/tools/reset",
        "Restart the server",
        answers="application/json",
        inline=True,
        access=Access.ADMINISTER,
    )
    def reset(call: Call) -> Response:
        restart()
        return literal_object()

    return router


def runtime_routes(runtime: RuntimeOptions, conformance: Sequence[ServiceClasses] = ()) -> Router:
    """Options of the DICOM server that may change at run time, and what follows from them."""
    router = Router("System")

    @router.get("/tools/default-encoding", "The default encoding", answers="text/plain", inline=True)
    def default_encoding(call: Call) -> Response:
        return text_response(runtime.default_encoding.name)

    @router.put(
        "/tools/default-encoding",
        "Set the default encoding",
        body=_TEXT,
        answers="text/plain",
        access=Access.ADMINISTER,
    )
    def set_default_encoding(call: Call) -> Response:
        return text_response(runtime.set_default_encoding(call.text).name)

    @router.get(
        "/tools/accepted-transfer-syntaxes", "The transfer syntaxes accepted for storage", inline=True
    )
    def transfer_syntaxes(call: Call) -> Response:
        return json_response(list(runtime.transfer_syntaxes))

    @router.put(
        "/tools/accepted-transfer-syntaxes",
        "Set the transfer syntaxes accepted for storage",
        body=Body(("application/json", "text/plain"), {}, "Array of UIDs, or one UID with `*` and `?`."),
        answers="application/json",
        access=Access.ADMINISTER,
    )
    def set_transfer_syntaxes(call: Call) -> Response:
        return json_response(list(runtime.accept_transfer_syntaxes(_patterns(call))))

    @router.get("/tools/accepted-sop-classes", "The known SOP classes accepted for storage", inline=True)
    def sop_classes(call: Call) -> Response:
        return json_response(list(runtime.sop_classes))

    @router.get(
        "/tools/unknown-sop-class-accepted",
        "Whether unknown SOP classes are stored",
        answers="text/plain",
        inline=True,
    )
    def unknown_accepted(call: Call) -> Response:
        return text_response("1" if runtime.unknown_sop_class_accepted else "0")

    @router.put(
        "/tools/unknown-sop-class-accepted",
        "Set whether unknown SOP classes are stored",
        body=_TEXT,
        access=Access.ADMINISTER,
    )
    def set_unknown_accepted(call: Call) -> Response:
        runtime.unknown_sop_class_accepted = call.boolean_body()
        return empty()

    @router.get("/tools/dicom-conformance", "DICOM conformance statement", answers="text/plain")
    def conformance_text(call: Call) -> Response:
        return text_response(conformance_statement(runtime, conformance))

    return router


def _patterns(call: Call) -> list[str]:
    """The patterns of a body that is a JSON array or, if it is no JSON at all, one pattern.

    :raises BadFileFormat: for JSON of another shape.
    """
    try:
        value = call.json()
    except BadFileFormat:
        if call.text.lstrip().startswith(("[", "{", '"')):
            raise
        return [call.text.strip()]
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise BadFileFormat
    return values


def log_routes() -> Router:
    """The levels of the log, all together and by category."""
    router = Router("Logs")
    _add_level(router, "/tools/log-level", "all categories", None)
    for category in LogCategory:
        _add_level(router, f"/tools/log-level-{category}", f"the category {category}", category)
    return router


def _add_level(router: Router, path: str, what: str, category: LogCategory | None) -> None:
    @router.get(path, f"The log level of {what}", answers="text/plain", inline=True)
    def show(call: Call) -> Response:
        return text_response(get_level(category))

    @router.put(path, f"Set the log level of {what}", body=_TEXT, access=Access.ADMINISTER)
    def change(call: Call) -> Response:
        set_level(LogLevel.parse(call.text), category)
        return empty()


def metrics_routes(monitor: Monitor) -> Router:
    router = Router("System")

    @router.get("/tools/metrics", "Whether metrics are collected", answers="text/plain", inline=True)
    def collected(call: Call) -> Response:
        return text_response("1" if monitor.metrics.enabled else "0")

    @router.put("/tools/metrics", "Set whether metrics are collected", body=_TEXT, access=Access.ADMINISTER)
    def set_collected(call: Call) -> Response:
        monitor.metrics.enabled = call.boolean_body()
        return empty()

    @router.get("/tools/metrics-prometheus", "Metrics in the text format of Prometheus", answers="text/plain")
    def show(call: Call) -> Response:
        return text_response(monitor.render(), "text/plain; version=0.0.4")

    return router


def script_routes(scripts: LuaScripts | None) -> Router:
    """``/tools/execute-script``; without ``scripts`` (``ExecuteLuaEnabled`` off) it is refused."""
    router = Router("System")

    @router.post(
        "/tools/execute-script",
        "Run a Lua script",
        description="Answers what the script prints. Needs the option `ExecuteLuaEnabled`.",
        body=Body(("text/plain",), {}, "The script"),
        answers="text/plain",
        access=Access.ADMINISTER,
    )
    async def execute(call: Call) -> Response:
        if scripts is None:
            return Response(403)
        output = await scripts.submit(await call.read())
        return text_response(output)

    return router
