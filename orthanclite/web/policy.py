"""What the configuration says about HTTP, as far as the REST adapter is concerned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orthanclite.web.cross_origin import CrossOrigin


@dataclass(frozen=True, slots=True)
class HttpPolicy:
    """Filled from the settings by the composition root."""

    remote_access: bool = False
    authentication: bool = False
    users: Mapping[str, str] = field(default_factory=dict, repr=False)  # plain passwords or argon2 hashes
    allowed_hosts: frozenset[str] = frozenset()  # lower case; "*" for any
    allowed_origins: frozenset[str] = frozenset()  # "https://viewer.example.com"; "*" for any
    cross_origin: CrossOrigin = field(default_factory=CrossOrigin)
    get_method_override: bool = False  # whether ``_method`` in a query stands for the method
    read_only: bool = False
    describe_errors: bool = True
    compression: bool = False
    keep_alive: bool = True
    keep_alive_timeout: int = 1  # seconds
    request_timeout: float = 30.0  # seconds that a client may be silent while it sends a body
    maximum_body: int = 0  # bytes; 0 for no limit
    threads: int = 50
    quick: bool = False  # whether reading a few rows of the index takes no time
