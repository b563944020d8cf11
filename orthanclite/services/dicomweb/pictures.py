"""Instances as people look at them: pictures of frames, and what is no picture as it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO

from PIL import Image

from orthanclite.core.constants import Metadata
from orthanclite.core.errors import (
    IncompatibleImageFormat,
    NoPixelData,
    NotAcceptable,
    NotImplementedInServer,
    ParameterOutOfRange,
    UnknownResource,
    UnsupportedMediaType,
)
from orthanclite.core.model import Resource
from orthanclite.dicom.documents import document_of
from orthanclite.dicom.pixels.showing.formats import ImageFormat, encode_image
from orthanclite.dicom.pixels.showing.render import Mode, RenderOptions
from orthanclite.dicom.pixels.showing.symbols import Symbol, draw
from orthanclite.dicom.pixels.syntaxes import VIDEO, frame_media_type
from orthanclite.services.content.files import InstanceFiles, StoredFile
from orthanclite.services.content.pieces import Content
from orthanclite.services.content.unpacked import UnpackedFiles
from orthanclite.services.dicomweb.frames import FrameService
from orthanclite.services.imaging.images import Images

JPEG, PNG, GIF = "image/jpeg", "image/png", "image/gif"
PICTURES = (JPEG, PNG, GIF)

_DOCUMENTS = {
    "1.2.840.10008.5.1.4.1.1.104.1": "application/pdf",
    "1.2.840.10008.5.1.4.1.1.104.2": "text/xml",
    "1.2.840.10008.5.1.4.1.1.104.3": "model/stl",
}
"""The media types of encapsulated documents, by SOP class."""
_FRAMES_OF_GIF = 200
_LARGEST_SYMBOL = 512
"""Pixels along the sides of what is drawn."""
_CANNOT = (UnsupportedMediaType, NotImplementedInServer, IncompatibleImageFormat)


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is made."""

    media_type: str = JPEG
    quality: int = 90  # of JPEG, 1 to 100
    options: RenderOptions = field(default_factory=RenderOptions)


class PictureService:
    """Makes pictures. Thread-safe; blocks while a worker is at it."""

    def __init__(
        self, images: Images, files: InstanceFiles, unpacked: UnpackedFiles, frames: FrameService
    ) -> None:
        self._images = images
        self._files = files
        self._unpacked = unpacked
        self._frames = frames

    def natural_type(self, instance: Resource) -> str:
        """The media type that an instance is looked at in: of its video or document, else JPEG."""
        syntax = instance.system_metadata.get(Metadata.TRANSFER_SYNTAX, "")
        if syntax.startswith(VIDEO):
            return frame_media_type(syntax)
        return _DOCUMENTS.get(instance.system_metadata.get(Metadata.SOP_CLASS_UID, ""), JPEG)

    def frame_count(self, instance: Resource) -> int:
        """The number of frames.

        :raises UnknownResource: where there are none.
        """
        return self._frames.places(StoredFile.of(instance)).count

    def check(self, instance: Resource, frames: Sequence[int]) -> None:
        """:raises UnknownResource: for frames, counted from 0, that are not there."""
        count = self.frame_count(instance)
        if any(frame >= count for frame in frames):
            raise UnknownResource(f"There is no frame {max(frames) + 1}, but {count}")

    def picture(self, instance: Resource, frames: Sequence[int], look: Look) -> bytes:
        """A picture of a frame, or of several one after the other (GIF).

        :param frames: from 0
        :raises UnknownResource: for frames that are not there.
        :raises BadFileFormat: for a damaged image.
        :raises NotAcceptable: for an image of a kind that cannot be shown.
        """
        self.check(instance, frames)
        blob = self._unpacked.readable(StoredFile.of(instance)).local()
        format = ImageFormat.JPEG if look.media_type == JPEG else ImageFormat.PNG
        try:
            pictures = [
                self._images.picture(blob, frame, Mode.RENDERED, format, look.quality, look.options)
                for frame in frames[:_FRAMES_OF_GIF]
            ]
        except NoPixelData as exc:
            raise UnknownResource("The instance is no image") from exc
        except ParameterOutOfRange as exc:
            raise UnknownResource(exc.details) from exc
        except _CANNOT as exc:
            raise NotAcceptable(exc.details or exc.message) from exc
        return _gif(pictures) if look.media_type == GIF else pictures[0]

    def symbol(self, instance: Resource) -> Symbol | None:
        """What stands for an instance without a picture; None for one that should have some."""
        natural = self.natural_type(instance)
        if natural != JPEG:
            return Symbol.VIDEO if natural.startswith("video/") else Symbol.DOCUMENT
        try:
            self.frame_count(instance)
        except UnknownResource:
            return Symbol.DOCUMENT  # a report, a plan
        return None

    def drawn(self, symbol: Symbol, look: Look) -> bytes:
        """A symbol as a picture that fits into the viewport."""
        sides = [side for side in (look.options.width, look.options.height) if side]
        samples = draw(symbol, min(*sides, _LARGEST_SYMBOL))
        format = ImageFormat.JPEG if look.media_type == JPEG else ImageFormat.PNG
        picture = encode_image(samples, format, look.quality)
        return _gif([picture]) if look.media_type == GIF else picture

    def as_stored(self, instance: Resource) -> Content:
        """The video or the document that an instance holds, see :meth:`natural_type`.

        :raises UnknownResource: where it holds none.
        """
        file = StoredFile.of(instance)
        if file.transfer_syntax.startswith(VIDEO):
            return self._frames.in_syntax(file, 0, file.transfer_syntax)
        with self._files.parsed(file) as parsed:
            document = document_of(parsed.dataset)
        if document is None:
            raise UnknownResource("The instance holds no document")
        return Content.of(document)


def _gif(pictures: Sequence[bytes]) -> bytes:
    """Our own PNG files as one GIF."""
    images = [Image.open(BytesIO(picture)) for picture in pictures]
    output = BytesIO()
    images[0].save(output, "GIF", save_all=len(images) > 1, append_images=images[1:], duration=100, loop=0)
    return output.getvalue()
