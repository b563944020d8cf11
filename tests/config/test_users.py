"""The users of a configuration: what is refused at the start, and what a server says of its own security."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.config import load
from orthanclite.config.sections.http import AccessSettings
from orthanclite.config.sections.users import why_refused
from orthanclite.core.errors import IncompatibleConfigurations

HASH = PasswordHasher(time_cost=1, memory_cost=64, parallelism=2).hash("secret", salt=b"sixteen of bytes")


@pytest.mark.parametrize("kind", list(Type))
def test_hashes_of_every_kind_are_accepted(kind: Type) -> None:
    hash = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1, type=kind).hash("secret")
    assert why_refused({"alice": hash, "bob": "plain", "carol": "$2b$ is no argon2, but a password"}) is None


BROKEN = [
    "$argon2",
    "$argon2id$",
    "$argon2id$v=19$m=64,t=1,p=2$",
    HASH[:-1],  # a digit got lost while it was copied
    HASH[:-20] + "!" + HASH[-19:],
    HASH.rpartition("$")[0],
    HASH.rpartition("$")[0] + "$",
    HASH.replace("argon2id", "argon2x"),
    HASH.replace("v=19", "v=99"),
    HASH.replace("m=64", "m=0"),
    HASH.replace("m=64", "m=15"),
    HASH.replace("m=64", "m=4194304"),
    HASH.replace("m=64", "m=many"),
    HASH.replace("t=1", "t=0"),
    HASH.replace("t=1", "t=4294967295"),
    HASH.replace("p=2", "p=0"),
    HASH.replace("m=64,", ""),
    HASH + "$",
    HASH + " ",
]


@pytest.mark.parametrize("hash", BROKEN, ids=range(len(BROKEN)))
def test_broken_hashes_are_refused(hash: str) -> None:
    reason = why_refused({"alice": HASH, "bob": hash})
    assert reason is not None
    assert '"bob"' in reason
    assert hash not in reason


@given(st.integers(len("$argon2"), len(HASH) - 1))
def test_hashes_that_are_cut_are_refused(length: int) -> None:
    cut = HASH[:length]
    refused = why_refused({"alice": cut}) is not None
    # A digest may have any length from 4 bytes, so that a cut of whole groups cannot be seen (RFC 9106 3.1).
    salt, digest = HASH.split("$")[4], cut.split("$")[5] if cut.count("$") == 5 else ""
    assert salt in HASH
    assert refused or len(digest) >= 6


@given(st.text())
def test_whatever_follows_the_prefix_is_judged(rest: str) -> None:
    assert isinstance(why_refused({"alice": "$argon2" + rest}), str)


@pytest.mark.parametrize("users", [{"alice": ""}, {"": "secret"}, {"a:b": "secret"}])
def test_users_who_could_not_log_in_or_need_no_password(users: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "orthanc.json").write_text(json.dumps({"RegisteredUsers": users}))
    with pytest.raises(IncompatibleConfigurations, match="RegisteredUsers"):
        load([tmp_path], {}, tmp_path / "secrets")


OPEN: dict[str, Any] = {"remote_access": True}
WELL_KNOWN = {"orthanc": "orthanc"}


@pytest.mark.parametrize(
    ("settings", "secure"),
    [
        ({}, True),
        ({"registered_users": WELL_KNOWN}, True),  # which are not in force
        ({"authentication": True, "registered_users": WELL_KNOWN}, False),
        ({"authentication": True, "registered_users": {"orthanc": "better"}}, True),
        ({**OPEN, "registered_users": WELL_KNOWN}, False),
        ({**OPEN, "registered_users": {"orthanc": PasswordHasher().hash("orthanc")}}, False),
        ({**OPEN, "registered_users": {**WELL_KNOWN, "alice": "secret"}}, False),
        ({**OPEN, "registered_users": WELL_KNOWN, "ssl_enabled": True}, False),
        ({**OPEN, "registered_users": {"alice": "secret"}}, True),
        ({**OPEN, "authentication": False}, False),
        ({**OPEN, "authentication": False, "ssl_enabled": True}, False),
        ({**OPEN, "authentication": False, "ssl_enabled": True, "ssl_verify_peers": True}, True),
        ({**OPEN, "authentication": False, "ssl_verify_peers": True}, False),
    ],
)
def test_security_of_a_server(settings: dict[str, Any], secure: bool) -> None:
    assert AccessSettings(**settings).secure is secure
