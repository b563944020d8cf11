"""DICOMweb beside the installed plugin of the reference: metadata, frames, series, searches, storing.

``python -m benchmarks.bench_dicomweb`` measures all but large archives.
``python -m benchmarks.bench_dicomweb search N`` fills both servers with N studies by uploads, and searches.
"""

from __future__ import annotations

import sys
import time
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, generate_uid

from benchmarks import bench_find
from benchmarks.bench_upload import upload
from benchmarks.corpus import ct_slices
from benchmarks.pair import compare, machine, resident_mb, servers
from benchmarks.wire import Connection, rate
from tests.support.server import Server

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SLICES = 600
STUDIES = 1000
FRAMES = 500
STORED = 400
CONNECTIONS = 6
ROOT = "/dicom-web"
GZIP = "Accept-Encoding: gzip\r\n"
AS_STORED = 'Accept: multipart/related; type="application/octet-stream"; transfer-syntax=*\r\n'
FILES = 'Accept: multipart/related; type="application/dicom"; transfer-syntax=*\r\n'


def main() -> None:
    print(machine())
    files = ct_slices(SLICES, 512, per_series=SLICES)
    first = dcmread(BytesIO(files[0]), stop_before_pixels=True)
    series = f"{ROOT}/studies/{first.StudyInstanceUID}/series/{first.SeriesInstanceUID}"
    ultrasound, cine = multi_frame()
    with servers(theirs={"Plugins": [str(PLUGIN)]}) as pair:
        for server in pair.values():
            rate(server.http_port, CONNECTIONS, [*files, ultrasound], upload)
        frames = [
            f"{series}/instances/{dcmread(BytesIO(one), stop_before_pixels=True).SOPInstanceUID}/frames/1"
            for one in files
        ]
        for name, server in pair.items():
            seconds = once(server, f"{series}/metadata")
            print(f"{name}: metadata of {SLICES} slices, for the first time: {seconds:.2f} s")
        compare(
            f"metadata of {SLICES} slices, again",
            pair,
            lambda one: repeated(one, f"{series}/metadata", GZIP, 5),
            "/s",
        )
        for name, server in pair.items():
            speed = rate(server.http_port, CONNECTIONS, frames, as_stored)
            print(f"{name}: {SLICES} frames, {CONNECTIONS} connections, for the first time: {speed:.0f}/s")
        compare(
            f"{SLICES} frames, {CONNECTIONS} connections",
            pair,
            lambda one: rate(one.http_port, CONNECTIONS, frames, as_stored),
            "/s",
            repeat=3,
        )
        compare("the series in one answer", pair, lambda one: megabytes(one, series), "MB/s")
        some = [f"{cine}/frames/{number}" for number in range(1, FRAMES, FRAMES // 20)]
        compare(
            f"a frame of {FRAMES}, JPEG",
            pair,
            lambda one: rate(one.http_port, 1, some, as_stored),
            "/s",
            repeat=3,
        )
        for server in pair.values():
            rate(server.http_port, CONNECTIONS, small_studies(), upload)
        query = f"{ROOT}/studies?limit=100&offset=500&includefield=00081030"
        compare(f"100 of {STUDIES} studies", pair, lambda one: repeated(one, query, GZIP, 10), "/s")
        stows = iter(stow_bodies())
        compare(f"{STORED} slices stored", pair, lambda one: stow(one, *next(stows)), "/s", repeat=2)
        for name, server in pair.items():
            print(f"Memory of {name}: {resident_mb(server):.0f} MB")


SEARCHES = {
    "100 studies": "studies?limit=100",
    "100 studies, as OHIF asks": "studies?limit=101&offset=0&includefield=00081030,00080060",
    "100 studies in the middle": "studies?limit=100&offset={middle}",
    "100 of a part of a name": "studies?PatientName=*mi*&limit=100",
    "100 of two months": "studies?StudyDate=20200101-20200301&limit=100",
    "100 series": "series?limit=100",
}


def search(studies: int) -> None:
    """Searches in an archive."""
    print(machine())
    unsynced = {"SyncStorageArea": False}
    with servers(unsynced, {"Plugins": [str(PLUGIN)]}) as pair:
        for server in pair.values():
            bench_find.upload(server.http_port, studies, 60)
        for what, query in SEARCHES.items():
            path = f"{ROOT}/{query.format(middle=studies // 2)}"
            compare(f"{what}, of {studies}", pair, lambda one, path=path: repeated(one, path, GZIP, 4), "/s")


def multi_frame() -> tuple[bytes, str]:
    """A file of many compressed frames, and its path."""
    dataset = dcmread(BytesIO(ct_slices(1, 64, seed=99)[0]))
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 480, 640, FRAMES
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([b"\xff\xd8\xff" + bytes(40_000) + b"\xff\xd9" for _ in range(FRAMES)])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    output = BytesIO()
    dataset.save_as(output)
    path = (
        f"{ROOT}/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )
    return output.getvalue(), path


def small_studies() -> list[bytes]:
    return [ct_slices(1, 16, seed=1000 + number)[0] for number in range(STUDIES)]


def stow_bodies() -> list[tuple[bytes, str]]:
    """A request for each measurement: new instances of one series."""
    bodies = []
    files = ct_slices(STORED, 512, seed=500, per_series=STORED)
    for _ in range(4):
        series, parts = generate_uid(), []
        for file in files:
            dataset = dcmread(BytesIO(file))
            dataset.SeriesInstanceUID, dataset.SOPInstanceUID = series, generate_uid()
            output = BytesIO()
            dataset.save_as(output)
            parts.append(b"--B\r\nContent-Type: application/dicom\r\n\r\n" + output.getvalue() + b"\r\n")
        bodies.append(
            (b"".join(parts) + b"--B--\r\n", 'multipart/related; type="application/dicom"; boundary=B')
        )
    return bodies


def as_stored(client: Connection, path: object) -> None:
    assert isinstance(path, str)
    client.request("GET", path, headers=AS_STORED)


def once(server: Server, path: str) -> float:
    """Seconds of one request."""
    started = time.perf_counter()
    Connection(server.http_port).request("GET", path, headers=GZIP)
    return time.perf_counter() - started


def repeated(server: Server, path: str, headers: str, count: int) -> float:
    """Requests per second, each over a connection of its own."""
    started = time.perf_counter()
    for _ in range(count):
        Connection(server.http_port).request("GET", path, headers=headers)
    return count / (time.perf_counter() - started)


def megabytes(server: Server, path: str) -> float:
    """Megabytes per second of an answer, as the files are stored."""
    started = time.perf_counter()
    return Connection(server.http_port).drain(path, FILES) / 1e6 / (time.perf_counter() - started)


def stow(server: Server, body: bytes, media_type: str) -> float:
    """Instances per second."""
    started = time.perf_counter()
    Connection(server.http_port).request("POST", f"{ROOT}/studies", body, f"Content-Type: {media_type}\r\n")
    return STORED / (time.perf_counter() - started)


if __name__ == "__main__":
    if sys.argv[1:2] == ["search"]:
        search(int(sys.argv[2]))
    else:
        main()
