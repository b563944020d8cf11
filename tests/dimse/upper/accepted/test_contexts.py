"""Presentation contexts: which are accepted, in which transfer syntax."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pynetdicom.presentation import build_context

from orthanclite.dicom.uids import KNOWN_STORAGE_CLASSES, KNOWN_TRANSFER_SYNTAXES
from orthanclite.services.server.runtime import RuntimeOptions
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
        ([IMPLICIT, EXPLICIT, JPEG], IMPLICIT),
        ([EXPLICIT, IMPLICIT], EXPLICIT),
        ([JPEG, IMPLICIT], JPEG),
        ([BIG_ENDIAN, IMPLICIT], BIG_ENDIAN),
        (["1.2.3.4", DEFLATED, JPEG], DEFLATED),
        (["1.2.3.4"], 4),
    ],
)
def test_the_first_syntax_that_can_be_stored_is_accepted(
    start: StartServer, proposed: list[str], chosen: str | int
) -> None:
    assert negotiated(start(), CT, proposed) == chosen


def test_other_services_prefer_explicit_vr(start: StartServer) -> None:
    assert negotiated(start(), ECHO, [JPEG, IMPLICIT, BIG_ENDIAN, EXPLICIT]) == EXPLICIT


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
    assert negotiated(start(), sop_class) == (IMPLICIT if accepted else 3)


def accepted_contexts(site: Site, proposed: Sequence[tuple[str, list[str]]]) -> list[tuple[str, str]]:
    """Class and chosen syntax of the contexts that are accepted, in the order proposed."""
    found: list[tuple[str, str]] = []
    for start in range(0, len(proposed), 128):  # contexts of one association at most
        contexts = [build_context(*one) for one in proposed[start : start + 128]]
        with site.associate(contexts=contexts) as association:
            accepted = association.accepted_contexts
            found += [(str(one.abstract_syntax), str(one.transfer_syntax[0])) for one in accepted]
    return found


def test_all_storage_classes_of_the_reference_are_accepted(start: StartServer) -> None:
    """The list: what the installed reference accepts of all SOP classes that pydicom and DCMTK know."""
    lines = (Path(__file__).parent / "reference_storage_classes.tsv").read_text().splitlines()
    classes = [line.partition("\t")[0] for line in lines]
    assert len(classes) == 186
    proposed = [(uid, [IMPLICIT]) for uid in classes]
    assert accepted_contexts(start(), proposed) == [(uid, IMPLICIT) for uid in classes]


def test_all_known_classes_are_accepted_in_all_known_syntaxes(start: StartServer) -> None:
    site = start()
    syntaxes = list(KNOWN_TRANSFER_SYNTAXES)
    proposed = [(CT, [syntax]) for syntax in syntaxes]
    assert accepted_contexts(site, proposed) == [(CT, syntax) for syntax in syntaxes]
    everything = [(uid, syntaxes) for uid in KNOWN_STORAGE_CLASSES]
    assert accepted_contexts(site, everything) == [(uid, syntaxes[0]) for uid in KNOWN_STORAGE_CLASSES]


def test_only_the_configured_syntaxes_are_accepted(start: StartServer) -> None:
    site = start()
    configured = [IMPLICIT, DEFLATED, JPEG]
    site.lab.runtime.accept_transfer_syntaxes(configured)
    proposed = [(CT, [syntax]) for syntax in KNOWN_TRANSFER_SYNTAXES]
    assert accepted_contexts(site, proposed) == [(CT, syntax) for syntax in configured]


def test_each_context_of_a_class_gets_its_own_syntax(start: StartServer) -> None:
    """storescu proposes a class once for each group of syntaxes."""
    proposed = [
        (CT, [JPEG]),
        (CT, [BIG_ENDIAN, EXPLICIT]),
        (CT, [EXPLICIT, BIG_ENDIAN]),
        (RETIRED_ULTRASOUND, [IMPLICIT]),
        (CT, ["1.2.3.4"]),
        (CT, [IMPLICIT, DEFLATED]),
        (ECHO, [JPEG, IMPLICIT]),
    ]
    assert accepted_contexts(start(), proposed) == [
        (CT, JPEG),
        (CT, BIG_ENDIAN),
        (CT, EXPLICIT),
        (RETIRED_ULTRASOUND, IMPLICIT),
        (CT, IMPLICIT),
        (ECHO, IMPLICIT),
    ]


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
