"""The text of ``/tools/dicom-conformance``: what the DICOM server really accepts at this moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orthanclite.dicom.uids import KNOWN_STORAGE_CLASSES
from orthanclite.services.server.runtime import RuntimeOptions

_VERIFICATION = {"VerificationSOPClass": "1.2.840.10008.1.1"}


@dataclass(frozen=True, slots=True)
class ServiceClasses:
    """The SOP classes of one service."""

    title: str  # "Find SCP"
    service: str  # "C-Find"
    role: str  # "SCP" or "SCU"
    classes: Mapping[str, str]  # name -> UID


def conformance_statement(runtime: RuntimeOptions, others: Sequence[ServiceClasses] = ()) -> str:
    """The statement: verification and storage as they are configured now, then ``others``."""
    storage = {KNOWN_STORAGE_CLASSES.get(uid, uid): uid for uid in runtime.sop_classes}
    sections = [
        ServiceClasses("Echo SCP", "C-Echo", "SCP", _VERIFICATION),
        ServiceClasses("Store SCP", "C-Store", "SCP", storage),
        *others,
    ]
    lines = _heading("DICOM Conformance Statement of orthanclite", "=")
    for section in sections:
        lines += ["", "", *_heading(f"{section.title} Conformance", "-")]
        lines += [
            "",
            f"The server supports these SOP classes as an {section.role} for {section.service}:",
            "",
        ]
        lines += _table(section.classes)
    if runtime.unknown_sop_class_accepted:
        lines += ["", "Instances of any other SOP class are stored as well."]
    lines += ["", "", *_heading("Transfer Syntaxes", "-"), ""]
    lines += ["These transfer syntaxes are accepted for storage:", ""]
    lines += [f"  {uid}" for uid in runtime.transfer_syntaxes]
    return "\n".join(lines) + "\n"


def _heading(text: str, rule: str) -> list[str]:
    line = rule * (len(text) + (1 if rule == "-" else 0))
    return [line, text, line]


def _table(classes: Mapping[str, str]) -> list[str]:
    width = max(map(len, classes), default=0)
    names = sorted(classes, key=str.lower)
    return [f"  {name:<{width}} | {classes[name]}" for name in names]
