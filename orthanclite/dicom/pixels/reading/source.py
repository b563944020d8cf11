"""Opening an image: its header, and where its frames are, without reading them.

The file is memory-mapped, so that one frame of a large image costs the pages of that frame only.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from struct import unpack_from
from typing import IO, Any

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from orthanclite.core.errors import (
    BadFileFormat,
    CorruptedFile,
    NoPixelData,
    ParameterOutOfRange,
    UnsupportedMediaType,
)
from orthanclite.dicom.encoding import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    UNCOMPRESSED_SYNTAXES,
    UNDEFINED_LENGTH,
    Encoding,
    encoding_of,
    has_big_endian_pixels,
    has_long_length,
)
from orthanclite.dicom.pixels.reading.description import PixelDescription, describe
from orthanclite.dicom.pixels.reading.elscint import elscint_pixels
from orthanclite.dicom.pixels.reading.fragments import Fragments
from orthanclite.dicom.pixels.reading.native import swap_words
from orthanclite.dicom.pixels.syntaxes import VIDEO
from orthanclite.dicom.reading.header import read_header
from orthanclite.dicom.reading.inflation import inflate

_HEAD = 8192  # bytes within which the meta information ends in any reasonable file
NATIVE = UNCOMPRESSED_SYNTAXES - {DEFLATED_LITTLE_ENDIAN}
"""The transfer syntaxes in which pixels are as they are in memory, but for the order of bytes."""

_PIXEL_DATA = 0x7FE00010
_PIXEL_TAGS = (0x7FE00008, 0x7FE00009, _PIXEL_DATA)  # float, double float and integer pixels

READ_ERRORS: tuple[type[Exception], ...] = (
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OSError,
    AttributeError,
    NotImplementedError,
    RecursionError,
    ArithmeticError,
)
"""What pydicom raises for files that are not what they say."""


ImageData = Path | bytes | IO[bytes]
"""A file by its path, its content, or open: the last is left open, wherever it stands."""


@dataclass(frozen=True, slots=True)
class PixelPlace:
    """Where the pixels are in a file, and what they are."""

    transfer_syntax: str
    value_start: int  # offset of the pixel value
    value_length: int  # bytes there are, whatever the length field says
    vr: str
    description: PixelDescription

    @property
    def big_endian(self) -> bool:
        """Whether the pixels are in big endian words."""
        return has_big_endian_pixels(self.transfer_syntax, self.description.bits_allocated)

    def frame_count(self) -> int:
        """The number of frames declared, no more than the bytes can hold."""
        description = self.description
        return min(description.frames, max(1, self.value_length * 8 // description.frame_bits))


@dataclass(frozen=True, slots=True)
class PixelSource(PixelPlace):
    """An opened image. ``buffer`` is only valid within :func:`open_source`."""

    header: Dataset  # all elements before the pixel data
    buffer: Any  # bytes or mmap: the (inflated) file
    fragments: Fragments | None  # of encapsulated pixel data

    @property
    def encapsulated(self) -> bool:
        return self.fragments is not None

    def frame_count(self) -> int:
        """The number of frames declared, no more than the bytes can hold."""
        if self.encapsulated:
            return min(self.description.frames, max(1, self.value_length // 8))
        return PixelPlace.frame_count(self)

    def frame_bytes(self, index: int) -> bytes:
        """The bytes of one frame: native pixels in little endian 16-bit words, or an encoded bit stream.

        A native frame of one bit per pixel need not begin at a byte: see :meth:`bit_offset`.

        :raises ParameterOutOfRange: for a frame that the file does not have.
        :raises BadFileFormat: for damaged pixel data.
        """
        description = self.description
        if not 0 <= index < description.frames:
            raise ParameterOutOfRange(f"Frame {index} does not exist")
        if self.fragments is not None:
            return self._encapsulated_frame(self.fragments, index)
        first_bit = index * description.frame_bits
        start, end = first_bit // 8, (first_bit + description.frame_bits + 7) // 8
        if end > self.value_length:
            raise BadFileFormat("The pixel data is shorter than the image")
        if not (self.big_endian and self.vr == "OW"):
            return bytes(self.buffer[self.value_start + start : self.value_start + end])
        even = start & ~1  # an odd number of bytes per frame still lies in swapped pairs
        words = self.buffer[self.value_start + even : self.value_start + ((end + 1) & ~1)]
        return swap_words(bytes(words))[start - even : end - even]

    def bit_offset(self, index: int) -> int:
        """The first bit, within its first byte, of a native frame of one bit per pixel (PS3.5 8.1.1)."""
        return index * self.description.frame_bits % 8

    def _encapsulated_frame(self, fragments: Fragments, index: int) -> bytes:
        if not self.transfer_syntax.startswith(VIDEO):
            return fragments.frame(index)
        # A video is one bit stream, whatever its number of frames: it is returned as frame 0.
        if index > 0:
            raise ParameterOutOfRange("The frames of a video cannot be separated")
        return fragments.whole()


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as exc:  # it may have been deleted since it was found
        raise CorruptedFile(f"The stored file {path.name} cannot be opened: {exc.strerror}") from exc


@contextmanager
def buffer_of(data: ImageData) -> Iterator[bytes | mmap.mmap]:
    """The content of a file for the time of a ``with`` block, mapped where it is on the disk.

    :raises BadFileFormat: for an empty file.
    :raises CorruptedFile: where it cannot be opened.
    """
    if isinstance(data, bytes):
        yield data
        return
    with _opened(data) if isinstance(data, Path) else nullcontext(data) as file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as exc:  # an empty file cannot be mapped
            raise BadFileFormat("Empty file") from exc
        with mapped:
            yield mapped


@contextmanager
def open_source(data: ImageData, header_limit: int | None = None) -> Iterator[PixelSource]:
    """Open an image for the time of a ``with`` block.

    :param header_limit: bytes within which the header must end; bounds the work that a hostile header causes.
    :raises NoPixelData: where there is none.
    :raises UnsupportedMediaType: where it is of a kind that cannot be decoded.
    :raises BadFileFormat: where the header cannot be read.
    """
    with buffer_of(data) as buffer:
        yield locate(buffer, header_limit)


@contextmanager
def open_native(data: ImageData, header_limit: int) -> Iterator[PixelSource | None]:
    """Open an image if it is uncompressed and its header ends within ``header_limit`` bytes, else None.

    What comes out can be read without decoders, and in a time bounded by its size.
    """
    with ExitStack() as stack:
        try:
            buffer = stack.enter_context(buffer_of(data))
            native = read_header(buffer[:_HEAD]).transfer_syntax in NATIVE
            source = locate(buffer, header_limit) if native else None
        except (BadFileFormat, UnsupportedMediaType):
            source = None
        # What has no place of its own had to be unpacked; what is in fragments is not what its label says.
        yield None if source is None or source.encapsulated or not source.value_start else source


def transfer_syntax_of(data: ImageData) -> str:
    """The transfer syntax of a file, from its first bytes; empty where they are not DICOM."""
    try:
        with buffer_of(data) as buffer:
            head = buffer[:_HEAD]
    except BadFileFormat:  # empty
        return ""
    try:
        return read_header(head).transfer_syntax
    except BadFileFormat:
        return ""


def locate(buffer: Any, header_limit: int | None = None) -> PixelSource:
    """Read the header of the file in ``buffer`` and find its pixel data.

    :raises UnsupportedMediaType: see :func:`open_source`.
    """
    preceding = read_header(buffer)
    transfer_syntax, start = preceding.transfer_syntax, preceding.start
    if transfer_syntax == DEFLATED_LITTLE_ENDIAN:
        if header_limit is not None:
            raise UnsupportedMediaType("A deflated data set has no bounded header")
        buffer, start = inflate(buffer, start), 0
    encoding = encoding_of(transfer_syntax)
    end = len(buffer) if header_limit is None else min(len(buffer), start + header_limit)
    stream = BytesIO(memoryview(buffer)[start:end]) if header_limit is not None else _mapped(buffer, start)
    header = _read_header(stream, encoding)
    position = (
        stream.tell() if isinstance(buffer, mmap.mmap) and header_limit is None else start + stream.tell()
    )
    return _with_pixels(buffer, position, header, transfer_syntax, encoding)


def _mapped(buffer: Any, start: int) -> Any:
    if isinstance(buffer, mmap.mmap):
        buffer.seek(start)
        return buffer
    return BytesIO(memoryview(buffer)[start:])


def _read_header(stream: Any, encoding: Encoding) -> Dataset:
    """The elements before the pixel data; ``stream`` is left at the tag that ends them."""
    try:
        return read_dataset(
            stream,
            is_implicit_VR=not encoding.explicit,
            is_little_endian=not encoding.big_endian,
            stop_when=lambda tag, vr, length: tag in _PIXEL_TAGS,
        )
    except READ_ERRORS as exc:
        raise BadFileFormat(f"Cannot read the header: {exc}") from exc


def _with_pixels(
    buffer: Any, position: int, header: Dataset, transfer_syntax: str, encoding: Encoding
) -> PixelSource:
    found = pixel_element(bytes(buffer[position : position + 12]), position, encoding)
    if found is None:
        return _with_private_pixels(header)
    vr, start, length = found
    description = describe(header)
    fragments = None
    if length == UNDEFINED_LENGTH:
        table = header.get("ExtendedOffsetTable")
        extended = table if isinstance(table, bytes) else b""
        fragments = Fragments(buffer, start, len(buffer), description.frames, extended)
    length = min(length, len(buffer) - start)
    return PixelSource(transfer_syntax, start, length, vr, description, header, buffer, fragments)


def pixel_element(head: bytes, position: int, encoding: Encoding) -> tuple[str, int, int] | None:
    """VR, start and length of the pixel data whose head begins at ``position``; None for another element.

    :param head: twelve bytes from there, fewer only at the end of a file
    """
    order = ">" if encoding.big_endian else "<"
    if len(head) < 8 or unpack_from(order + "HH", head) != (0x7FE0, 0x0010):
        return None
    if not encoding.explicit:
        return "OW", position + 8, unpack_from(order + "I", head, 4)[0]
    vr = head[4:6].decode("latin-1")
    if has_long_length(head[4:6]) and len(head) == 12:
        return vr, position + 12, unpack_from(order + "I", head, 8)[0]
    return vr, position + 8, unpack_from(order + "H", head, 6)[0]


def _with_private_pixels(header: Dataset) -> PixelSource:
    if "Rows" in header:
        description = describe(header)
        pixels = elscint_pixels(header, description.pixels)
        if pixels is not None and (description.samples, description.bits_allocated) == (1, 16):
            length = len(pixels)
            return PixelSource(EXPLICIT_LITTLE_ENDIAN, 0, length, "OW", description, header, pixels, None)
    raise NoPixelData("The instance has no pixel data")
