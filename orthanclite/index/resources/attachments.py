"""The rows of attachments, as several parts of the index write them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, insert, select, update

from orthanclite.core.levels import Level
from orthanclite.core.model import Attachment
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.schema import attachments

_CONTENT = ("uuid", "size", "md5", "stored_size", "stored_md5", "compressed")

_ADD = insert(attachments).values({c.name: bindparam(c.name) for c in attachments.c})
_IS_THERE = (
    select(attachments.c.stored_size, attachments.c.size)
    .where(attachments.c.uuid == bindparam("old"))
    .with_for_update()
)
_REPLACE = (
    update(attachments)
    .where(attachments.c.uuid == bindparam("old"))
    .values({name: bindparam(name) for name in _CONTENT} | {"revision": attachments.c.revision + 1})
)


def _content(attachment: Attachment) -> dict[str, Any]:
    return {name: getattr(attachment, name) for name in _CONTENT}


def add_attachment(tx: Transaction, level: Level, key: int, attachment: Attachment) -> None:
    """Add an attachment to a resource that has none of its type."""
    owner = {"level": int(level), "resource": key, "type": attachment.type}
    tx.session.run(_ADD, **owner, **_content(attachment), revision=attachment.revision)
    tx.count_bytes(attachment.stored_size, attachment.size)


def holds_blob(tx: Transaction, uuid: str) -> bool:
    """Whether an attachment refers to a blob, and so until the end of the transaction."""
    return tx.session.one(_IS_THERE, old=uuid) is not None


def replace_blob(tx: Transaction, old: str, new: Attachment) -> bool:
    """Have the attachment that refers to the blob ``old`` be ``new``; whether there is one."""
    row = tx.session.one(_IS_THERE, old=old)
    if row is None:
        return False
    tx.session.run(_REPLACE, old=old, **_content(new))
    tx.count_bytes(new.stored_size - row[0], new.size - row[1])
    return True
