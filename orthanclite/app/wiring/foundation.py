"""What every wing stands on: index, storage, the other servers on them, names of tags, options, metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orthanclite.app.database import open_index
from orthanclite.app.database_settings import server_name
from orthanclite.app.storage import open_blobs
from orthanclite.app.wiring.additions import Additions
from orthanclite.config import Settings
from orthanclite.core.events import Events
from orthanclite.core.main_tags import MainTags
from orthanclite.core.metrics import Metrics
from orthanclite.core.ports import RuntimeSettings
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.index import SqlIndex
from orthanclite.services.content.blobs import BlobReader
from orthanclite.services.ingest.journal import JournalKeeper
from orthanclite.services.server.membership import BEAT, Membership
from orthanclite.services.server.runtime import RuntimeOptions
from orthanclite.services.server.system import BuiltIn
from orthanclite.services.upkeep.duties import Periodic
from orthanclite.storage import FileStorage
from orthanclite.storage.shared_memory import SharedMemory

_REFRESH_INTERVAL = 1.0  # seconds after which what a client has set on one server holds on all


@dataclass(frozen=True, slots=True)
class Foundation:
    settings: Settings
    metrics: Metrics
    events: Events
    index: SqlIndex
    blobs: FileStorage
    memory: SharedMemory
    """For large bodies on their way to the storage."""
    journal: JournalKeeper
    membership: Membership
    runtime: RuntimeOptions
    dictionary: TagDictionary
    main_tags: MainTags
    reader: BlobReader
    adds: Additions

    @property
    def temporary_folder(self) -> str | None:
        """``TemporaryDirectory``; None for that of the system."""
        folder = self.settings.storage.temporary_directory
        return None if folder is None else str(folder)

    def duty(self, name: str, interval: float, function: Callable[[], object], delay: float = 0) -> Periodic:
        """A duty of this server. ``interval`` and ``delay``, before the first time, are seconds."""
        return Periodic(name, interval, function, delay, metrics=self.metrics)

    def shared_duty(
        self, name: str, interval: float, function: Callable[[], object], delay: float = 0
    ) -> Periodic:
        """A duty that one server does for all on the same index."""
        allowed = self.membership.holds(name)
        return Periodic(name, interval, function, delay, allowed=allowed, metrics=self.metrics)


def lay_foundation(settings: Settings) -> Foundation:
    """Open index and storage; what an earlier run of this server has not synced is durable afterwards.

    :raises OrthancError: where index or storage cannot be used
    """
    metrics = Metrics(settings.http.metrics_enabled)
    blobs = open_blobs(settings, metrics)
    index = open_index(settings)
    journal = JournalKeeper(index.journal, blobs)
    membership = Membership(index.servers, index.leases, server_name(settings), journal.adopt)
    membership.join(index.runtime_settings)
    journal.recover()
    runtime = _runtime_options(settings, index.runtime_settings)
    dictionary = TagDictionary.build(dictionary_entries(settings), settings.data.load_private_dictionary)
    duties: tuple[Periodic, ...] = ()
    if not membership.is_sole:
        duties = (
            Periodic("membership", BEAT, membership.beat, metrics=metrics),
            Periodic("settings", _REFRESH_INTERVAL, runtime.refresh, 1.0, metrics=metrics),
        )
    built_in: tuple[BuiltIn, ...] = ()
    if settings.postgresql.enable_index:
        built_in = (BuiltIn("postgresql-index", "10.0.0", "The index in a PostgreSQL database"),)
    return Foundation(
        settings=settings,
        metrics=metrics,
        events=Events(),
        index=index,
        blobs=blobs,
        memory=SharedMemory(),
        journal=journal,
        membership=membership,
        runtime=runtime,
        dictionary=dictionary,
        main_tags=_main_tags(settings, dictionary),
        reader=BlobReader(blobs),
        adds=Additions(duties=duties, endings=(membership.leave, index.close), built_in=built_in),
    )


def dictionary_entries(settings: Settings) -> dict[int, tuple[str, str, str]]:
    """The option ``Dictionary``: value representation, name and private creator by tag."""
    return {
        entry.group << 16 | entry.element: (entry.vr, entry.name, entry.private_creator)
        for entry in settings.data.dictionary
    }


def _main_tags(settings: Settings, dictionary: TagDictionary) -> MainTags:
    return MainTags.build(
        {
            level: [dictionary.parse_tag(name) for name in names]
            for level, names in settings.data.extra_main_tags.items()
        }
    )


def _runtime_options(settings: Settings, changed: RuntimeSettings) -> RuntimeOptions:
    """:param changed: what clients have set."""
    dicom = settings.dicom
    return RuntimeOptions(
        dicom.accepted_transfer_syntaxes,
        {
            "DeflatedTransferSyntaxAccepted": dicom.deflated_accepted,
            "JpegTransferSyntaxAccepted": dicom.jpeg_accepted,
            "Jpeg2000TransferSyntaxAccepted": dicom.jpeg2000_accepted,
            "JpegLosslessTransferSyntaxAccepted": dicom.jpeg_ls_accepted,
            "JpipTransferSyntaxAccepted": dicom.jpip_accepted,
            "Mpeg2TransferSyntaxAccepted": dicom.mpeg2_accepted,
            "Mpeg4TransferSyntaxAccepted": dicom.mpeg4_accepted,
            "H265TransferSyntaxAccepted": dicom.h265_accepted,
            "RleTransferSyntaxAccepted": dicom.rle_accepted,
        },
        settings.data.default_encoding,
        dicom.unknown_sop_class_accepted,
        dicom.accepted_sop_classes,
        dicom.rejected_sop_classes,
        changed,
    )
