"""Who may talk to the server: remote access, HTTP Basic, DNS rebinding, cross-site requests.

A server on localhost is within reach of every web page that the user opens, so the browser's own marks of a
request are checked (docs/differences.md tells what that means behind a proxy):

- DNS rebinding makes a foreign name point to this host; the page is then of the same origin, but the
  ``Host`` header still shows the foreign name. Without remote access and without authentication only names
  of this host are answered. With authentication such a page has no credentials to send.
- A cross-site page may send simple POST requests, which the browser does not ask us about; such requests
  carry ``Sec-Fetch-Site`` and ``Origin``.

Passwords can be guessed. What is done against it: every failure is logged with the address that it comes
from (for tools such as fail2ban), an unknown user takes as long as a known one, and an address that fails
again and again is slowed down (``web/entrance/logins.py``). Whoever was let in before is let in at once,
whatever others try.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import socket
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from orthanclite.web.answers.responses import Response
from orthanclite.web.policy import HttpPolicy
from orthanclite.web.protocol.head import LONGEST_HOST

Headers = Mapping[bytes, bytes]

HASH_PREFIX = "$argon2"
"""How a password begins that is a hash (PHC string format), and not the password itself."""
REALM = b'Basic realm="Orthanc Secure Area"'


class Gate:
    """Decides on a request by its head alone. Thread-safe."""

    def __init__(self, policy: HttpPolicy) -> None:
        self._policy = policy
        self._check_host = not policy.remote_access and not policy.authentication
        self._hosts = policy.allowed_hosts | {"localhost", socket.gethostname().lower()}
        self._credentials = Credentials(policy.users)

    def refuse(
        self, method: str, headers: Headers, remote_ip: str, admitted: bool = False
    ) -> Response | None:
        """The refusal of a request that must not be served, whoever sends it; else None.

        :param method: the one after an override
        :param admitted: whether pages of the site that it comes from may send it
        """
        if not self._policy.remote_access and not is_loopback(remote_ip):
            return unauthorized()  # as the reference answers
        if self._check_host and not self._is_own_name(headers.get(b"host", b"")):
            return Response(403)
        if method != "GET" and not admitted and self._is_cross_site(headers):
            return Response(403)
        return None

    def known_user(self, headers: Headers) -> str | None:
        """The user of a request if that can be told at once: see :meth:`verify_user` for None."""
        if not self._policy.authentication:
            return ""
        return self._credentials.cached(headers.get(b"authorization", b""))

    def verify_user(self, headers: Headers) -> str | None:
        """The user of a request; None if it has no valid credentials. May take 50 ms (argon2)."""
        return self._credentials.verify(headers.get(b"authorization", b""))

    @staticmethod
    def claimed_user(headers: Headers) -> str | None:
        """The user that a request says to come from, right or wrong; None where it says nothing readable."""
        pair = _decode_basic(headers.get(b"authorization", b""))
        return None if pair is None else pair[0]

    def _is_own_name(self, host: bytes) -> bool:
        name = _host_name(host)
        if not name or name in self._hosts or name.endswith(".localhost") or "*" in self._hosts:
            return True
        return _is_address(name)  # an address cannot be rebound

    def _is_cross_site(self, headers: Headers) -> bool:
        """Whether a browser says that another site's page sends this request.

        Clients that are not browsers send none of these headers. A page cannot forge them, nor add
        ``X-Forwarded-Host`` to a cross-origin request without the consent that this server never gives.
        """
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        if origin and ("*" in self._policy.allowed_origins or origin in self._policy.allowed_origins):
            return False
        site = headers.get(b"sec-fetch-site", b"")
        if site == b"cross-site":
            return True
        if not origin or site in (b"same-origin", b"none"):
            return False
        try:
            name = urlsplit(origin).hostname  # None for the opaque origin "null"
        except ValueError:
            return True
        own = (headers.get(b"host", b""), headers.get(b"x-forwarded-host", b""))
        return name is None or name not in {_host_name(host[:LONGEST_HOST]) for host in own}


class Credentials:
    """Users and their passwords, plain or as argon2 hashes."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = dict(users)
        self._hasher = PasswordHasher()
        self._decoy = _decoy([password for password in users.values() if password.startswith(HASH_PREFIX)])
        # What is remembered of a verified login is its keyed digest, worthless outside this process.
        self._key = secrets.token_bytes(32)
        self._verified: dict[bytes, str] = {}  # one for each user, since each has one password
        # One verification at a time: argon2 is made to be expensive, and anybody may ask for it.
        self._lock = threading.Lock()

    def cached(self, authorization: bytes) -> str | None:
        """The user of a login that was verified before."""
        pair = _decode_basic(authorization)
        return None if pair is None else self._verified.get(self._digest(*pair))

    def verify(self, authorization: bytes) -> str | None:
        """The user whose name and password ``authorization`` has; None if it is not valid."""
        pair = _decode_basic(authorization)
        if pair is None:
            return None
        user, password = pair
        with self._lock:
            if not self._matches(self._users.get(user), password):
                return None
            self._verified[self._digest(user, password)] = user
        return user

    def _matches(self, expected: str | None, password: str) -> bool:
        if expected is not None and expected.startswith(HASH_PREFIX):
            return self._verifies(expected, password)
        if self._decoy is not None:
            self._verifies(self._decoy, password)
        # An unknown user costs the same comparison as a known one.
        equal = hmac.compare_digest((expected or "").encode("utf-8"), password.encode("utf-8"))
        return equal and expected is not None

    def _verifies(self, hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def _digest(self, user: str, password: str) -> bytes:
        pair = f"{user}:{password}".encode()
        return hashlib.blake2b(pair, key=self._key, digest_size=32).digest()


def _decoy(hashes: Sequence[str]) -> str | None:
    """A hash that nobody's password has, as costly as the costliest of ``hashes``; None where there are none.

    It is verified for whoever has no hash, so that the time tells nothing of who is registered.
    """
    if not hashes:
        return None
    costs = max(map(extract_parameters, hashes), key=lambda one: (one.time_cost * one.memory_cost, one.type))
    hasher = PasswordHasher(
        costs.time_cost, costs.memory_cost, costs.parallelism, costs.hash_len, costs.salt_len, type=costs.type
    )
    return hasher.hash(secrets.token_hex())


def unauthorized() -> Response:
    return Response(401, b"", [(b"www-authenticate", REALM)])


@lru_cache(maxsize=1024)
def is_loopback(address: str) -> bool:
    """Whether a client's address is this very host; a local socket has none."""
    if not address:
        return True
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


@lru_cache(maxsize=256)
def _host_name(host: bytes) -> str:
    """The name in a ``Host`` header, lower case, without the port."""
    text = host.decode("latin-1").strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _decode_basic(authorization: bytes) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    user, colon, password = text.partition(":")
    return (user, password) if colon else None
