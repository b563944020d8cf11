"""The way in for every request, whoever serves it: refused, or let in with the principal it comes from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from starlette.types import Scope

from orthanclite.core.constants import Origin
from orthanclite.core.principal import Principal
from orthanclite.web.answers.responses import Response
from orthanclite.web.call import Runner, parse_query
from orthanclite.web.entrance.logins import Logins, TooManyLogins
from orthanclite.web.entrance.security import Gate, unauthorized
from orthanclite.web.policy import HttpPolicy
from orthanclite.web.protocol.exchange import IS_GONE
from orthanclite.web.routing import METHODS, UNSERVED_METHODS

_logger = logging.getLogger("orthanclite.http")

_OVERRIDES = {"PUT": "PUT", "DELETE": "DELETE"}


class Visitor(NamedTuple):
    """A request that was let in."""

    principal: Principal
    method: str | None  # after an override; None for one that does not exist


def _never() -> bool:
    return False


@lru_cache(maxsize=1024)
def _principal(user: str, address: str) -> Principal:
    """The principal of a request; most come from a few clients, many times a second."""
    return Principal(Origin.REST_API, user, address)


class Entrance:
    """Decides on requests by their heads. One per event loop."""

    def __init__(self, policy: HttpPolicy, run: Runner) -> None:
        """:param run: runs the verification of a password, which takes its time, in another thread"""
        self._policy = policy
        self._run = run
        self._gate = Gate(policy)
        self._logins = Logins()

    async def admit(
        self, scope: Scope, headers: dict[bytes, bytes], admitted: bool = False
    ) -> Visitor | Response:
        """The visitor of a request (ASGI, scope type ``http``), or its refusal.

        :param admitted: whether pages of the site that it comes from may send it
        """
        method = self._effective_method(scope["method"], headers, scope["query_string"])
        remote_ip: str = scope["client"][0] if scope.get("client") else ""
        refusal = self._gate.refuse(method or "POST", headers, remote_ip, admitted)
        if refusal is not None:
            return refusal
        user = self._gate.known_user(headers)
        if user is None:
            login = await self._log_in(scope, headers, remote_ip)
            if isinstance(login, Response):
                return login
            user = login
        return Visitor(_principal(user, remote_ip), method)

    async def _log_in(self, scope: Scope, headers: Mapping[bytes, bytes], remote_ip: str) -> str | Response:
        """The user of a request whose credentials were not seen before, or its refusal."""
        claimed = self._gate.claimed_user(headers)
        if claimed is None:
            return unauthorized()

        async def verify() -> str | None:
            user = await self._run(self._gate.verify_user, headers)
            if user is None:
                _logger.warning("Failed login of %.100r from %s", claimed, remote_ip)
            return user

        try:
            is_gone = scope.get("extensions", {}).get(IS_GONE, _never)
            user = await self._logins.attempt(remote_ip, claimed, verify, is_gone)
        except TooManyLogins:
            return Response(503, b"", [(b"retry-after", b"1")])
        return unauthorized() if user is None else user

    def _effective_method(self, method: str, headers: Mapping[bytes, bytes], query: bytes) -> str | None:
        """The method after an override; None for one that does not exist.

        ``_method`` in the query of a GET is within reach of any page (``<img src=...>``), so it needs the
        option ``HttpGetMethodOverride``. No page can add the header without a consent that this server never
        gives.
        """
        override = headers.get(b"x-http-method-override")
        if override is not None:
            return _OVERRIDES.get(override.decode("latin-1").strip().upper())
        if method == "GET":
            if self._policy.get_method_override and b"_method" in query:
                arguments = dict(parse_query(query.decode("latin-1")))
                if "_method" in arguments:
                    return _OVERRIDES.get(arguments["_method"].upper())
            return method
        return method if method in METHODS or method in UNSERVED_METHODS else None
