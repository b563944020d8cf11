"""How a modality is called: by what a request says, else its entry, else the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.core.registry import Modality, RetrieveMethod
from orthanclite.services.remotes.registries import Registry
from orthanclite.services.retrieve.network import Target


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The settings that hold where nothing else is said."""

    aet: str = "ORTHANC"  # DicomAet
    timeout: int = 10  # DicomScuTimeout, seconds; 0 for no limit
    retrieve_method: RetrieveMethod = RetrieveMethod.C_MOVE  # DicomDefaultRetrieveMethod


class Calls:
    """Tells how modalities are called. Thread-safe."""

    def __init__(self, modalities: Registry[Modality], options: CallOptions) -> None:
        self._modalities = modalities
        self._options = options

    @property
    def own_aet(self) -> str:
        """The AE title of this server."""
        return self._options.aet

    def target(self, name: str, local_aet: str | None = None, timeout: int | None = None) -> Target:
        """How to call a modality.

        :param local_aet: instead of what the modality and the configuration say
        :param timeout: seconds, likewise; 0 for no limit
        :raises InexistentItem: for an unknown name
        """
        modality = self._modalities.get(name)
        seconds = (modality.timeout or self._options.timeout) if timeout is None else timeout
        aet = (modality.local_aet or self._options.aet) if local_aet is None else local_aet
        return Target(modality, aet, float(seconds) if seconds else None)

    def retrieve_method(self, name: str, asked: RetrieveMethod | None) -> RetrieveMethod:
        """How instances are fetched from a modality: never ``SYSTEM_DEFAULT``.

        :raises InexistentItem: for an unknown name
        """
        for method in (asked, self._modalities.get(name).retrieve_method):
            if method is not None and method is not RetrieveMethod.SYSTEM_DEFAULT:
                return method
        return self._options.retrieve_method
