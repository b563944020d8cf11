"""Presentation contexts: which are accepted, in which transfer syntax."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orthanclite.services.runtime import RuntimeOptions
from tests.dimse.conftest import StartServer
from tests.dimse.support import CT, ECHO, Site, ct

IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN = (f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".1.99", ".2"))
JPEG = "1.2.840.10008.1.2.4.70"
RETIRED_ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6"
UNKNOWN = "1.2.826.0.1.3680043.9.7133.1.1"
MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"


def negotiated(site: Site, sop_class: str, syntaxes: Sequence[str] | None = None) -> str | int:
    """The accepted transfer syntax, or the result that refuses the context."""
    with site.associate(sop_class, syntaxes=syntaxes) as association:
        if association.is_established:
            return str(association.accepted_contexts[0].transfer_syntax[0])
        (context,) = association.rejected_contexts
        assert context.result is not None
        return context.result


@pytest.mark.parametrize(
    ("proposed", "chosen"),
    [
        ([IMPLICIT, EXPLICIT, JPEG], EXPLICIT),
        ([JPEG, IMPLICIT], IMPLICIT),
        ([BIG_ENDIAN, IMPLICIT], IMPLICIT),
        ([DEFLATED, JPEG], DEFLATED),
        ([JPEG], JPEG),
        (["1.2.3.4"], 4),
    ],
)
def test_uncompressed_syntaxes_are_preferred(
    start: StartServer, proposed: list[str], chosen: str | int
) -> None:
    assert negotiated(start(), CT, proposed) == chosen


@pytest.mark.parametrize(
    ("sop_class", "accepted"),
    [
        (CT, True),
        (RETIRED_ULTRASOUND, True),
        ("1.2.840.10008.5.1.4.43.1", True),  # implant templates
        (UNKNOWN, False),
        (MEDIA_DIRECTORY, False),
        (STUDY_MOVE, False),
    ],
)
def test_all_storage_classes_are_accepted(start: StartServer, sop_class: str, accepted: bool) -> None:
    assert negotiated(start(), sop_class) == (EXPLICIT if accepted else 3)


def test_transfer_syntaxes_change_at_run_time(start: StartServer) -> None:
    site = start()
    runtime: RuntimeOptions = site.lab.runtime
    with site.associate(CT, syntaxes=[EXPLICIT]) as earlier:
        runtime.accept_transfer_syntaxes([JPEG])
        assert negotiated(site, CT, [EXPLICIT]) == 4
        assert negotiated(site, CT, [EXPLICIT, JPEG]) == JPEG
        assert negotiated(site, ECHO, [EXPLICIT]) == EXPLICIT
        assert earlier.send_c_store(ct()).Status == 0x0000
    runtime.accept_transfer_syntaxes([])
    assert negotiated(site, CT, [EXPLICIT]) == 3


def test_unknown_sop_classes_are_stored_when_asked_to(start: StartServer) -> None:
    site = start()
    site.lab.runtime.unknown_sop_class_accepted = True
    assert negotiated(site, STUDY_MOVE) == 3
    with site.associate(UNKNOWN) as association:
        assert association.send_c_store(ct(SOPClassUID=UNKNOWN)).Status == 0x0000
    (stored,) = site.stored()
    assert stored.SOPClassUID == UNKNOWN
