"""Transcoding: lossless syntaxes keep every value, whatever the way through them."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pydicom
import pytest
from imagecodecs import htj2k_decode
from openjpeg.utils import get_parameters
from pydicom.encaps import generate_frames

from orthanclite.core.errors import BadFileFormat, NotImplementedInServer, ParameterOutOfRange
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.pixels.reading.decode import decode_samples
from orthanclite.dicom.pixels.reading.source import open_source
from orthanclite.dicom.pixels.writing.transcode import TranscodeOptions, transcode
from tests.parity import image_files
from tests.parity.made import file_of

DICTIONARY = TagDictionary.build()
PREFIX = "1.2.840.10008.1.2"
LOSSLESS = {
    "implicit": PREFIX,
    "explicit": f"{PREFIX}.1",
    "big endian": f"{PREFIX}.2",
    "deflated": f"{PREFIX}.1.99",
    "rle": f"{PREFIX}.5",
    "jpeg process 14": f"{PREFIX}.4.57",
    "jpeg first order": f"{PREFIX}.4.70",
    "jpeg-ls": f"{PREFIX}.4.80",
    "jpeg 2000": f"{PREFIX}.4.90",
    "htj2k": f"{PREFIX}.4.202",
}
LOSSY = {
    "baseline": ".4.50",
    "extended": ".4.51",
    "near-lossless": ".4.81",
    "jpeg 2000": ".4.91",
    "htj2k": ".4.203",
}
IMAGES = (
    "grey8",
    "grey12",
    "inverted16",
    "frames16",
    "rgb8",
    "planar8",
    "rgb-frames",
    "palette8",
)


def values(data: bytes) -> list[np.ndarray]:
    """The sample values of all frames."""
    with open_source(data) as source:
        return [decode_samples(source, index)[0] for index in range(source.frame_count())]


def plain(name: str) -> bytes:
    return image_files.content(f"made:{name}")


@pytest.mark.parametrize("name", IMAGES)
def test_all_pairs_of_lossless_syntaxes_keep_every_value(name: str) -> None:
    data = plain(name)
    expected = values(data)
    encoded = {syntax: transcode(data, syntax, dictionary=DICTIONARY) for syntax in LOSSLESS.values()}
    uid = pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID
    for source, target in itertools.permutations(LOSSLESS.values(), 2):
        result = transcode(encoded[source], target, dictionary=DICTIONARY)
        assert pydicom.dcmread(io.BytesIO(result)).SOPInstanceUID == uid
        found = values(result)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert np.array_equal(one, other), (source, target)


def test_signed_images_of_usual_size_keep_every_value_in_jpeg_2000() -> None:
    pixels = (np.add.outer(np.arange(70) * 900, np.arange(80) * 37) % 65536 - 32768).astype("<i2")
    data = file_of(image_files.image("signed", pixels))
    result = transcode(transcode(data, LOSSLESS["jpeg 2000"], dictionary=DICTIONARY), LOSSLESS["jpeg-ls"])
    assert np.array_equal(values(result)[0], pixels)


@pytest.mark.parametrize(
    "name", ["grey8", "signed8", "grey12", "signed12", "grey16", "signed16", "rgb8", "rgb16"]
)
def test_high_throughput_jpeg_2000_is_written(name: str) -> None:
    """Another library reads every value as it was, and the true number of bits."""
    data = plain(name)
    file = pydicom.dcmread(io.BytesIO(transcode(data, f"{PREFIX}.4.201")))
    (stream,) = generate_frames(file.PixelData, number_of_frames=1)
    parameters = get_parameters(stream)
    assert (parameters["precision"], parameters["is_signed"]) == (
        file.BitsStored,
        file.PixelRepresentation == 1,
    )
    assert stream[stream.index(b"\xff\x52") + 5] == 2, "RPCL (ISO 15444-1 table A.16)"
    assert file.PhotometricInterpretation == ("YBR_RCT" if file.SamplesPerPixel == 3 else "MONOCHROME2")
    assert np.array_equal(htj2k_decode(stream), values(data)[0])
    assert np.array_equal(values(transcode(data, f"{PREFIX}.4.201"))[0], values(data)[0])


def test_lossy_high_throughput_jpeg_2000_is_as_good_as_is_wanted() -> None:
    data, sizes, errors = plain("grey16"), [], []
    for quality in (10, 90, 100):
        result = transcode(data, f"{PREFIX}.4.203", TranscodeOptions(quality))
        sizes.append(len(result))
        errors.append(int(np.abs(values(result)[0].astype(int) - values(data)[0]).max()))
    assert sizes == sorted(set(sizes))
    assert errors[0] > errors[1] > errors[2]
    assert errors[1] < 65536 / 256 * 2


@pytest.mark.parametrize("name", ["grey16", "signed16", "rgb8", "frames16"])
def test_high_throughput_jpeg_2000_is_decoded(name: str) -> None:
    """Bit streams of another encoder, into every lossless transfer syntax."""
    data, expected = image_files.content(f"htj2k:{name}"), values(plain(name))
    for target in set(LOSSLESS.values()) - {LOSSLESS["jpeg 2000"]}:  # signed ones are too small for it
        found = values(transcode(data, target, dictionary=DICTIONARY))
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert np.array_equal(one, other), target


def test_lossy_high_throughput_jpeg_2000_is_decoded() -> None:
    [found] = values(image_files.content("htj2k:grey8"))
    apart = np.abs(found.astype(int) - values(plain("grey8"))[0])
    assert 0 < apart.max() < 10


@pytest.mark.parametrize("ending", LOSSY.values(), ids=LOSSY)
@pytest.mark.parametrize("name", ["grey8", "rgb8"])
def test_lossy_results_are_derived_images(name: str, ending: str) -> None:
    data = plain(name)
    result = transcode(data, PREFIX + ending)
    before, after = (pydicom.dcmread(io.BytesIO(part)) for part in (data, result))
    assert after.LossyImageCompression == "01"
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert after.SourceImageSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID
    assert after.LossyImageCompressionMethod
    kept = transcode(data, PREFIX + ending, TranscodeOptions(keep_sop_uid=True))
    assert pydicom.dcmread(io.BytesIO(kept)).SOPInstanceUID == before.SOPInstanceUID
    assert values(result)[0].shape == values(data)[0].shape


def test_a_file_that_has_the_syntax_stays_as_it_is() -> None:
    data = plain("grey12")
    assert transcode(data, f"{PREFIX}.1") == data


@pytest.mark.parametrize(
    ("name", "target", "error"),
    [
        ("grey12", "1.2.3", ParameterOutOfRange),
        ("grey12", f"{PREFIX}.4.50", NotImplementedInServer),
        ("bits", f"{PREFIX}.4.80", NotImplementedInServer),
        ("grey12", f"{PREFIX}.4.102", NotImplementedInServer),
        ("bits", f"{PREFIX}.4.201", NotImplementedInServer),
        ("grey12", f"{PREFIX}.4.203", NotImplementedInServer),
    ],
)
def test_what_cannot_be_written_is_refused(name: str, target: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        transcode(plain(name), target)


def test_quality_is_bounded() -> None:
    with pytest.raises(ParameterOutOfRange):
        transcode(plain("grey8"), f"{PREFIX}.4.50", TranscodeOptions(quality=0))


def test_a_damaged_frame_is_refused() -> None:
    data = bytearray(transcode(plain("grey12"), f"{PREFIX}.4.80"))
    start = data.index(b"\xff\xd8\xff")
    data[start : start + 60] = bytes(60)
    with pytest.raises(BadFileFormat):
        transcode(bytes(data), f"{PREFIX}.1")
