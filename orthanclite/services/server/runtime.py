"""The few options that clients may change while the server runs.

The DICOM server reads them for each new association, the REST API reads and writes them. Nothing is kept
over a restart: the configuration decides again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from orthanclite.core.errors import ParameterOutOfRange
from orthanclite.core.query import MAXIMUM_PATTERN
from orthanclite.dicom.charsets import DefaultEncoding, parse_default_encoding
from orthanclite.dicom.uids import (
    KNOWN_STORAGE_CLASSES,
    KNOWN_TRANSFER_SYNTAXES,
    TRANSFER_SYNTAX_FAMILIES,
    select_uids,
)

_MAXIMUM_PATTERNS = 1000


class RuntimeOptions:
    """Accepted transfer syntaxes and SOP classes, and the default encoding. Thread-safe."""

    def __init__(
        self,
        transfer_syntaxes: Iterable[str] = ("1.2.840.10008.1.*",),
        families: Mapping[str, bool | None] | None = None,
        default_encoding: str = "Latin1",
        unknown_sop_class_accepted: bool = False,
        accepted_sop_classes: Iterable[str] | None = None,
        rejected_sop_classes: Iterable[str] = (),
    ) -> None:
        """From the configuration.

        :param transfer_syntaxes: UIDs or patterns (``AcceptedTransferSyntaxes``).
        :param families: values of the older options, by their names; None where unset.
        :param accepted_sop_classes: UIDs or patterns; None for all known ones.
        :raises ParameterOutOfRange: for an unknown encoding.
        """
        self._lock = threading.Lock()
        accepted = set(select_uids(KNOWN_TRANSFER_SYNTAXES, transfer_syntaxes))
        for name, allowed in (families or {}).items():
            if allowed is not None:
                uids = TRANSFER_SYNTAX_FAMILIES[name]
                accepted = accepted.union(uids) if allowed else accepted.difference(uids)
        self._transfer_syntaxes = tuple(uid for uid in KNOWN_TRANSFER_SYNTAXES if uid in accepted)
        self._default_encoding = parse_default_encoding(default_encoding)
        self._unknown_sop_class_accepted = unknown_sop_class_accepted
        self._restricted = accepted_sop_classes is not None
        self._rejected = tuple(rejected_sop_classes)
        self._sop_classes = _select_sop_classes(accepted_sop_classes, self._rejected)
        self._sop_class_set = frozenset(self._sop_classes)

    @property
    def transfer_syntaxes(self) -> tuple[str, ...]:
        """The UIDs accepted for storage, in the order of the standard's annex."""
        with self._lock:
            return self._transfer_syntaxes

    def accept_transfer_syntaxes(self, patterns: Iterable[str]) -> tuple[str, ...]:
        """Accept the known ones that ``patterns`` name, and only these; the result.

        :raises ParameterOutOfRange: for too many patterns, or too long ones.
        """
        patterns = list(patterns)
        if len(patterns) > _MAXIMUM_PATTERNS or any(len(one) > MAXIMUM_PATTERN for one in patterns):
            raise ParameterOutOfRange(
                f"At most {_MAXIMUM_PATTERNS} transfer syntaxes of at most {MAXIMUM_PATTERN} characters"
            )
        accepted = select_uids(KNOWN_TRANSFER_SYNTAXES, patterns)
        with self._lock:
            self._transfer_syntaxes = accepted
        return accepted

    @property
    def default_encoding(self) -> DefaultEncoding:
        """Of files that name none, and of answers to C-FIND."""
        with self._lock:
            return self._default_encoding

    def set_default_encoding(self, name: str) -> DefaultEncoding:
        """:raises ParameterOutOfRange: for an unknown name."""
        encoding = parse_default_encoding(name)
        with self._lock:
            self._default_encoding = encoding
        return encoding

    @property
    def unknown_sop_class_accepted(self) -> bool:
        """Whether SOP classes that are not in the registry are stored."""
        with self._lock:
            return self._unknown_sop_class_accepted

    @unknown_sop_class_accepted.setter
    def unknown_sop_class_accepted(self, accepted: bool) -> None:
        with self._lock:
            self._unknown_sop_class_accepted = accepted

    @property
    def sop_classes(self) -> tuple[str, ...]:
        """The known storage SOP classes that are accepted, sorted by UID."""
        return self._sop_classes

    def accepts_sop_class(self, uid: str) -> bool:
        """Whether instances of this class may be stored by C-STORE."""
        if uid in self._sop_class_set:
            return True
        if uid in KNOWN_STORAGE_CLASSES or self._restricted or select_uids([uid], self._rejected):
            return False
        return self.unknown_sop_class_accepted


def _select_sop_classes(accepted: Iterable[str] | None, rejected: Iterable[str]) -> tuple[str, ...]:
    patterns = None if accepted is None else list(accepted)
    known = sorted({*KNOWN_STORAGE_CLASSES, *(uid for uid in patterns or () if not set(uid) & set("*?"))})
    chosen = known if patterns is None else select_uids(known, patterns)
    refused = set(select_uids(known, rejected))
    return tuple(uid for uid in chosen if uid not in refused)
