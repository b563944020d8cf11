"""Queries that remote modalities have answered (``/queries``), as they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orthanclite.core.levels import Level


@dataclass(frozen=True, slots=True)
class RemoteQuery:
    """A query, without its answers."""

    id: str  # a UUID
    modality: str  # symbolic name of the one that was asked
    level: Level
    tags: Mapping[str, str]
    """What the client has asked for: ``gggg,eeee`` -> value."""
    local_aet: str = ""
    """The AET with which the client wanted the modality to be called; empty for none in particular."""
    count: int = 0
    """How many answers there are."""


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """How much is kept. The queries that were used least recently are forgotten first."""

    count: int  # QueryRetrieveSize
    size: int  # bytes of all answers together
