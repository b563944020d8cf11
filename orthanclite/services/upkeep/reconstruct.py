"""Indexing stored resources anew from their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from orthanclite.core.constants import Metadata
from orthanclite.core.errors import CorruptedFile, RevisionConflict, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.machine.digest import md5_of
from orthanclite.core.main_tags import MainTags
from orthanclite.core.model import Attachment, DicomSummary, Parts
from orthanclite.core.ports import Blobs, Resources
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.summary import Summarizer
from orthanclite.services.content.blobs import CHUNK, compress, discard_blobs, remove_blobs, write
from orthanclite.services.content.files import InstanceFiles, StoredFile
from orthanclite.services.ingest.prepare import IngestTranscoder, main_sequences
from orthanclite.services.ingest.storing import FileOptions


class _Read(NamedTuple):
    """What the file of an instance tells."""

    summary: DicomSummary
    blob: str
    """The one that it was read from; what it tells holds while the index refers to it."""


class ReconstructService:
    """Renews what the index knows of resources: after a change of ``ExtraMainDicomTags``, of
    ``DefaultEncoding`` or of the options of the storage. Thread-safe."""

    def __init__(
        self,
        resources: Resources,
        blobs: Blobs,
        files: InstanceFiles,
        main_tags: MainTags,
        dictionary: TagDictionary,
        options: FileOptions,
        transcoder: IngestTranscoder | None = None,
    ) -> None:
        self._resources = resources
        self._blobs = blobs
        self._files = files
        self._main_tags = main_tags
        self._dictionary = dictionary
        self._options = options
        self._transcoder = transcoder
        self._summarizer = Summarizer(main_tags, dictionary)

    def reconstruct(
        self, level: Level, id: str, *, only_this_level: bool = False, files: bool = False
    ) -> None:
        """Index a resource, its parents and all below it anew.

        :param only_this_level: renew only the main tags of this very resource, from one of its instances
        :param files: store the files anew where today's options want them otherwise
        :raises UnknownResource: for an unknown resource.
        """
        if not self._resources.exists(level, id):
            raise UnknownResource
        if only_this_level:
            self._renew_from_one_below(level, id)
            return
        renewed: set[tuple[Level, str]] = set()
        for file in self._files.locate_below(level, id):
            if (read := self._read(file, files)) is not None:
                self._renew_lineage(file.id, read, files, renewed)

    def reconstruct_all(self, *, files: bool = False) -> None:
        """The same for everything that is stored; what is deleted meanwhile is left out."""
        for id in self._resources.list_ids(Level.STUDY):
            if self._resources.exists(Level.STUDY, id):
                self.reconstruct(Level.STUDY, id, files=files)

    def renew_from(self, instance: str, level: Level, id: str, metadata: Mapping[int, str | None]) -> None:
        """Write the main tags of an ancestor of an instance anew from the file of that instance.

        :param metadata: further system metadata of the ancestor; None to remove one
        :raises UnknownResource: where one of them is deleted meanwhile, or no file is kept.
        """
        while True:
            read = self._read(self._files.locate(instance), False)
            if read is not None and self._write(level, id, read, metadata):
                return
            if not self._resources.exists(level, id):
                raise UnknownResource

    def renew_file(self, id: str) -> bool:
        """Store the file of an instance as today's options want it; whether it had to be stored anew.

        :raises UnknownResource: where it is deleted meanwhile, or no file is kept.
        :raises RevisionConflict: where it is replaced meanwhile.
        :raises CorruptedFile, BadFileFormat: where the file cannot be read.
        """
        file = self._files.locate_one_below(Level.INSTANCE, id)
        if self._transcoder is None and file.attachment.compressed is self._options.compress:
            return False
        read = self._read(file, True)
        if read is None:
            raise RevisionConflict
        return read.blob != file.attachment.uuid

    def renew_main_tags(self, level: Level, id: str) -> None:
        """Bring the main tags of a resource and of its outdated series and study to today's list, from one
        of its files; those of a patient also where its studies have a copy of them.

        :raises UnknownResource: where it is deleted meanwhile, or no file is kept.
        :raises CorruptedFile, BadFileFormat: where the file cannot be read.
        """
        if level is Level.PATIENT:
            read = None
            for study in self._resources.descendant_ids(level, id, Level.STUDY):
                read = self._renew_from_one_below(Level.STUDY, study)
            if read is not None:
                self._write(level, id, read)
            return
        read = self._renew_from_one_below(level, id)
        current: str | None = id
        for at in range(level, Level.PATIENT, -1):
            resource = self._resources.get(Level(at), current, Parts.PARENT) if current else None
            if resource is None:
                return
            if resource.signature != self._main_tags.signatures[resource.level]:
                self._write(resource.level, resource.id, read)
            current = resource.parent_id

    def _lineage(self, instance: str, known: set[tuple[Level, str]]) -> Iterator[tuple[Level, str]]:
        """An instance and its ancestors that are not ``known`` yet, from below."""
        current: str | None = instance
        for level in reversed(Level):
            if current is None or (level, current) in known:
                return
            known.add((level, current))
            yield level, current
            resource = self._resources.get(level, current, Parts.PARENT)
            current = None if resource is None else resource.parent_id

    def _renew_lineage(self, instance: str, read: _Read, whole: bool, known: set[tuple[Level, str]]) -> None:
        """Write what a file tells of its instance, and of the ancestors that are not ``known`` yet."""
        for level, id in self._lineage(instance, known):
            metadata = _metadata(read.summary, whole) if level is Level.INSTANCE else None
            if not self._write(level, id, read, metadata):
                known.discard((level, id))  # for another file of it
                return

    def _renew_from_one_below(self, level: Level, id: str) -> _Read:
        """Write the main tags of a resource from one of its files; what that is.

        :raises UnknownResource: for an unknown resource, or where no file is kept
        """
        while True:
            read = self._read(self._files.locate_one_below(level, id), False)
            if read is not None and self._write(level, id, read):
                return read

    def _read(self, file: StoredFile, renew: bool) -> _Read | None:
        """What a file tells; None where it is replaced or deleted meanwhile.

        What replaces it is indexed, and stored, as today's options want it.

        :param renew: whether to read all of it, and to store it anew where today's options want it otherwise
        """
        try:
            return self._renew_file(file) if renew else _Read(self._summarize(file), file.attachment.uuid)
        except CorruptedFile:
            if self._is_current(file):
                raise
            return None

    def _is_current(self, file: StoredFile) -> bool:
        try:
            return self._files.locate(file.id).attachment.uuid == file.attachment.uuid
        except UnknownResource:
            return False

    def _summarize(self, file: StoredFile) -> DicomSummary:
        return self._summarizer.summarize(self._files.head(file), self._files.default_encoding)

    def _write(
        self,
        level: Level,
        id: str,
        read: _Read,
        metadata: Mapping[int, str | None] | None = None,
        new_file: Attachment | None = None,
    ) -> bool:
        """Write what was read to one resource, unless its file was replaced or deleted meanwhile.

        :param metadata: further system metadata to write; None to remove one
        :param new_file: what takes the place of the file
        """
        summary = read.summary
        return self._resources.reconstruct(
            level,
            id,
            summary.tags[level],
            main_sequences(summary.sequences[level], self._dictionary),
            self._main_tags.signatures[level],
            summary.tags[Level.PATIENT] if level is Level.STUDY else None,
            metadata,
            blob=read.blob,
            new_file=new_file,
        )

    def _renew_file(self, file: StoredFile) -> _Read | None:
        """Read the whole file, and store it anew where today's options want it otherwise."""
        old = file.attachment
        with self._files.content(file) as data:
            summary = self._summarizer.summarize(data, self._files.default_encoding)
            transcoded = self._transcoded(data, summary)
            if transcoded is not None:
                data, summary = transcoded
            elif old.compressed is self._options.compress:
                return _Read(summary, old.uuid)
            new = self._store(old, data)
        # Together: nobody may look for the pixel data of the new file at the offset of the old one.
        try:
            is_replaced = self._write(
                Level.INSTANCE, file.id, _Read(summary, old.uuid), _metadata(summary, True), new
            )
        except BaseException as exc:
            discard_blobs(self._blobs, [new.uuid], exc)
            raise
        remove_blobs(self._blobs, [old.uuid if is_replaced else new.uuid])
        return _Read(summary, new.uuid) if is_replaced else None

    def _transcoded(self, data: Buffer, summary: DicomSummary) -> tuple[Buffer, DicomSummary] | None:
        """The file in the transfer syntax of ``IngestTranscoding``, and its summary; None where it stays."""
        if self._transcoder is None or (new := self._transcoder(data, summary)) is None:
            return None
        changed = self._summarizer.summarize(new, self._files.default_encoding)
        # What is compressed with losses is another instance (PS3.3 C.12.4.1.3).
        return None if changed.sop_uid != summary.sop_uid else (new, changed)

    def _store(self, old: Attachment, content: Buffer) -> Attachment:
        """``content`` in a new blob that is described like ``old``."""
        options, size = self._options, len(content)
        pieces = (content[start : start + CHUNK] for start in range(0, size, CHUNK))
        if options.compress:
            uuid, stored, digest = compress(self._blobs, pieces, size, options.store_md5)
        else:
            uuid, stored, digest = write(self._blobs, pieces, options.store_md5)
        return replace(
            old,
            uuid=uuid,
            size=size,
            md5=md5_of(content) if options.store_md5 else "",
            stored_size=stored,
            stored_md5=digest,
            compressed=options.compress,
        )


def _metadata(summary: DicomSummary, whole: bool) -> Mapping[int, str | None]:
    """What a file tells among the metadata of its instance.

    :param whole: whether the summary is of the whole file, and so knows its pixel data
    """
    metadata: dict[int, str | None] = {
        Metadata.INDEX_IN_SERIES: summary.index_in_series,
        Metadata.TRANSFER_SYNTAX: summary.transfer_syntax,
        Metadata.SOP_CLASS_UID: summary.sop_class_uid,
    }
    if whole:
        offset = summary.pixel_data_offset
        metadata[Metadata.PIXEL_DATA_OFFSET] = None if offset is None else str(offset)
        metadata[Metadata.PIXEL_DATA_VR] = summary.pixel_data_vr
    return metadata
