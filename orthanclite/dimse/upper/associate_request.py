"""A-ASSOCIATE-RQ (PS3.8 section 9.3.2), read as tolerantly as PS3.8 asks for.

What the server does not act upon must not keep a peer out: reserved bits of the protocol version, items and
sub-items of other kinds (PS3.8 9.3.1, PS3.7 D.3.3), and padding of other kinds in AE titles.

Presentation contexts take a short way. pynetdicom checks the same few UIDs again for each context and on each
step: for the 128 contexts that ``storescu`` proposes, that takes the interpreter 11 ms, in which several
associations that begin at once wait for each other.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_items import PresentationContextItemRQ
from pynetdicom.presentation import PresentationContext
from pynetdicom.utils import set_uid

_APPLICATION_CONTEXT, _CONTEXT, _USER_INFORMATION = 0x10, 0x20, 0x50
_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX = 0x30, 0x40
_MAXIMUM_LENGTH, _ROLE = 0x51, 0x54
_CONTEXT_HEAD, _ITEM_HEAD = 8, 4  # bytes
_VERSION, _CALLED, _CALLING = slice(6, 8), slice(10, 26), slice(26, 42)  # of the PDU
_VERSION_1 = 0x0001  # bit of the protocol version


class AssociateRequest(A_ASSOCIATE_RQ):
    """Reads the usual contexts itself; unusual ones, and everything else, are left to pynetdicom.

    :raises ValueError: when what is decoded is no request, or lacks what pynetdicom would stumble over later
    """

    def __init__(self) -> None:
        super().__init__()
        self._contexts: list[PresentationContext] = []

    def decode(self, bytestream: bytes) -> None:
        super().decode(_plain(bytestream))
        for item in self.variable_items:
            if isinstance(item, PresentationContextItemRQ):
                context = item.to_primitive()
                if not context.abstract_syntax or not context.transfer_syntax:
                    raise ValueError("Presentation context without abstract or transfer syntax")

    def _wrap_generate_items(self, bytestream: bytes) -> Any:
        others = []
        for kind, item in self._generate_items(bytestream):
            if kind == _APPLICATION_CONTEXT:
                others.append(item)
            elif kind == _USER_INFORMATION:
                others.append(_item(kind, b"".join(self._user_information(item[_ITEM_HEAD:]))))
            elif kind == _CONTEXT:
                others += self._read_context(item)
        return super()._wrap_generate_items(b"".join(others))

    def to_primitive(self) -> Any:
        primitive = super().to_primitive()
        primitive.presentation_context_definition_list.extend(self._contexts)
        return primitive

    def _user_information(self, content: bytes) -> Iterator[bytes]:
        """The sub-items that this server acts upon, well-formed, once for each kind or SOP class."""
        lengths, roles = [], {}
        for kind, item in self._generate_items(content):
            value = item[_ITEM_HEAD:]
            if kind == _MAXIMUM_LENGTH and len(value) >= 4:
                lengths.append(value[:4])
            elif kind == _ROLE and len(value) >= 4:
                uid, (scu, scp) = value[2:-2], value[-2:]
                if int.from_bytes(value[:2], "big") == len(uid):
                    roles[uid] = bytes((bool(scu), bool(scp)))
        for value in lengths[:1]:
            yield _item(_MAXIMUM_LENGTH, value)
        for uid, flags in roles.items():
            yield _item(_ROLE, struct.pack(">H", len(uid)) + uid + flags)

    def _read_context(self, item: bytes) -> list[bytes]:
        """Read a context; what is left to pynetdicom unless it is one abstract and some transfer syntaxes."""
        syntaxes = (_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX)
        parts = [one for one in self._generate_items(item[_CONTEXT_HEAD:]) if one[0] in syntaxes]
        if all(len(part) > _ITEM_HEAD for _, part in parts):
            uids = [(kind, valid_uid(part[_ITEM_HEAD:])) for kind, part in parts]
            abstract = [uid for kind, uid in uids if kind == _ABSTRACT_SYNTAX]
            transfer = [uid for kind, uid in uids if kind == _TRANSFER_SYNTAX]
            if len(abstract) == 1 and transfer and all((abstract[0], *transfer)):
                context = context_of(abstract[0], transfer)
                context.context_id = item[_ITEM_HEAD]
                self._contexts.append(context)
                return []
        head = item[_ITEM_HEAD:_CONTEXT_HEAD]
        return [_item(_CONTEXT, head + b"".join(part for _, part in parts))]


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(content)) + content


def _plain(pdu: bytes) -> bytes:
    """The request as pynetdicom reads it: of version 1, with AE titles of the standard's characters."""
    plain = bytearray(pdu)
    if int.from_bytes(pdu[_VERSION], "big") & _VERSION_1:
        plain[_VERSION] = _VERSION_1.to_bytes(2, "big")
    for where in (_CALLED, _CALLING):
        if len(pdu) >= where.stop:
            plain[where] = _plain_title(pdu[where])
    return bytes(plain)


def _plain_title(title: bytes) -> bytes:
    """An AE title up to its first NUL, with a question mark for each character that none may hold.

    The reference, too, accepts all of them; as none is registered so, such a peer is a stranger.
    """
    text = title.partition(b"\0")[0].strip()
    return bytes(byte if 0x20 <= byte < 0x7F and byte != 0x5C else 0x3F for byte in text).ljust(16)


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
