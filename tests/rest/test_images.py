"""The image routes of a real server: formats, arguments, errors; transcoding of downloads."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import get_frame
from pydicom.uid import ImplicitVRLittleEndian

from tests.parity import image_files
from tests.parity.made import file_of
from tests.support.records import dicom_file
from tests.support.scu import Client
from tests.support.server import Server, orthanclite, running

SERVER_CONFIG = {"OverwriteInstances": True}

JPEG_LS = "1.2.840.10008.1.2.4.80"
BASELINE = "1.2.840.10008.1.2.4.50"


def store(server: Server, name: str) -> str:
    return str(server.upload(image_files.content(name))["ID"])


def picture(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_preview_stretches_the_values_of_the_frame(server: Server) -> None:
    answer = server.client.get(f"/instances/{store(server, 'made:grey12')}/preview")
    assert answer.headers["content-type"] == "image/png"
    shown, values = picture(answer.content), image_files.ramp()
    assert shown.shape == values.shape
    assert (shown.min(), shown.max()) == (0, 255)
    expected = (values - values.min()) * 255 / (values.max() - values.min())
    assert np.abs(shown - expected).max() <= 0.5 + 1e-3


def test_inverted_images_are_inverted_where_they_are_shown(server: Server) -> None:
    plain, inverted = (store(server, f"made:{name}") for name in ("grey8", "inverted8"))
    for route, is_inverted in (("preview", True), ("rendered", True), ("image-uint8", False)):
        one, other = (
            picture(server.client.get(f"/instances/{instance}/{route}").content)
            for instance in (plain, inverted)
        )
        assert np.array_equal(other, 255 - one if is_inverted else one)


def test_values_are_cut_to_the_range_of_the_route(server: Server) -> None:
    instance = store(server, "made:signed16")
    values = image_files.ramp() * 16 - 32768
    for route, low, high, kind in (
        ("image-uint8", 0, 255, np.uint8),
        ("image-uint16", 0, 65535, np.uint16),
        ("image-int16", -32768, 32767, np.int16),
    ):
        shown = picture(server.client.get(f"/instances/{instance}/{route}").content)
        found = shown.astype(np.uint16).view(np.int16) if kind is np.int16 else shown
        assert np.array_equal(found, values.clip(low, high))


def test_rendered_takes_window_and_size_from_the_arguments(server: Server) -> None:
    instance = store(server, "made:rescaled")
    url = f"/instances/{instance}/rendered"
    windowed = picture(server.client.get(f"{url}?window-center=1000&window-width=2000").content)
    values = (image_files.ramp() * 2.0 - 1024).clip(0, 2000)
    assert np.abs(windowed - values * 255 / 2000).max() <= 1
    assert not np.array_equal(windowed, picture(server.client.get(url).content))
    small = picture(server.client.get(f"{url}?width=17&height=100").content)
    assert small.shape == (11, 17)
    assert server.client.get(f"{url}?width=100000&height=100000").status_code == 404


@pytest.mark.parametrize(
    ("route", "accept", "status", "media_type"),
    [
        ("preview", "image/jpeg", 200, "image/jpeg"),
        ("preview", "image/x-portable-arbitrarymap", 200, "image/x-portable-arbitrarymap"),
        ("preview", "text/html", 404, None),
        ("image-uint16", "image/jpeg", 404, None),
        ("preview?quality=0", "image/jpeg", 415, None),
        ("preview?quality=101", "*/*", 415, None),
        ("rendered?width=x", "*/*", 404, None),
        ("rendered?window-center=1e400", "*/*", 404, None),
        ("rendered?smooth=x", "*/*", 415, None),
        ("frames/x/preview", "*/*", 404, None),
        ("frames/1/preview", "*/*", 404, None),
        ("frames/1/matlab", "*/*", 400, "text/plain"),
        ("frames/x/numpy", "*/*", 400, "text/plain"),
        ("numpy?rescale=x", "*/*", 400, "text/plain"),
    ],
)
def test_formats_and_arguments(
    server: Server, route: str, accept: str, status: int, media_type: str | None
) -> None:
    instance = store(server, "made:grey12")
    answer = server.client.get(f"/instances/{instance}/{route}", headers={"Accept": accept})
    assert answer.status_code == status
    assert answer.headers.get("content-type") == media_type
    if status in (404, 415):
        assert answer.content == b""


def test_quality_changes_the_size_of_jpeg(server: Server) -> None:
    instance, accept = store(server, "made:rgb8"), {"Accept": "image/jpeg"}
    sizes = [
        len(server.client.get(f"/instances/{instance}/preview?quality={quality}", headers=accept).content)
        for quality in (10, 60, 100)
    ]
    assert sizes == sorted(set(sizes))


def test_placeholder_of_what_cannot_be_shown(server: Server) -> None:
    instance = store(server, "bundled:test-SR.dcm")
    for prefix in ("", "frames/0/"):
        url = f"/instances/{instance}/{prefix}preview"
        assert server.client.get(url).status_code == 415
        moved = server.client.get(f"{url}?returnUnsupportedImage", follow_redirects=True)
        assert moved.headers["content-type"] == "image/png"
        assert moved.url.path == "/app/images/unsupported.png"
        assert picture(moved.content).size
    assert server.client.get(f"/instances/{instance}/matlab").json()["OrthancStatus"] == 2


def test_frames(server: Server) -> None:
    instance = store(server, "made:frames16")
    assert server.get(f"/instances/{instance}/frames") == [0, 1, 2]
    values = image_files.ramp()
    for number, expected in enumerate((values, values[::-1], values // 2)):
        url = f"/instances/{instance}/frames/{number}"
        raw = server.client.get(f"{url}/raw")
        assert raw.headers["content-type"] == "application/octet-stream"
        assert raw.content == expected.astype("<u2").tobytes()
        packed = server.client.get(f"{url}/raw.gz")
        assert packed.headers["content-type"] == "application/gzip"
        assert gzip.decompress(packed.content) == raw.content
        array = np.load(io.BytesIO(server.client.get(f"{url}/numpy?rescale=0").content))
        assert np.array_equal(array[:, :, 0], expected)
    whole = np.load(io.BytesIO(server.client.get(f"/instances/{instance}/numpy").content))
    assert whole.shape == (3, image_files.ROWS, image_files.COLUMNS, 1)
    assert whole.dtype == np.float32


@pytest.mark.skipif(not image_files.DCMTK, reason="DCMTK is not installed")
@pytest.mark.parametrize("table", image_files.OFFSET_TABLES)
def test_a_wrong_offset_table_does_not_swap_frames(server: Server, table: str) -> None:
    instance = store(server, f"offset-table:{table}")
    values = image_files.ramp()
    for number, expected in enumerate((values, values[::-1], values // 2)):
        answer = server.client.get(f"/instances/{instance}/frames/{number}/image-uint16")
        assert np.array_equal(picture(answer.content), expected)
    array = np.load(io.BytesIO(server.client.get(f"/instances/{instance}/numpy?rescale=0").content))
    assert np.array_equal(array[2, :, :, 0], values // 2)


@pytest.mark.skipif(not image_files.DCMTK, reason="DCMTK is not installed")
def test_fragments_under_the_label_of_native_pixels_are_not_shown_as_such(server: Server) -> None:
    instance = store(server, "native-label:frames16")
    for route in ("preview", "rendered", "image-uint8", "frames/2/preview", "frames/2/image-int16"):
        assert server.client.get(f"/instances/{instance}/{route}").status_code == 415
    for route in ("numpy", "matlab"):
        answer = server.client.get(f"/instances/{instance}/{route}")
        assert (answer.status_code, answer.json()["OrthancStatus"]) == (400, 15)
    raw = server.client.get(f"/instances/{instance}/frames/2/raw").content
    assert raw.startswith(b"\xff\xd8\xff")
    answer = server.client.get(f"/instances/{instance}/file?transcode=1.2.840.10008.1.2")
    assert answer.status_code != 200


@pytest.mark.parametrize("name", ["bundled:test-SR.dcm", "bundled:rtstruct.dcm"])
def test_raw_frames_of_what_is_no_image(server: Server, name: str) -> None:
    instance = store(server, name)
    for route in ("raw", "raw.gz"):
        answer = server.client.get(f"/instances/{instance}/frames/0/{route}")
        assert (answer.status_code, answer.json()["OrthancStatus"]) == (400, 8)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4"])
def test_big_endian_pixels_of_ge(server: Server, dtype: str) -> None:
    """Transfer syntax 1.2.840.113619.5.2: implicit little endian, but for the words of the pixel data."""
    values = (image_files.ramp() // 16 if dtype == "u1" else image_files.ramp() * 9).astype(dtype)
    dataset = image_files.image(f"ge-{dtype}", values)
    dataset.PixelData = values.astype(f">{dtype}").tobytes() + b"\0" * (values.nbytes % 2)
    data = file_of(dataset, ImplicitVRLittleEndian)
    # The element of the transfer syntax, and the group length that counts it.
    label, own = b"\x12\0" + b"1.2.840.10008.1.2\0", b"\x12\x00" + b"1.2.840.113619.5.2"
    assert data.count(label) == 1
    instance = server.upload(data.replace(label, own))["ID"]
    array = np.load(io.BytesIO(server.client.get(f"/instances/{instance}/numpy?rescale=0").content))
    assert np.array_equal(array[0, :, :, 0], values)
    metadata = server.client.get(f"/instances/{instance}/metadata/TransferSyntax").text
    assert metadata == "1.2.840.113619.5.2"
    assert server.get(f"/instances/{instance}/simplified-tags")["Rows"] == str(image_files.ROWS)
    for target in ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"):
        moved = server.client.get(f"/instances/{instance}/file?transcode={target}").content
        assert np.array_equal(pydicom.dcmread(io.BytesIO(moved)).pixel_array, values)


def test_video_is_given_as_its_stream(server: Server) -> None:
    dataset = image_files.MADE["rgb8"]()
    data = file_of(dataset)
    stream = b"\0\0\0\x18ftypmp42" + bytes(500)
    fragments = (
        b"\xfe\xff\x00\xe0" + bytes(4) + b"\xfe\xff\x00\xe0" + len(stream).to_bytes(4, "little") + stream
    )
    end = b"\xfe\xff\xdd\xe0" + bytes(4)
    start = data.index(b"\xe0\x7f\x10\x00")
    video = data[:start] + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + fragments + end
    video = video.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4.102\0".ljust(24, b"\0"))
    # the element is four bytes longer now
    video = video.replace(b"\x02\x00\x10\x00UI\x14\x00", b"\x02\x00\x10\x00UI\x18\x00")
    length = int.from_bytes(video[140:144], "little") + 4
    instance = server.upload(video[:140] + length.to_bytes(4, "little") + video[144:])["ID"]
    answer = server.client.get(f"/instances/{instance}/frames/0/raw")
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.content == stream
    part = server.client.get(f"/instances/{instance}/frames/0/raw", headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert part.headers["content-range"] == f"bytes 4-7/{len(stream)}"
    beyond = server.client.get(f"/instances/{instance}/frames/0/raw", headers={"range": "bytes=9999-"})
    assert beyond.status_code == 416
    assert server.client.get(f"/instances/{instance}/preview").status_code == 415


def test_matlab(server: Server) -> None:
    text = server.client.get(f"/instances/{store(server, 'made:grey12')}/matlab").text
    assert text.startswith("double([ ")
    assert text.endswith(" ])")
    rows = [row.split() for row in text[len("double([ ") : -2].split(";")]
    assert np.array_equal(np.array(rows, int), image_files.ramp())


def test_downloads_in_another_transfer_syntax(server: Server) -> None:
    instance = store(server, "made:grey12")
    url = f"/instances/{instance}/file?transcode="
    lossless = server.client.get(url + JPEG_LS)
    assert lossless.headers["content-type"] == "application/dicom"
    dataset = pydicom.dcmread(io.BytesIO(lossless.content))
    assert dataset.file_meta.TransferSyntaxUID == JPEG_LS
    assert np.array_equal(dataset.pixel_array, image_files.ramp())
    assert server.client.get(url + "1.2.3").json()["OrthancStatus"] == 3
    # 12 bits do not fit
    assert server.client.get(url + BASELINE).json()["OrthancStatus"] == 2


def test_lossy_downloads_are_other_images(server: Server) -> None:
    instance = store(server, "made:grey8")
    url = f"/instances/{instance}/file?transcode={BASELINE}&lossy-quality="
    files = [server.client.get(f"{url}{quality}").content for quality in (5, 95)]
    assert len(files[0]) < len(files[1])
    original = server.get(f"/instances/{instance}/simplified-tags")["SOPInstanceUID"]
    for data in files:
        dataset = pydicom.dcmread(io.BytesIO(data))
        assert dataset.LossyImageCompression == "01"
        assert dataset.SOPInstanceUID != original
    assert server.client.get(f"{url}101").status_code == 400


@pytest.mark.parametrize("name", ["grey16", "rgb8", "frames16", "grey8"])
def test_high_throughput_jpeg_2000_is_received_shown_and_written(server: Server, name: str) -> None:
    """By C-STORE and through every route."""
    data, plain = image_files.content(f"htj2k:{name}"), image_files.content(f"made:{name}")
    sent, expected = (pydicom.dcmread(io.BytesIO(content)) for content in (data, plain))
    syntax = sent.file_meta.TransferSyntaxUID
    instance = store(server, f"made:{name}")
    raw = server.client.get(f"/instances/{instance}/numpy?rescale=0").content
    preview = picture(server.client.get(f"/instances/{instance}/preview").content)
    written = pydicom.dcmread(
        io.BytesIO(server.client.get(f"/instances/{instance}/file?transcode={syntax}").content)
    )
    assert written.file_meta.TransferSyntaxUID == syntax
    server.client.delete(f"/instances/{instance}").raise_for_status()

    entity = Client()
    entity.add_requested_context(sent.SOPClassUID, syntax)
    association = entity.associate("127.0.0.1", server.dicom_port)
    assert association.is_established
    assert association.send_c_store(sent).Status == 0x0000
    association.release()

    url = f"/instances/{instance}"
    assert server.client.get(f"{url}/metadata/TransferSyntax").text == syntax
    tolerance = 0 if name != "grey8" else 10  # it is lossy
    found = np.load(io.BytesIO(server.client.get(f"{url}/numpy?rescale=0").content)).astype(int)
    assert np.abs(found - np.load(io.BytesIO(raw)).astype(int)).max() <= tolerance
    shown = picture(server.client.get(f"{url}/preview").content).astype(int)
    assert np.abs(shown - preview).max() <= tolerance
    stream = server.client.get(f"{url}/frames/0/raw").content
    assert stream == get_frame(sent.PixelData, 0, number_of_frames=int(sent.get("NumberOfFrames", 1)))
    native = server.client.get(f"{url}/file?transcode=1.2.840.10008.1.2.1").content
    pixels = pydicom.dcmread(io.BytesIO(native)).pixel_array.astype(int)
    assert np.abs(pixels - expected.pixel_array).max() <= tolerance


@pytest.mark.parametrize("wanted", [True, False])
def test_images_that_cannot_be_decoded_are_logged_unless_unwanted(tmp_path: Path, wanted: bool) -> None:
    with running(orthanclite(tmp_path, {"Warnings": {"W003_DecoderFailure": wanted}})) as site:
        path = site.upload(dicom_file())["Path"]
        assert site.client.get(f"{path}/preview").status_code == 415
        assert site.get(f"{path}/frames") == [0]
        assert site.log().count("W003") == wanted
