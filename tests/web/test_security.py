"""Users and their passwords."""

from __future__ import annotations

import base64
import math
import time

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.web.entrance.security import Credentials

USERS = {"alice": PasswordHasher(time_cost=1, memory_cost=8192).hash("correct"), "bob": "plain:with colon"}


def basic(user: str, password: str, scheme: str = "Basic") -> bytes:
    return f"{scheme} {base64.b64encode(f'{user}:{password}'.encode()).decode()}".encode()


@pytest.fixture(scope="module")
def credentials() -> Credentials:
    return Credentials(USERS)


@pytest.mark.parametrize(
    ("header", "user"),
    [
        (basic("alice", "correct"), "alice"),
        (basic("bob", "plain:with colon"), "bob"),
        (basic("bob", "plain:with colon", "bAsIc"), "bob"),
        (basic("alice", USERS["alice"]), None),  # the hash is no password
        (basic("alice", ""), None),
        (basic("", ""), None),
        (basic("nobody", "plain:with colon"), None),
        (basic("bob", "plain"), None),
        (b"", None),
        (b"Basic", None),
        (b"Basic !!!", None),
        (b"Bearer x", None),
    ],
)
def test_logins(credentials: Credentials, header: bytes, user: str | None) -> None:
    assert credentials.verify(header) == user
    assert credentials.cached(header) == user


def test_what_is_remembered_does_not_grow(credentials: Credentials) -> None:
    """Nor can a user make the others be forgotten, by writing a right login in many ways."""
    fresh = Credentials(USERS)
    assert fresh.cached(basic("alice", "correct")) is None
    assert fresh.verify(basic("alice", "correct")) == "alice"
    for number in range(32):
        scheme = "".join(c.upper() if number >> i & 1 else c for i, c in enumerate("basic"))
        assert fresh.verify(basic("bob", USERS["bob"], scheme)) == "bob"
        fresh.verify(basic("bob", f"wrong{number}"))
    assert len(fresh._verified) == 2
    assert fresh.cached(basic("alice", "correct")) == "alice"


@given(st.text(max_size=20), st.text(max_size=20))
def test_nobody_else_is_let_in(user: str, password: str) -> None:
    plain = Credentials({"bob": "plain"})
    expected = "bob" if (user, password) == ("bob", "plain") else None
    assert plain.verify(basic(user, password)) == expected
    assert plain.cached(basic("bob", "plain")) is None or expected == "bob"


def test_time_does_not_tell_who_is_registered(credentials: Credentials) -> None:
    """Time of the processor, the least of several: whatever else the machine does counts for nobody."""
    least = dict.fromkeys(("alice", "bob", "nobody"), math.inf)
    for number in range(9):
        for user in least:
            started = time.process_time()
            assert credentials.verify(basic(user, f"wrong{number}")) is None
            least[user] = min(least[user], time.process_time() - started)
    assert max(least.values()) < 3 * min(least.values())
