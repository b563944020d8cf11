"""Services whose duration is shown among the metrics."""

from __future__ import annotations

from orthanclite.core.metrics import Metrics
from orthanclite.dimse.conversation import Conversation, Message, Provider


class Timed:
    """A service, and the metric of how many milliseconds it takes for a request.

    :param name: of the metric
    """

    def __init__(self, provider: Provider, metrics: Metrics, name: str) -> None:
        self._provider = provider
        self._metrics = metrics
        self._name = name

    def serve(self, request: Message, conversation: Conversation) -> None:
        """As the service does."""
        with self._metrics.timer(self._name):
            self._provider.serve(request, conversation)
