"""What clients may say of a modification or an anonymisation, checked.

A request is kept as the JSON that the client sent, and read anew where it is needed: that of a job outlives
the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orthanclite.core.errors import BadFileFormat, BadRequest
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import IDENTIFIER_OF
from orthanclite.core.text.fields import boolean_field
from orthanclite.dicom.charsets import charset_of
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.edit import TagPath, parse_path
from orthanclite.dicom.pixels.syntaxes import is_transfer_syntax
from orthanclite.dicom.writing.from_json import JsonEncoder
from orthanclite.services.edit.request.deidentification import (
    Deidentification,
    DeidentificationReader,
    refuse_deidentification,
)
from orthanclite.services.edit.request.pixels import PixelRules, read_pixel_rules

_IDENTIFIERS = frozenset(IDENTIFIER_OF.values())

_MOST_TAGS = 10_000
"""Tags that a request may name: twice as many as the standard has (PS3.6)."""


@dataclass(frozen=True, slots=True)
class ModificationRequest:
    """A modification, or an anonymisation by a profile."""

    replace: Mapping[TagPath, Any]
    remove: frozenset[TagPath]
    keep: frozenset[TagPath]
    private_creator: str
    private_tags: bool
    """Whether private elements are left."""
    deidentification: Deidentification | None
    """How an anonymisation treats attributes; None for a modification."""
    transcode: str | None
    lossy_quality: int | None
    pixels: PixelRules = field(default_factory=PixelRules)

    @property
    def is_anonymization(self) -> bool:
        return self.deidentification is not None

    @property
    def key(self) -> bytes:
        """The secret key of a project that was named; empty for none."""
        return b"" if self.deidentification is None else self.deidentification.key

    @property
    def cleans_pixels(self) -> bool:
        """Whether the client promises that nothing burned in is left where pixels are masked."""
        return self.deidentification is not None and self.deidentification.cleans_pixels

    @property
    def is_customized(self) -> bool:
        """Whether an anonymisation is not just what its profile says."""
        return bool(self.replace or self.remove or self.keep or self.private_tags)

    def replaces(self, tag: int) -> bool:
        """Whether an attribute of the data set itself gets a new value."""
        return TagPath(tag) in self.replace and not self.keeps(tag)

    def keeps(self, tag: int) -> bool:
        return TagPath(tag) in self.keep

    def removes(self, tag: int) -> bool:
        return TagPath(tag) in self.remove and not self.keeps(tag)

    @property
    def replaced_level(self) -> Level | None:
        """The highest level whose identifier is replaced."""
        return next((level for level in Level if self.replaces(IDENTIFIER_OF[level])), None)


class RequestReader:
    """Reads requests.

    :param default_creator: of private elements (option ``DefaultPrivateCreator``)
    :param keys: the secret keys of projects, by their names
    """

    def __init__(
        self, dictionary: TagDictionary, default_creator: str = "", keys: Mapping[str, str] | None = None
    ) -> None:
        self._dictionary = dictionary
        self._default_creator = default_creator
        self._deidentifications = DeidentificationReader(keys or {})

    def modification(self, body: Mapping[str, Any]) -> ModificationRequest:
        """
        :raises BadRequest: for members of a wrong type, and for identifiers without ``Force``
        :raises BadFileFormat: for other members of a wrong type, and values that their VR cannot express
        :raises UnknownDicomTag: for a name that is no tag
        """
        refuse_deidentification(body)
        return self._read(body, None, not boolean_field(body, "RemovePrivateTags"))

    def anonymization(self, body: Mapping[str, Any]) -> ModificationRequest:
        """
        :raises ParameterOutOfRange: for an unknown ``DicomVersion``, option or key
        :raises OrthancError: as :meth:`modification`
        """
        deidentification = self._deidentifications.read(body)
        boolean_field(body, "KeepLabels")
        return self._read(body, deidentification, boolean_field(body, "KeepPrivateTags"))

    def unchecked(self, values: Mapping[str, Any], remove: Sequence[str]) -> ModificationRequest:
        """A modification that the server itself wants: of identifiers, too."""
        request = self._read({"Replace": values, "Force": True}, None, True)
        return replace(request, remove=frozenset(map(self._path, remove)))

    def _read(
        self, body: Mapping[str, Any], deidentification: Deidentification | None, private_tags: bool
    ) -> ModificationRequest:
        refuse_too_many(body)
        force = boolean_field(body, "Force")
        creator = _text(body, "PrivateCreator", self._default_creator)
        replaced = body.get("Replace", {})
        if not isinstance(replaced, dict):
            raise BadRequest
        replace = {self._path(name): value for name, value in replaced.items()}
        remove, keep = self._paths(body, "Remove"), self._paths(body, "Keep")
        if not force:
            for paths, word in ((remove, "removed"), (replace, "replaced"), (keep, "kept")):
                self._refuse_identifiers(paths, word)
        if any(path.tag in _IDENTIFIERS for path in remove if not path.steps):
            raise BadRequest("It is forbidden to remove one of the main Dicom identifiers")
        self._check_values(replace, creator)
        transcode = _text(body, "Transcode") if "Transcode" in body else None
        return ModificationRequest(
            replace,
            remove,
            keep,
            creator,
            private_tags,
            deidentification,
            transcode,
            _quality(body) if transcode is not None else None,
            read_pixel_rules(body),
        )

    def _path(self, text: str) -> TagPath:
        return parse_path(text, self._dictionary)

    def _paths(self, body: Mapping[str, Any], name: str) -> frozenset[TagPath]:
        listed = body.get(name, [])
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise BadRequest
        return frozenset(map(self._path, listed))

    def _refuse_identifiers(self, paths: Iterable[TagPath], word: str) -> None:
        for path in paths:
            if path.tag in _IDENTIFIERS and not path.steps:
                name = self._dictionary.name(path.tag)
                raise BadRequest(
                    f'Marking tag "{name}" as to be {word} requires the "Force" option to be set to true'
                )

    def _check_values(self, replace: Mapping[TagPath, Any], creator: str) -> None:
        """Notice before anything is changed what cannot be written."""
        encoder = JsonEncoder(self._dictionary, charset_of("ISO_IR 192"), creator, interpret_text=False)
        for path, value in replace.items():
            encoder.element(path.tag, value)


def refuse_too_many(body: Mapping[str, Any]) -> None:
    """
    :raises BadRequest: for a request that names more tags than anybody needs: each costs time in each file
    """
    named = (body.get(member) for member in ("Replace", "Remove", "Keep"))
    if sum(len(tags) for tags in named if isinstance(tags, (dict, list))) > _MOST_TAGS:
        raise BadRequest(f"A request may name {_MOST_TAGS} tags")


def refuse_unknown_syntax(request: ModificationRequest) -> None:
    """Notice before a job begins that it could transcode nothing.

    :raises BadFileFormat: for an unknown transfer syntax
    """
    if request.transcode is not None and not is_transfer_syntax(request.transcode):
        raise BadFileFormat(f"Unknown transfer syntax UID: {request.transcode}")


def _text(body: Mapping[str, Any], name: str, default: str = "") -> str:
    value = body.get(name, default)
    if not isinstance(value, str):
        raise BadFileFormat(f"String value expected in field: {name}")
    return value


def _quality(body: Mapping[str, Any]) -> int | None:
    if "LossyQuality" not in body:
        return None
    value = body["LossyQuality"]
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadFileFormat("Integer value expected in field: LossyQuality")
    return value
