"""WADO-RS: whole instances."""

from __future__ import annotations

import zipfile
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, RLELossless

from tests.dicomweb.support import EXPLICIT, get, parts, store, store_sample
from tests.support.records import dicom_file
from tests.support.server import Server

SERVER_CONFIG = {"OverwriteInstances": True}

DICOM = 'multipart/related; type="application/dicom"'


def test_a_series_comes_in_parts(server: Server) -> None:
    files = {dicom_file(study="7.1", series="7.2", instance=f"7.3.{n}", side=8) for n in range(3)}
    for file in files:
        one = store(server, file)
    for path in (one.series, one.study):
        answer = get(server, path)
        assert answer.status_code == 200
        found = parts(answer)
        assert {part.content for part in found} == files
        assert {part.headers["content-type"] for part in found} == {
            f"application/dicom; transfer-syntax={EXPLICIT}"
        }
        assert int(answer.headers["content-length"]) == len(answer.content)


def test_many_instances_are_streamed(server: Server) -> None:
    data = {dicom_file(study="8.1", series="8.2", instance=f"8.3.{n}", side=512) for n in range(4)}
    for file in data:
        one = store(server, file)
    answer = get(server, one.series, DICOM)
    assert {part.content for part in parts(answer)} == data
    assert int(answer.headers["content-length"]) == len(answer.content) > 2 << 20


@pytest.mark.parametrize(
    "accept",
    [
        DICOM,
        "multipart/related; type=application/dicom",
        "multipart/related ;type = application/dicom ; q=0.3, text/html;q=0.2",
        'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1',
        'multipart/related; type="application/dicom"; transfer-syntax="1.2.840.10008.1.2.1"',
        'multipart/related; type="application/dicom; transfer-syntax=1.2.840.10008.1.2.1"',
        "*/*",
        "*/*; q=.2",
        "text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8",
        "multipart/*",
        "image/png, multipart/related; type=application/dicom",
        "",
        None,
    ],
)
def test_without_a_transfer_syntax_it_is_explicit_little_endian(server: Server, accept: str | None) -> None:
    stored = store_sample(server, "MR_small_RLE.dcm")
    answer = get(server, stored.instance, accept)
    assert answer.status_code == 200, answer.text
    (part,) = parts(answer)
    found = dcmread(BytesIO(part.content))
    assert found.file_meta.TransferSyntaxUID == EXPLICIT
    assert part.headers["content-type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
    assert (found.pixel_array == dcmread(BytesIO(stored.data)).pixel_array).all()


@pytest.mark.parametrize("accept", [f"{DICOM}; transfer-syntax=*", f'{DICOM}; transfer-syntax="*"'])
def test_as_stored_is_the_very_file(server: Server, accept: str) -> None:
    stored = store_sample(server, "MR_small_RLE.dcm")
    (part,) = parts(get(server, stored.instance, accept))
    assert part.content == stored.data
    assert part.headers["content-type"].endswith(f"transfer-syntax={RLELossless}")


@pytest.mark.parametrize("name", ["MR_small_implicit.dcm", "MR_small_bigendian.dcm"])
def test_as_stored_is_never_implicit_nor_big_endian(server: Server, name: str) -> None:
    stored = store_sample(server, name)
    (part,) = parts(get(server, stored.instance, f"{DICOM}; transfer-syntax=*"))
    found = dcmread(BytesIO(part.content))
    assert found.file_meta.TransferSyntaxUID == EXPLICIT
    assert (found.pixel_array == dcmread(BytesIO(stored.data)).pixel_array).all()


def test_transcoded_to_what_is_asked_for(server: Server) -> None:
    stored = store_sample(server, "CT_small.dcm")
    (part,) = parts(get(server, stored.instance, f"{DICOM}; transfer-syntax={JPEG2000Lossless}"))
    found = dcmread(BytesIO(part.content))
    assert found.file_meta.TransferSyntaxUID == JPEG2000Lossless
    assert found.SOPInstanceUID == stored.dataset.SOPInstanceUID


def test_quality_decides_between_transfer_syntaxes(server: Server) -> None:
    stored = store_sample(server, "CT_small.dcm")
    accept = f"{DICOM}; transfer-syntax={EXPLICIT}; q=0.5, {DICOM}; transfer-syntax={RLELossless}"
    (part,) = parts(get(server, stored.instance, accept))
    assert dcmread(BytesIO(part.content)).file_meta.TransferSyntaxUID == RLELossless
    forbidden = f"{DICOM}; transfer-syntax={RLELossless}; q=0, {DICOM}"
    (part,) = parts(get(server, stored.instance, forbidden))
    assert part.content == stored.data


def test_one_part_for_who_asks(server: Server) -> None:
    stored = store_sample(server, "CT_small.dcm")
    answer = get(server, stored.instance, "application/dicom")
    assert answer.content == stored.data
    assert answer.headers["content-type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
    by_query = get(server, f"{stored.instance}?accept=application/dicom", "image/png")
    assert by_query.content == stored.data


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_zip(server: Server, level: str) -> None:
    stored = store(server, dicom_file(study="7.11", series="7.12", instance="7.13", side=8))
    answer = get(server, getattr(stored, level), "application/zip")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        assert [archive.read(name) for name in archive.namelist()] == [stored.data]


@pytest.mark.parametrize(
    "accept",
    [
        "image/png",
        "application/dicom",  # of a series
        f"{DICOM}; transfer-syntax=1.2.3",
        f"{DICOM}; transfer-syntax=1.2.840.10008.1.2.4.92",
        "*/*;q=0",
    ],
)
def test_what_cannot_be_sent_so_is_refused(server: Server, accept: str) -> None:
    stored = store_sample(server, "CT_small.dcm")
    answer = get(server, stored.series, accept)
    assert answer.status_code == 406
    assert answer.json()["HttpStatus"] == 406


def test_unknown_resources(server: Server) -> None:
    stored = store_sample(server, "CT_small.dcm")
    for path in (
        "/dicom-web/studies/1.2.9",
        f"{stored.study}/series/1.2.9",
        f"{stored.series}/instances/1.2.9",
        f"/dicom-web/studies/1.2.9/series/{stored.dataset.SeriesInstanceUID}",
        f"/dicom-web/studies/{'1' * 3000}",
    ):
        for end in ("", "/metadata"):
            answer = get(server, path + end)
            assert answer.status_code == 404, path
            assert answer.json()["OrthancStatus"] == 17


def test_a_video_is_sent_as_it_is(server: Server) -> None:
    """It has no uncompressed form, which without a word would be meant."""
    stored = store_sample(server, "CT_small.dcm")
    dataset = dcmread(BytesIO(stored.data))
    dataset.SOPInstanceUID = "7.21"
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    dataset.PixelData = encapsulate([b"not really a video"])
    dataset["PixelData"].VR = "OB"
    buffer = BytesIO()
    dataset.save_as(buffer)
    video = store(server, buffer.getvalue())
    (part,) = parts(get(server, video.instance, DICOM))
    assert part.content == video.data
    frame = get(server, f"{video.instance}/frames/1", "video/mp4")
    assert frame.content == b"not really a video"
    assert frame.headers["content-type"] == "video/mp4; transfer-syntax=1.2.840.10008.1.2.4.102"


def test_entity_tags(server: Server) -> None:
    stored = store_sample(server, "CT_small.dcm")
    answer = get(server, stored.instance)
    again = get(server, stored.instance, if_none_match=answer.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert "private" in answer.headers["cache-control"]
