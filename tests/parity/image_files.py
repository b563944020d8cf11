"""Images of every kind that the image routes tell apart, and their encodings by DCMTK.

The names are known without making anything, so that they can be the parameters of tests.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom.data
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGLosslessSV1

from tests.parity.made import blank, file_of

Pixels = np.ndarray

ROWS, COLUMNS = 21, 34


def ramp() -> Pixels:
    """Values from 0 to 4095 with edges, in a picture of odd size."""
    values = np.add.outer(np.arange(ROWS) * 97, np.arange(COLUMNS) * 59) % 4096
    values[5:9, 10:20] = 3000
    return values


def image(name: str, pixels: Pixels, stored: int = 0, frames: int = 1, **attributes: object) -> Dataset:
    """A secondary capture of ``pixels``, shaped (frames,) rows, columns (, 3)."""
    dataset = blank(f"image-{name}")
    shape = pixels.shape[1:] if frames > 1 else pixels.shape
    colour = len(shape) == 3
    if frames > 1:
        dataset.NumberOfFrames = frames
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = shape[:2]
    dataset.BitsAllocated = pixels.itemsize * 8
    dataset.BitsStored = stored or pixels.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    content = pixels.tobytes()
    vr = "OB" if pixels.itemsize == 1 else "OW"
    dataset.add_new(0x7FE00010, vr, content + b"\0" * (len(content) % 2))
    return dataset


def _grey8() -> Dataset:
    return image("grey8", (ramp() // 16).astype("<u1"))


def _inverted8() -> Dataset:
    return image("inverted8", (ramp() // 16).astype("<u1"), PhotometricInterpretation="MONOCHROME1")


def _signed8() -> Dataset:
    return image("signed8", (ramp() // 16 - 128).astype("<i1"))


def _grey12() -> Dataset:
    return image("grey12", ramp().astype("<u2"), 12)


def _signed12() -> Dataset:
    # the upper bits are clear, so that the sign has to be extended from BitsStored
    return image("signed12", ((ramp() - 2000) & 0xFFF).astype("<u2"), 12, PixelRepresentation=1)


def _shifted12() -> Dataset:
    return image("shifted12", (ramp() << 4).astype("<u2"), 12, HighBit=15)


def _grey16() -> Dataset:
    return image("grey16", (ramp() * 16 + 5).astype("<u2"))


def _inverted16() -> Dataset:
    return image("inverted16", ramp().astype("<u2"), 16, PhotometricInterpretation="MONOCHROME1")


def _signed16() -> Dataset:
    return image("signed16", (ramp() * 16 - 32768).astype("<i2"))


def _constant() -> Dataset:
    return image("constant", np.full((ROWS, COLUMNS), 700, "<u2"))


def _window() -> Dataset:
    pixels = (ramp() - 1000).astype("<i2")
    return image("window", pixels, WindowCenter=["40.5", "600"], WindowWidth=["400.25", "2000"])


def _rescaled() -> Dataset:
    pixels = ramp().astype("<u2")
    dataset = image("rescaled", pixels, 12, RescaleIntercept="-1024", RescaleSlope="2")
    dataset.WindowCenter, dataset.WindowWidth = "40", "400"
    return dataset


def _dose() -> Dataset:
    dose = "1.2.840.10008.5.1.4.1.1.481.2"
    return image("dose", ramp().astype("<u2"), RescaleIntercept="-3", RescaleSlope="2", SOPClassUID=dose)


def _frames16() -> Dataset:
    values = ramp()
    pixels = np.stack([values, values[::-1], values // 2]).astype("<u2")
    return image("frames16", pixels, 12, frames=3)


def _bits() -> Dataset:
    bits = np.stack([ramp() % 3 == 0, ramp() % 5 == 0, ramp() % 7 == 0]).astype(np.uint8)
    packed = np.packbits(bits.reshape(-1), bitorder="little")
    dataset = image("bits", bits, frames=3, BitsAllocated=1, BitsStored=1, HighBit=0)
    dataset.add_new(0x7FE00010, "OB", packed.tobytes() + b"\0" * (packed.size % 2))
    return dataset


def _colour() -> Pixels:
    values = ramp() // 16
    return np.stack([values, 255 - values, values[::-1]], axis=-1).astype("<u1")


def _rgb8() -> Dataset:
    return image("rgb8", _colour())


def _planar8() -> Dataset:
    dataset = image("planar8", _colour(), PlanarConfiguration=1)
    content = np.ascontiguousarray(_colour().transpose(2, 0, 1)).tobytes()
    dataset.add_new(0x7FE00010, "OB", content + b"\0" * (len(content) % 2))
    return dataset


def _rgb_frames() -> Dataset:
    return image("rgb-frames", np.stack([_colour(), 255 - _colour()]), frames=2)


def _rgb16() -> Dataset:
    return image("rgb16", _colour().astype("<u2") * 257)


def _ybr() -> Dataset:
    return image("ybr", _colour(), PhotometricInterpretation="YBR_FULL")


def _palette(bits: int) -> Dataset:
    index = (ramp() // 16).astype("<u1") if bits == 8 else (ramp() % 1024).astype("<u2")
    entries = 256 if bits == 8 else 1024
    dataset = image(f"palette{bits}", index, PhotometricInterpretation="PALETTE COLOR")
    steps = np.arange(entries) * (65535 // entries)
    for number, channel in enumerate(("Red", "Green", "Blue")):
        table = np.roll(steps, number * entries // 3).astype("<u2")
        setattr(dataset, f"{channel}PaletteColorLookupTableDescriptor", [entries, 0, 16])
        setattr(dataset, f"{channel}PaletteColorLookupTableData", table.tobytes())
    return dataset


def _per_frame() -> Dataset:
    dataset = image("per-frame", np.stack([ramp(), ramp()]).astype("<u2"), 12, frames=2)
    groups = []
    for center, width, slope in ((500, 1000, 1), (3000, 2000, 2)):
        window, values, group = Dataset(), Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = center, width
        values.RescaleIntercept, values.RescaleSlope, values.RescaleType = 0, slope, "US"
        group.FrameVOILUTSequence = Sequence([window])
        group.PixelValueTransformationSequence = Sequence([values])
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    return dataset


def _elscint() -> Dataset:
    """Pixels in private elements: differences, whole values where these are too large, and runs."""
    values = ramp().reshape(-1).tolist()
    packed, last = bytearray(), 0
    for value in values:
        change = value - last
        if -128 <= change < 128 and change & 0xFF not in (0x5A, 0xA5):
            packed.append(change & 0xFF)
        else:
            packed += bytes((0x5A, value & 0xFF, value >> 8))
        last = value
    coded = bytearray()
    for byte, run in itertools.groupby(packed):
        count = len(list(run))
        coded += bytes((0xA5, count - 1, byte)) if count > 3 or byte == 0xA5 else bytes([byte]) * count
    dataset = image("elscint", ramp().astype("<u2"), 12)
    del dataset.PixelData
    block = dataset.private_block(0x07A1, "ELSCINT1", create=True)
    block.add_new(0x11, "CS", "PMSCT_RLE1")
    block.add_new(0x0A, "OB", bytes(coded) + b"\0" * (len(coded) % 2))
    return dataset


MADE: dict[str, Callable[[], Dataset]] = {
    "grey8": _grey8,
    "inverted8": _inverted8,
    "signed8": _signed8,
    "grey12": _grey12,
    "signed12": _signed12,
    "shifted12": _shifted12,
    "grey16": _grey16,
    "inverted16": _inverted16,
    "signed16": _signed16,
    "constant": _constant,
    "window": _window,
    "rescaled": _rescaled,
    "dose": _dose,
    "frames16": _frames16,
    "bits": _bits,
    "rgb8": _rgb8,
    "planar8": _planar8,
    "rgb-frames": _rgb_frames,
    "rgb16": _rgb16,
    "ybr": _ybr,
    "palette8": lambda: _palette(8),
    "palette16": lambda: _palette(16),
    "per-frame": _per_frame,
    "elscint": _elscint,
}
"""Uncompressed images, by name."""

_GREY = ("grey8", "inverted8", "grey12", "grey16", "inverted16", "signed16", "window", "rescaled", "frames16")
_COLOUR = ("rgb8", "planar8", "rgb-frames")
_LOSSY = ("grey8", "inverted8", "rgb8", "planar8", "rgb-frames")

ENCODED: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "implicit": (["dcmconv", "+ti"], tuple(MADE)),
    "big-endian": (["dcmconv", "+tb"], tuple(MADE)),
    "deflated": (["dcmconv", "+td"], ("grey8", "signed16", "frames16", "rgb8", "bits")),
    "rle": (["dcmcrle"], (*_GREY, *_COLOUR, "signed8", "palette8", "constant")),
    "jpeg-lossless": (["dcmcjpeg", "+el"], (*_GREY, *_COLOUR)),
    "jpeg-sv1": (["dcmcjpeg", "+e1"], (*_GREY, *_COLOUR, "palette8", "signed8", "shifted12")),
    "jpeg-fragments": (["dcmcjpeg", "+e1", "+fs", "1"], ("grey16", "frames16")),
    "jpeg-no-offsets": (["dcmcjpeg", "+e1", "-ot"], ("grey16", "frames16", "rgb-frames")),
    "jpeg-baseline": (["dcmcjpeg", "+eb", "+un"], _LOSSY),
    "jpeg-rgb": (["dcmcjpeg", "+eb", "+cr", "+un"], ("rgb8",)),
    "jpeg-444": (["dcmcjpeg", "+eb", "+s4", "+un"], ("rgb8", "planar8")),
    "jpeg-extended": (["dcmcjpeg", "+ee", "+un"], ("grey8", "grey12", "frames16")),
    "jpeg-spectral": (["dcmcjpeg", "+es", "+un"], ("grey8", "rgb8")),
    "jpeg-progressive": (["dcmcjpeg", "+ep", "+un"], ("grey8", "rgb8")),
    "jpegls": (["dcmcjpls", "+el"], (*_GREY, *_COLOUR, "palette8", "constant")),
    "jpegls-lossy": (["dcmcjpls", "+en", "+md", "2"], ("grey8", "grey12", "grey16", "rgb8", "frames16")),
}
"""By encoding: the command of DCMTK, and the images that it is given."""

HTJ2K = {"grey16": "201", "signed16": "201", "rgb8": "202", "frames16": "202", "grey8": "203"}
"""Images as High-Throughput JPEG 2000, and the end of their transfer syntax; see htj2k/README.md."""

OFFSET_TABLES: dict[str, Callable[[list[int]], list[int]]] = {
    "empty": lambda offsets: [],
    "zeros": lambda offsets: [0 for _ in offsets],
    "one-entry": lambda offsets: offsets[:1],
    "descending": lambda offsets: offsets[::-1],
    "beyond-the-end": lambda offsets: [0, *(offset + 10_000_000 for offset in offsets[1:])],
    "from-elsewhere": lambda offsets: [offset + 1000 for offset in offsets],
    "without-item-heads": lambda offsets: [offset - 8 * index for index, offset in enumerate(offsets)],
    "shifted": lambda offsets: [*offsets[1:], offsets[-1] + 8],
    "too-many": lambda offsets: [*offsets, offsets[-1] + 8, 0],
}
"""What writers have made of the offset table of three frames in three fragments."""

DCMTK = shutil.which("dcmcjpls") is not None


def bundled_names() -> list[str]:
    """The files that come with pydicom, but for directories, texts and a large study of empty instances."""
    root = Path(pydicom.data.__file__).parent / "test_files"
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    names = (str(path.relative_to(root)) for path in files if path.suffix in ("", ".dcm"))
    return [name for name in names if "DICOMDIR" not in name and "TINY_ALPHA" not in name]


def names() -> list[str]:
    """All images: ``bundled:...``, ``made:...`` and ``encoding:...``."""
    found = [f"bundled:{name}" for name in bundled_names()] + [f"made:{name}" for name in MADE]
    found += [f"htj2k:{name}" for name in HTJ2K]
    if DCMTK:
        found += [f"{encoding}:{name}" for encoding, (_, wanted) in ENCODED.items() for name in wanted]
        found += [f"offset-table:{name}" for name in OFFSET_TABLES] + ["native-label:frames16"]
    return found


@cache
def content(name: str) -> bytes:
    """The file of that name."""
    kind, _, rest = name.partition(":")
    if kind == "bundled":
        return (Path(pydicom.data.__file__).parent / "test_files" / rest).read_bytes()
    if kind == "htj2k":
        return _htj2k(rest)
    if kind == "offset-table":
        return _with_offsets(OFFSET_TABLES[rest])
    if kind == "native-label":
        return _with_offsets(OFFSET_TABLES["empty"], ExplicitVRLittleEndian)
    plain = file_of(MADE[rest]())
    return plain if kind == "made" else _converted(plain, ENCODED[kind][0])


def _htj2k(name: str) -> bytes:
    dataset = MADE[name]()
    streams = sorted((Path(__file__).parent / "htj2k").glob(f"{name}-*.j2c"))
    dataset.PixelData = encapsulate([stream.read_bytes() for stream in streams])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    if dataset.SamplesPerPixel == 3:
        dataset.PhotometricInterpretation = "YBR_RCT"
    return file_of(dataset, UID(f"1.2.840.10008.1.2.4.{HTJ2K[name]}"))


def _with_offsets(wrong: Callable[[list[int]], list[int]], label: UID = JPEGLosslessSV1) -> bytes:
    """Three frames in three fragments, with an offset table that is not theirs."""
    dataset = pydicom.dcmread(BytesIO(content("jpeg-sv1:frames16")))
    frames = [frame + b"\0" * (len(frame) % 2) for frame in generate_frames(dataset.PixelData)]
    sizes = [8 + len(frame) for frame in frames]
    table = b"".join(offset.to_bytes(4, "little") for offset in wrong([0, *itertools.accumulate(sizes[:-1])]))
    items = (b"\xfe\xff\x00\xe0" + len(one).to_bytes(4, "little") + one for one in (table, *frames))
    del dataset.PixelData
    head = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
    return file_of(dataset, label) + head + b"".join(items) + b"\xfe\xff\xdd\xe0\0\0\0\0"


def _converted(data: bytes, command: list[str]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source", Path(folder) / "target"
        source.write_bytes(data)
        subprocess.run([*command, str(source), str(target)], check=True, capture_output=True, timeout=60)
        return target.read_bytes()
