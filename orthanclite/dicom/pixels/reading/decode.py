"""Decoding one frame of a source to grayscale or RGB samples."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.core.errors import BadFileFormat, ParameterOutOfRange, UnsupportedMediaType
from orthanclite.dicom.encoding import UNCOMPRESSED_SYNTAXES
from orthanclite.dicom.pixels.reading.colour import apply_palette, ybr_to_rgb
from orthanclite.dicom.pixels.reading.description import GRAYSCALE, PixelDescription, Samples
from orthanclite.dicom.pixels.reading.native import decode_native
from orthanclite.dicom.pixels.reading.source import PixelSource


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame, ready to be shown: colour is always RGB."""

    samples: Samples  # (rows, columns) of any integer type, or (rows, columns, 3) of u1 or u2
    photometric: str  # MONOCHROME1, MONOCHROME2 or RGB
    bits_stored: int

    @property
    def is_colour(self) -> bool:
        return bool(self.samples.ndim == 3)


def decode_frame(source: PixelSource, index: int) -> Frame:
    """Decode one frame.

    :raises ParameterOutOfRange: for a frame that does not exist in an uncompressed image.
    :raises UnsupportedMediaType: for an image of a kind that cannot be decoded.
    :raises BadFileFormat: for a damaged image.
    """
    description = source.description
    is_native = source.transfer_syntax in UNCOMPRESSED_SYNTAXES
    if is_native and description.photometric.startswith("YBR_"):  # refused by the reference too
        raise UnsupportedMediaType(f"Uncompressed {description.photometric} is not supported")
    samples, photometric = decode_samples(source, index)
    if photometric in GRAYSCALE:
        return Frame(_single(samples, description), photometric, description.bits_stored)
    if photometric == "PALETTE COLOR":
        return Frame(apply_palette(source.header, _single(samples, description)), "RGB", 8)
    if description.samples != 3:
        raise UnsupportedMediaType(f"Unsupported photometric interpretation {photometric}")
    if photometric.startswith("YBR_"):
        samples = ybr_to_rgb(samples, photometric)
    elif photometric != "RGB":
        raise UnsupportedMediaType(f"Unsupported photometric interpretation {photometric}")
    return Frame(samples, "RGB", description.bits_stored)


def decode_samples(
    source: PixelSource, index: int, description: PixelDescription | None = None
) -> tuple[Samples, str]:
    """The sample values of one frame, and the photometric interpretation that they have now.

    :param description: how to read the values, where not as the header says.
    :raises ParameterOutOfRange: see :func:`decode_frame`.
    :raises UnsupportedMediaType: see :func:`decode_frame`.
    :raises BadFileFormat: see :func:`decode_frame`.
    """
    description = description or source.description
    try:
        data = source.frame_bytes(index)
    except ParameterOutOfRange as exc:
        if not source.encapsulated:
            raise
        raise BadFileFormat(exc.details) from exc  # the error of the reference's decoders
    if source.transfer_syntax in UNCOMPRESSED_SYNTAXES:
        if source.encapsulated:  # by which codec, nothing tells
            raise BadFileFormat("The pixel data is encapsulated, against its transfer syntax")
        native = decode_native(description, data, source.big_endian, source.bit_offset(index))
        return native, description.photometric
    if not source.encapsulated:
        raise BadFileFormat("The pixel data is not encapsulated as its transfer syntax demands")
    # imported here: the codecs are only loaded in the processes that may die of them
    from orthanclite.dicom.pixels.reading.codecs import decode_encoded

    return decode_encoded(description, data, source.transfer_syntax)


def _single(samples: Samples, description: PixelDescription) -> Samples:
    if description.samples != 1 or samples.ndim != 2:
        raise UnsupportedMediaType("A grayscale or palette image has one sample per pixel")
    return samples
