"""The few options that clients may change while the server runs.

The DICOM server reads them for each new association, the REST API reads and writes them. What a client has
set holds for all servers on one index, within about a second, also for one that starts later. After a restart
the configuration decides again, as in the reference: with several servers, once all of them have ended.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from orthanclite.core.errors import ParameterOutOfRange
from orthanclite.core.ports import MemoryRuntimeSettings, RuntimeSettings
from orthanclite.core.query import MAXIMUM_PATTERN
from orthanclite.dicom.charsets import DefaultEncoding, parse_default_encoding
from orthanclite.dicom.uids import (
    KNOWN_STORAGE_CLASSES,
    KNOWN_TRANSFER_SYNTAXES,
    TRANSFER_SYNTAX_FAMILIES,
    select_uids,
)

_MAXIMUM_PATTERNS = 1000
_TRANSFER_SYNTAXES = "accepted-transfer-syntaxes"
_DEFAULT_ENCODING = "default-encoding"
_UNKNOWN_SOP_CLASS_ACCEPTED = "unknown-sop-class-accepted"


@dataclass(frozen=True, slots=True)
class _Values:
    """What holds at a moment."""

    transfer_syntaxes: tuple[str, ...]
    default_encoding: DefaultEncoding
    unknown_sop_class_accepted: bool

    def changed(self, settings: Mapping[str, str]) -> _Values:
        """These values, but for those that ``settings`` has."""
        values = self
        if text := settings.get(_TRANSFER_SYNTAXES):
            values = replace(values, transfer_syntaxes=tuple(json.loads(text)))
        if text := settings.get(_DEFAULT_ENCODING):
            values = replace(values, default_encoding=parse_default_encoding(text))
        if text := settings.get(_UNKNOWN_SOP_CLASS_ACCEPTED):
            values = replace(values, unknown_sop_class_accepted=json.loads(text))
        return values


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
        settings: RuntimeSettings | None = None,
    ) -> None:
        """From the configuration, changed by what clients have set.

        :param transfer_syntaxes: UIDs or patterns (``AcceptedTransferSyntaxes``).
        :param families: values of the older options, by their names; None where unset.
        :param accepted_sop_classes: UIDs or patterns; None for all known ones.
        :param settings: what clients have set; None to keep it in memory.
        :raises ParameterOutOfRange: for an unknown encoding.
        """
        self._lock = threading.Lock()
        accepted = set(select_uids(KNOWN_TRANSFER_SYNTAXES, transfer_syntaxes))
        for name, allowed in (families or {}).items():
            if allowed is not None:
                uids = TRANSFER_SYNTAX_FAMILIES[name]
                accepted = accepted.union(uids) if allowed else accepted.difference(uids)
        self._configured = _Values(
            tuple(uid for uid in KNOWN_TRANSFER_SYNTAXES if uid in accepted),
            parse_default_encoding(default_encoding),
            unknown_sop_class_accepted,
        )
        self._settings = settings or MemoryRuntimeSettings()
        self._values = self._configured.changed(self._settings.all())
        self._restricted = accepted_sop_classes is not None
        self._rejected = tuple(rejected_sop_classes)
        self._sop_classes = _select_sop_classes(accepted_sop_classes, self._rejected)
        self._sop_class_set = frozenset(self._sop_classes)

    @property
    def transfer_syntaxes(self) -> tuple[str, ...]:
        """The UIDs accepted for storage, in the order of the reference."""
        return self._values.transfer_syntaxes

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
        self._set(_TRANSFER_SYNTAXES, json.dumps(accepted))
        return accepted

    @property
    def default_encoding(self) -> DefaultEncoding:
        """Of files that name none, and of answers to C-FIND."""
        return self._values.default_encoding

    def set_default_encoding(self, name: str) -> DefaultEncoding:
        """:raises ParameterOutOfRange: for an unknown name."""
        encoding = parse_default_encoding(name)
        self._set(_DEFAULT_ENCODING, encoding.name)
        return encoding

    @property
    def unknown_sop_class_accepted(self) -> bool:
        """Whether SOP classes that are not in the registry are stored."""
        return self._values.unknown_sop_class_accepted

    @unknown_sop_class_accepted.setter
    def unknown_sop_class_accepted(self, accepted: bool) -> None:
        self._set(_UNKNOWN_SOP_CLASS_ACCEPTED, json.dumps(accepted))

    def refresh(self) -> None:
        """Take over what clients have set on another server; to be called every second."""
        with self._lock:
            self._values = self._configured.changed(self._settings.all())

    def _set(self, name: str, value: str) -> None:
        # Under the lock, so that a refresh that has read the older value cannot come after it.
        with self._lock:
            self._settings.set(name, value)
            self._values = self._values.changed({name: value})

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
