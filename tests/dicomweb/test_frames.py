"""WADO-RS: frames and bulk data."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from imagecodecs import htj2k_decode
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.uid import DeflatedExplicitVRLittleEndian, HTJ2KLossless, JPEG2000Lossless, RLELossless

from orthanclite.dicom.pixels.writing.transcode import transcode
from tests.dicomweb.support import EXPLICIT, get, parts, store, store_sample
from tests.support.records import dicom_file
from tests.support.server import Server

SERVER_CONFIG = {"OverwriteInstances": True}

OCTETS = 'multipart/related; type="application/octet-stream"'


def test_a_native_frame(server: Server) -> None:
    stored = store_sample(server, "CT_small.dcm")
    pixels = dcmread(BytesIO(stored.data)).PixelData
    for accept in (None, OCTETS, f"{OCTETS}; transfer-syntax=*", "*/*", "text/html, */*;q=0.8"):
        answer = get(server, f"{stored.instance}/frames/1", accept)
        (part,) = parts(answer)
        assert part.content == pixels
        assert part.headers["content-type"] == f"application/octet-stream; transfer-syntax={EXPLICIT}"
        assert part.headers["content-location"] == f"{server.url}{stored.instance}/frames/1"
    single = get(server, f"{stored.instance}/frames/1", "application/octet-stream")
    assert single.content == pixels


@pytest.mark.parametrize("name", ["MR_small_bigendian.dcm", "MR_small_implicit.dcm", "image_dfl.dcm"])
def test_frames_are_little_endian(server: Server, name: str) -> None:
    stored = store_sample(server, name)
    found = dcmread(BytesIO(stored.data))
    (part,) = parts(get(server, f"{stored.instance}/frames/1", f"{OCTETS}; transfer-syntax=*"))
    kind = np.dtype(f"<u{found.BitsAllocated // 8}")
    assert part.content == found.pixel_array.astype(kind).tobytes()


def test_encapsulated_frames_as_stored(server: Server) -> None:
    stored = store_sample(server, "SC_rgb_rle_2frame.dcm")
    frames = list(generate_frames(dcmread(BytesIO(stored.data)).PixelData, number_of_frames=2))
    for numbers, expected in (("1", [0]), ("2", [1]), ("2,1", [1, 0]), ("1%2C2", [0, 1]), (None, [0, 1])):
        path = f"{stored.instance}/frames" + (f"/{numbers}" if numbers else "")
        for accept, media_type in (
            (f"{OCTETS}; transfer-syntax=*", "application/octet-stream"),
            ('multipart/related; type="image/dicom-rle"', "image/dicom-rle"),
            ('multipart/related; type="image/x-dicom-rle"; transfer-syntax=*', "image/x-dicom-rle"),
            (f'{OCTETS};q=0.5, multipart/related; type="image/dicom-rle"', "image/dicom-rle"),
        ):
            answer = get(server, path, accept)
            assert answer.status_code == 200, (accept, answer.text)
            found = parts(answer)
            assert [part.content for part in found] == [frames[index] for index in expected]
            assert {part.headers["content-type"] for part in found} == {
                f"{media_type}; transfer-syntax={RLELossless}"
            }


def test_encapsulated_frames_are_decoded(server: Server) -> None:
    stored = store_sample(server, "SC_rgb_rle_2frame.dcm")
    pixels = dcmread(BytesIO(stored.data)).pixel_array
    found = parts(get(server, f"{stored.instance}/frames/2,1", OCTETS))
    assert [part.content for part in found] == [pixels[1].tobytes(), pixels[0].tobytes()]


def test_frames_are_encoded(server: Server) -> None:
    stored = store_sample(server, "CT_small.dcm")
    (part,) = parts(get(server, f"{stored.instance}/frames/1", 'multipart/related; type="image/jp2"'))
    assert part.headers["content-type"] == f"image/jp2; transfer-syntax={JPEG2000Lossless}"
    assert part.content.startswith(b"\xff\x4f\xff\x51")
    (part,) = parts(get(server, f"{stored.instance}/frames/1", 'multipart/related; type="image/jphc"'))
    assert part.headers["content-type"] == f"image/jphc; transfer-syntax={HTJ2KLossless}"
    assert np.array_equal(htj2k_decode(part.content), stored.dataset.pixel_array)
    old = "image/dicom+jpeg; transfer-syntax=1.2.840.10008.1.2.4.70"
    assert get(server, f"{stored.instance}/frames/1", old).headers["content-type"] == old


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("frames/0", 400),
        ("frames/x", 400),
        ("frames/1,", 400),
        ("frames/-1", 400),
        ("frames/2", 404),
        ("frames/1,2", 404),
        ("frames/999999999", 404),
    ],
)
def test_frames_that_are_not_there(server: Server, path: str, status: int) -> None:
    stored = store_sample(server, "CT_small.dcm")
    assert get(server, f"{stored.instance}/{path}").status_code == status


def test_formats_that_are_not_there(server: Server) -> None:
    stored = store_sample(server, "CT_small.dcm")
    for accept in ("text/plain", f"{OCTETS}; transfer-syntax=1.2.3", "image/jxl", "video/mp4"):
        assert get(server, f"{stored.instance}/frames/1", accept).status_code == 406, accept


def test_no_pixels_no_frames(server: Server) -> None:
    stored = store_sample(server, "rtplan.dcm")
    assert get(server, f"{stored.instance}/frames/1").status_code == 404


def test_frames_of_one_bit_begin_at_a_byte(server: Server) -> None:
    bits = np.random.default_rng(1).integers(0, 2, (3, 5, 3), np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    file = dicom_file(
        study="6.1",
        series="6.2",
        instance="6.3",
        side=1,
        pixels=packed + b"\0" * (len(packed) % 2),
        Rows=5,
        Columns=3,
        NumberOfFrames=3,
        HighBit=0,
        BitsStored=1,
        BitsAllocated=1,
    )
    stored = store(server, file)
    for index in range(3):
        (part,) = parts(get(server, f"{stored.instance}/frames/{index + 1}"))
        assert part.content == np.packbits(bits[index].ravel(), bitorder="little").tobytes()


def test_frames_of_a_deflated_file(server: Server) -> None:
    """Offsets in the file mean nothing there: frames are found in what it inflates to."""
    pixels = np.random.default_rng(2).integers(0, 4096, (3, 20, 20)).astype("<u2")
    plain = dicom_file(
        study="6.11", series="6.12", instance="6.13", side=20, pixels=pixels.tobytes(), NumberOfFrames=3
    )
    stored = store(server, transcode(plain, DeflatedExplicitVRLittleEndian))
    for numbers in ("3", "1", "2,3,1"):
        found = parts(get(server, f"{stored.instance}/frames/{numbers}", f"{OCTETS}; transfer-syntax=*"))
        expected = [pixels[int(number) - 1].tobytes() for number in numbers.split(",")]
        assert [part.content for part in found] == expected


def test_a_range_of_a_frame(server: Server) -> None:
    stored = store_sample(server, "CT_small.dcm")
    pixels = dcmread(BytesIO(stored.data)).PixelData
    path = f"{stored.instance}/frames/1"
    answer = get(server, path, "application/octet-stream", range="bytes=100-199")
    assert (answer.status_code, answer.content) == (206, pixels[100:200])
    assert answer.headers["content-range"] == f"bytes 100-199/{len(pixels)}"
    assert get(server, path, "application/octet-stream", range="bytes=99999999-").status_code == 416


# -- bulk data -----------------------------------------------------------------------------------


def test_bulk_data(server: Server) -> None:
    stored = store_sample(server, "CT_small.dcm")
    pixels = dcmread(BytesIO(stored.data)).PixelData
    path = f"{stored.instance}/bulk/7FE00010"
    for accept in (None, "*/*", OCTETS, "multipart/related"):
        (part,) = parts(get(server, path, accept))
        assert part.content == pixels
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"
    for accept in ("application/octet-stream", browser, f"{OCTETS};q=0.1, application/octet-stream"):
        answer = get(server, path, accept)
        assert (answer.content, answer.headers["content-type"]) == (pixels, "application/octet-stream")
    partial = get(server, path, range="bytes=10-19")
    assert (partial.status_code, partial.content) == (206, pixels[10:20])
    known = get(server, path).headers["etag"]
    assert get(server, path, if_none_match=known).status_code == 304


def test_bulk_data_of_a_sequence(server: Server) -> None:
    stored = store_sample(server, "rtplan.dcm")
    (part,) = parts(get(server, f"{stored.instance}/bulk/300a00b0/1/300a00c2"))
    assert part.content.strip() == str(stored.dataset.BeamSequence[0].BeamName).encode()


def test_encapsulated_pixels_are_sent_frame_by_frame(server: Server) -> None:
    stored = store_sample(server, "SC_rgb_rle_2frame.dcm")
    frames = list(generate_frames(dcmread(BytesIO(stored.data)).PixelData, number_of_frames=2))
    found = parts(get(server, f"{stored.instance}/bulk/7fe00010"))
    assert [part.content for part in found] == frames


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("00100020/1", 400),
        ("x", 400),
        ("", 400),
        ("300a00b0/0/300a00c2", 400),
        ("300a00b0/99/300a00c2", 404),
        ("300a00b0", 404),
        ("00091001", 404),
        ("00100020/1/00100020", 404),
    ],
)
def test_bulk_data_that_is_not_there(server: Server, path: str, status: int) -> None:
    stored = store_sample(server, "rtplan.dcm")
    assert get(server, f"{stored.instance}/bulk/{path}").status_code == status


def test_an_overwritten_file_has_other_frames(server: Server) -> None:
    stored = store_sample(server, "CT_small.dcm")
    (before,) = parts(get(server, f"{stored.instance}/frames/1"))
    dataset = dcmread(BytesIO(stored.data))
    dataset.PixelData = bytes(len(dataset.PixelData))
    buffer = BytesIO()
    dataset.save_as(buffer)
    store(server, buffer.getvalue())
    (after,) = parts(get(server, f"{stored.instance}/frames/1"))
    assert after.content == bytes(len(before.content)) != before.content
    store(server, stored.data)


# -- caches --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end",
    ["/frames/1", "/frames/1/rendered", "/rendered", "/thumbnail", "/bulk/7fe00010", "/metadata", ""],
)
def test_caches_are_told_that_other_clients_may_get_other_answers(server: Server, end: str) -> None:
    stored = store_sample(server, "CT_small.dcm")
    answer = get(server, stored.instance + end)
    assert answer.headers["etag"]
    known = get(server, stored.instance + end, if_none_match=answer.headers["etag"])
    assert known.status_code == 304
    for one in (answer, known):
        assert "accept" in [name.strip() for name in one.headers["vary"].split(",")]
        assert one.headers["cache-control"].startswith("private")
    assert "accept" in get(server, "/dicom-web/studies").headers["vary"]
