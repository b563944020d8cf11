"""This server answers what release 1.13 answered, but for the differences that are by intention."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ENGINES
from tests.parity.compare import Difference, report
from tests.parity.conftest import ours_running
from tests.parity.differences import INTENDED_OF_1_13, unexpected
from tests.parity.recorded.player import SCENARIOS, Scenario
from tests.support.ports import free_port

TRIES = {"changes": 5, "jobs_control": 5}
"""Scenarios that depend on more than the requests: on the order in which results are stored that come close
one after the other; on a job that is at work still when a request comes."""

_found: dict[str, list[Difference]] = {}
"""All differences of the scenarios that have been played, by scenario and engine."""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    scenario = Scenario(name)
    left: list[Difference] = []
    for number in range(TRIES.get(name, 1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with ours_running(engine, folder, scenario.config, request) as server:
            ports = {"HTTP_PORT": server.http_port, "DICOM_PORT": server.dicom_port}
            found = scenario.play(server.http_port, {**ports, "CLOSED_PORT": free_port()})
        _found[f"{name} {engine}"] = found
        left = unexpected(found, INTENDED_OF_1_13)
        if not left:
            break
    assert not left, report(left)


def test_every_intended_difference_is_there() -> None:
    """An entry of the table that covers nothing any more is to be removed."""
    if len(_found) < len(SCENARIOS) * len(ENGINES):
        pytest.skip("Needs all scenarios of this module to be played before it")
    everything = [difference for found in _found.values() for difference in found]
    stale = [entry.what for entry in INTENDED_OF_1_13 if not any(map(entry.covers, everything))]
    assert not stale
