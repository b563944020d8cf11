"""C-FIND SCP (PS3.4 annexes C and K): an identifier becomes a query, answers are sent as they are found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager

from orthanclite.core.errors import OrthancError
from orthanclite.core.metrics import Metrics
from orthanclite.core.query import SPECIFIC_CHARACTER_SET
from orthanclite.dicom.attributes import Attribute, Attributes, encode_attributes
from orthanclite.dicom.charsets import Charset, charset_of
from orthanclite.dicom.encoding import Encoding, encoding_of
from orthanclite.dimse.conversation import Conversation, Message
from orthanclite.dimse.peer import Peer
from orthanclite.dimse.scp.identifier import Identifiers
from orthanclite.dimse.status import CANCEL, PENDING, SUCCESS, error_comment, find_status
from orthanclite.services.server.runtime import RuntimeOptions

LOGGER = logging.getLogger(__name__)

Answers = Generator[Attributes, None, bool]
"""Answers one by one; the value returned at the end tells whether some were left out, for a limit."""

Finder = Callable[[Attributes, Peer], Answers]
"""Answers an identifier; an invalid one raises an ``OrthancError``."""


QUERY_MODELS = frozenset(
    {
        "1.2.840.10008.5.1.4.1.2.1.1",  # Patient Root
        "1.2.840.10008.5.1.4.1.2.2.1",  # Study Root
        "1.2.840.10008.5.1.4.1.2.3.1",  # Patient/Study Only
    }
)
_DURATION = "orthanc_find_scp_duration_ms"
WORKLIST_MODELS = frozenset({"1.2.840.10008.5.1.4.31"})


class FindScp:
    """Serves C-FIND.

    :param finder: what answers
    :param identifiers: reads those of requests
    :param slots: entered while answers are looked for, not while a peer takes its time to read them
    :param metrics: shown how long it takes
    """

    def __init__(
        self,
        finder: Finder,
        identifiers: Identifiers,
        runtime: RuntimeOptions,
        slots: AbstractContextManager[object],
        metrics: Metrics,
    ) -> None:
        self._finder = finder
        self._identifiers = identifiers
        self._runtime = runtime
        self._slots = slots
        self._metrics = metrics

    def serve(self, request: Message, conversation: Conversation) -> None:
        """Answer a C-FIND-RQ, up to its final response."""
        try:
            with self._metrics.timer(_DURATION):
                status = self._serve(request, conversation)
        except OrthancError as exc:
            LOGGER.warning("Cannot answer a query of %s: %s", conversation.peer, exc)
            conversation.respond(find_status(exc), comment=error_comment(exc))
            return
        conversation.respond(status)

    def _serve(self, request: Message, conversation: Conversation) -> int:
        transfer_syntax = request.context.transfer_syntax
        identifier = self._identifiers.read(request)
        with self._slots:
            answers = self._finder(identifier, conversation.peer)
        try:
            return self._send_answers(answers, encoding_of(transfer_syntax), conversation)
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
            conversation.respond(PENDING, data)
        return CANCEL


def _encode(answer: Attributes, term: str, charset: Charset, encoding: Encoding) -> bytes:
    """An answer in the default encoding, which it names: as the reference does, whatever the query says."""
    named = {**answer, SPECIFIC_CHARACTER_SET: Attribute("CS", term)}
    return encode_attributes(named, charset, encoding)
