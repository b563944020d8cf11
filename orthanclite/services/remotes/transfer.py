"""Sending many instances to a peer: several at a time, and nothing that the peer has already."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from isal import isal_zlib

from orthanclite.core.errors import (
    BadFileFormat,
    CanceledJob,
    NetworkProtocol,
    OrthancError,
    ParameterOutOfRange,
    UnknownResource,
)
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import View
from orthanclite.core.model import Attachment, Parts, Resource
from orthanclite.core.ports import Resources
from orthanclite.core.ports.http import Upload
from orthanclite.core.remotes.endpoints import Endpoint
from orthanclite.dicom.pixels.syntaxes import is_transfer_syntax
from orthanclite.services.content.blobs import CHUNK, BlobReader
from orthanclite.services.content.files import StoredFile
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.imaging.transcoding import TranscodingService
from orthanclite.services.remotes.peers import PeerClient

Pieces = Callable[[], Iterable[View]]
"""Gives a content from its beginning."""

log = logging.getLogger(__name__)

_BATCH = 256
"""Instances that are looked up, and asked for, at once."""
_WORTH_ASKING = 64 * 1024
"""Bytes of instances above which a peer is asked which of them it has."""
_WORTH_COMPARING = 16 * 1024
"""Bytes of an instance above which it is cheaper to ask a peer for its MD5 than to send it."""
_GZIP = 16 + 15  # zlib's window bits, with the head of gzip


@dataclass(frozen=True, slots=True)
class Form:
    """In which form instances are sent.

    Raises BadFileFormat for an unknown transfer syntax, ParameterOutOfRange for an impossible quality.
    """

    compress: bool = False
    """Whether files are sent gzipped (RFC 9110 section 8.4.1.3)."""
    transfer_syntax: str | None = None
    """To which files are transcoded; None for none."""
    lossy_quality: int | None = None
    """1 to 100; None for ``DicomLossyTranscodingQuality``."""

    def __post_init__(self) -> None:
        if self.transfer_syntax is not None and not is_transfer_syntax(self.transfer_syntax):
            raise BadFileFormat(f"Unknown transfer syntax UID: {self.transfer_syntax}")
        if self.lossy_quality is not None and not 1 <= self.lossy_quality <= 100:
            raise ParameterOutOfRange("The quality of lossy transcoding must be between 1 and 100")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the files come from."""

    resources: Resources
    reader: BlobReader
    transcoding: TranscodingService
    temporary_folder: str | None  # None for that of the system


@dataclass(frozen=True, slots=True)
class _Item:
    """An instance that waits to be sent."""

    position: int
    id: str
    file: StoredFile | None
    """None where it is not stored any more."""
    held: str | None = ""
    """The MD5 of the file that the peer has; empty for none, None where it is yet to be asked for."""


class PeerTransfer:
    """One run over the instances of a job. Used by one thread, and ended with :meth:`close`.

    It begins with one thread that uploads, and goes on with more where that works. Each thread takes what is
    next by itself: nobody hands work out.

    :param sent: whether each instance was sent before; it is brought up to date
    :param stop_at_failure: whether nothing more is begun after an instance that could not be sent
    :param threads: uploads at the same time, at most
    """

    def __init__(
        self,
        client: PeerClient,
        endpoint: Endpoint,
        sources: Sources,
        form: Form,
        ids: Sequence[str],
        sent: bytearray,
        *,
        stop_at_failure: bool,
        threads: int,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._sources = sources
        self._form = form
        self._ids = ids
        self.sent = sent
        self._stop_at_failure = stop_at_failure
        self._most_threads = threads
        self._changed = threading.Condition()  # guards all that follows
        self._todo = iter([position for position, is_sent in enumerate(sent) if not is_sent])
        self._ready: deque[_Item] = deque()
        self._is_loading = False
        self._is_exhausted = False
        self._is_closed = False
        self._threads = 0  # that are at work
        self._succeeded = 0
        self._broken: OrthancError | None = None
        self._tells = True  # whether the peer tells what it has
        self.size = 0
        """Bytes that were sent, as they were sent."""
        self.failures: dict[str, OrthancError] = {}
        self.untranscoded: set[str] = set()
        """Instances that were sent as they are stored, as they cannot be transcoded."""

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be begun or to be waited for."""
        return self._threads == 0 and self._is_at_end

    def advance(self, seconds: float) -> None:
        """Go on for so long, or until the end.

        :raises OrthancError: where instances cannot be looked up
        """
        with self._changed:
            if self._threads == 0 and not self._is_at_end:
                self._start_thread()
            self._changed.wait_for(lambda: self.is_over, seconds)
            if self._broken is not None:
                raise self._broken

    def close(self) -> None:
        """Begin nothing more, and give up what is under way."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def _is_at_end(self) -> bool:
        """Whether nothing more is begun."""
        is_stopped = self._is_closed or self._broken is not None
        is_stopped |= self._stop_at_failure and bool(self.failures)
        return is_stopped or (self._is_exhausted and not self._ready and not self._is_loading)

    def _start_thread(self) -> None:
        self._threads += 1
        threading.Thread(target=self._work, name="peer-upload", daemon=True).start()

    # -- in threads of its own -----------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while (item := self._next()) is not None:
                self._upload(item)
        except OrthancError as exc:  # told to whoever advances
            self._broken = exc
        except Exception:
            log.exception("A transfer to %s failed unexpectedly", self._endpoint.public_url)
            self._broken = OrthancError()
        finally:
            with self._changed:
                self._threads -= 1
                self._changed.notify_all()

    def _next(self) -> _Item | None:
        """What to send next, waiting for what another thread looks up; None at the end."""
        while True:
            with self._changed:
                if self._is_at_end:
                    return None
                positions: list[int] = []
                if len(self._ready) < self._most_threads and not (self._is_loading or self._is_exhausted):
                    positions = list(islice(self._todo, _BATCH))
                    self._is_loading = bool(positions)
                    self._is_exhausted = not positions
                elif self._ready:
                    return self._ready.popleft()
                else:
                    self._changed.wait()
            if positions:
                self._load(positions)

    def _load(self, positions: Sequence[int]) -> None:
        items: list[_Item] = []
        try:
            items = self._look_up(positions)
        finally:
            with self._changed:
                self._ready += items
                self._is_loading = False
                self._changed.notify_all()

    def _upload(self, item: _Item) -> None:
        size, failure = 0, None
        try:
            size = self._send(item)
        except OrthancError as exc:
            log.warning("Instance %s is not sent to %s: %s", item.id, self._endpoint.public_url, exc)
            failure = exc
        with self._changed:
            self.size += size
            if failure is not None:
                self.failures[item.id] = failure
                return
            self.sent[item.position] = True
            self._succeeded += 1
            if self._threads < min(self._most_threads, 1 + self._succeeded // 4):
                self._start_thread()

    def _look_up(self, positions: Sequence[int]) -> list[_Item]:
        """Instances, and what the peer has of them."""
        ids = [self._ids[position] for position in positions]
        unique = list(dict.fromkeys(ids))
        instances = {
            one.id: one
            for one in self._sources.resources.get_many(Level.INSTANCE, unique, Parts.ATTACHMENTS)
            if one.attachments
        }
        files = {id: StoredFile.of(instance) for id, instance in instances.items()}
        comparable = [instances[id] for id, file in files.items() if self._is_sent_as_stored(file)]
        held = self._ask(comparable, files)
        return [
            _Item(position, id, files.get(id), held.get(id, ""))
            for position, id in zip(positions, ids, strict=True)
        ]

    def _ask(self, instances: list[Resource], files: dict[str, StoredFile]) -> dict[str, str | None]:
        """What the peer has of instances, where it is worth to know; nothing where it does not tell."""
        known = [instance for instance in instances if files[instance.id].attachment.md5]
        if not self._tells or sum(files[one.id].attachment.size for one in known) <= _WORTH_ASKING:
            return {}
        try:
            return self._client.held(self._endpoint, known)
        except NetworkProtocol as exc:  # what hinders the transfer, too, is met again there
            log.info("%s does not tell what it has: %s", self._endpoint.public_url, exc)
            self._tells = False
            return {}

    def _send(self, item: _Item) -> int:
        """Send an instance unless the peer has it; the bytes that were sent."""
        if item.file is None:
            raise UnknownResource(f"The instance is not stored any more: {item.id}")
        if self._is_held(item, item.file.attachment):
            return 0
        body = self._body(item.file)
        self._client.upload(self._endpoint, body, self._form.compress)
        return (len(body) if isinstance(body, bytes) else body.size) or 0

    def _is_held(self, item: _Item, attachment: Attachment) -> bool:
        held = item.held
        if held is None and attachment.size > _WORTH_COMPARING:
            held = self._client.md5(self._endpoint, item.id)
        return bool(held) and held == attachment.md5

    def _is_sent_as_stored(self, file: StoredFile) -> bool:
        return self._form.transfer_syntax in (None, file.transfer_syntax)

    def _body(self, file: StoredFile) -> bytes | Upload:
        """The file in the form in which it is sent."""
        pieces, size = self._content(file)
        if self._form.compress:
            scratch = ScratchFile(self._sources.temporary_folder, "gzip")
            deflater = isal_zlib.compressobj(2, wbits=_GZIP)
            for piece in pieces():
                scratch.write(deflater.compress(piece))
            scratch.write(deflater.flush())
            pieces, size = partial(_read, scratch), scratch.size
        if size <= CHUNK:
            return b"".join(pieces())
        return Upload(partial(self._while_open, pieces), size)

    def _content(self, file: StoredFile) -> tuple[Pieces, int]:
        attachment, form = file.attachment, self._form
        if form.transfer_syntax is not None and not self._is_sent_as_stored(file):
            try:
                transcoded = self._sources.transcoding.transcode_instance(
                    file.id, form.transfer_syntax, form.lossy_quality
                )
                return partial(_read, transcoded), transcoded.size
            except OrthancError as exc:
                log.warning("Cannot transcode instance %s, sent as it is: %s", file.id, exc)
                self.untranscoded.add(file.id)
        return partial(self._sources.reader.chunks, attachment), attachment.size

    def _while_open(self, pieces: Pieces) -> Iterator[View]:
        for piece in pieces():
            if self._is_closed:
                raise CanceledJob
            yield piece


def _read(file: ScratchFile) -> Iterator[View]:
    return file.pieces(0, file.size)
