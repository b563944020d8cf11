"""Threads that others go before."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from orthanclite.core.machine.processes import step_back


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell threads apart")
def test_only_the_thread_that_asks_steps_back() -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = priority()
    with ThreadPoolExecutor(1, initializer=step_back) as pool:
        assert pool.submit(priority).result() == 10
    assert priority() == before
