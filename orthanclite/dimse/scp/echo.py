"""C-ECHO SCP (PS3.4 annex A)."""

from __future__ import annotations

from orthanclite.dimse.conversation import Conversation, Message
from orthanclite.dimse.status import SUCCESS

VERIFICATION = frozenset({"1.2.840.10008.1.1"})


class EchoScp:
    """Answers that the server is there."""

    def serve(self, request: Message, conversation: Conversation) -> None:
        """Answer with success (PS3.7 section 9.1.5)."""
        conversation.respond(SUCCESS)
