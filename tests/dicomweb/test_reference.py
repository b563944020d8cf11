"""Beside Orthanc's plugin, where it is installed: the same attributes with the same values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dicomweb.support import Stored, get, store_sample
from tests.support.server import REFERENCE, Server, reference, running

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SAMPLES = ("CT_small.dcm", "MR_small.dcm", "examples_ybr_color.dcm", "rtplan.dcm", "JPEG2000.dcm")

pytestmark = pytest.mark.skipif(
    REFERENCE is None or not PLUGIN.exists(), reason="Orthanc and its DICOMweb plugin are not installed"
)

BEYOND = {"00080005", "00080056", "00081190", "00083002", "00280008"}
"""Attributes that the installed release 1.7 does not show, or in another character set, or by its address."""


MORE = {"00080005", "FFFCFFFC", "7FE00010", "00191050"}
"""Of the metadata: the installed release leaves fragments of pixel data out, shows the padding behind pixel
data, which is no information, and takes the backslashes of a UT for separators."""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = {"Plugins": [str(PLUGIN)], "DicomWeb": {"Enable": True}}
    with running(reference(tmp_path_factory.mktemp("reference"), config)) as server:
        yield server


@pytest.fixture(scope="module")
def stored(server: Server, plugin: Server) -> list[Stored]:
    for name in SAMPLES:
        store_sample(plugin, name)
    return [store_sample(server, name) for name in SAMPLES]


def without(item: dict[str, Any]) -> dict[str, Any]:
    return {tag: value for tag, value in item.items() if tag not in BEYOND}


def test_searches(server: Server, plugin: Server, stored: list[Stored]) -> None:
    paths = ["/dicom-web/studies", "/dicom-web/series", "/dicom-web/instances"]
    for one in stored:
        paths += [f"{one.study}/series", f"{one.study}/instances", f"{one.series}/instances"]
        paths.append(f"/dicom-web/studies?PatientID={one.dataset.PatientID}&includefield=00081030")
    for path in paths:
        tag = "00080018" if "instances" in path else "0020000E" if "series" in path else "0020000D"
        ours, theirs = (
            {one[tag]["Value"][0]: without(one) for one in get(each, path, "application/dicom+json").json()}
            for each in (server, plugin)
        )
        assert ours == theirs, path


def test_metadata(server: Server, plugin: Server, stored: list[Stored]) -> None:
    for one in stored:
        answers = [get(each, f"{one.instance}/metadata").json()[0] for each in (server, plugin)]
        ours, theirs = (
            {tag: relative(value, each) for tag, value in answer.items() if tag not in MORE}
            for answer, each in zip(answers, (server, plugin), strict=True)
        )
        assert ours == theirs, one.instance


def relative(value: Any, server: Server) -> Any:
    """The same without the address of the server."""
    if isinstance(value, dict):
        return {name: relative(each, server) for name, each in value.items()}
    if isinstance(value, list):
        return [relative(each, server) for each in value]
    return value.replace(server.url, "") if isinstance(value, str) else value


def content(server: Server, path: str) -> bytes:
    """The one part of an answer."""
    answer = get(server, path, accept_encoding="identity")
    return answer.content.split(b"\r\n\r\n", 1)[1].rpartition(b"\r\n--")[0]


def test_frames_and_bulk_data(server: Server, plugin: Server, stored: list[Stored]) -> None:
    for one in stored:
        if "PixelData" not in one.dataset:
            continue
        native = not one.dataset.file_meta.TransferSyntaxUID.is_compressed
        for path in (f"{one.instance}/frames/1", *([f"{one.instance}/bulk/7fe00010"] if native else [])):
            if get(plugin, path).status_code != 200:
                continue  # the installed release cannot decode it
            ours, theirs = (content(each, path) for each in (server, plugin))
            assert len(ours) == len(theirs) > 0, path
            assert ours == theirs, path
