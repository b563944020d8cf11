"""The image routes beside those of the installed reference: pixels, statuses, headers."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from orthanclite.dicom.pixels.reading.decode import decode_samples
from orthanclite.dicom.pixels.reading.source import open_source
from tests.parity import image_files
from tests.parity.made import file_of
from tests.support.server import REFERENCE, Server, orthanclite, reference, running

pytestmark = pytest.mark.skipif(REFERENCE is None, reason="the reference is not installed")

PICTURES = ("preview", "rendered", "image-uint8", "image-uint16", "image-int16")
FRAMED = (*PICTURES, "matlab", "numpy", "raw", "raw.gz")
ROUTES = (
    *PICTURES,
    "matlab",
    "numpy",
    "numpy?rescale=0",
    "numpy?compress=1",
    "frames",
    "frames/0/preview",
    "frames/0/raw",
    "frames/0/raw.gz",
    *(f"frames/1/{name}" for name in FRAMED),
    "frames/x/preview",
    "frames/-1/raw",
    "preview?quality=0",
    "preview?returnUnsupportedImage",
    "rendered?width=17",
    "rendered?height=50",
    "rendered?width=20&height=7&smooth=1",
    "rendered?window-center=40&window-width=300",
    "rendered?window-width=100.5",
)
BAD_ARGUMENTS = (
    "rendered?width=x",
    "rendered?window-center=1e400",
    "rendered?height=-1",
    "rendered?smooth=x",
)
"""Only asked of images that can be shown: the reference looks at them after decoding."""
UNLIKE_HEADERS = {"date", "content-length", "x-content-type-options"}
"""Not compared: the length is that of the body, which depends on the encoder; the last one came with 1.12."""

RLE = "1.2.840.10008.1.2.5"
JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{last}" for last in ("90", "91", "201", "202", "203"))
_COLOURS = ("RGB", "PALETTE COLOR")
ERROR = 400


@dataclass(frozen=True)
class Answer:
    """What a server answers: only the kind of an error, since its words are our own."""

    status: int
    headers: tuple[tuple[str, str], ...]
    content: Any = None

    @staticmethod
    def of(route: str, answer: httpx.Response) -> Answer:
        if answer.status_code >= ERROR:
            code = answer.json()["OrthancStatus"] if answer.content else None
            return Answer(answer.status_code, (), code)
        assert int(answer.headers["content-length"]) == len(answer.content)
        headers = tuple(sorted(item for item in answer.headers.items() if item[0] not in UNLIKE_HEADERS))
        # The placeholder stands elsewhere for the moment only: 307, as release 1.13 answers.
        status = 307 if answer.status_code == 301 else answer.status_code
        return Answer(status, headers, _decoded(route, answer))


def _decoded(route: str, answer: httpx.Response) -> Any:
    if answer.headers.get("content-type", "").startswith("image/p"):
        return np.asarray(Image.open(io.BytesIO(answer.content)))
    if "numpy" in route:
        array = np.load(io.BytesIO(answer.content))
        return array["arr_0"] if "compress" in route else array
    return gzip.decompress(answer.content) if route.endswith(".gz") else answer.content


@dataclass(frozen=True)
class Difference:
    """An answer that is meant to be another one."""

    reason: str
    """As in docs/differences.md."""
    applies: Callable[[str, str, Dataset], bool]
    """Whether it may be seen on an image, a route and the header of a file."""


def _syntax(dataset: Dataset) -> str:
    return str(dataset.file_meta.get("TransferSyntaxUID", ""))


def _decodes(applies: Callable[[str, Dataset], bool]) -> Callable[[str, str, Dataset], bool]:
    """On every route that needs the values of the pixels."""
    return lambda name, route, header: "raw" not in route and "Rows" in header and applies(name, header)


DIFFERENCES = (
    Difference("JPEG 2000 is decoded", _decodes(lambda name, header: _syntax(header) in JPEG_2000)),
    Difference("images of 32 bits are decoded", _decodes(lambda name, header: header.BitsAllocated == 32)),
    Difference(
        "images of one bit are decoded",
        lambda name, route, header: header.get("BitsAllocated") == 1,
    ),
    Difference(
        "signed images of 8 bits are decoded",
        _decodes(lambda name, header: header.BitsAllocated == 8 and header.PixelRepresentation == 1),
    ),
    Difference(
        "the sign is extended from BitsStored",
        _decodes(lambda name, header: header.PixelRepresentation == 1 and header.BitsStored == 12),
    ),
    Difference(
        "colour of 16 bits is decoded",
        _decodes(
            lambda name, header: header.BitsAllocated > 8 and header.PhotometricInterpretation in _COLOURS
        ),
    ),
    Difference(
        "RLE planes are joined to pixels",
        _decodes(lambda name, header: _syntax(header) == RLE and header.get("PlanarConfiguration") == 1),
    ),
    Difference(
        "values above the lowest bit are moved down, in compressed images, too",
        _decodes(lambda name, header: header.HighBit != header.BitsStored - 1 and name.startswith("jpeg")),
    ),
    Difference(
        "ELSCINT1 pixels are found in implicit VR, too",
        lambda name, route, header: name == "implicit:elscint",
    ),
    Difference(
        "a file with a wrong value representation is read",
        lambda name, route, header: name == "bundled:badVR.dcm",
    ),
    Difference(
        "frames of uncompressed YBR_FULL_422 are given as they are stored",
        lambda name, route, header: (
            "raw" in route
            and header.get("PhotometricInterpretation") == "YBR_FULL_422"
            and _syntax(header) == "1.2.840.10008.1.2.1"
        ),
    ),
    Difference(
        "raw frames of what has no pixel data are refused with 400",
        lambda name, route, header: "raw" in route and "Rows" not in header,
    ),
    Difference(
        "rescaled arrays are not rounded down",
        lambda name, route, header: "numpy" in route and "RescaleSlope" in header,
    ),
)
"""Whatever else differs is a failure."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """Our server and the reference."""
    config = {"OverwriteInstances": True, "SyncStorageArea": False, "HttpCompressionEnabled": False}
    ours = orthanclite(tmp_path_factory.mktemp("ours"), config)
    theirs = reference(tmp_path_factory.mktemp("theirs"), config)
    with running(ours), running(theirs):
        yield ours, theirs


def stored(pair: tuple[Server, Server], data: bytes) -> str:
    """The identifier of a file that both servers have stored. Skips the test where there is none."""
    ours, theirs = (server.client.post("/instances", content=data) for server in pair)
    assert (ours.status_code == 200) == (theirs.status_code == 200), (ours.text, theirs.text)
    if ours.status_code != 200:
        pytest.skip("neither server takes this file")
    own: str = ours.json()["ID"]
    if own != theirs.json()["ID"]:
        pytest.skip("the servers read different identifiers from this file")
    return own


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", image_files.names())
def test_image_routes_answer_as_the_reference(pair: tuple[Server, Server], name: str) -> None:
    data = image_files.content(name)
    instance = stored(pair, data)
    header = pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)
    is_shown = pair[0].client.get(f"/instances/{instance}/rendered").status_code == 200
    for route in (*ROUTES, *(BAD_ARGUMENTS if is_shown else ())):
        ours, theirs = (
            Answer.of(route, server.client.get(f"/instances/{instance}/{route}")) for server in pair
        )
        problem = _difference(ours, theirs)
        if problem:
            assert any(known.applies(name, route, header) for known in DIFFERENCES), (route, problem)


def _difference(ours: Answer, theirs: Answer) -> str:
    """What differs between two answers; empty where nothing does."""
    if (ours.status, ours.headers) != (theirs.status, theirs.headers):
        return f"{ours.status} {ours.headers} instead of {theirs.status} {theirs.headers}"
    if not isinstance(ours.content, np.ndarray):
        return "" if ours.content == theirs.content else f"{ours.content!r:.100}, not {theirs.content!r:.100}"
    if (ours.content.shape, ours.content.dtype) != (theirs.content.shape, theirs.content.dtype):
        return f"array {ours.content.shape} {ours.content.dtype}, not {theirs.content.shape}"
    apart = np.abs(ours.content.astype(np.float64) - theirs.content.astype(np.float64))
    return "" if not apart.max() else f"values up to {apart.max()} apart, {np.mean(apart > 0):.1%} of them"


_PREFIX = "1.2.840.10008.1.2"
LOSSLESS = (
    _PREFIX,
    f"{_PREFIX}.1",
    f"{_PREFIX}.2",
    f"{_PREFIX}.1.99",
    *(f"{_PREFIX}.4.{n}" for n in (57, 70, 80)),
)
NEAR_LOSSLESS = f"{_PREFIX}.4.81"
LOSSY = (f"{_PREFIX}.4.50", f"{_PREFIX}.4.51", NEAR_LOSSLESS)
ENCODINGS = ("made", "implicit", "big-endian", "deflated", "rle", "jpeg-sv1", "jpeg-baseline", "jpegls")
TRANSCODED = [
    name
    for name in image_files.names()
    if name.split(":")[0] in ENCODINGS and "signed12" not in name  # which ends the reference
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TRANSCODED)
def test_files_are_transcoded_as_by_the_reference(pair: tuple[Server, Server], name: str) -> None:
    data = image_files.content(name)
    instance = stored(pair, data)
    uid = header_uid(data)
    for target in (*LOSSLESS, *LOSSY):
        ours, theirs = (_transcoded(server, instance, target) for server in pair)
        one, other = (
            pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True) for content in (ours, theirs)
        )
        if other.file_meta.TransferSyntaxUID != target:
            continue  # it cannot, and archives the file as it is
        if target in LOSSY and one.PixelRepresentation == 1 and one.file_meta.TransferSyntaxUID != target:
            continue  # an intended difference
        assert one.file_meta.TransferSyntaxUID == target
        assert (one.SOPInstanceUID == uid) == (other.SOPInstanceUID == uid), target
        assert one.get("LossyImageCompression") == other.get("LossyImageCompression"), target
        assert _apart(ours, theirs) <= _tolerance(target, one), target


def _tolerance(target: str, header: Dataset) -> int:
    """In values of pixels: one of 256 grey levels, or what both are allowed to be off the original."""
    if target == NEAR_LOSSLESS:
        return 2 * 2
    return 1 << max(0, header.BitsStored - 8) if target in LOSSY else 0


def _transcoded(server: Server, instance: str, target: str) -> bytes:
    """A file in another transfer syntax, from an archive: the older release has no other route for it."""
    body = {"Resources": [instance], "Transcode": target}
    answer = server.client.post("/tools/create-archive", json=body)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return archive.read(archive.namelist()[0])


def header_uid(data: bytes) -> str:
    return str(pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True).SOPInstanceUID)


def _apart(one: bytes, other: bytes) -> int:
    """How far two files are apart, in values of pixels."""
    found = []
    for data in (one, other):
        with open_source(data) as source:
            frames = [decode_samples(source, index)[0] for index in range(source.frame_count())]
        found.append(np.stack(frames).astype(int))
    assert found[0].shape == found[1].shape
    return int(np.abs(found[0] - found[1]).max())


@pytest.mark.parametrize(
    "accept",
    [
        "image/png",
        "image/jpeg",
        "image/x-portable-arbitrarymap",
        "image/*",
        "*/*",
        "text/html",
        "image/jpg",
        "image/jpeg;q=0.1, image/png;q=0.2",
        "image/gif, image/*;q=0.1",
        "image/png, image/jpeg",
    ],
)
@pytest.mark.parametrize("image", ["made:grey12", "made:rgb8"])
def test_formats_are_negotiated_as_by_the_reference(
    pair: tuple[Server, Server], image: str, accept: str
) -> None:
    instance = stored(pair, image_files.content(image))
    for route in ("preview", "rendered", "image-uint16", "preview?quality=30"):
        ours, theirs = (
            server.client.get(f"/instances/{instance}/{route}", headers={"Accept": accept}) for server in pair
        )
        assert ours.status_code == theirs.status_code, route
        if theirs.status_code == 200:
            assert ours.headers["content-type"] == theirs.headers["content-type"]
            assert _picture_of(ours).shape == _picture_of(theirs).shape
            apart = np.abs(_picture_of(ours) - _picture_of(theirs))
            # two encoders of JPEG need not make the same coefficients
            assert apart.max() <= (4 if "jpeg" in ours.headers["content-type"] else 0), route


def _picture_of(answer: httpx.Response) -> np.ndarray:
    if not answer.content.startswith(b"P7"):
        return np.asarray(Image.open(io.BytesIO(answer.content))).astype(np.int64)
    head, _, pixels = answer.content.partition(b"ENDHDR\n")
    fields = dict(line.split() for line in head.decode().splitlines()[1:])
    kind = ">u1" if fields["MAXVAL"] == "255" else ">u2"
    shape = tuple(int(fields[name]) for name in ("HEIGHT", "WIDTH", "DEPTH"))
    return np.frombuffer(pixels, kind).reshape(shape).astype(np.int64)


def _series(count: int, **changes: Any) -> list[bytes]:
    """Slices of one series, stored in another order than their positions."""
    files = []
    for number in range(count):
        dataset = image_files.image("slice", (image_files.ramp() + number).astype("<u2"), 16)
        dataset.SOPInstanceUID = f"{dataset.SOPInstanceUID[:50]}.{number}"
        dataset.SeriesInstanceUID = f"{dataset.SeriesInstanceUID[:50]}.{len(changes)}"
        dataset.InstanceNumber = number
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.ImagePositionPatient = [0, 0, 100 - 3 * (number * 7 % count)]
        dataset.RescaleSlope, dataset.RescaleIntercept = "2", "-5"
        for keyword, value in changes.items():
            if number == count - 1:
                setattr(dataset, keyword, value)
        files.append(file_of(dataset))
    return files


@pytest.mark.parametrize(
    "route", ["numpy", "numpy?rescale=0", "numpy?rescale=false&compress", "numpy?rescale=x"]
)
@pytest.mark.parametrize("changes", [{}, {"Rows": 20}, {"Modality": "CT", "BitsStored": 12}], ids=str)
def test_arrays_of_series_are_those_of_the_reference(
    pair: tuple[Server, Server], changes: dict[str, Any], route: str
) -> None:
    for data in _series(5, **changes):
        instance = stored(pair, data)
    series = pair[0].get(f"/instances/{instance}/series")["ID"]
    ours, theirs = (Answer.of(route, server.client.get(f"/series/{series}/{route}")) for server in pair)
    assert _difference(ours, theirs) == ""


def test_every_intended_difference_is_documented() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "differences.md").read_text()
    for difference in DIFFERENCES:
        assert difference.reason in documented
