"""What users of other DICOMweb servers complain about, and the tests that show that it is not so here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.dicomweb.support import ROOT, Stored, get, json_of, parts, store, store_sample
from tests.safety.test_memory import Peak
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

COMPLAINTS = {
    "metadata of a study are slow, as every file is read": [
        "test_metadata:test_the_metadata_of_a_stable_series_are_made_before_they_are_asked_for",
        "test_complaints:test_metadata_that_are_kept_need_no_file",
    ],
    "metadata of main tags alone break viewers": ["test_complaints:test_metadata_are_full_in_every_mode"],
    "a frame of a large file costs the whole file, and is decoded for each who asks": [
        "test_frame_service:test_a_frame_costs_one_read_of_its_bytes",
        "test_frame_service:test_who_asks_for_the_same_waits_for_one_decoding",
        "test_frame_service:test_places_are_found_once_for_all_times",
        "test_frame_service:test_a_deflated_file_is_inflated_once_for_all_who_ask",
        "test_kept_places:test_kept_places_follow_the_file",
    ],
    "each request for a frame looks up its UIDs again": ["test_locator:test_an_instance_is_looked_up_once"],
    "large arrays of numbers make metadata slow and large": [
        "test_complaints:test_large_arrays_are_not_in_the_metadata"
    ],
    "addresses of bulk data have the wrong host or port behind proxies": [
        "test_metadata:test_addresses_are_those_that_the_client_knows",
        "test_negotiation:test_only_trusted_proxies_are_believed",
    ],
    "errors have no headers for pages of other sites": [
        "test_cross_origin:test_answers_are_for_the_page_errors_too"
    ],
    "a browser is refused": ["test_complaints:test_a_browser_is_never_refused"],
    "an Accept with several ranges, or quotes, is not understood": [
        "test_negotiation:test_the_choice_is_the_best_liked",
        "test_negotiation:test_examples",
    ],
    "a study is rendered as one picture": ["test_pictures:test_all_of_a_series_for_who_wants_parts"],
    "thumbnails of videos and documents are one icon for all": [
        "test_pictures:test_a_symbol_stands_for_what_has_no_picture",
        "test_pictures:test_documents_and_videos_as_they_are",
    ],
    "bulk data have no ranges": ["test_frames:test_bulk_data", "test_frames:test_a_range_of_a_frame"],
    "there are no entity tags": [
        "test_metadata:test_gzip_and_entity_tags",
        "test_instances:test_entity_tags",
        "test_pictures:test_entity_tags_of_pictures",
    ],
    "there is no ZIP": ["test_instances:test_zip"],
    "capabilities are not told": ["test_cross_origin:test_capabilities"],
    "metadata and bulk data cannot be stored": [
        "test_store:test_metadata_in_json_with_bulk_data",
        "test_store:test_metadata_in_xml",
    ],
    "one part cannot be had, nor stored": [
        "test_instances:test_one_part_for_who_asks",
        "test_store:test_a_single_file",
    ],
    "private attributes in a query are errors": [
        "test_search:test_matching",
        "test_complaints:test_private_attributes_are_searched_and_shown",
    ],
    "fuzzymatching, and includefield=all, are ignored in silence": [
        "test_search:test_matching",
        "test_search:test_what_is_included",
        "test_search:test_unsupported_parameters_are_told",
    ],
    "requests above 4 GB are not stored": ["test_complaints:test_a_large_request_is_stored_in_little_memory"],
    "a full storage is not told": ["test_store:test_a_full_server"],
    "the body of a 202 is lost": ["test_store:test_some_are_not_stored"],
    "metadata are too large for a list of series": [
        "test_metadata:test_only_some_attributes",
        "test_metadata:test_gzip_and_entity_tags",
        "test_search:test_series_and_instances",
    ],
}
SERVICES = ("test_frame_service", "test_locator")

STOW_MB = int(os.environ.get("ORTHANCLITE_STOW_MB", "96"))
"""The size of a large request, in megabytes."""
MEMORY_MB = 64
"""What storing it may add to the memory of the server."""

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
SERVER_CONFIG = {"Dictionary": {"0009,1001": ["LO", "AcmeColour", 1, 1, "ACME"]}}


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_each_has_a_test(complaint: str) -> None:
    for name in COMPLAINTS[complaint]:
        module, _, function = name.partition(":")
        place = "tests.services.dicomweb" if module in SERVICES else "tests.dicomweb"
        assert callable(getattr(import_module(f"{place}.{module}"), function)), name


def test_metadata_that_are_kept_need_no_file(tmp_path: Path) -> None:
    """Not even after a restart, when nothing is in memory."""
    site = orthanclite(tmp_path)
    with running(site):
        for number in range(3):
            file = dicom_file(study="1.1", series="1.2", instance=f"1.3.{number}", side=8)
            study = site.upload(file)["ParentStudy"]
        site.client.post(f"/studies/{study}/update-dicomweb-cache").raise_for_status()
        site.stop()
        files = [one for one in tmp_path.glob("storage/*/*/*") if one.read_bytes()[128:132] == b"DICM"]
        assert len(files) == 3
        for one in files:
            one.unlink()
        site.start()
        for path in ("1.1/metadata", "1.1/series/1.2/metadata"):
            found = json_of(get(site, f"{ROOT}/studies/{path}"))
            assert [one["00280010"]["Value"] for one in found] == [[8], [8], [8]]


def test_metadata_are_full_in_every_mode(tmp_path: Path) -> None:
    modes = {"StudiesMetadata": "MainDicomTags", "SeriesMetadata": "Extrapolate"}
    with running(orthanclite(tmp_path, {"DicomWeb": modes})) as site:
        stored = store_sample(site, "CT_small.dcm")
        (whole,) = json_of(get(site, f"{stored.instance}/metadata"))
        assert len(whole) > 90
        for path in (stored.study, stored.series):
            assert json_of(get(site, f"{path}/metadata")) == [whole]


def test_large_arrays_are_not_in_the_metadata(server: Server) -> None:
    """The grid of a deformable registration (PS3.3 C.20.3.1.2), in two sequences."""
    grid, registration = Dataset(), Dataset()
    grid.VectorGridData = np.arange(300_000, dtype="<f4").tobytes()
    grid.GridDimensions = [100, 100, 10]
    registration.DeformableRegistrationGridSequence = [grid]
    file = dicom_file(
        study="2.1", series="2.2", instance="2.3", DeformableRegistrationSequence=[registration]
    )
    stored = store(server, file)
    answer = get(server, f"{stored.series}/metadata")
    assert len(answer.content) < 10_000
    (found,) = json_of(answer)
    item = found["00640002"]["Value"][0]["00640005"]["Value"][0]
    assert item["00640009"]["vr"] == "OF"
    (part,) = parts(get(server, item["00640009"]["BulkDataURI"]))
    assert part.content == grid.VectorGridData


@pytest.fixture(scope="module")
def image(server: Server) -> Stored:
    return store_sample(server, "CT_small.dcm")


@pytest.mark.parametrize("level", ["study", "series", "instance"])
@pytest.mark.parametrize("end", ["", "/metadata", "/rendered", "/thumbnail"])
def test_a_browser_is_never_refused(server: Server, image: Stored, level: str, end: str) -> None:
    assert get(server, getattr(image, level) + end, BROWSER).status_code == 200


@pytest.mark.parametrize("end", ["/frames", "/frames/1", "/frames/1/rendered", "/bulk/7fe00010"])
def test_a_browser_may_have_single_frames_and_values(server: Server, image: Stored, end: str) -> None:
    assert get(server, image.instance + end, BROWSER).status_code == 200


@pytest.mark.parametrize("path", ["studies", "series", "instances", "studies/1.9/series"])
def test_a_browser_may_search(server: Server, image: Stored, path: str) -> None:
    assert isinstance(json_of(get(server, f"{ROOT}/{path}", BROWSER)), list)


def test_private_attributes_are_searched_and_shown(server: Server) -> None:
    for number, colour in enumerate(("blue", "red")):
        file = dicom_file(study=f"3.1.{number}", series=f"3.2.{number}", instance=f"3.3.{number}")
        store(server, with_private(file, colour))
    (found,) = json_of(get(server, f"{ROOT}/studies?StudyInstanceUID=3.1.0,3.1.1&00091001=blue"))
    assert found["0020000D"]["Value"] == ["3.1.0"]
    assert found["00091001"] == {"vr": "LO", "Value": ["blue"]}
    (shown,) = json_of(get(server, f"{ROOT}/studies?StudyInstanceUID=3.1.1&includefield=AcmeColour"))
    assert shown["00091001"] == {"vr": "LO", "Value": ["red"]}
    for query in ("00091099=x", "000B1001=*", "includefield=00091099", "00090010=ACME"):
        assert isinstance(json_of(get(server, f"{ROOT}/studies?{query}")), list)


def test_a_large_request_is_stored_in_little_memory(tmp_path: Path) -> None:
    """``ORTHANCLITE_STOW_MB=4500`` sends more than 4 GB at once, of which the first instance is 3 GB."""
    sizes = [STOW_MB * 2 // 3, *[STOW_MB // 24] * 8]
    with running(orthanclite(tmp_path, {"SyncStorageArea": False})) as site:
        store_sample(site, "CT_small.dcm")  # whatever is needed for the first time is in memory now
        peak = Peak(site)
        answer = site.client.post(
            f"{ROOT}/studies",
            content=large_body(sizes),
            headers={"content-type": 'multipart/related; type="application/dicom"; boundary=bound'},
            timeout=600,
        )
        grown = peak() >> 20
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["00081199"]["Value"]) == len(sizes)
        assert int(site.get("/statistics")["TotalDiskSize"]) > sum(sizes) << 20
        assert grown < MEMORY_MB, f"{grown} MB for {STOW_MB} MB"


def large_body(sizes: list[int]) -> Iterator[bytes]:
    """Parts whose pixel data have these megabytes."""
    piece = bytes(1 << 20)
    for number, size in enumerate(sizes):
        head = dicom_file(study="4.1", series="4.2", instance=f"4.3.{number}")
        length = (size << 20).to_bytes(4, "little")
        yield b"--bound\r\nContent-Type: application/dicom\r\n\r\n" + head
        yield b"\xe0\x7f\x10\x00OW\0\0" + length
        for _ in range(size):
            yield piece
        yield b"\r\n"
    yield b"--bound--\r\n"


def with_private(file: bytes, colour: str) -> bytes:

    dataset = dcmread(BytesIO(file))
    dataset.private_block(0x0009, "ACME", create=True).add_new(0x01, "LO", colour)
    output = BytesIO()
    dataset.save_as(output)
    return output.getvalue()
