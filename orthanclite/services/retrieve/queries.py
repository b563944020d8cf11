"""Queries that are sent to modalities, and their answers, kept for a while (``/queries``)."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from orthanclite.core.errors import ParameterOutOfRange, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import tag_key
from orthanclite.core.ports import RemoteQueries
from orthanclite.core.remotes.remote_queries import QueryLimits, RemoteQuery
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.services.retrieve.answers import AnswerReader, bounded
from orthanclite.services.retrieve.calling import Calls
from orthanclite.services.retrieve.identifiers import Tags, check_number, child_tags, find_tags, identifier
from orthanclite.services.retrieve.network import Model, QueryRetrieve
from orthanclite.services.server.runtime import RuntimeOptions

MODELS = (Model.PATIENT, Model.STUDY, Model.WORKLIST)
"""What is proposed for a query, as the reference does."""
KEPT_BYTES = 256 << 20
"""Bytes that the answers of all queries may take together."""
EXPIRY = 24 * 3600.0
"""Seconds after which a query that nobody uses is forgotten."""
_MARK_AGAIN = 10.0  # seconds: a client that reads answer by answer must not write each time


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as a client wants it."""

    level: Level
    tags: Tags
    normalize: bool = True
    local_aet: str = ""  # to call the modality by; empty for none in particular
    timeout: int | None = None  # seconds; 0 for no limit


def model_of(level: Level) -> Model:
    """The information model for a level: the study root knows no patients."""
    return Model.PATIENT if level is Level.PATIENT else Model.STUDY


class RemoteQueryService:
    """Asks modalities, and keeps what they answer. Thread-safe.

    :param count: how many queries are kept (``QueryRetrieveSize``)
    """

    def __init__(
        self,
        rows: RemoteQueries,
        network: QueryRetrieve,
        calls: Calls,
        reader: AnswerReader,
        dictionary: TagDictionary,
        runtime: RuntimeOptions,
        count: int,
    ) -> None:
        self._rows = rows
        self._network = network
        self._calls = calls
        self.reader = reader
        self._dictionary = dictionary
        self._runtime = runtime
        self._limits = QueryLimits(count, KEPT_BYTES)
        self._lock = threading.Lock()
        self._marked = ("", 0.0)  # the query that was noted as in use last, and when (monotonic)

    def ask(self, modality: str, asked: Asked) -> str:
        """Send a query, and keep the answers; its identifier.

        :raises InexistentItem: for an unknown modality
        :raises BadRequest: for too many tags
        :raises DimseFailure: where the modality answers with a failure
        :raises NetworkProtocol: where it cannot be reached, or the association breaks
        """
        check_number(asked.tags)
        call = self._calls.call(modality, asked.local_aet, asked.timeout)
        keys = find_tags(asked.level, asked.tags, call.modality.manufacturer, asked.normalize)
        wanted = identifier(asked.level, keys, self._dictionary, self._runtime.default_encoding)
        with self._network.finder(call, MODELS) as finder:
            found = finder.find(model_of(asked.level), wanted)
            answers = [self.reader.normalized(one, asked.level) for one in bounded(found)]
        query = RemoteQuery(
            str(uuid.uuid4()),
            modality,
            asked.level,
            {tag_key(tag): text for tag, text in asked.tags.items()},
            asked.local_aet,
        )
        self._rows.add(query, answers, self._limits)
        self._is_marked(query.id)
        return query.id

    def ask_children(
        self, id: str, position: int, level: Level, tags: Tags, timeout: int | None = None
    ) -> str:
        """Send a query for what is below an answer; its identifier. The identifiers of the answer win.

        :raises UnknownResource: for an unknown query, and for a level that is not below
        :raises ParameterOutOfRange: where there is no such answer
        :raises OrthancError: as :meth:`ask`
        """
        query = self.get(id)
        if level <= query.level:
            raise UnknownResource
        parent = child_tags(query.level, self.reader.texts(self._answer(query, position)))
        asked = Asked(level, {**tags, **parent}, local_aet=query.local_aet, timeout=timeout)
        return self.ask(query.modality, asked)

    def ids(self) -> list[str]:
        """The identifiers, the oldest query first."""
        return self._rows.ids()

    def get(self, id: str) -> RemoteQuery:
        """A query, which is in use thereby.

        :raises UnknownResource: for an unknown identifier
        """
        query = self._rows.get(id)
        if query is None:
            raise UnknownResource
        self._mark(id)
        return query

    def asked(self, query: RemoteQuery) -> Mapping[int, str]:
        """What the client has asked for, by tag."""
        return {self._dictionary.parse_tag(key): text for key, text in query.tags.items()}

    def answers(self, query: RemoteQuery) -> list[bytes]:
        """All answers, as data sets."""
        return self._rows.answers(query.id)

    def answer(self, id: str, position: int) -> bytes:
        """One answer, as a data set, counted from 0.

        :raises UnknownResource: for an unknown query
        :raises ParameterOutOfRange: where there is no such answer
        """
        return self._answer(self.get(id), position)

    def delete(self, id: str) -> None:
        """Forget a query; nothing happens for an unknown one."""
        self._rows.delete(id)

    def expire(self) -> int:
        """Forget the queries that nobody uses; how many."""
        return self._rows.expire(EXPIRY)

    def _answer(self, query: RemoteQuery, position: int) -> bytes:
        # The query may have been forgotten since it was read.
        answer = self._rows.answer(query.id, position) if 0 <= position < query.count else None
        if answer is None:
            raise ParameterOutOfRange
        return answer

    def _mark(self, id: str) -> None:
        if not self._is_marked(id):
            self._rows.use(id)

    def _is_marked(self, id: str) -> bool:
        """Whether a query is noted as the one that was used last; now it is."""
        now = time.monotonic()
        with self._lock:
            last, moment = self._marked
            known = id == last and now - moment < _MARK_AGAIN
            if not known:
                self._marked = id, now
        return known
