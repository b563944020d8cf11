"""The list of studies in a headless Chromium, over an index of any size.

``python -m benchmarks.bench_explorer 100000`` fills an index, starts a server on it, and measures from a warm
start (the server has answered, the browser keeps the files of the page): the first list, typed filters,
scrolling, and the JavaScript that the page loads. ``--folder`` keeps the index for the next time.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.generate_index import fill
from benchmarks.pair import machine
from orthanclite.index.database.engines import Database
from orthanclite.index.database.migrations import prepare
from tests.support.server import Server, orthanclite_command, running

REPEAT = 9
WORDS = ("smith", "dupont5", "kowalski19", "zz")
"""What is typed into the filter of the patients: frequent, rarer, rare, and found nowhere."""

WATCH = Path(__file__).with_suffix(".js")
"""What the page measures of itself."""


def opened(browser: Browser, server: Server) -> Page:
    context = browser.new_context(
        base_url=server.url, viewport={"width": 1280, "height": 800}, locale="en-GB"
    )
    context.add_init_script(path=WATCH)
    page = context.new_page()
    page.goto("/ui/app/")
    page.evaluate("window.first")
    return page


def milliseconds(what: str, measure: Callable[[], float], repeat: int = REPEAT) -> None:
    times = [measure() for _ in range(repeat)]
    print(
        f"{what:44} {median(times):7.0f} ms (fastest {min(times):.0f}, slowest {max(times):.0f})", flush=True
    )


def first_list(page: Page) -> float:
    page.goto("about:blank")
    page.goto("/ui/app/")
    return float(page.evaluate("window.first"))


def typed(page: Page, word: str) -> float:
    """From the last key to the rows that only it finds, of a user who types ten letters in a second."""
    field = page.get_by_role("searchbox", name="Filter by: Patient", exact=True)
    field.fill("")
    page.wait_for_timeout(700)
    field.press_sequentially(word, delay=100)
    return float(page.evaluate("word => window.answered(word)", word))


def scrolled(page: Page, speed: int, seconds: float) -> None:
    """Print how many of the frames showed a place without a row, or a row without its values."""
    found: dict[str, Any] = page.evaluate("([speed, s]) => window.scrollOn(speed, s)", [speed, seconds])
    rate = found["frames"] / found["passed"] * 1000
    print(
        f"scrolling, {speed:>6} pixels/s for {found['passed'] / 1000:5.1f} s".ljust(44),
        f"{found['blank']} of {found['frames']} frames blank, {rate:.0f} frames/s,",
        f"longest {found['longest']:.0f} ms",
        flush=True,
    )


def measure(page: Page, length: float) -> None:
    scripts: list[dict[str, Any]] = page.evaluate(
        """performance.getEntriesByType('resource').filter(one => one.name.endsWith('.js'))
           .map(one => one.toJSON())"""
    )
    size = sum(one["encodedBodySize"] for one in scripts) / 1024
    print(f"{'JavaScript of the list, compressed':44} {size:7.0f} KB in {len(scripts)} files")
    milliseconds("first list painted", lambda: first_list(page))
    for word in WORDS:
        milliseconds(f"filter answered: {word}", lambda: typed(page, word), 5)  # noqa: B023 - called at once
    page.get_by_role("searchbox", name="Filter by: Patient", exact=True).fill("")
    page.wait_for_timeout(1000)
    for part in (0.5, 0.25, 1, 0):
        passed = page.evaluate("part => window.jump(part)", part)
        print(f"{f'jump to {part:.0%} of the list':44} {passed:7.0f} ms", flush=True)
    for speed in (2000, 8000, 30_000):
        page.evaluate("window.jump(0.3)")
        page.wait_for_timeout(300)
        scrolled(page, speed, 4)
    if length:
        page.evaluate("window.jump(0)")
        page.wait_for_timeout(300)
        height = page.evaluate("document.querySelector('.grid').scrollHeight")
        scrolled(page, round(height / length), length + 5)
    last = page.locator(".grid .line").last
    count = page.locator(".grid").get_attribute("aria-rowcount")
    page.evaluate("window.jump(1)")
    print(f"last row: {last.get_attribute('aria-rowindex')} of {count}")
    page.locator(".grid").focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(300)
    started = time.perf_counter()
    page.keyboard.press("End")
    page.locator(f".line[aria-rowindex='{count}'] a").wait_for()
    print(f"{'key End to the last row':44} {(time.perf_counter() - started) * 1000:7.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("studies", type=int)
    parser.add_argument("--folder", type=Path, help="where the index is kept, or lies already")
    parser.add_argument(
        "--through", type=float, default=0, help="seconds of a scroll from the first row to the last"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = arguments.folder or Path(temporary)
        index = folder / "storage" / "index-orthanclite"
        if not index.exists():
            index.parent.mkdir(parents=True, exist_ok=True)
            database = Database(f"sqlite:///{index}")
            prepare(database)
            fill(database, arguments.studies)
            database.close()
        with running(orthanclite_command(folder)) as server, sync_playwright() as playwright:
            print(f"{machine()}, {server.get('/statistics')['CountStudies']} studies")
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            measure(opened(browser, server), arguments.through)
            browser.close()


if __name__ == "__main__":
    main()
