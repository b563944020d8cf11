"""What this server answers otherwise than the installed reference (1.10.1) on purpose, and why.

One table for all tests of this folder, shown in docs/differences.md, section "REST". Release 1.13, which this
server follows, decides: where it is known to have changed an answer, that is the reason given here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tests.parity.compare import Difference


@dataclass(frozen=True)
class Intended:
    """A difference that is by intention. All patterns must be found in their text."""

    what: str
    """One sentence for the documentation."""
    where: str
    """Pattern of the place, from its start: ``body/.*/Labels``."""
    request: str = ""
    """Pattern of the request, ``GET /changes``."""
    ours: str = ""
    reference: str = ""

    def covers(self, found: Difference) -> bool:
        return (
            re.fullmatch(self.where, found.where) is not None
            and re.search(self.request, found.request) is not None
            and re.search(self.ours, found.ours, re.DOTALL) is not None
            and re.search(self.reference, found.reference, re.DOTALL) is not None
        )


INTENDED: tuple[Intended, ...] = (
    Intended(
        "The JSON body of an error is sent as `text/plain`, as release 1.13 does.",
        where="header content-type",
        ours="^text/plain$",
        reference=r"^\(absent\)$",
    ),
)


def unexpected(found: Iterable[Difference]) -> list[Difference]:
    """The differences that no entry of the table covers."""
    return [difference for difference in found if not any(entry.covers(difference) for entry in INTENDED)]
