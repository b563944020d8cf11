"""Masked images: inside of the rectangles every sample has the new value, outside each is what it was."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from orthanclite.core.errors import (
    BadFileFormat,
    NotImplementedInServer,
    OrthancError,
    ParameterOutOfRange,
    UnsupportedMediaType,
)
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.edit import EditPlan, edit
from orthanclite.dicom.edit.pixels import masked_pixels
from orthanclite.dicom.pixels.masking.files import mask_pixels, mask_task
from orthanclite.dicom.pixels.masking.masks import Mask, MaskedPixels
from orthanclite.dicom.pixels.reading.decode import decode_samples
from orthanclite.dicom.pixels.reading.source import open_source
from orthanclite.dicom.pixels.writing.transcode import transcode
from orthanclite.dicom.reading.parser import parse_whole
from tests.dicom.dicom_builder import (
    DEFLATED_LE,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    deflate,
    element,
    file_of,
    item,
    minimal,
)

DICTIONARY = TagDictionary.build()
PREFIX = "1.2.840.10008.1.2"
RLE, BASELINE, EXTENDED = f"{PREFIX}.5", f"{PREFIX}.4.50", f"{PREFIX}.4.51"
LOSSLESS = (RLE, f"{PREFIX}.4.57", f"{PREFIX}.4.70", f"{PREFIX}.4.80", f"{PREFIX}.4.90")
NEAR, J2K = f"{PREFIX}.4.81", f"{PREFIX}.4.91"


def masked(data: bytes, masks: Sequence[Mask]) -> bytes:
    """The file with its masked pixel data, as the server puts it together."""
    with tempfile.TemporaryFile() as result, tempfile.TemporaryFile() as spool:
        found = mask_pixels(data, masks, DICTIONARY, result, spool)
        assert found is not None
        found = MaskedPixels.of(found.tojson())
        assert found is not None
        result.seek(0)
        file = parse_whole(data, DICTIONARY)
        pixels = masked_pixels(file, found, result.read(), DICTIONARY)
    return edit(file, EditPlan(remove_icons=True), DICTIONARY, pixels=pixels).tobytes()


def words(syntax: str, *values: int) -> bytes:
    return struct.pack((">" if syntax == EXPLICIT_BE else "<") + f"{len(values)}H", *values)


def image(
    syntax: str,
    pixels: bytes,
    rows: int,
    columns: int,
    *,
    bits: int = 8,
    stored: int | None = None,
    high: int | None = None,
    signed: bool = False,
    samples: int = 1,
    photometric: str = "MONOCHROME2",
    planar: int = 0,
    frames: int = 1,
    vr: str = "OW",
    extra: dict[int, bytes] | None = None,
) -> bytes:
    stored = stored or bits
    high = stored - 1 if high is None else high
    values = {
        0x00280002: ("US", words(syntax, samples)),
        0x00280004: ("CS", photometric.encode() + b" " * (len(photometric) % 2)),
        0x00280006: ("US", words(syntax, planar)),
        0x00280008: ("IS", f"{frames:>2}".encode()),
        0x00280010: ("US", words(syntax, rows)),
        0x00280011: ("US", words(syntax, columns)),
        0x00280100: ("US", words(syntax, bits)),
        0x00280101: ("US", words(syntax, stored)),
        0x00280102: ("US", words(syntax, high)),
        0x00280103: ("US", words(syntax, int(signed))),
        0x7FE00010: (vr, pixels + b"\0" * (len(pixels) % 2)),
    }
    encoded = {tag: element(tag, vr, value, syntax) for tag, (vr, value) in values.items()}
    dataset = minimal(syntax, encoded | (extra or {}))
    return deflate(dataset) if syntax == DEFLATED_LE else file_of(dataset, syntax)


def frames_of(data: bytes) -> list[Any]:
    with open_source(data) as source:
        return [decode_samples(source, index)[0] for index in range(source.frame_count())]


def read(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def check(before: bytes, after: bytes, masks: Sequence[Mask], fill: Any) -> None:
    """Compare sample by sample."""
    old, new = frames_of(before), frames_of(after)
    assert len(old) == len(new)
    for index, (one, other) in enumerate(zip(old, new, strict=True)):
        expected = one.copy()
        for mask in masks:
            for left, top, width, height in mask.rectangles:
                if mask.frames is None or index in mask.frames:
                    expected[top : top + height, left : left + width] = fill
        assert np.array_equal(expected, other)


rectangle = st.builds(
    lambda x0, x1, y0, y1: (min(x0, x1), min(y0, y1), abs(x1 - x0) + 1, abs(y1 - y0) + 1),
    *[st.integers(0, 6), st.integers(0, 6), st.integers(0, 4), st.integers(0, 4)],
)
"""Within 7x5 pixels."""
mask_lists = st.lists(
    st.builds(
        lambda rectangles, frames: Mask(tuple(rectangles), frames),
        st.lists(rectangle, min_size=1, max_size=2),
        st.one_of(st.none(), st.frozensets(st.integers(0, 2), max_size=2)),
    ),
    min_size=1,
    max_size=2,
)
ROWS, COLUMNS, FRAMES = 5, 7, 3

KINDS: dict[str, tuple[dict[str, Any], Any]] = {
    "grey8": ({"bits": 8}, 0),
    "inverted8": ({"bits": 8, "photometric": "MONOCHROME1"}, 255),
    "grey12": ({"bits": 16, "stored": 12}, 0),
    "inverted12": ({"bits": 16, "stored": 12, "photometric": "MONOCHROME1"}, 4095),
    "high bits": ({"bits": 16, "stored": 12, "high": 15, "photometric": "MONOCHROME1"}, 4095),
    "signed16": ({"bits": 16, "signed": True}, -32768),
    "signed12": ({"bits": 16, "stored": 12, "signed": True}, -2048),
    "grey32": ({"bits": 32}, 0),
    "palette": ({"bits": 8, "photometric": "PALETTE COLOR"}, 0),
    "rgb": ({"bits": 8, "samples": 3, "photometric": "RGB"}, (0, 0, 0)),
    "rgb planes": ({"bits": 8, "samples": 3, "photometric": "RGB", "planar": 1}, (0, 0, 0)),
    "rgb16": ({"bits": 16, "samples": 3, "photometric": "RGB"}, (0, 0, 0)),
    "ybr": ({"bits": 8, "samples": 3, "photometric": "YBR_FULL"}, (0, 128, 128)),
    "bits": ({"bits": 1}, 0),
}


def noise(options: dict[str, Any], pixels: int = ROWS * COLUMNS) -> bytes:
    size = pixels * FRAMES * options.get("samples", 1) * options["bits"]
    return np.random.default_rng(7).integers(0, 256, (size + 7) // 8, np.uint8).tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE, DEFLATED_LE])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(masks=mask_lists)
def test_native_images(syntax: str, kind: str, masks: list[Mask]) -> None:
    options, fill = KINDS[kind]
    data = image(syntax, noise(options), ROWS, COLUMNS, frames=FRAMES, **options)
    after = masked(data, masks)
    check(data, after, masks, fill)
    assert read(after).file_meta.TransferSyntaxUID == syntax
    assert len(read(after).PixelData) == len(read(data).PixelData)


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, EXPLICIT_BE])
def test_what_is_not_masked_stays_byte_for_byte(syntax: str) -> None:
    options, _ = KINDS["grey12"]
    pixels = noise(options)
    data = image(syntax, pixels, ROWS, COLUMNS, frames=FRAMES, **options)
    after = masked(data, [Mask(((6, 4, 1, 1),), frozenset({2}))])
    # The last pixel of all, its unused bits included, and nothing else.
    assert data.endswith(pixels)
    assert after[-len(pixels) :] == pixels[:-2] + b"\0\0"
    start = data.index(element(0x00280002, "US", words(syntax, 1), syntax))
    assert data[start : -len(pixels)] in after


def test_subsampled_colour_goes_by_pairs_of_pixels() -> None:
    pixels = noise({"bits": 8, "samples": 2})[: 5 * 8 * 2]
    data = image(EXPLICIT_LE, pixels, 5, 8, samples=3, photometric="YBR_FULL_422", vr="OB")
    after = read(masked(data, [Mask(((3, 1, 2, 2),))])).PixelData
    before = np.frombuffer(pixels, np.uint8).reshape(5, 4, 4).copy()
    before[1:3, 1:3] = (0, 0, 128, 128)
    assert after == before.tobytes()


@pytest.mark.parametrize(("tag", "vr", "kind"), [(0x7FE00008, "OF", "f4"), (0x7FE00009, "OD", "f8")])
@pytest.mark.parametrize("syntax", [EXPLICIT_LE, EXPLICIT_BE])
def test_floats(tag: int, vr: str, kind: str, syntax: str) -> None:
    order = ">" if syntax == EXPLICIT_BE else "<"
    pixels = np.random.default_rng(1).normal(size=(2, 5, 7)).astype(order + kind)
    data = image(syntax, b"", 5, 7, frames=2, bits=32)
    tags = {0x00280010: element(0x00280010, "US", words(syntax, 5), syntax)}
    tags[0x00280011] = element(0x00280011, "US", words(syntax, 7), syntax)
    tags[tag] = element(tag, vr, pixels.tobytes(), syntax)
    data = file_of(minimal(syntax, tags), syntax)
    after = masked(data, [Mask(((1, 2, 3, 2),), frozenset({1}), (1.5,))])
    pixels[1, 2:4, 1:4] = 1.5
    assert after.endswith(pixels.tobytes())


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("bits", "grey32", "high bits")])
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(masks=mask_lists)
def test_compressed_images_without_loss(syntax: str, kind: str, masks: list[Mask]) -> None:
    options, fill = KINDS[kind]
    # The encoder of JPEG 2000 cannot write all kinds of tiny images.
    rows, columns = (36, 40) if syntax == LOSSLESS[-1] else (ROWS, COLUMNS)
    pixels = noise(options, rows * columns)
    native = image(EXPLICIT_LE, pixels, rows, columns, frames=FRAMES, **options)
    data = transcode(native, syntax, dictionary=DICTIONARY)
    after = masked(data, masks)
    check(data, after, masks, fill)
    assert read(after).file_meta.TransferSyntaxUID == syntax
    assert read(after).get("LossyImageCompression") == read(data).get("LossyImageCompression")


def test_what_our_encoder_cannot_write_becomes_uncompressed() -> None:
    """A tiny image of JPEG 2000, with a sign: others may write such."""
    options = {"bits": 16, "signed": True}
    pixels = noise(options, 36 * 40)
    native = image(EXPLICIT_LE, pixels, 36, 40, frames=FRAMES, **options)
    data = transcode(native, LOSSLESS[-1], dictionary=DICTIONARY)
    masks = [Mask(((3, 5, 20, 10),), frozenset({1}))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orthanclite.dicom.pixels.writing.encoders._MIN_SIDE", 64)
        after = masked(data, masks)
    check(data, after, masks, -32768)
    assert read(after).file_meta.TransferSyntaxUID == EXPLICIT_LE


def large(kind: str = "grey8") -> bytes:
    """Three frames of 64x48 that a lossy encoder does not find too small."""
    options, _ = KINDS[kind]
    count = options.get("samples", 1)
    picture = np.add.outer(np.arange(48) * 3, np.arange(64) * 2 * count // count) % 256
    frames = np.stack([picture + index for index in range(3)]).astype("u1" if options["bits"] == 8 else "<u2")
    pixels = np.repeat(frames[..., None], count, axis=3)
    return image(EXPLICIT_LE, pixels.tobytes(), 48, 64, frames=3, **options)


@pytest.mark.parametrize("kind", ["grey8", "rgb", "grey12"])
@pytest.mark.parametrize("syntax", [NEAR, J2K])
def test_syntaxes_that_allow_either_lose_nothing_more(syntax: str, kind: str) -> None:
    data = transcode(large(kind), syntax, dictionary=DICTIONARY)
    masks = [Mask(((3, 5, 20, 10),), frozenset({1}))]
    after = masked(data, masks)
    check(data, after, masks, KINDS[kind][1])
    assert read(after).file_meta.TransferSyntaxUID == syntax
    assert read(after).LossyImageCompression == "01"


def test_frames_that_are_not_touched_keep_their_bit_streams() -> None:
    data = transcode(large(), J2K, dictionary=DICTIONARY)
    after = masked(data, [Mask(((3, 5, 20, 10),), frozenset({1}))])
    with open_source(data) as old, open_source(after) as new:
        same = [old.frame_bytes(index) == new.frame_bytes(index) for index in range(3)]
    assert same == [True, False, True]


@pytest.mark.parametrize(("kind", "syntax"), [("grey8", BASELINE), ("rgb", BASELINE), ("grey12", EXTENDED)])
def test_lossy_syntaxes_become_uncompressed_as_decoded(kind: str, syntax: str) -> None:
    data = transcode(large(kind), syntax, dictionary=DICTIONARY)
    masks = [Mask(((3, 5, 20, 10),), frozenset({1}))]
    after = masked(data, masks)
    check(data, after, masks, KINDS[kind][1])
    found = read(after)
    assert found.file_meta.TransferSyntaxUID == EXPLICIT_LE
    assert found.LossyImageCompression == "01"
    assert found.PhotometricInterpretation == ("RGB" if kind == "rgb" else "MONOCHROME2")


@pytest.mark.parametrize(
    ("kind", "value", "fill"),
    [
        ("grey8", (200,), 200),
        ("signed12", (-5,), -5),
        ("rgb", (1, 2, 3), (1, 2, 3)),
        ("rgb planes", (1, 2, 3), (1, 2, 3)),
        ("ybr", (255, 0, 0), (76, 85, 255)),
        ("high bits", (7,), 7),
        ("bits", (1,), 255),
    ],
)
@pytest.mark.parametrize("syntax", [EXPLICIT_LE, EXPLICIT_BE])
def test_other_values(kind: str, value: tuple[float, ...], fill: Any, syntax: str) -> None:
    options, _ = KINDS[kind]
    data = image(syntax, noise(options), ROWS, COLUMNS, frames=FRAMES, **options)
    masks = [Mask(((2, 1, 3, 3),), None, value)]
    check(data, masked(data, masks), masks, fill)


@pytest.mark.parametrize(
    "mask",
    [
        Mask(((0, 0, 8, 1),)),
        Mask(((0, 0, 1, 6),)),
        Mask(((-1, 0, 1, 1),)),
        Mask(((0, 0, 0, 1),)),
        Mask(((0, 0, 1, 1),), frozenset({3})),
        Mask(((0, 0, 1, 1),), frozenset({-1})),
        Mask(((0, 0, 1, 1),), None, (256,)),
        Mask(((0, 0, 1, 1),), None, (1.5,)),
        Mask(((0, 0, 1, 1),), None, (1, 2, 3)),
    ],
)
@pytest.mark.parametrize("syntax", [EXPLICIT_LE, RLE])
def test_what_the_image_does_not_have_is_refused(mask: Mask, syntax: str) -> None:
    data = image(EXPLICIT_LE, noise(KINDS["grey8"][0]), ROWS, COLUMNS, frames=FRAMES)
    with pytest.raises(ParameterOutOfRange):
        masked(transcode(data, syntax, dictionary=DICTIONARY), [mask])


def test_pixels_beyond_the_declared_frames_are_masked_too() -> None:
    data = image(EXPLICIT_LE, b"\7" * ROWS * COLUMNS * 3, ROWS, COLUMNS, frames=1)
    after = masked(data, [Mask(((0, 0, COLUMNS, ROWS),))])
    assert set(read(after).PixelData[: ROWS * COLUMNS * 3]) == {0}


def overlay(
    group: int, bits: Any, origin: tuple[int, int], frames: int = 1, syntax: str = EXPLICIT_LE
) -> Any:
    tag = group << 16
    order = ">" if syntax == EXPLICIT_BE else "<"
    packed = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    packed += b"\0" * (len(packed) % 2)
    if syntax == EXPLICIT_BE:
        packed = np.frombuffer(packed, "<u2").byteswap().tobytes()
    found = {
        tag | 0x10: element(tag | 0x10, "US", words(syntax, bits.shape[-2]), syntax),
        tag | 0x11: element(tag | 0x11, "US", words(syntax, bits.shape[-1]), syntax),
        tag | 0x50: element(tag | 0x50, "SS", struct.pack(f"{order}2h", *origin), syntax),
        tag | 0x100: element(tag | 0x100, "US", words(syntax, 1), syntax),
        tag | 0x3000: element(tag | 0x3000, "OW", packed, syntax),
    }
    if frames > 1:
        found[tag | 0x15] = element(tag | 0x15, "IS", f"{frames:>2}".encode(), syntax)
    return found


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, EXPLICIT_BE])
@pytest.mark.parametrize("origin", [(1, 1), (2, 3), (0, -1)])
def test_overlays_are_cleared_where_they_lie_on_it(origin: tuple[int, int], syntax: str) -> None:
    bits = np.ones((4, 9), np.uint8)
    extra = overlay(0x6002, bits, origin, syntax=syntax)
    data = image(syntax, noise(KINDS["grey8"][0]), ROWS, COLUMNS, frames=FRAMES, extra=extra)
    after = read(masked(data, [Mask(((2, 1, 3, 3),), frozenset({1}))]))
    for row in range(4):
        for column in range(9):
            y, x = row + origin[0] - 1, column + origin[1] - 1
            bits[row, column] = not (2 <= x < 5 and 1 <= y < 4)
    raw = np.frombuffer(after[0x60023000].value, ">u2" if syntax == EXPLICIT_BE else "<u2")
    found = np.unpackbits(raw.astype("<u2").view(np.uint8), bitorder="little")[:36]
    assert np.array_equal(found.reshape(4, 9), bits)


def test_overlays_with_frames_are_cleared_in_theirs() -> None:
    bits = np.ones((2, ROWS, COLUMNS), np.uint8)
    extra = overlay(0x6000, bits, (1, 1), frames=2)
    extra[0x60000051] = element(0x60000051, "US", b"\2\0")  # ImageFrameOrigin
    data = image(EXPLICIT_LE, noise(KINDS["grey8"][0]), ROWS, COLUMNS, frames=FRAMES, extra=extra)
    after = read(masked(data, [Mask(((2, 1, 3, 3),), frozenset({1}))]))
    bits[0, 1:4, 2:5] = 0
    assert np.array_equal(after.overlay_array(0x6000), bits)


def test_nothing_else_shows_what_is_masked() -> None:
    icon = element(0x00880200, "SQ", item(element(0x7FE00010, "OW", b"12")))
    stale = {0x00280106: element(0x00280106, "US", b"\1\0"), 0x00280107: element(0x00280107, "US", b"\1\0")}
    data = image(EXPLICIT_LE, b"1" * ROWS * COLUMNS, ROWS, COLUMNS, extra={0x00880200: icon, **stale})
    found = read(masked(data, [Mask(((2, 1, 3, 3),))]))
    assert "IconImageSequence" not in found
    assert "SmallestImagePixelValue" not in found
    assert "LargestImagePixelValue" not in found


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (image(f"{PREFIX}.4.102", b"12", 1, 2), OrthancError),
        (image(RLE, b"12", 1, 2), BadFileFormat),
        (image(EXPLICIT_LE, b"", 1, 2), BadFileFormat),
        (
            file_of(minimal(extra={0x00280010: element(0x00280010, "US", b"\1\0")})),
            UnsupportedMediaType,
        ),
        (image(EXPLICIT_LE, b"1" * 8, 1, 2, samples=4, photometric="ARGB"), UnsupportedMediaType),
        (image(EXPLICIT_LE, b"1" * 6, 1, 3, samples=3, photometric="YBR_FULL_422"), NotImplementedInServer),
    ],
)
def test_what_cannot_be_masked_is_refused(data: bytes, error: type[OrthancError]) -> None:
    with pytest.raises(error):
        masked(data, [Mask(((0, 0, 1, 1),))])


def test_what_has_no_pixels_has_nothing_to_mask() -> None:
    with tempfile.TemporaryFile() as result, tempfile.TemporaryFile() as spool:
        masks = [(((0, 0, 1, 1),), None, None)]
        assert mask_task(file_of(minimal()), masks, (), True, result, spool) == b""
    assert MaskedPixels.of(b"") is None
