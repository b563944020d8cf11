"""The users of the REST API: which passwords a configuration may give them, and which everybody knows."""

from __future__ import annotations

from collections.abc import Mapping

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError, VerifyMismatchError

HASH_PREFIX = "$argon2"
"""How a password begins that is a hash (PHC string format), and not the password itself."""

_WELL_KNOWN = {"orthanc": "orthanc"}
"""What a server of the reference once made up for itself, and what is tried first on any server."""

_VERSIONS = (0x10, 0x13)
"""Those that there are (RFC 9106 section 3.1)."""
_LARGEST_MEMORY = 1 << 20
"""KiB that the verification of one hash may take: each login takes them anew."""
_LARGEST_COST = 1 << 24
"""KiB that it may write in all its passes, which takes some ten seconds."""


def why_refused(users: Mapping[str, str]) -> str | None:
    """Why these users and passwords cannot be accepted; None where they can."""
    for user, password in users.items():
        if not user or ":" in user:
            return f'"{user}" cannot be the name of a user (RFC 7617 section 2)'
        if not password:
            return f'the password of the user "{user}" is empty'
        if password.startswith(HASH_PREFIX) and (fault := _fault_of_hash(password)) is not None:
            return f'the hash of the password of the user "{user}" is broken: {fault}'
    return None


def is_well_known(users: Mapping[str, str]) -> bool:
    """Whether somebody may log in with a name and a password that everybody knows, hashed or not."""
    return any(_is_password(users[user], password) for user, password in _WELL_KNOWN.items() if user in users)


def _fault_of_hash(text: str) -> str | None:
    """What is wrong with an argon2 hash: nobody could ever log in with it."""
    try:
        parameters = extract_parameters(text)
    except (InvalidHashError, ValueError) as exc:
        return str(exc) or "it is no argon2 hash"
    if parameters.memory_cost > _LARGEST_MEMORY:
        return f"it takes more than {_LARGEST_MEMORY >> 10} MB of memory"
    if parameters.memory_cost * parameters.time_cost > _LARGEST_COST:
        return "each login would take too long"
    if parameters.version not in _VERSIONS or parameters.time_cost < 1 or parameters.parallelism < 1:
        return "its parameters are out of range"
    if parameters.memory_cost < 8 * parameters.parallelism:
        return "its memory cost is too small for its parallelism (RFC 9106 section 3.1)"
    # The library judges the salt and the digest when it verifies; with the least cost, that takes no time.
    kind, version, _, salt, digest = text.split("$")[1:]
    try:
        PasswordHasher().verify(f"${kind}${version}$m=8,t=1,p=1${salt}${digest}", "")
    except VerifyMismatchError:
        return None
    except (Argon2Error, InvalidHashError, ValueError) as exc:
        return str(exc) or "its salt or its digest cannot be read"
    return None


def _is_password(expected: str, password: str) -> bool:
    if not expected.startswith(HASH_PREFIX):
        return expected == password
    try:
        return PasswordHasher().verify(expected, password)
    except (Argon2Error, InvalidHashError):
        return False
