"""Files with masked images, made before anything else is changed in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orthanclite.core.machine.buffers import SMALL_SIZE, Buffer
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.edit import EditedFile, EditPlan, TagPath, edit
from orthanclite.dicom.edit.pixels import masked_pixels
from orthanclite.dicom.pixels.masking.masks import Mask
from orthanclite.dicom.reading.dataset import DicomFile
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.imaging.transcoding import TranscodingService

_BURNED_IN = TagPath(0x00280301)


class FileMasker:
    """Masks whole files. Thread-safe.

    :param temporary_directory: None for that of the system
    """

    def __init__(
        self,
        transcoding: TranscodingService,
        dictionary: TagDictionary,
        temporary_directory: Path | None = None,
    ) -> None:
        self._transcoding = transcoding
        self._dictionary = dictionary
        self._temporary_directory = temporary_directory

    def masked(self, file: DicomFile, data: Buffer, masks: Sequence[Mask], is_clean: bool) -> Buffer:
        """A file with its pixels masked, all else as it is but for icons: they may show what is masked.

        :param file: ``data``, parsed to its end
        :param is_clean: whether it may say of itself that nothing burned in is left (BurnedInAnnotation)
        :raises OrthancError: as :meth:`.TranscodingService.mask`
        """
        made = self._transcoding.mask(data, masks)
        if made is None:
            return data
        pixels = masked_pixels(file, *made, self._dictionary)
        plan = EditPlan(replace={_BURNED_IN: "NO"} if is_clean else {}, remove_icons=True)
        return whole(edit(file, plan, self._dictionary, pixels=pixels), data, self._temporary_directory)


def whole(result: EditedFile, data: Buffer, temporary_directory: Path | None) -> Buffer:
    """The bytes of an edited file that was made from ``data``; a large one is mapped."""
    if len(data) <= SMALL_SIZE:
        return result.tobytes()
    return spooled(result, temporary_directory).whole()


def spooled(result: EditedFile, temporary_directory: Path | None) -> ScratchFile:
    """An edited file as a temporary file."""
    scratch = ScratchFile(temporary_directory, "edited")
    for piece in result.pieces():
        scratch.write(piece)
    return scratch
