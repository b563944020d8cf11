"""A DICOM server over the real ingest, index and storage, and clients to try it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orthanclite.core.registry import Modality
from orthanclite.dimse.options import DicomServerOptions
from orthanclite.dimse.server import DicomServer
from tests.dimse.support import Site
from tests.support.lab import Lab, lab

StartServer = Callable[..., Site]


@pytest.fixture
def laboratory(tmp_path: Path) -> Iterator[Lab]:
    """Index, storage and ingest in a folder of this test."""
    with lab(tmp_path) as opened:
        yield opened


@pytest.fixture
def start(laboratory: Lab) -> Iterator[StartServer]:
    """Starts a server on a free port; keyword arguments are those of :class:`DicomServerOptions`."""
    with ExitStack() as stack:

        def start_server(
            modalities: list[Modality] | None = None, handlers: Any = None, **options: Any
        ) -> Site:
            chosen = replace(DicomServerOptions(host="127.0.0.1", port=0), **options)
            server = DicomServer(
                chosen, laboratory.runtime, lambda: modalities or [], laboratory.ingest, handlers
            )
            server.start()
            stack.callback(server.stop, 0.5)
            return Site(server, laboratory, chosen)

        yield start_server
