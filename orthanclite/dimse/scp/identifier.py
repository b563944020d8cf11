"""The identifiers of C-FIND, C-MOVE and C-GET (PS3.4 annexes C and K), and other data sets of requests."""

from __future__ import annotations

from orthanclite.core.errors import BadFileFormat
from orthanclite.dicom.attributes import Attribute, read_attributes
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.reading.dataset import dataset_charset
from orthanclite.dicom.reading.parser import parse_dataset
from orthanclite.dimse.conversation import Message
from orthanclite.services.server.runtime import RuntimeOptions


class Identifiers:
    """Reads what requests bring along."""

    def __init__(self, dictionary: TagDictionary, runtime: RuntimeOptions) -> None:
        self._dictionary = dictionary
        self._runtime = runtime

    def read(self, request: Message) -> dict[int, Attribute]:
        """The attributes of a request's data set.

        :raises BadFileFormat: for bytes that are no data set, or one without attributes.
        """
        dataset = parse_dataset(request.data, request.context.transfer_syntax, self._dictionary)
        charset = dataset_charset(dataset, self._runtime.default_encoding.name)
        attributes = read_attributes(dataset, charset, self._dictionary)
        if not attributes:
            raise BadFileFormat("An identifier without attributes")
        return attributes
