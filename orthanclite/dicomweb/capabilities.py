"""What this server can do, told to who asks by OPTIONS (PS3.18 section 8.9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import quoteattr

import orjson

from orthanclite.core.principal import Access
from orthanclite.dicomweb.addresses import Addresses
from orthanclite.dicomweb.negotiation import Offer, choose, ranges
from orthanclite.web.answers.responses import Response, bytes_response, json_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Operation, Router

_WADL = "application/vnd.sun.wadl+xml"
_JSON = "application/json"


def capability_routes(root: str, routers: Iterable[Router], addresses: Addresses) -> Router:
    """OPTIONS of all resources below the root, and of the root itself.

    :param routers: with the resources
    """
    operations = [
        operation
        for router in routers
        for operation in router.operations
        if operation.path.startswith(f"{root}/")
    ]
    router = Router("DICOMweb")
    forms = (Offer(_WADL), Offer(_JSON), Offer("application/xml"))

    def add(path: str, shown: Sequence[Operation]) -> None:
        methods = ",".join(sorted({one.method for one in shown} | {"OPTIONS"}))

        @router.route(
            "OPTIONS",
            path,
            "What can be done with the resource",
            access=Access.READ,
            inline=True,
            answers=(_WADL, _JSON),
        )
        def options(call: Call) -> Response:
            base = addresses.base(call)
            if choose(ranges(call), forms).media_type == _JSON:
                response = bytes_response(orjson.dumps(_json(base, root, shown)), _JSON)
            else:
                response = bytes_response(_wadl(base, root, shown).encode(), _WADL)
            return response.with_header("Allow", methods)

    by_path: dict[str, list[Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, []).append(operation)
    add(root, operations)
    for path, shown in by_path.items():
        add(path, shown)
    return router


def information_routes(root: str) -> Router:
    """The route by which Orthanc's own pages find DICOMweb."""
    router = Router("DICOMweb")
    up = "./" + "../" * root.count("/")
    content = {"DicomWebRoot": f"{root}/", "OrthancApiRoot": up}

    @router.get(f"{root}/info", "Where DICOMweb is", inline=True)
    def show(call: Call) -> Response:
        return json_response(content)

    return router


def _json(base: str, root: str, operations: Sequence[Operation]) -> dict[str, object]:
    resources: dict[str, list[dict[str, object]]] = {}
    for one in operations:
        method: dict[str, object] = {
            "name": one.method,
            "doc": one.summary,
            "params": [argument.name for argument in one.query],
            "representations": list(one.answers),
        }
        resources.setdefault(_template(one, root), []).append(method)
    listed = [{"path": path, "methods": methods} for path, methods in resources.items()]
    return {"application": {"resources": {"base": f"{base}/", "resource": listed}}}


def _wadl(base: str, root: str, operations: Sequence[Operation]) -> str:
    """The Web Application Description Language (https://www.w3.org/submissions/wadl/)."""
    resources: dict[str, list[str]] = {}
    for one in operations:
        resources.setdefault(_template(one, root), []).append(_wadl_method(one))
    listed = "".join(
        f"<resource path={quoteattr(path)}>{''.join(methods)}</resource>"
        for path, methods in resources.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<application xmlns="http://wadl.dev.java.net/2009/02">'
        f"<resources base={quoteattr(base + '/')}>{listed}</resources></application>\n"
    )


def _wadl_method(one: Operation) -> str:
    arguments = "".join(f'<param name={quoteattr(each.name)} style="query"/>' for each in one.query)
    body = "".join(_representation(each) for each in (one.body.types if one.body is not None else ()))
    answers = "".join(_representation(each) for each in one.answers)
    return (
        f'<method name="{one.method}"><request>{arguments}{body}</request>'
        f"<response>{answers}</response></method>"
    )


def _representation(media_type: str) -> str:
    return f"<representation mediaType={quoteattr(media_type)}/>"


def _template(operation: Operation, root: str) -> str:
    return operation.path.removeprefix(f"{root}/").replace(":path}", "}")
