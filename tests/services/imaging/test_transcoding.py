"""IngestTranscoding, through real servers: what is transcoded, and what is stored as it came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.parity import image_files
from tests.support.server import Server, orthanclite, running

JPEG_LS, RLE, DEFLATED = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.99"
EXPLICIT, BASELINE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"


@pytest.fixture(
    params=[{}, {"IngestTranscodingOfUncompressed": False}, {"IngestTranscodingOfCompressed": False}]
)
def configured(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, Mapping[str, Any]]]:
    """A server that transcodes to JPEG-LS, with each of the limits in turn."""
    with running(orthanclite(tmp_path, {"IngestTranscoding": JPEG_LS, **request.param})) as server:
        yield server, request.param


def stored_syntax(server: Server, data: bytes) -> str:
    instance = server.upload(data)["ID"]
    return server.client.get(f"/instances/{instance}/metadata/TransferSyntax").text


def test_what_arrives_is_transcoded(configured: tuple[Server, Mapping[str, Any]]) -> None:
    server, limits = configured
    assert server.get("/system")["IngestTranscoding"] == JPEG_LS
    uncompressed = limits.get("IngestTranscodingOfUncompressed", True)
    assert stored_syntax(server, image_files.content("made:grey12")) == (
        JPEG_LS if uncompressed else EXPLICIT
    )
    compressed = limits.get("IngestTranscodingOfCompressed", True)
    if image_files.DCMTK:
        assert stored_syntax(server, image_files.content("rle:grey16")) == (JPEG_LS if compressed else RLE)
        deflated = image_files.content("deflated:grey8")
        assert stored_syntax(server, deflated) == (JPEG_LS if compressed else DEFLATED)


def test_what_cannot_be_transcoded_is_stored_as_it_came(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {"IngestTranscoding": BASELINE})) as server:
        assert stored_syntax(server, image_files.content("made:grey12")) == EXPLICIT
        assert "stored as it came" in server.log()
        instance = server.upload(image_files.content("made:grey8"))["ID"]
        assert server.client.get(f"/instances/{instance}/metadata/TransferSyntax").text == BASELINE
        assert server.get(f"/instances/{instance}/simplified-tags")["LossyImageCompression"] == "01"


def test_a_syntax_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    server = orthanclite(tmp_path, {"IngestTranscoding": "1.2.840.10008.1.2.4.102"})
    with pytest.raises(RuntimeError, match="Cannot transcode to IngestTranscoding"):
        server.start()
    server.client.close()
