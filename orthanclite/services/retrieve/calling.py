"""How a modality is called: by what a request says, else its entry, else the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.core.remotes.registry import Modality, RetrieveMethod
from orthanclite.services.remotes.client import Call
from orthanclite.services.remotes.registries import Registry


@dataclass(frozen=True, slots=True)
class Calls:
    """Tells how modalities are called. Thread-safe.

    :param own_aet: the AE title of this server
    :param default_method: how instances are fetched (``DicomDefaultRetrieveMethod``)
    """

    modalities: Registry[Modality]
    own_aet: str
    default_method: RetrieveMethod

    def call(self, name: str, local_aet: str = "", timeout: int | None = None) -> Call:
        """A modality, and what a request says of how to call it; see :class:`Call`.

        :raises InexistentItem: for an unknown name
        """
        return Call(self.modalities.get(name), local_aet, timeout)

    def retrieve_method(self, name: str, asked: RetrieveMethod | None) -> RetrieveMethod:
        """How instances are fetched from a modality: never ``SYSTEM_DEFAULT``.

        :raises InexistentItem: for an unknown name
        """
        for method in (asked, self.modalities.get(name).retrieve_method):
            if method is not None and method is not RetrieveMethod.SYSTEM_DEFAULT:
                return method
        return self.default_method
