"""A-ASSOCIATE-RQ (PS3.8 section 9.3.2), with a short way for its presentation contexts.

pynetdicom checks the same few UIDs again for each context and on each step: for the 128 contexts that
``storescu`` proposes, 11 ms of the interpreter, which several associations that begin at once wait for.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_items import PresentationContextItemRQ
from pynetdicom.presentation import PresentationContext
from pynetdicom.utils import set_uid

_CONTEXT, _ABSTRACT_SYNTAX, _TRANSFER_SYNTAX = 0x20, 0x30, 0x40
_CONTEXT_HEAD, _UID_HEAD = 8, 4  # bytes


class AssociateRequest(A_ASSOCIATE_RQ):
    """Reads the usual contexts itself; unusual ones, and everything else, are left to pynetdicom.

    :raises ValueError: when what is decoded is no request, or lacks what pynetdicom would stumble over later
    """

    def __init__(self) -> None:
        super().__init__()
        self._contexts: list[PresentationContext] = []

    def decode(self, bytestream: bytes) -> None:
        super().decode(bytestream)
        for item in self.variable_items:
            if isinstance(item, PresentationContextItemRQ):
                context = item.to_primitive()
                if not context.abstract_syntax or not context.transfer_syntax:
                    raise ValueError("Presentation context without abstract or transfer syntax")

    def _wrap_generate_items(self, bytestream: bytes) -> Any:
        others = []
        for kind, item in self._generate_items(bytestream):
            context = self._read_context(item) if kind == _CONTEXT else None
            if context is None:
                others.append(item)
            else:
                self._contexts.append(context)
        return super()._wrap_generate_items(b"".join(others))

    def to_primitive(self) -> Any:
        primitive = super().to_primitive()
        primitive.presentation_context_definition_list.extend(self._contexts)
        return primitive

    def _read_context(self, item: bytes) -> PresentationContext | None:
        """The context; None where it is not one ID, one abstract and some transfer syntaxes."""
        abstract: list[UID] = []
        transfer: list[UID] = []
        for kind, part in self._generate_items(item[_CONTEXT_HEAD:]):
            if kind not in (_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX) or len(part) == _UID_HEAD:
                return None
            (abstract if kind == _ABSTRACT_SYNTAX else transfer).append(valid_uid(part[_UID_HEAD:]))
        if len(abstract) != 1 or not transfer or not all((abstract[0], *transfer)):
            return None
        context = context_of(abstract[0], transfer)
        context.context_id = item[_UID_HEAD]
        return context


@lru_cache(maxsize=1024)
def valid_uid(value: bytes) -> UID:
    """A UID, checked as pynetdicom does.

    :raises ValueError: if it is none
    """
    uid = set_uid(value[:-1] if value.endswith(b"\0") else value, "UID", allow_none=False)
    assert uid is not None
    return uid


def context_of(abstract_syntax: UID, transfer_syntaxes: Iterable[UID]) -> PresentationContext:
    """A context of UIDs that were checked."""
    context = PresentationContext()
    context._abstract_syntax = abstract_syntax
    context._transfer_syntax = list(dict.fromkeys(transfer_syntaxes))
    return context
