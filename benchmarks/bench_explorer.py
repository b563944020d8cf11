"""The list of studies in a headless Chromium, over an index of any size.

``python -m benchmarks.bench_explorer 100000`` fills an index, starts a server on it, and measures from a warm
start (the server has answered before, the browser keeps the files of the page): the first list, filters typed,
the scrolling, and the JavaScript that the page loads. ``--folder`` keeps the index for the next time.
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
from orthanclite.index.database import Database
from orthanclite.index.migrations import prepare
from tests.support.server import Server, orthanclite, running

REPEAT = 9
WORDS = ("smith", "dupont5", "kowalski19", "zz")
"""What is typed into the filter of the patients: frequent, rarer, rare, and found nowhere."""

WATCH = """
(() => {
  const painted = (then) => requestAnimationFrame(() => setTimeout(() => then(performance.now())))
  const rows = () => [...document.querySelectorAll('.grid .line')]
  const isWhole = () => rows().length > 0 && !document.querySelector('.grid .waiting, .grid[aria-busy=true]')
  let typed = 0
  addEventListener('keydown', (event) => (typed = event.timeStamp), true)

  // Milliseconds from the start of the navigation to the paint of the first rows.
  window.first = new Promise((resolve) => {
    const look = () => (isWhole() ? painted(resolve) : requestAnimationFrame(look))
    look()
  })

  // Milliseconds from the last key to the paint of the rows that it asks for.
  window.answered = (word) =>
    new Promise((resolve) => {
      const wanted = word.toLowerCase()
      const look = () => {
        const names = rows().map((row) => row.querySelector('a')?.textContent.toLowerCase() ?? '')
        const isThere = document.querySelector('.grid .note') ? names.length === 0 : isWhole()
        const isAnswer = names.length > 0 ? names.every((name) => name.includes(wanted)) : true
        if (isThere && isAnswer) painted((at) => resolve(at - typed))
        else requestAnimationFrame(look)
      }
      look()
    })

  // Whether the visible part of the list has a row everywhere, with its values.
  window.isBlank = () => {
    const grid = document.querySelector('.grid')
    const box = grid.getBoundingClientRect()
    const top = box.top + grid.querySelector('.head').offsetHeight
    const seen = rows()
      .map((row) => ({ box: row.getBoundingClientRect(), isWaiting: row.querySelector('.waiting') !== null }))
      .filter((row) => row.box.bottom > top + 1 && row.box.top < box.bottom - 1)
    const covered = seen.reduce((sum, row) => sum + Math.min(row.box.bottom, box.bottom) - Math.max(row.box.top, top), 0)
    return seen.some((row) => row.isWaiting) || covered < box.bottom - top - 40
  }

  // Scroll at a speed (pixels per second) for some seconds; frames, and those with blanks among them.
  window.scrollOn = (speed, seconds) =>
    new Promise((resolve) => {
      const grid = document.querySelector('.grid')
      const from = grid.scrollTop
      const started = performance.now()
      let frames = 0
      let blank = 0
      let longest = 0
      let before = started
      const step = (now) => {
        frames += 1
        longest = Math.max(longest, now - before)
        before = now
        const passed = now - started
        const end = grid.scrollHeight - grid.clientHeight
        const target = from + (speed * passed) / 1000
        grid.scrollTop = target
        if (window.isBlank()) blank += 1 // this is what will be painted: the list hears of it in the next frame
        if (passed >= seconds * 1000 || (speed > 0 && target >= end)) resolve({ frames, blank, longest, passed })
        else requestAnimationFrame(step)
      }
      requestAnimationFrame(step)
    })

  // Milliseconds from a jump to a part of the list to the paint of its rows.
  window.jump = (part) =>
    new Promise((resolve) => {
      const grid = document.querySelector('.grid')
      const started = performance.now()
      grid.scrollTop = (grid.scrollHeight - grid.clientHeight) * part
      const look = () => (window.isBlank() ? requestAnimationFrame(look) : painted((at) => resolve(at - started)))
      requestAnimationFrame(look)
    })
})()
"""


def opened(browser: Browser, server: Server) -> Page:
    context = browser.new_context(
        base_url=server.url, viewport={"width": 1280, "height": 800}, locale="en-GB"
    )
    context.add_init_script(WATCH)
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
    """From the last of the keys to the rows that only it finds, of a user who types ten letters in a second."""
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
        f"scrolling, {speed:>7} pixels/s for {found['passed'] / 1000:5.1f} s            "
        f"{found['blank']} of {found['frames']} frames blank, {rate:.0f} frames/s, longest {found['longest']:.0f} ms",
        flush=True,
    )


def measure(page: Page, length: float) -> None:
    scripts: list[dict[str, Any]] = page.evaluate(
        "performance.getEntriesByType('resource').filter(one => one.name.endsWith('.js')).map(one => one.toJSON())"
    )
    size = sum(one["encodedBodySize"] for one in scripts) / 1024
    print(f"{'JavaScript of the list, compressed':44} {size:7.0f} KB in {len(scripts)} files")
    milliseconds("first list painted", lambda: first_list(page))
    for word in WORDS:
        milliseconds(f"filter answered: {word}", lambda: typed(page, word), 5)  # noqa: B023 - called at once
    page.get_by_role("searchbox", name="Filter by: Patient", exact=True).fill("")
    page.wait_for_timeout(1000)
    for part in (0.5, 0.25, 1, 0):
        milliseconds(
            f"jump to {part:.0%} of the list", lambda: page.evaluate("part => window.jump(part)", part), 1
        )  # noqa: B023
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
        with running(orthanclite(folder)) as server, sync_playwright() as playwright:
            print(f"{machine()}, {server.get('/statistics')['CountStudies']} studies")
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            measure(opened(browser, server), arguments.through)
            browser.close()


if __name__ == "__main__":
    main()
