"""On the network this server does what release 1.13 did, but for the differences that are by intention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.parity.compare import report
from tests.parity.network.player import SCENARIOS, Scenario
from tests.support.server import orthanclite, running

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of pydicom, for values that are none


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, tmp_path: Path) -> None:
    def made(config: dict[str, Any]) -> Any:
        return running(orthanclite(tmp_path, config))

    found = Scenario(name).play(made)
    assert not found, report(found)
