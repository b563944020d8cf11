"""DICOMweb beside the installed plugin of the reference: metadata, frames, series, searches, storing.

``python -m benchmarks.bench_dicomweb`` measures all but large archives.
``python -m benchmarks.bench_dicomweb search N`` fills both servers with N studies by uploads, and searches.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
STOWS = 3
FIRST_TIMES = 3
CONNECTIONS = 6
ROOT = "/dicom-web"
GZIP = "Accept-Encoding: gzip\r\n"
AS_STORED = 'Accept: multipart/related; type="application/octet-stream"; transfer-syntax=*\r\n'
FILES = 'Accept: multipart/related; type="application/dicom"; transfer-syntax=*\r\n'


def main() -> None:
    print(machine())
    sets = [Slices.generated(seed) for seed in range(1, FIRST_TIMES + 1)]
    ultrasound, cine = multi_frame()
    # Series are not stable before they are asked for: metadata made before are no first time.
    with servers({"StableAge": 600}, {"Plugins": [str(PLUGIN)]}) as pair:
        for server in pair.values():
            for slices in sets:
                rate(server.http_port, CONNECTIONS, slices.files, upload)
            rate(server.http_port, 1, [ultrasound], upload)
        of_series(pair, sets)
        some = [f"{cine}/frames/{number}" for number in range(1, FRAMES, FRAMES // 20)]
        compare(
            f"a frame of {FRAMES}, JPEG",
            pair,
            lambda one: rate(one.http_port, 1, some, as_stored),
            "/s",
            repeat=5,
        )
        for server in pair.values():
            rate(server.http_port, CONNECTIONS, small_studies(), upload)
        query = f"{ROOT}/studies?limit=100&offset=500&includefield=00081030"
        compare(f"100 of {STUDIES} studies", pair, lambda one: repeated(one, query, GZIP, 10), "/s")
        stows = iter(stow_bodies())
        compare(f"{STORED} slices stored", pair, lambda one: stow(one, *next(stows)), "/s", repeat=STOWS)
        for name, server in pair.items():
            print(f"Memory of {name}: {resident_mb(server):.0f} MB")


def of_series(pair: Mapping[str, Server], sets: Sequence[Slices]) -> None:
    """Metadata and frames, each for the first time of several series and then again, and whole series."""

    def for_the_first_time(measure: Callable[[Server, Slices], float]) -> Callable[[Server], float]:
        waiting = {id(server): iter(sets) for server in pair.values()}
        return lambda server: measure(server, next(waiting[id(server)]))

    path, times = sets[0].path, len(sets)
    metadata = for_the_first_time(lambda one, slices: 1 / once(one, f"{slices.path}/metadata"))
    compare(f"metadata of {SLICES} slices, first time", pair, metadata, "/s", repeat=times)
    compare(
        f"metadata of {SLICES} slices, again",
        pair,
        lambda one: repeated(one, f"{path}/metadata", GZIP, 5),
        "/s",
    )
    several = f"{SLICES} frames, {CONNECTIONS} connections"
    frames = for_the_first_time(
        lambda one, slices: rate(one.http_port, CONNECTIONS, slices.frames, as_stored)
    )
    compare(f"{several}, first time", pair, frames, "/s", repeat=times)
    compare(several, pair, lambda one: rate(one.http_port, CONNECTIONS, sets[0].frames, as_stored), "/s")
    compare("the series in one answer, dropped", pair, lambda one: megabytes(one, path), "MB/s")
    compare("the series in one answer, kept", pair, lambda one: megabytes(one, path, keep=True), "MB/s")


@dataclass(frozen=True)
class Slices:
    """A series."""

    files: list[bytes]
    path: str
    frames: list[str]  # the path of each

    @staticmethod
    def generated(seed: int) -> Slices:
        files = ct_slices(SLICES, 512, seed, per_series=SLICES)
        heads = [dcmread(BytesIO(file), stop_before_pixels=True) for file in files]
        path = f"{ROOT}/studies/{heads[0].StudyInstanceUID}/series/{heads[0].SeriesInstanceUID}"
        return Slices(files, path, [f"{path}/instances/{head.SOPInstanceUID}/frames/1" for head in heads])


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
    for _ in range(2 * STOWS):
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


def megabytes(server: Server, path: str, keep: bool = False) -> float:
    """Megabytes per second of an answer, as the files are stored.

    :param keep: whether the client puts all of it together, which is work of its own
    """
    client, started = Connection(server.http_port), time.perf_counter()
    size = len(client.request("GET", path, headers=FILES)) if keep else client.drain(path, FILES)
    return size / 1e6 / (time.perf_counter() - started)


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
