"""``orthanclite import``: send folders, ZIP and tar archives to a running server."""

from __future__ import annotations

import argparse
import queue
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tqdm import tqdm

from orthanclite.commands.sources import Source, Unreadable, count, find, is_archive
from orthanclite.commands.state import ImportState, default_path
from orthanclite.core.errors import NetworkProtocol
from orthanclite.core.text.printable import printable

_MAXIMUM_SHOWN = 20
_RETRIES = 3
_SIZE = re.compile(r" \(size: \d+ bytes\)$")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was not stored, and why."""

    name: str
    reason: str


@dataclass(slots=True)
class Summary:
    """The outcome of an import so far."""

    statuses: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    bytes: int = 0
    skipped: int = 0  # dealt with by an earlier run


class Unreachable(NetworkProtocol):
    """The server does not answer, or refuses everything: going on makes no sense."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0 when every file was stored, 1 when some were refused."""
    options = _parser().parse_args(arguments)
    state_path = options.state or default_path(options.url, options.paths)
    user, _, password = options.user.partition(":") if options.user else ("", "", "")
    auth = httpx.BasicAuth(user, password) if user else None
    limits = httpx.Limits(max_connections=options.jobs)
    with (
        ImportState(state_path) as state,
        httpx.Client(base_url=options.url, auth=auth, limits=limits, timeout=options.timeout) as client,
    ):
        _check_server(client)
        try:
            summary = send_all(client, options.paths, state, options.jobs, options.max_size << 20)
        except (KeyboardInterrupt, Unreachable):
            sys.stderr.write(
                f'Stopped. The same command goes on from here; the state is in "{state_path}".\n'
            )
            raise
        state.finish()
    _report(summary)
    return 1 if summary.refusals else 0


def send_all(
    client: httpx.Client, paths: Sequence[Path], state: ImportState, jobs: int, maximum: int
) -> Summary:
    """Send every file of ``paths`` that ``state`` does not know, over ``jobs`` connections.

    At most ``jobs`` files are in flight and as many wait, so that memory does not grow with their number.

    :raises Unreachable: when the server cannot be reached any more.
    """
    summary = Summary(skipped=len(state.done))
    lock = threading.Lock()
    slots = threading.BoundedSemaphore(2 * jobs)
    failures: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def send(source: Source) -> None:
        with closing(source):
            status, reason = _upload(client, source)
        with lock:
            _note(summary, state, source, status, reason)
            progress.set_postfix(summary.statuses, refresh=False)

    def finished(future: Future[None]) -> None:
        slots.release()
        if (error := future.exception()) is not None:
            failures.put(error)

    progress = tqdm(total=count(paths), unit="file", disable=None)
    with progress, ThreadPoolExecutor(jobs, thread_name_prefix="import") as pool:
        for item in _with_progress(find(paths, state.done, maximum), progress):
            if isinstance(item, Unreadable):
                with lock:
                    summary.statuses["Unreadable"] += 1
                    summary.refusals.append(Refusal(item.name, item.reason))
                continue
            slots.acquire()
            if not failures.empty():
                slots.release()
                break
            pool.submit(send, item).add_done_callback(finished)
    if not failures.empty():
        raise failures.get()
    return summary


def _with_progress(
    items: Iterable[Source | Unreadable], progress: tqdm[None]
) -> Iterable[Source | Unreadable]:
    """Move the bar by one for each file on the disk; the members of an archive count in its place."""
    current = ""
    for item in items:
        file = item.name.partition("!")[0] if is_archive(Path(item.name.partition("!")[0])) else item.name
        if file != current:
            progress.update(1)
            current = file
        yield item


def _upload(client: httpx.Client, source: Source) -> tuple[str, str]:
    """The status word of the answer, and the reason where it is a refusal.

    :raises Unreachable: when the server stays silent, or refuses the user.
    """
    for attempt in range(_RETRIES):
        last = attempt + 1 == _RETRIES
        try:
            answer = client.post(
                "/instances", content=source.body(), headers={"Content-Type": "application/dicom"}
            )
        except OSError as exc:
            return "Unreadable", str(exc)
        except httpx.TransportError as exc:
            if last:
                raise Unreachable(f"The server does not answer: {exc}") from exc
        else:
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or last:
                return _read_answer(answer)
        threading.Event().wait(2**attempt)
    raise AssertionError("unreachable")


def _read_answer(answer: httpx.Response) -> tuple[str, str]:
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise Unreachable(f"The server refuses access: HTTP {answer.status_code}; give a user with -u")
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.is_success:
        # A ZIP inside of an archive gives one answer per member.
        answers = body if isinstance(body, list) else [body]
        words = {printable(str(item.get("Status", "Success"))) for item in answers if isinstance(item, dict)}
        status = words.pop() if len(words) == 1 else "Success"
        return status, "" if status in ("Success", "AlreadyStored") else status
    details = body if isinstance(body, dict) else {}
    reason = details.get("Details") or details.get("Message") or f"HTTP {answer.status_code}"
    # Without the size all files that are no DICOM have the same reason, and are listed below it.
    return "Refused", _SIZE.sub("", str(reason))


def _note(summary: Summary, state: ImportState, source: Source, status: str, reason: str) -> None:
    summary.statuses[status] += 1
    summary.bytes += source.size
    if reason:
        summary.refusals.append(Refusal(source.name, reason))
    else:
        state.add(source.name)


def _check_server(client: httpx.Client) -> None:
    """:raises Unreachable: where no server answers, or not as Orthanc does."""
    try:
        answer = client.get("/system")
    except (httpx.TransportError, httpx.UnsupportedProtocol, httpx.InvalidURL) as exc:
        raise Unreachable(f"No server answers at {client.base_url}: {exc}") from exc
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise Unreachable("The server wants a user and a password: give them with -u user:password")
    if not answer.is_success or "ApiVersion" not in answer.text:
        raise Unreachable(f"What answers at {client.base_url} is not an Orthanc server")


def _report(summary: Summary) -> None:
    total = sum(summary.statuses.values())
    words = ", ".join(f"{number} {status}" for status, number in summary.statuses.most_common())
    lines = [f"{total} files, {summary.bytes / 1e6:.1f} MB sent" + (f": {words}" if words else "")]
    if summary.skipped:
        lines.append(f"{summary.skipped} files were sent by an earlier run")
    for reason, names in _by_reason(summary.refusals):
        lines.append(f"Not stored ({len(names)}): {printable(reason)}")
        lines.extend(f"  {printable(name)}" for name in names[:_MAXIMUM_SHOWN])
        if len(names) > _MAXIMUM_SHOWN:
            lines.append(f"  ... and {len(names) - _MAXIMUM_SHOWN} more")
    sys.stdout.write("\n".join(lines) + "\n")


def _by_reason(refusals: Sequence[Refusal]) -> list[tuple[str, list[str]]]:
    """The names of the refused files by reason, the most frequent reason first."""
    reasons: dict[str, list[str]] = {}
    for refusal in refusals:
        reasons.setdefault(refusal.reason, []).append(refusal.name)
    return sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="orthanclite import",
        description="Send DICOM files to a running server: files, folders, and ZIP and tar archives.",
        epilog="An import that was stopped goes on where it was when the same command is given again.",
    )
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="file, folder or archive")
    parser.add_argument("--url", default="http://localhost:8042", help="of the server (%(default)s)")
    parser.add_argument("-u", "--user", metavar="USER:PASSWORD", help="to log in with")
    parser.add_argument("--jobs", metavar="N", type=_positive, default=4, help="connections (%(default)s)")
    parser.add_argument("--state", metavar="FILE", type=Path, help="journal of what is done")
    parser.add_argument(
        "--max-size", metavar="MB", type=_positive, default=4096, help="largest file (%(default)s)"
    )
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=_positive, default=60, help="for an answer (%(default)s)"
    )
    return parser
