"""``orthanclite verify``: check the stored files against the index."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from orthanclite.core.constants import ORPHAN_GRACE
from orthanclite.core.errors import CorruptedFile
from orthanclite.core.levels import Level
from orthanclite.core.model import Attachment
from orthanclite.core.ports import Blobs, Maintenance, Properties
from orthanclite.services.upkeep.sweep import OrphanSweep

_PIECE = 1 << 20
_BATCH = 500


class Trouble(StrEnum):
    """What can be wrong with a file."""

    MISSING = "missing"  # the index knows it, the storage does not
    UNREADABLE = "unreadable"  # it is there, or not: the system does not let us look
    SIZE = "wrong size"
    CONTENT = "wrong MD5"
    ORPHAN = "orphan"  # the storage has it, the index does not know it


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem, and whether it was repaired."""

    trouble: Trouble
    uuid: str
    owner: str  # e.g. ``instance 1234...``; empty for an orphan
    repaired: bool


OpenStores = Callable[[Sequence[Path]], AbstractContextManager[tuple[Maintenance, Properties, Blobs]]]
"""Opens the index and the storage of the server of a configuration, without serving."""


def main(arguments: Sequence[str], open_stores: OpenStores) -> int:
    """Run the command; 0 when nothing was found, 1 when something was."""
    options = _parser().parse_args(arguments)
    with (
        open_stores(options.configurations) as (index, properties, blobs),
        tqdm(unit="file", disable=None) as progress,
    ):
        keeper = OrphanSweep(blobs, index, properties)
        # A storage that is another one's, or is not mounted, must not cost the index what it knows.
        sweep = keeper.run if options.repair and keeper.bind() else None
        findings = list(check(index, blobs, sweep, progress.update))
    for finding in findings:
        outcome = ", repaired" if finding.repaired else ""
        sys.stdout.write(f"{finding.trouble}: {finding.uuid} {finding.owner}".rstrip() + f"{outcome}\n")
    sys.stdout.write(_conclusion(findings, options.repair))
    return 1 if findings else 0


def check(
    index: Maintenance,
    blobs: Blobs,
    sweep: Callable[[], int] | None = None,
    advance: Callable[[int], object] = lambda files: None,
) -> Iterator[Finding]:
    """Compare every attachment with its file, then every file with the index.

    To repair means that the index forgets the attachments whose file is lost, and that orphans are deleted.
    What the journal still holds is not lost: the next start of the server writes it anew.
    A file with wrong bytes is only reported: it may still be readable, and nothing better is known. Files
    younger than the grace period of the sweep may belong to an upload under way, and are no orphans.

    :param sweep: deletes the orphans that it is safe to delete; without it, nothing is repaired.
    :param advance: told of each file that was looked at.
    """
    for level, owner, attachment in index.attachment_catalog():
        trouble = _trouble_of(attachment, blobs)
        advance(1)
        # The attachment may have been deleted since the catalogue was read.
        if trouble is not None and index.known_blobs([attachment.uuid]):
            yield _deal_with(trouble, level, owner, attachment, index, sweep is not None)
    orphans = list(_orphans(index, blobs, sweep is not None, advance))
    if orphans and sweep is not None:
        sweep()
    for uuid in orphans:
        yield Finding(Trouble.ORPHAN, uuid, "", sweep is not None and not _exists(uuid, blobs))


def _trouble_of(attachment: Attachment, blobs: Blobs) -> Trouble | None:
    digest = hashlib.md5(usedforsecurity=False)
    size = 0
    try:
        with blobs.open(attachment.uuid) as stream:
            while piece := stream.read(_PIECE):
                digest.update(piece)
                size += len(piece)
    except CorruptedFile as exc:
        is_gone = isinstance(exc.__cause__, FileNotFoundError)
        return Trouble.MISSING if is_gone else Trouble.UNREADABLE
    if size != attachment.stored_size:
        return Trouble.SIZE
    if attachment.stored_md5 and digest.hexdigest() != attachment.stored_md5:
        return Trouble.CONTENT
    return None


def _deal_with(
    trouble: Trouble, level: Level, owner: str, attachment: Attachment, index: Maintenance, repair: bool
) -> Finding:
    repaired = repair and trouble is Trouble.MISSING and index.drop_attachment(attachment.uuid)
    label = f"({level.label.lower()} {owner}, attachment {attachment.type})"
    return Finding(trouble, attachment.uuid, label, repaired)


def _exists(uuid: str, blobs: Blobs) -> bool:
    try:
        blobs.open(uuid).close()
    except CorruptedFile:
        return False
    return True


def _orphans(
    index: Maintenance, blobs: Blobs, repair: bool, advance: Callable[[int], object]
) -> Iterator[str]:
    """:param repair: whether they are to be removed; to learn the storage's time, something is written"""
    until = (blobs.now() if repair else time.time()) - ORPHAN_GRACE
    stored = iter(blobs.scan())
    while batch := list(islice(stored, _BATCH)):
        known = index.known_blobs([uuid for uuid, _, _ in batch])
        advance(len(batch))
        for uuid, _, modified in batch:
            if uuid not in known and modified <= until:
                yield uuid


def _conclusion(findings: Sequence[Finding], repair: bool) -> str:
    if not findings:
        return "Every file is as the index says.\n"
    repaired = sum(finding.repaired for finding in findings)
    hint = "" if repair else " (--repair makes the index forget missing files, and deletes orphans)"
    return f"{len(findings)} problems, {repaired} repaired{hint}.\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="orthanclite verify",
        description="Check that every stored file is as the index says: there, complete and undamaged; and "
        "that no file is unknown to the index. Exits with 1 when something is wrong.",
    )
    parser.add_argument("configurations", metavar="CONFIG", nargs="*", type=Path, help="as for the server")
    parser.add_argument(
        "--repair", action="store_true", help="make the index forget missing files, and delete orphans"
    )
    return parser
