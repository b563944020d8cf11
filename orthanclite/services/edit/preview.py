"""What an edit would change, told and not done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orthanclite.core.errors import OrthancError
from orthanclite.core.levels import Level
from orthanclite.core.text.fields import boolean_field
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.edit import EditPlan, edit
from orthanclite.dicom.edit.comparison import Comparison
from orthanclite.dicom.pixels.masking.masks import Mask
from orthanclite.dicom.reading.dataset import DataSet
from orthanclite.dicom.reading.parser import parse_whole
from orthanclite.services.content.files import InstanceFiles, StoredFile
from orthanclite.services.edit.batch import Edition
from orthanclite.services.edit.masking import whole
from orthanclite.services.edit.request.pixels import PixelRules
from orthanclite.services.edit.sources import Source

_FRAMES, _ROWS, _COLUMNS = 0x00280008, 0x00280010, 0x00280011

PREVIEWED_NAME = "Anonymized"
"""PatientName in a preview, where the edit would count up."""


def wants_preview(body: Mapping[str, Any]) -> bool:
    """Whether a request only asks what it would change (``DryRun``).

    :raises BadFileFormat: where that is no Boolean
    """
    return boolean_field(body, "DryRun")


class Previewer:
    """Tells what would become of instances. Thread-safe.

    :param temporary_directory: for large files; None for that of the system
    """

    def __init__(
        self, files: InstanceFiles, dictionary: TagDictionary, temporary_directory: Path | None = None
    ) -> None:
        self._files = files
        self._dictionary = dictionary
        self._temporary_directory = temporary_directory

    def of_source(self, id: str, source: Source | OrthancError, edition: Edition) -> dict[str, Any]:
        """What would become of an instance: its ``ID`` with ``Changes``, or why it is ``Dropped``, or the
        ``Error`` for which it would fail.
        """
        try:
            if isinstance(source, OrthancError):
                raise source
            ids = [source.ids.at(level) for level in Level]
            return self.of_file(source.file, edition.plan(source.identifiers), edition.pixels, ids)
        except OrthancError as exc:
            return {"ID": id, "Error": str(exc)}

    def of_file(
        self, stored: StoredFile, plan: EditPlan, pixels: PixelRules, ids: Sequence[str]
    ) -> dict[str, Any]:
        """
        :param ids: of the instance at all levels
        :raises OrthancError: for which it would fail
        """
        with self._files.content(stored) as data:
            file = parse_whole(data, self._dictionary)
            if reason := pixels.why_dropped(file.dataset):
                return {"ID": stored.id, "Dropped": reason}
            result = edit(file, plan, self._dictionary, self._files.default_encoding)
            after = parse_whole(whole(result, data, self._temporary_directory), self._dictionary)
            comparison = Comparison(self._dictionary, self._files.default_encoding)
            told: dict[str, Any] = {
                "ID": stored.id,
                "Changes": list(comparison.differences(file.dataset, after.dataset)),
            }
            masks = pixels.masks_of(ids)
            if masks and file.has_pixels:
                told["Masks"] = _masked(file.dataset, masks)
            return told


def _masked(dataset: DataSet, masks: Sequence[Mask]) -> list[dict[str, Any]]:
    """The masks, checked as far as can be done without looking at the pixels."""
    rows, columns = (
        int.from_bytes(dataset.raw(tag) or b"", "big" if dataset.big_endian else "little")
        for tag in (_ROWS, _COLUMNS)
    )
    frames = (dataset.raw(_FRAMES) or b"").strip(b" \0")
    for mask in masks:
        mask.check(rows, columns, max(1, int(frames)) if frames.isdigit() else 1)
    return [
        {
            "Rectangles": [list(rectangle) for rectangle in mask.rectangles],
            "Frames": "All" if mask.frames is None else sorted(mask.frames),
        }
        for mask in masks
    ]
