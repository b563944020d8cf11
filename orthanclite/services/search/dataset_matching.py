"""Matching of small data sets against identifiers: worklists, sequences in queries (PS3.4 K.2.2, C.2.2.2).

As the reference does it: a sequence that a data set does not have selects nothing away, an attribute that it
does not have fails every constraint but the universal one, and what is not there is left out of the answer.

A key sequence without any value in its item is universal (PS3.4 C.2.2.2.6): it matches a sequence without
items, too. An item without attributes asks for whole items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from orthanclite.core.errors import BadRequest
from orthanclite.core.query import (
    QUERY_RETRIEVE_LEVEL,
    SPECIFIC_CHARACTER_SET,
    TIMEZONE_OFFSET_FROM_UTC,
    constraint,
    requested_tags,
)
from orthanclite.core.text.matching import predicate
from orthanclite.dicom.attributes import Attribute, Attributes
from orthanclite.dicom.dictionary import is_private_creator

SCHEDULED_PROCEDURE_STEP_SEQUENCE = 0x00400100
SCHEDULED_STATION_AE_TITLE = 0x00400001

_NO_CONSTRAINTS = frozenset({SPECIFIC_CHARACTER_SET, QUERY_RETRIEVE_LEVEL, TIMEZONE_OFFSET_FROM_UTC})


@dataclass(frozen=True, slots=True)
class _Key:
    """One attribute of a query."""

    test: Callable[[str | None], bool] | None = None  # of its text; None for universal matching
    item: IdentifierQuery | None = None  # of a sequence, what its items must match; None for whole items

    @property
    def is_universal(self) -> bool:
        return self.test is None and (self.item is None or self.item.is_universal)


class IdentifierQuery:
    """An identifier, prepared for many data sets.

    :param case_sensitive_names: the option ``CaseSensitivePN``
    :raises BadRequest: for a sequence of several items, and for a query that is too large.
    :raises ParameterOutOfRange: for a wildcard where its value representation has none.
    """

    def __init__(self, identifier: Attributes, case_sensitive_names: bool = False) -> None:
        self._keys: dict[int, _Key] = {
            tag: _key(tag, identifier[tag], case_sensitive_names)
            for tag in requested_tags(identifier)
            if tag != SPECIFIC_CHARACTER_SET and tag & 0xFFFF
        }
        self.is_universal = all(key.is_universal for key in self._keys.values())
        """Whether there is no constraint, at any depth."""

    def matches(self, dataset: Attributes) -> bool:
        """Whether a data set, or an item of one, fulfils all constraints."""
        return all(_fulfils(key, dataset.get(tag)) for tag, key in self._keys.items())

    def answer(self, dataset: Attributes, selecting: IdentifierQuery | None = None) -> dict[int, Attribute]:
        """What a data set tells of the attributes asked for; of sequences, the items that match.

        :param selecting: the query that the items must match; None for this one
        """
        return dict(self._answers(dataset, selecting or self))

    def _answers(self, dataset: Attributes, selecting: IdentifierQuery) -> Iterator[tuple[int, Attribute]]:
        for tag, key in self._keys.items():
            attribute = dataset.get(tag)
            if attribute is None:
                continue
            if attribute.items is not None:
                attribute = replace(
                    attribute, items=tuple(_items(key, selecting._keys[tag], attribute.items))
                )
            yield tag, attribute


def _items(shown: _Key, selecting: _Key, items: Iterable[Attributes]) -> Iterator[Attributes]:
    for item in items:
        if selecting.item is None or selecting.item.matches(item):
            yield item if shown.item is None else shown.item.answer(item, selecting.item)


def _key(tag: int, attribute: Attribute, case_sensitive_names: bool) -> _Key:
    if attribute.items is not None:
        if len(attribute.items) > 1:
            raise BadRequest("A sequence of a query must have one item")
        item = IdentifierQuery(attribute.items[0], case_sensitive_names) if attribute.items else None
        return _Key(item=item if item is not None and item._keys else None)
    if tag in _NO_CONSTRAINTS or is_private_creator(tag):
        return _Key()
    vr = attribute.vr
    if vr != "PN" or case_sensitive_names:
        wanted = constraint(tag, vr, attribute.text, case_sensitive=True)
        return _Key(None if wanted is None else predicate(wanted))
    # Not folded as the index does it: to the reference, accents count in a worklist.
    wanted = constraint(tag, vr, attribute.text.upper(), case_sensitive=True)
    if wanted is None:
        return _Key()
    test = predicate(wanted)
    return _Key(lambda text: text is not None and test(text.upper()))


def _fulfils(key: _Key, attribute: Attribute | None) -> bool:
    if key.is_universal:
        return True
    if key.item is not None:
        if attribute is None or attribute.items is None:
            return True
        return any(key.item.matches(item) for item in attribute.items)
    return key.test is not None and key.test(None if attribute is None else attribute.text)


def for_station(identifier: Attributes, aet: str) -> Mapping[int, Attribute]:
    """``identifier``, restricted to the steps that are scheduled for one station."""
    sequence = identifier.get(SCHEDULED_PROCEDURE_STEP_SEQUENCE)
    items = (sequence.items if sequence is not None else None) or ({},)
    station = Attribute("AE", aet)
    restricted = tuple({**item, SCHEDULED_STATION_AE_TITLE: station} for item in items)
    return {**identifier, SCHEDULED_PROCEDURE_STEP_SEQUENCE: Attribute("SQ", items=restricted)}
