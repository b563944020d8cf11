"""Workitems that were made or taken in hand: their states, and who may change them (PS3.4 annex CC.1.1).

A workitem of a worklist is made anew for each who looks, until somebody claims or changes it; from then on it
is kept here, like those that were made as workitems.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import orjson

from orthanclite.core.errors import BadRequest, BadSequenceOfCalls, Busy, RevisionConflict, UnknownResource
from orthanclite.core.ports import Properties
from orthanclite.dicom.attributes import Attribute, Attributes
from orthanclite.dicom.json_model import attributes_from_model, model_of
from orthanclite.services.worklists.versions import Version, VersionedTexts

STATE, TRANSACTION = 0x00741000, 0x00081195
SOP_CLASS, SOP_INSTANCE = 0x00080016, 0x00080018
_MODIFIED = 0x00404010  # ScheduledProcedureStepModificationDateTime
_PROGRESS = 0x00741002  # ProcedureStepProgressInformationSequence
_CANCELLED_AT, _REASON = 0x00404052, 0x00741238
_PERFORMED = 0x00741216  # UnifiedProcedureStepPerformedProcedureSequence
_WORKLIST_LABEL = 0x00741202

_NEEDED = {
    0x00404005: "ScheduledProcedureStepStartDateTime",
    0x00404041: "InputReadinessState",
    0x00741200: "ScheduledProcedureStepPriority",
    0x00741204: "ProcedureStepLabel",
}
"""What whoever makes a workitem must say (type 1 for N-CREATE in PS3.4 table CC.2.5-3)."""
_NEEDED_AT_LAST = {
    0x00404019: "PerformedWorkitemCodeSequence",
    0x00404028: "PerformedStationNameCodeSequence",
    0x00404050: "PerformedProcedureStepStartDateTime",
    0x00404051: "PerformedProcedureStepEndDateTime",
}
"""What must be told of what was done before it is complete (the final state requirements, same table)."""
_FIXED = frozenset({SOP_CLASS, SOP_INSTANCE, TRANSACTION, STATE, 0x0020000D, 0x00380010, 0x0040A370})
_FIXED_GROUP = 0x0010
"""Attributes, and the group of the patient's, that nobody changes later."""

MAXIMUM_KEPT = 10_000
"""Workitems that are kept at a time: a search goes through all of them."""
_LARGEST = 1 << 20
"""Bytes of a workitem."""
_ATTEMPTS = 50
_HOUR = 3600.0  # seconds


class State(StrEnum):
    """The states of a workitem (PS3.4 section CC.1.1)."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"

    @property
    def is_final(self) -> bool:
        return self in (State.COMPLETED, State.CANCELED)


class WrongState(BadSequenceOfCalls):
    """What was asked does not go together with the state of the workitem."""

    status = 409
    headers: Sequence[tuple[bytes, bytes]] = ()
    message = "The submitted request is inconsistent with the state of the UPS Instance."


class NoRight(BadRequest):
    """The workitem is in somebody else's hands: the transaction UID is missing or wrong."""

    headers: Sequence[tuple[bytes, bytes]] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A workitem that is kept."""

    attributes: Attributes  # without the transaction UID, which nobody is told
    transaction: str = ""  # of whoever has it in hand
    changed: float = 0.0  # seconds since the epoch
    of_worklist: bool = False  # whether it was that of a worklist, and goes with it unless it was begun

    @property
    def state(self) -> State:
        return State(self.attributes[STATE].text)

    def with_attributes(self, given: Attributes) -> Step:
        now = time.time()
        moment = Attribute("DT", time.strftime("%Y%m%d%H%M%S+0000", time.gmtime(now)))
        return replace(self, attributes={**self.attributes, **given, _MODIFIED: moment}, changed=now)

    def in_state(self, state: State) -> Step:
        return self.with_attributes({STATE: Attribute("CS", state)})

    def may_change(self, transaction: str) -> None:
        """:raises NoRight: unless ``transaction`` is that of whoever has it in hand."""
        if self.state is State.IN_PROGRESS and transaction != self.transaction:
            raise NoRight(f"The Transaction UID is {'incorrect' if transaction else 'missing'}.")


class Steps:
    """Keeps workitems. Thread-safe; several servers on one index share them.

    :param of_worklist: the workitem of a step of a worklist, as it is made anew; None for an unknown UID
    :param keep_hours: for which one that is complete or cancelled can be seen; 0 for ever
    """

    def __init__(
        self, properties: Properties, of_worklist: Callable[[str], Attributes | None], keep_hours: float = 0
    ) -> None:
        self._texts = VersionedTexts(properties, "workitem/")
        self._of_worklist = of_worklist
        self._keep_hours = keep_hours

    def all(self) -> Iterator[tuple[str, Attributes]]:
        """The workitems that are kept, by UID."""
        for uid, version in self._texts.all():
            yield uid, _unpacked(version.text).attributes

    def get(self, uid: str) -> Attributes | None:
        version = self._texts.get(uid)
        return None if version is None else _unpacked(version.text).attributes

    def create(self, uid: str, given: Attributes) -> None:
        """Make a workitem.

        :raises BadRequest: where something is missing or must not be given.
        :raises RevisionConflict: where there is one with this UID.
        :raises Busy: where there are too many.
        """
        if _text(given, STATE) not in ("", State.SCHEDULED):
            raise BadRequest("The provided value of UPS State was not SCHEDULED.")
        if _text(given, TRANSACTION):
            raise BadRequest("A new workitem has no transaction UID")
        missing = [name for tag, name in _NEEDED.items() if not _text(given, tag)]
        if missing:
            raise BadRequest(f"Missing in a new workitem: {', '.join(missing)}")
        if sum(1 for _ in self._texts.all()) >= MAXIMUM_KEPT:
            raise Busy(f"There are {MAXIMUM_KEPT} workitems already")
        fixed = {
            SOP_CLASS: Attribute("UI", "1.2.840.10008.5.1.4.34.6.1"),  # Unified Procedure Step - Push
            SOP_INSTANCE: Attribute("UI", uid),
            STATE: Attribute("CS", State.SCHEDULED),
        }
        label = {_WORKLIST_LABEL: Attribute("LO", "Workitems")}
        step = Step({}).with_attributes({**label, **_told(given), **fixed})
        if self._of_worklist(uid) is not None or not self._texts.replace(uid, 0, _packed(step)):
            raise RevisionConflict(f"There is a workitem {uid} already")

    def update(self, uid: str, given: Attributes, transaction: str) -> None:
        """Change attributes, and those alone that are given.

        :raises UnknownResource: for an unknown UID.
        :raises BadRequest: where they may not be changed, or not any more.
        :raises NoRight: where somebody else has it in hand.
        """
        fixed = [f"{tag:08X}" for tag in given if tag in _FIXED or tag >> 16 == _FIXED_GROUP]
        if fixed:
            raise BadRequest(f"These attributes of a workitem do not change: {', '.join(fixed)}")

        def change(step: Step) -> Step:
            if step.state.is_final:
                raise BadRequest(f"The workitem is {step.state}: it may no longer be updated")
            step.may_change(transaction)
            return step.with_attributes(_told(given))

        self._edit(uid, change)

    def change_state(self, uid: str, wanted: str, transaction: str) -> str:
        """Claim a workitem, or bring it to its end; what is to be told of it, if anything.

        :raises UnknownResource: for an unknown UID.
        :raises BadRequest: for what is no such state.
        :raises NoRight: without the right transaction UID.
        :raises WrongState: where it cannot come into that state, or not yet.
        """
        try:
            target = State(wanted)
        except ValueError as exc:
            raise BadRequest(f"No state of a workitem: {wanted}") from exc
        if not transaction:
            raise NoRight("The Transaction UID is missing.")
        told = ""

        def change(step: Step) -> Step:
            nonlocal told
            told = ""
            if step.state is target and target.is_final:
                told = _already(target)
                return step
            if step.state is State.SCHEDULED and target is State.IN_PROGRESS:
                return replace(step.in_state(target), transaction=transaction)
            if step.state is not State.IN_PROGRESS or not target.is_final:
                raise WrongState(f"It is {step.state}, and cannot become {target}")
            step.may_change(transaction)
            if target is State.CANCELED:
                return _cancelled(step, {})
            missing = _missing_at_last(step.attributes)
            if missing:
                raise WrongState(f"Not told of what was performed: {', '.join(missing)}")
            return step.in_state(target)

        self._edit(uid, change)
        return told

    def request_cancellation(self, uid: str, given: Attributes) -> str:
        """Cancel a workitem that nobody has in hand; what is to be told of it, if anything.

        :param given: the reason, and whom to ask
        :raises UnknownResource: for an unknown UID.
        :raises WrongState: where it is complete, or in the hands of somebody, whom nobody can ask to stop.
        """
        told = ""

        def change(step: Step) -> Step:
            nonlocal told
            told = ""
            if step.state is State.COMPLETED:
                raise WrongState("The UPS is already COMPLETED.")
            if step.state is State.IN_PROGRESS:
                raise WrongState("The performer cannot be contacted.")
            if step.state is State.CANCELED:
                told = _already(step.state)
                return step
            return _cancelled(step, given)

        self._edit(uid, change)
        return told

    def housekeep(self) -> int:
        """Remove those that have come to their end some time ago, and those whose worklist has gone before
        they were begun; how many."""
        removed = 0
        for uid, version in list(self._texts.all()):
            step = _unpacked(version.text)
            waits = step.state is State.SCHEDULED and step.of_worklist
            if self._is_over(step) or (waits and self._of_worklist(uid) is None):
                self._texts.delete(uid)
                removed += 1
        return removed

    def _is_over(self, step: Step) -> bool:
        old = step.changed + self._keep_hours * _HOUR < time.time()
        return bool(self._keep_hours) and step.state.is_final and old

    def _edit(self, uid: str, change: Callable[[Step], Step]) -> None:
        for _ in range(_ATTEMPTS):
            version = self._texts.get(uid) or self._begun(uid)
            step = _unpacked(version.text)
            changed = change(step)
            if changed is step or self._texts.replace(uid, version.number, _packed(changed)):
                return
        raise Busy(f"Too many change the workitem {uid}")

    def _begun(self, uid: str) -> Version:
        attributes = self._of_worklist(uid)
        if attributes is None:
            raise UnknownResource(f"There is no workitem {uid}")
        return Version(0, _packed(Step(attributes, of_worklist=True)))


def _packed(step: Step) -> str:
    """:raises BadRequest: where it is too large."""
    document = {
        "transaction": step.transaction,
        "changed": step.changed,
        "of_worklist": step.of_worklist,
        "model": model_of(step.attributes),
        "mark": uuid.uuid4().hex,  # so that the same change of two clients is two
    }
    text = orjson.dumps(document)
    if len(text) > _LARGEST:
        raise BadRequest(f"A workitem has at most {_LARGEST} bytes")
    return text.decode()


def _unpacked(text: str) -> Step:
    found = orjson.loads(text)
    attributes = attributes_from_model(found["model"])
    return Step(attributes, found["transaction"], found["changed"], found["of_worklist"])


def _told(given: Attributes) -> dict[int, Attribute]:
    """What is kept of what a client says."""
    return {tag: value for tag, value in given.items() if tag != TRANSACTION and tag >> 16 > 0x0002}


def _cancelled(step: Step, given: Attributes) -> Step:
    progress = step.attributes.get(_PROGRESS)
    item = dict(progress.items[0]) if progress is not None and progress.items else {}
    if _REASON in given:
        item[_REASON] = given[_REASON]
    now = time.strftime("%Y%m%d%H%M%S+0000", time.gmtime())
    item.setdefault(_CANCELLED_AT, Attribute("DT", now))
    return step.with_attributes({_PROGRESS: Attribute("SQ", items=(item,))}).in_state(State.CANCELED)


def _missing_at_last(attributes: Attributes) -> list[str]:
    performed = attributes.get(_PERFORMED)
    item = performed.items[0] if performed is not None and performed.items else {}
    return [name for tag, name in _NEEDED_AT_LAST.items() if not (_text(item, tag) or _has_items(item, tag))]


def _has_items(attributes: Attributes, tag: int) -> bool:
    found = attributes.get(tag)
    return found is not None and bool(found.items)


def _text(attributes: Attributes, tag: int) -> str:
    found = attributes.get(tag)
    return "" if found is None else found.text.strip()


def _already(state: State) -> str:
    return f"The UPS is already in the requested state of {state}."
