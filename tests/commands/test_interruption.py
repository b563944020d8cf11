"""A signal ends a start, wherever the start is."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.support.ports import free_port

IN_A_FINALISER = """
import os, signal, sys, time
from orthanclite.app.interruption import ended_by_signals

class Finalised:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        for _ in range(1000):  # Python runs the handler here, and would print an exception from here
            pass

with ended_by_signals():
    Finalised()
    time.sleep(20)
sys.exit(255)
"""

WHILE_POOLS_ARE_COLLECTED = """
import os, random, signal, threading, time
from orthanclite.app.interruption import ended_by_signals
from orthanclite.core.errors import DatabaseUnavailable
from orthanclite.index import SqlIndex

def interrupt():
    time.sleep(random.uniform(0.5, 0.6))
    os.kill(os.getpid(), signal.{name})

threading.Thread(target=interrupt, daemon=True).start()
with ended_by_signals():
    while True:
        try:
            SqlIndex("postgresql+psycopg://user@127.0.0.1:{port}/none")
        except DatabaseUnavailable:
            pass
"""


@pytest.mark.parametrize("program", [IN_A_FINALISER, WHILE_POOLS_ARE_COLLECTED], ids=["finaliser", "pools"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_the_process(program: str, number: signal.Signals, status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program.format(name=number.name, port=free_port())],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, "")


def test_handlers_are_put_back() -> None:
    from orthanclite.app.interruption import ended_by_signals

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with ended_by_signals():
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] != before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
