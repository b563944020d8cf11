"""Rendered pictures, thumbnails and WADO-URI."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from orthanclite.dicom.pixels.showing.profiles import srgb_profile
from tests.dicomweb.support import Stored, get, parts, sample, store, store_sample
from tests.support.records import dicom_file
from tests.support.server import Server

SERVER_CONFIG = {"OverwriteInstances": True}
BROWSER = "image/avif,image/webp,image/apng,image/*,*/*;q=0.8"


def picture(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(content)))


@pytest.fixture(scope="module")
def ramp(server: Server) -> Stored:
    """An image of 16 x 8 pixels whose values are 10 times their number."""
    values = (np.arange(128, dtype="<u2") * 10).tobytes()
    data = dicom_file(
        study="1.1",
        series="1.2",
        instance="1.3",
        side=8,
        pixels=values,
        Rows=8,
        Columns=16,
        WindowCenter="640",
        WindowWidth="1280",
    )
    return store(server, data)


@pytest.mark.parametrize("accept", [None, "*/*", "image/jpeg", BROWSER, "image/webp, image/jpeg;q=0.1"])
def test_jpeg_is_the_default(server: Server, ramp: Stored, accept: str | None) -> None:
    for end in ("rendered", "thumbnail", "frames/1/rendered", "frames/1/thumbnail"):
        answer = get(server, f"{ramp.instance}/{end}", accept)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/jpeg"
        assert Image.open(BytesIO(answer.content)).format == "JPEG"


def test_other_formats(server: Server, ramp: Stored) -> None:
    for accept, format in (("image/png", "PNG"), ("image/gif", "GIF")):
        answer = get(server, f"{ramp.instance}/rendered", accept)
        assert answer.headers["content-type"] == accept
        image = Image.open(BytesIO(answer.content))
        assert (image.format, image.size) == (format, (16, 8))
    by_query = get(server, f"{ramp.instance}/rendered?accept=image/png", "image/jpeg")
    assert by_query.headers["content-type"] == "image/png"
    (part,) = parts(get(server, f"{ramp.instance}/rendered", 'multipart/related; type="image/jpeg"'))
    assert part.headers["content-type"] == "image/jpeg"
    for accept in ("image/jp2", "text/html", "application/pdf", "video/mp4"):
        assert get(server, f"{ramp.instance}/rendered", accept).status_code == 406, accept


def test_windows(server: Server, ramp: Stored) -> None:
    values = np.arange(128).reshape(8, 16) * 10.0

    def shown(window: str) -> np.ndarray:
        answer = get(server, f"{ramp.instance}/rendered?window={window}", "image/png")
        assert answer.status_code == 200, answer.text
        return picture(answer.content).astype(float)

    exact = np.clip((values - 500) / 200 + 0.5, 0, 1) * 255
    assert np.abs(shown("500,200,linear-exact") - exact).max() <= 1
    assert np.abs(shown("500, 200") - exact).max() <= 1
    linear = np.clip((values - 499.5) / 199 + 0.5, 0, 1) * 255
    assert np.abs(shown("500,200,linear") - linear).max() <= 1
    sigmoid = 255 / (1 + np.exp(-4 * (values - 500) / 200))
    assert np.abs(shown("500,200,SIGMOID") - sigmoid).max() <= 1


def test_viewports(server: Server, ramp: Stored) -> None:
    whole = picture(get(server, f"{ramp.instance}/rendered", "image/png").content)

    def shown(viewport: str) -> np.ndarray:
        answer = get(server, f"{ramp.instance}/rendered?viewport={viewport}", "image/png")
        assert answer.status_code == 200, answer.text
        return picture(answer.content)

    assert shown("8,8").shape == (4, 8)  # the proportions stay
    assert shown("32,32").shape == (16, 32)
    assert (shown("4,2,3,1,4,2") == whole[1:3, 3:7]).all()
    assert (shown("4,2,3,1,-4,2") == whole[1:3, 3:7][:, ::-1]).all()
    assert (shown("4,2,3,1,4,-2") == whole[1:3, 3:7][::-1]).all()
    assert (shown("16,8,,,,") == whole).all()
    assert (shown("14,8,2,,,") == whole[:, 2:]).all()


@pytest.mark.parametrize(
    "query",
    [
        "viewport=1",
        "viewport=a,b",
        "viewport=0,5",
        "viewport=1,2,3",
        "viewport=99999999,1",
        "viewport=4,4,99,0,2,2",
        "viewport=4,4,nan,0,2,2",
        "window=5",
        "window=1,0",
        "window=1,2,cubic",
        "window=inf,2",
        "window=1e99999,2",
        "quality=0",
        "quality=101",
        "quality=x",
        "annotation=patient",
    ],
)
def test_bad_parameters(server: Server, ramp: Stored, query: str) -> None:
    answer = get(server, f"{ramp.instance}/rendered?{query}")
    assert answer.status_code == 400
    assert answer.json()["Details"]


def test_quality(server: Server) -> None:
    stored = store_sample(server, "CT_small.dcm")
    sizes = [len(get(server, f"{stored.instance}/rendered?quality={one}").content) for one in (1, 50, 100)]
    assert sizes == sorted(set(sizes))


def test_all_of_a_series_for_who_wants_parts(server: Server) -> None:
    for number in range(3):
        stored = store(server, dicom_file(study="2.1", series="2.2", instance=f"2.3.{number}", side=8))
    store(server, dicom_file(study="2.1", series="2.4", instance="2.5"))  # no image
    for path in (stored.series, stored.study):
        answer = get(server, f"{path}/rendered", 'multipart/related; type="image/jpeg"')
        assert len(parts(answer)) == 3, path
    single = get(server, f"{stored.series}/rendered", "*/*")
    assert single.headers["content-type"] == "image/jpeg"
    assert get(server, f"{stored.series}/thumbnail").status_code == 200


def test_frames(server: Server) -> None:
    stored = store_sample(server, "SC_rgb_rle_2frame.dcm")
    pixels = stored.dataset.pixel_array
    for index in range(2):
        answer = get(server, f"{stored.instance}/frames/{index + 1}/rendered", "image/png")
        assert (picture(answer.content) == pixels[index]).all()
    animation = Image.open(BytesIO(get(server, f"{stored.instance}/rendered", "image/gif").content))
    assert getattr(animation, "n_frames", 1) == 2
    assert get(server, f"{stored.instance}/frames/3/rendered").status_code == 404
    assert get(server, f"{stored.instance}/frames/x/rendered").status_code == 400
    several = 'multipart/related; type="image/png"'
    assert len(parts(get(server, f"{stored.instance}/frames/2,1/rendered", several))) == 2
    assert get(server, f"{stored.instance}/frames/1,3/rendered", several).status_code == 404


def test_entity_tags_of_pictures(server: Server, ramp: Stored) -> None:
    first = get(server, f"{ramp.instance}/rendered")
    assert get(server, f"{ramp.instance}/rendered", if_none_match=first.headers["etag"]).status_code == 304
    other = get(server, f"{ramp.instance}/rendered?window=1,2", if_none_match=first.headers["etag"])
    assert other.status_code == 200


def profile_in(server: Server, path: str, accept: str = "image/png") -> tuple[bytes | None, np.ndarray]:
    """The colour profile of a picture, and its pixels."""
    answer = get(server, path, accept)
    assert answer.status_code == 200, answer.text
    image = Image.open(BytesIO(answer.content))
    return image.info.get("icc_profile"), np.asarray(image)


def linear_profile() -> bytes:
    """sRGB, but for its curves: its values are proportional to the light."""
    content = bytearray(srgb_profile())
    count = int.from_bytes(content[128:132], "big")
    for entry in range(132, 132 + 12 * count, 12):
        if content[entry : entry + 4] in (b"rTRC", b"gTRC", b"bTRC"):
            start = int.from_bytes(content[entry + 4 : entry + 8], "big")
            content[start : start + 12] = b"curv" + bytes(8)
    return bytes(content)


def test_gray_pictures_with_a_profile_are_srgb(server: Server, ramp: Stored) -> None:
    plain, whole = profile_in(server, f"{ramp.instance}/rendered")
    assert plain is None
    assert profile_in(server, f"{ramp.instance}/rendered?iccprofile=no")[0] is None
    for asked in ("yes", "sRGB"):
        for accept in ("image/png", "image/jpeg"):
            found, pixels = profile_in(server, f"{ramp.instance}/rendered?iccprofile={asked}", accept)
            assert found is not None
            assert found[16:20] == b"RGB "
            assert pixels.shape == (8, 16, 3)
            assert np.abs(pixels.astype(int) - whole[:, :, np.newaxis]).max() < 20
    for query in ("iccprofile=adobergb", "iccprofile=nonsense", "iccprofile=yes&accept=image/gif"):
        assert get(server, f"{ramp.instance}/rendered?{query}").status_code == 400, query


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"])
def test_a_profile_of_the_image(server: Server, syntax: str) -> None:
    """Half of the light is 188 of 255 in sRGB."""
    dataset = dcmread(BytesIO(sample("SC_rgb_rle.dcm")))
    dataset.decompress()
    dataset.PixelData = b"\x80" * len(dataset.PixelData)
    dataset.ICCProfile, dataset.SOPInstanceUID = linear_profile(), f"3.31.{syntax}"
    if syntax != "1.2.840.10008.1.2.1":
        dataset.compress(syntax)
    path = f"{store(server, saved(dataset)).instance}/rendered"
    own, pixels = profile_in(server, f"{path}?iccprofile=yes")
    assert own == dataset.ICCProfile
    assert (pixels == 128).all()
    srgb, converted = profile_in(server, f"{path}?iccprofile=srgb")
    assert srgb not in (None, own)
    assert np.abs(converted.astype(int) - 188).max() <= 1


def test_a_damaged_profile(server: Server) -> None:
    dataset = dcmread(BytesIO(sample("SC_rgb_rle.dcm")))
    head = linear_profile()[:132]
    for number, profile in enumerate((b"nothing", head + bytes(2000), b"x" * 200, head + b"\xff" * 2000)):
        dataset.ICCProfile, dataset.SOPInstanceUID = profile, f"3.41.{number}"
        path = f"{store(server, saved(dataset)).instance}/rendered"
        assert get(server, f"{path}?iccprofile=yes").status_code == 200
        assert get(server, f"{path}?iccprofile=srgb").status_code in (200, 406)


def document(server: Server) -> Stored:
    dataset = dcmread(BytesIO(dicom_file(study="3.1", series="3.2", instance="3.3")))
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    dataset.EncapsulatedDocument = b"%PDF-1.7 not really\n"
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    return store(server, saved(dataset))


def video(server: Server) -> Stored:
    dataset = dcmread(BytesIO(sample("CT_small.dcm")))
    dataset.SOPInstanceUID = "3.21"
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    dataset.PixelData = encapsulate([b"not really a video"])
    dataset["PixelData"].VR = "OB"
    return store(server, saved(dataset))


def large_video(server: Server) -> Stored:
    dataset = dcmread(BytesIO(sample("CT_small.dcm")))
    dataset.SOPInstanceUID = "3.22"
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    dataset.PixelData = encapsulate([b"mp4" + bytes(range(256)) * (3 << 12)], fragments_per_frame=3)
    dataset["PixelData"].VR = "OB"
    return store(server, saved(dataset))


def saved(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def test_documents_and_videos_as_they_are(server: Server) -> None:
    pdf, movie = document(server), video(server)
    for accept in ("*/*", "application/pdf", BROWSER):
        answer = get(server, f"{pdf.instance}/rendered", accept)
        assert answer.headers["content-type"] == "application/pdf", accept
        assert answer.content == b"%PDF-1.7 not really\n"
    answer = get(server, f"{movie.instance}/rendered", "video/mp4, */*;q=0.1")
    assert (answer.headers["content-type"], answer.content) == ("video/mp4", b"not really a video")
    partial = get(server, f"{movie.instance}/rendered", "video/mp4", range="bytes=4-9")
    assert (partial.status_code, partial.content) == (206, b"really")
    assert get(server, f"{pdf.instance}/rendered", "image/jpeg").status_code == 406


def test_a_symbol_stands_for_what_has_no_picture(server: Server) -> None:
    """Not the same one for all: who looks through a study sees what is what."""
    report = store_sample(server, "reportsi.dcm")
    shown = {}
    for name, stored in (("pdf", document(server)), ("video", video(server)), ("report", report)):
        for accept, format in (("image/jpeg", "JPEG"), ("image/png", "PNG"), ("image/gif", "GIF")):
            answer = get(server, f"{stored.instance}/thumbnail", accept)
            assert (answer.status_code, answer.headers["content-type"]) == (200, accept)
            image = Image.open(BytesIO(answer.content))
            assert (image.format, image.size) == (format, (256, 256))
        small = get(server, f"{stored.series}/thumbnail?viewport=100,64", "image/png")
        shown[name] = picture(small.content)
        assert shown[name].shape == (64, 64)
        assert len(np.unique(shown[name])) > 2
        large = get(server, f"{stored.instance}/thumbnail?viewport=16384,16384", "image/png")
        assert picture(large.content).shape == (512, 512)
        assert get(server, f"{stored.instance}/thumbnail", "video/mp4").status_code == 406
    assert (shown["pdf"] == shown["report"]).all()
    assert (shown["pdf"] != shown["video"]).any()
    assert get(server, f"{report.instance}/rendered").status_code == 404


def test_the_thumbnail_of_a_study_is_a_picture_where_it_has_any(server: Server) -> None:
    for number in range(5):
        pixels = bytes([40 * number]) * 128
        stored = store(
            server,
            dicom_file(
                study="5.1",
                series="5.2",
                instance=f"5.3.{9 - number}",
                side=8,
                pixels=pixels,
                InstanceNumber=number,
                Modality="CT",
            ),
        )
    for number in range(7):
        store(server, dicom_file(study="5.1", series="5.9", instance=f"5.9.{number}", Modality="SR"))
    middle = get(server, f"{stored.series}/instances/5.3.7/thumbnail", "image/png").content
    for path in (stored.series, stored.study):
        assert get(server, f"{path}/thumbnail", "image/png").content == middle
        assert get(server, f"{path}/thumbnail", "image/gif").status_code == 200


def test_a_range_of_a_video_is_all_that_is_read(server: Server) -> None:
    """More of it is not there: the file was cut off behind its beginning."""
    movie = large_video(server)
    whole = b"mp4" + bytes(range(256)) * (3 << 12)
    answer = get(server, f"{movie.instance}/rendered", "video/mp4")
    assert answer.content.rstrip(b"\0") == whole.rstrip(b"\0")
    (file,) = (one for one in server.folder.glob("storage/*/*/*") if one.stat().st_size > 3 << 20)
    content = file.read_bytes()
    with file.open("r+b") as damaged:
        damaged.truncate(1 << 20)
    try:
        partial = get(server, f"{movie.instance}/rendered", "video/mp4", range="bytes=5000-5999")
        assert (partial.status_code, partial.content) == (206, whole[5000:6000])
    finally:
        file.write_bytes(content)


# -- WADO-URI ------------------------------------------------------------------------------------


def uri(stored: Stored, **arguments: object) -> str:
    found = stored.dataset
    query = {
        "requestType": "WADO",
        "studyUID": found.StudyInstanceUID,
        "seriesUID": found.SeriesInstanceUID,
        "objectUID": found.SOPInstanceUID,
        **arguments,
    }
    return "/wado?" + "&".join(f"{name}={value}" for name, value in query.items())


def test_wado_uri(server: Server, ramp: Stored) -> None:
    jpeg = get(server, uri(ramp))
    assert (jpeg.headers["content-type"], jpeg.content[:2]) == ("image/jpeg", b"\xff\xd8")
    png = get(server, uri(ramp, contentType="image/jp2,image/png"))
    assert picture(png.content).shape == (8, 16)
    file = get(server, uri(ramp, contentType="application/dicom"))
    assert (file.headers["content-type"], file.content) == ("application/dicom", ramp.data)
    assert get(server, f"/wado?requestType=WADO&objectUID={ramp.dataset.SOPInstanceUID}").status_code == 200


def test_wado_uri_parameters(server: Server, ramp: Stored) -> None:
    syntax = "1.2.840.10008.1.2.4.90"
    file = get(server, uri(ramp, contentType="application/dicom", transferSyntax=syntax))
    assert dcmread(BytesIO(file.content)).file_meta.TransferSyntaxUID == syntax
    whole = picture(get(server, uri(ramp, contentType="image/png")).content)
    part = get(server, uri(ramp, contentType="image/png", region="0.25,0.5,0.5,1", columns=4, rows=4))
    assert (picture(part.content) == whole[4:8, 4:8]).all()
    small = get(server, uri(ramp, contentType="image/png", rows=4))
    assert picture(small.content).shape == (4, 8)
    window = get(server, uri(ramp, contentType="image/png", windowCenter=0, windowWidth=1))
    assert set(np.unique(picture(window.content))) == {127, 255} or picture(window.content).min() >= 127
    multi = store_sample(server, "SC_rgb_rle_2frame.dcm")
    second = get(server, uri(multi, contentType="image/png", frameNumber=2))
    assert (picture(second.content) == multi.dataset.pixel_array[1]).all()
    assert get(server, uri(document(server))).headers["content-type"] == "application/pdf"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"requestType": "X"}, 400),
        ({"objectUID": ""}, 400),
        ({"objectUID": "9.9"}, 404),
        ({"studyUID": "9.9"}, 404),
        ({"contentType": "image/tiff"}, 406),
        ({"contentType": "application/dicom", "transferSyntax": "1.2"}, 406),
        ({"frameNumber": "0"}, 400),
        ({"frameNumber": "7"}, 404),
        ({"rows": "x"}, 400),
        ({"region": "0,0,1"}, 400),
        ({"region": "0.5,0,0.5,1"}, 400),
        ({"windowCenter": "5"}, 400),
        ({"imageQuality": "0"}, 400),
        ({"annotation": "patient"}, 400),
        ({"anonymize": "yes"}, 400),
        ({"presentationUID": "1.2"}, 400),
    ],
)
def test_wado_uri_refuses(server: Server, ramp: Stored, arguments: dict[str, str], status: int) -> None:
    assert get(server, uri(ramp, **arguments)).status_code == status
