"""What answers C-FIND, wired."""

from __future__ import annotations

from orthanclite.app.services import Services
from orthanclite.dicom.attributes import Attributes
from orthanclite.dimse.find import Answers, Finders
from orthanclite.dimse.peer import Peer


def finders(services: Services) -> Finders:
    """The services behind C-FIND, as far as they are enabled."""
    worklists = services.worklists
    if worklists is None:
        return Finders(services.dictionary)

    def find_worklists(identifier: Attributes, peer: Peer) -> Answers:
        return worklists.find(identifier, peer.aet)

    return Finders(services.dictionary, worklists=find_worklists)
