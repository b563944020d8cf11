"""C-FIND SCP (PS3.4 annexes C and K): an identifier becomes a query, answers are sent as they are found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from orthanclite.core.errors import BadFileFormat, OrthancError
from orthanclite.core.query import SPECIFIC_CHARACTER_SET
from orthanclite.dicom.attributes import Attribute, Attributes, encode_attributes, read_attributes
from orthanclite.dicom.charsets import Charset, charset_of
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import Encoding, encoding_of
from orthanclite.dicom.reading.dataset import dataset_charset
from orthanclite.dicom.reading.parser import parse_dataset
from orthanclite.dimse.options import Service
from orthanclite.dimse.peer import Peer
from orthanclite.dimse.status import CANCEL, PENDING, SUCCESS, UNABLE_TO_PROCESS, error_comment, find_status
from orthanclite.dimse.upper.contexts import SERVICES
from orthanclite.services.server.runtime import RuntimeOptions

LOGGER = logging.getLogger(__name__)

Answers = Generator[Attributes, None, bool]
"""Answers one by one; the value returned at the end tells whether some were left out, for a limit."""

Finder = Callable[[Attributes, Peer], Answers]
"""Answers an identifier; an invalid one raises an ``OrthancError``."""


@dataclass(frozen=True, slots=True)
class Finders:
    """What answers C-FIND, and the dictionary by which identifiers are read."""

    dictionary: TagDictionary
    resources: Finder | None = None  # Patient Root, Study Root, Patient/Study Only
    worklists: Finder | None = None

    @property
    def services(self) -> frozenset[Service]:
        offered = {Service.FIND: self.resources, Service.FIND_WORKLIST: self.worklists}
        return frozenset(service for service, finder in offered.items() if finder is not None)

    def of(self, sop_class: str) -> Finder | None:
        """The one for an abstract syntax."""
        return self.worklists if SERVICES.get(sop_class) is Service.FIND_WORKLIST else self.resources


class Conversation(Protocol):
    """One request and where its responses go."""

    @property
    def peer(self) -> Peer: ...

    @property
    def sop_class(self) -> str: ...

    @property
    def is_cancelled(self) -> bool:
        """Whether the peer has sent a C-CANCEL."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether the association has ended: nobody reads answers any more."""
        ...

    def send(self, status: int, identifier: bytes | None = None, comment: str = "") -> None:
        """Send a response; waits while a slow peer has much to read already."""
        ...


class FindScp:
    """Serves C-FIND.

    :param slots: entered while answers are looked for, not while a peer takes its time to read them
    """

    def __init__(
        self, finders: Finders, runtime: RuntimeOptions, slots: AbstractContextManager[object]
    ) -> None:
        self._finders = finders
        self._runtime = runtime
        self._slots = slots

    def serve(self, request: Any, transfer_syntax: str, conversation: Conversation) -> None:
        """Answer a C-FIND-RQ, up to its final response."""
        try:
            status = self._serve(request, transfer_syntax, conversation)
        except OrthancError as exc:
            LOGGER.warning("Cannot answer a query of %s: %s", conversation.peer, exc)
            conversation.send(find_status(exc), comment=error_comment(exc))
            return
        conversation.send(status)

    def _serve(self, request: Any, transfer_syntax: str, conversation: Conversation) -> int:
        finder = self._finders.of(conversation.sop_class)
        if finder is None or request.Identifier is None:
            return UNABLE_TO_PROCESS
        encoding = encoding_of(transfer_syntax)
        identifier = self._read(request.Identifier.getvalue(), transfer_syntax)
        with self._slots:
            answers = finder(identifier, conversation.peer)
        try:
            return self._send_answers(answers, encoding, conversation)
        finally:
            answers.close()

    def _send_answers(self, answers: Answers, encoding: Encoding, conversation: Conversation) -> int:
        default = self._runtime.default_encoding
        charset = charset_of("", default.name)
        while not conversation.is_over:
            if conversation.is_cancelled:
                LOGGER.info("%s cancelled its query", conversation.peer)
                return CANCEL
            with self._slots:
                try:
                    answer = next(answers)
                except StopIteration as end:
                    return CANCEL if end.value else SUCCESS
                data = _encode(answer, default.term, charset, encoding)
            conversation.send(PENDING, data)
        return CANCEL

    def _read(self, data: bytes, transfer_syntax: str) -> dict[int, Attribute]:
        """:raises BadFileFormat: for bytes that are no data set."""
        dictionary = self._finders.dictionary
        dataset = parse_dataset(data, transfer_syntax, dictionary)
        charset = dataset_charset(dataset, self._runtime.default_encoding.name)
        identifier = read_attributes(dataset, charset, dictionary)
        if not identifier:
            raise BadFileFormat("An identifier without attributes")
        return identifier


def _encode(answer: Attributes, term: str, charset: Charset, encoding: Encoding) -> bytes:
    """An answer in the default encoding, which it names: as the reference does, whatever the query says."""
    named = {**answer, SPECIFIC_CHARACTER_SET: Attribute("CS", term)}
    return encode_attributes(named, charset, encoding)
