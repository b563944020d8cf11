"""Instances that come in because this server has asked another one to send them (C-MOVE)."""

from __future__ import annotations

from contextlib import suppress

from orthanclite.core.errors import NetworkProtocol
from orthanclite.dimse.command import MOVE_ORIGINATOR_AET, MOVE_ORIGINATOR_MESSAGE_ID, Command
from orthanclite.services.retrieve.moves import Moves


class MovedInstances:
    """Notes which C-MOVE an instance was sent for, where its C-STORE names one (PS3.7 section 9.1.1.1)."""

    def __init__(self, moves: Moves) -> None:
        self._moves = moves

    def stored(self, command: Command, instance: str) -> None:
        """An instance is stored; see :data:`orthanclite.dimse.scp.store.Listener`."""
        if MOVE_ORIGINATOR_MESSAGE_ID in command and MOVE_ORIGINATOR_AET in command:
            # The instance is stored, whatever its sender writes there.
            with suppress(NetworkProtocol):
                originator = command.text(MOVE_ORIGINATOR_AET)
                self._moves.note(originator, command.number(MOVE_ORIGINATOR_MESSAGE_ID), instance)
