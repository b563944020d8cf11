"""Files that come in several requests: put together, or dropped, and never kept for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from orthanclite.core.errors import BadFileFormat, BodyTooLarge
from orthanclite.web.bodies.pieces import LARGEST, FilesInPieces
from orthanclite.web.budget import MemoryBudget
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

T = TypeVar("T")


def on_a_loop(work: Callable[[FilesInPieces, MemoryBudget], T]) -> T:
    async def run() -> T:
        budget = MemoryBudget()
        return work(FilesInPieces(budget), budget)

    return asyncio.run(run())


def test_pieces_become_a_file_and_give_their_memory_back() -> None:
    def work(files: FilesInPieces, budget: MemoryBudget) -> None:
        assert files.add("a", 5, b"12") is None
        assert files.add("b", 2, b"x") is None
        assert budget.used == 3
        assert files.add("a", 5, b"345") == b"12345"
        assert budget.used == 1
        assert files.add("a", 3, b"new") == b"new"
        with pytest.raises(BadFileFormat):
            files.add("b", 2, b"yz")
        assert budget.used == 0

    on_a_loop(work)


def test_too_much_that_is_unfinished_goes_the_oldest_first() -> None:
    def work(files: FilesInPieces, budget: MemoryBudget) -> None:
        for number in range(30):
            files.add(str(number), 100, b"x")
        assert budget.used == 10
        assert files.add("29", 2, b"y") == b"xy"
        files.add("large", LARGEST, bytes(LARGEST - 1))
        assert budget.used <= LARGEST
        assert files.add("25", 2, b"y") is None  # begins anew
        with pytest.raises(BodyTooLarge):
            files.add("larger", LARGEST + 1, b"x")

    on_a_loop(work)


def test_a_file_of_which_nothing_comes_is_dropped() -> None:
    async def run() -> None:
        budget = MemoryBudget()
        files = FilesInPieces(budget, patience=0.01)
        files.add("a", 100, b"abc")
        while budget.used:
            await asyncio.sleep(0.01)
        assert files.add("a", 3, b"new") == b"new"

    asyncio.run(run())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("site")
    with running(orthanclite(folder)) as started:
        yield started


def test_an_upload_in_three_requests(site: Server) -> None:
    data = dicom_file()
    third = len(data) // 3 + 1
    for start in range(0, len(data), third):
        answer = httpx.post(
            f"{site.url}/instances",
            files={"file": ("a.dcm", data[start : start + third])},
            headers={"X-File-Name": "a.dcm", "X-File-Size": str(len(data))},
        )
        assert answer.status_code == 200
    assert site.get("/statistics")["CountInstances"] == 1
