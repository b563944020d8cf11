"""Who may talk to the server: remote access, HTTP Basic, DNS rebinding, cross-site requests.

A server on localhost is within reach of every web page that the user opens, so the browser's own marks of a
request are checked (docs/differences.md tells what that means behind a proxy):

- DNS rebinding makes a foreign name point to this host; the page is then of the same origin, but the
  ``Host`` header still shows the foreign name. Without remote access and without authentication only names
  of this host are answered. With authentication such a page has no credentials to send.
- A cross-site page may send simple POST requests, which the browser does not ask us about; such requests
  carry ``Sec-Fetch-Site`` and ``Origin``.

Passwords can be guessed. What is done against it: every failure is logged with the address that it comes
from (for tools such as fail2ban), an address that fails again and again is answered late, an unknown user
takes as long as a known one, and however many logins arrive at once, they occupy a single worker thread.
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
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from orthanclite.web.answers.responses import Response
from orthanclite.web.policy import HttpPolicy

Headers = Mapping[bytes, bytes]

_HASH = "$argon2"
REALM = b'Basic realm="Orthanc Secure Area"'
_CACHED_USERS = 256
_FREE_FAILURES = 5
_FORGIVEN_AFTER = 60.0  # seconds
_DELAY = 1.0  # seconds
_WATCHED_ADDRESSES = 10_000


class Gate:
    """Decides on a request by its head alone. Thread-safe."""

    def __init__(self, policy: HttpPolicy) -> None:
        self._policy = policy
        self._check_host = not policy.remote_access and not policy.authentication
        self._hosts = policy.allowed_hosts | {"localhost", socket.gethostname().lower()}
        self._credentials = Credentials(policy.users)
        self.throttle = Throttle()

    def refuse(self, method: str, headers: Headers, remote_ip: str) -> Response | None:
        """The refusal of a request that must not be served, whoever sends it; else None.

        ``method`` is the one after an override.
        """
        if not self._policy.remote_access and not is_loopback(remote_ip):
            return unauthorized()  # as the reference answers
        if self._check_host and not self._is_own_name(headers.get(b"host", b"")):
            return Response(403)
        if method != "GET" and self._is_cross_site(headers):
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
    def claimed_user(headers: Headers) -> str:
        """The user that a request says to come from, right or wrong."""
        pair = _decode_basic(headers.get(b"authorization", b""))
        return "" if pair is None else pair[0]

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
        return name is None or name not in {_host_name(host) for host in own}


class Throttle:
    """Makes guessing slow for an address that fails again and again. Used on one event loop.

    :param clock: seconds, monotonic
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and the last one

    def failed(self, address: str) -> float:
        """Note a failure; the seconds by which its answer is to be delayed."""
        now = self._clock()
        count, last = self._failures.pop(address, (0, now))
        count = count + 1 if now - last < _FORGIVEN_AFTER else 1
        self._failures[address] = (count, now)
        if len(self._failures) > _WATCHED_ADDRESSES:
            self._failures.popitem(last=False)
        return _DELAY if count > _FREE_FAILURES else 0.0

    def succeeded(self, address: str) -> None:
        """Forget the failures of an address."""
        self._failures.pop(address, None)


class Credentials:
    """Users and their passwords, plain or as argon2 hashes."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = dict(users)
        self._hasher = PasswordHasher()
        # Verified for whoever has no hash, so that the time tells nothing of who is registered.
        hashed = any(password.startswith(_HASH) for password in users.values())
        self._decoy = self._hasher.hash(secrets.token_hex()) if hashed else None
        # What is remembered of a verified header is its keyed digest, worthless outside this process.
        self._key = secrets.token_bytes(32)
        self._verified: dict[bytes, str] = {}
        # One verification at a time: argon2 is made to be expensive, and anybody may ask for it.
        self._lock = threading.Lock()

    def cached(self, authorization: bytes) -> str | None:
        """The user of a header that was verified before."""
        if not authorization:
            return None
        return self._verified.get(self._digest(authorization))

    def verify(self, authorization: bytes) -> str | None:
        """The user whose name and password ``authorization`` has; None if it is not valid."""
        pair = _decode_basic(authorization)
        if pair is None:
            return None
        user, password = pair
        with self._lock:
            if not self._matches(self._users.get(user), password):
                return None
            if len(self._verified) >= _CACHED_USERS:
                self._verified.clear()
            self._verified[self._digest(authorization)] = user
        return user

    def _matches(self, expected: str | None, password: str) -> bool:
        if expected is not None and expected.startswith(_HASH):
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

    def _digest(self, authorization: bytes) -> bytes:
        return hashlib.blake2b(authorization, key=self._key, digest_size=32).digest()


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
