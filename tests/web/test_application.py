"""FastAPI around the table of routes: who serves what, for whom, and how both are documented."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel
from starlette.responses import Response as PlainResponse

from orthanclite.core.errors import ParameterOutOfRange
from orthanclite.web.answers.responses import Response, json_response
from orthanclite.web.application import ACCESS, Application
from orthanclite.web.call import Call
from orthanclite.web.policy import HttpPolicy
from orthanclite.web.routing import Router


class Note(BaseModel):
    text: str
    stars: int = 0


def ours() -> Router:
    router = Router("Ours")

    @router.get("/system", "Ours")
    def system(call: Call) -> Response:
        return json_response({"who": call.principal.name})

    @router.post("/things", "A write, as it does not say what it is")
    def things(call: Call) -> Response:
        return json_response({})

    return router


def plugin() -> APIRouter:
    router = APIRouter(prefix="/plugin", tags=["Plugin"])

    @router.post("/notes")
    def write(note: Note) -> Note:
        return note

    @router.post("/count", openapi_extra={ACCESS: "read"})
    async def count(note: Note) -> int:
        return len(note.text)

    @router.get("/failing")
    def failing() -> None:
        raise ParameterOutOfRange("Too far")

    return router


def application(**policy: Any) -> Application:
    made = Application([ours()], HttpPolicy(**policy))
    made.include_router(plugin())
    return made


async def _ask(app: Application, method: str, path: str, **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 4321))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.request(method, path, **options)


def ask(app: Application, method: str, path: str, **options: Any) -> httpx.Response:
    try:
        return asyncio.run(_ask(app, method, path, **options))
    finally:
        app.close()


def test_a_router_that_is_included_is_served_by_fastapi() -> None:
    answer = ask(application(), "POST", "/plugin/notes", json={"text": "seen"})
    assert answer.json() == {"text": "seen", "stars": 0}
    assert ask(application(), "POST", "/plugin/notes", json={"text": 1, "stars": "x"}).status_code == 422


def test_the_table_is_asked_first() -> None:
    shadowing = APIRouter()

    @shadowing.get("/system")
    def system() -> str:
        return "not reached"

    app = Application([ours()], HttpPolicy())
    app.include_router(shadowing)
    assert ask(app, "GET", "/system").json() == {"who": ""}


@pytest.mark.parametrize("path", ["/nowhere", "/plugin/nowhere"])
def test_what_nobody_knows_is_answered_as_the_reference_does(path: str) -> None:
    with_plugin, without = (
        ask(application(), "GET", path),
        ask(Application([ours()], HttpPolicy()), "GET", path),
    )
    assert with_plugin.status_code == without.status_code == 404
    assert with_plugin.content == without.content
    assert with_plugin.json()["OrthancError"] == "Unknown resource"


def test_errors_of_ours_look_the_same_from_a_plugin() -> None:
    answer = ask(application(), "GET", "/plugin/failing")
    assert answer.status_code == 400
    assert answer.json()["Details"] == "Too far"
    assert answer.json()["Uri"] == "/plugin/failing"
    assert ask(application(describe_errors=False), "GET", "/plugin/failing").content == b""


def test_nobody_reaches_a_plugin_past_the_entrance() -> None:
    users = {"authentication": True, "users": {"alice": "secret"}}
    for path in ("/plugin/notes", "/plugin/nowhere", "/system"):
        assert ask(application(**users), "GET", path).status_code == 401
    answer = ask(
        application(**users), "POST", "/plugin/count", json={"text": "abc"}, auth=("alice", "secret")
    )
    assert answer.json() == 3
    cross_site = {"Sec-Fetch-Site": "cross-site"}
    assert (
        ask(application(), "POST", "/plugin/notes", json={"text": ""}, headers=cross_site).status_code == 403
    )


def test_a_read_only_server_refuses_what_does_not_say_that_it_reads() -> None:
    body = {"text": "abc"}
    assert ask(application(read_only=True), "POST", "/plugin/notes", json=body).status_code == 403
    assert ask(application(read_only=True), "POST", "/plugin/count", json=body).json() == 3
    assert ask(application(read_only=True), "POST", "/things").status_code == 404
    assert ask(application(), "POST", "/things").status_code == 200


def mounted(**policy: Any) -> Application:
    """An application with others in it that know nothing of it."""
    made = application(**policy)
    inner = FastAPI()

    @inner.api_route("/things", methods=["GET", "POST", "DELETE"])
    def things(request: Request) -> str:
        return request.method

    async def plain(request: Request) -> PlainResponse:
        return PlainResponse(request.method)

    made.mount("/mounted", inner)
    made.add_route("/plain", plain, methods=["GET", "POST"])
    router = APIRouter()
    router.mount("/deep", inner)
    router.add_route("/plain", plain, methods=["GET", "POST"])
    made.include_router(router, prefix="/included")
    return made


@pytest.mark.parametrize("path", ["/mounted/things", "/plain", "/included/deep/things", "/included/plain"])
def test_what_is_mounted_is_let_in_by_the_same_entrance(path: str) -> None:
    assert ask(mounted(), "POST", path).text.strip('"') == "POST"
    assert ask(mounted(read_only=True), "GET", path).text.strip('"') == "GET"
    assert ask(mounted(read_only=True), "POST", path).status_code == 403
    users = {"authentication": True, "users": {"alice": "secret"}}
    assert ask(mounted(**users), "GET", path).status_code == 401
    assert ask(mounted(**users), "GET", path, auth=("alice", "secret")).status_code == 200
    cross_site = {"Sec-Fetch-Site": "cross-site"}
    assert ask(mounted(), "POST", path, headers=cross_site).status_code == 403
    assert ask(mounted(), "POST", "/mounted/nothing").status_code == 404


def test_bodies_for_a_plugin_are_bounded() -> None:
    answer = ask(application(maximum_body=1000), "POST", "/plugin/notes", json={"text": "x" * 2000})
    assert answer.status_code == 413


def test_both_are_in_one_document() -> None:
    document = ask(application(), "GET", "/openapi.json").json()
    assert {"/system", "/things", "/plugin/notes"} <= set(document["paths"])
    assert "Note" in document["components"]["schemas"]
    assert document["paths"]["/things"]["post"]["security"] == [{"basic": ["write"]}, {}]
    assert document["paths"]["/system"]["get"]["security"] == [{"basic": ["read"]}, {}]


def test_its_lifespan_is_entered_with_those_of_its_routers() -> None:
    seen = []

    @asynccontextmanager
    async def life(name: str) -> AsyncIterator[None]:
        seen.append(f"{name} starts")
        yield
        seen.append(f"{name} ends")

    async def enter(app: FastAPI) -> None:
        async with app.router.lifespan_context(app):
            seen.append("serving")

    app = Application([ours()], HttpPolicy(), lifespan=lambda app: life("services"))
    app.include_router(APIRouter(lifespan=lambda app: life("plug-in")))
    asyncio.run(enter(app))
    app.close()
    assert seen == ["services starts", "plug-in starts", "serving", "plug-in ends", "services ends"]
