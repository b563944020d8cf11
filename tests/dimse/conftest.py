"""A DICOM server over the real ingest, index and storage, and clients to try it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orthanclite.core.main_tags import MainTags
from orthanclite.core.metrics import Metrics
from orthanclite.core.remotes.registry import Modality
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN
from orthanclite.dimse.conversation import Offer
from orthanclite.dimse.modalities import KnownModalities
from orthanclite.dimse.options import DicomClientOptions, DicomServerOptions
from orthanclite.dimse.outgoing import CallDefaults
from orthanclite.dimse.scp.table import Backends, Commitment, Retrieval, offers
from orthanclite.dimse.scu.client import DicomClient
from orthanclite.dimse.sending import InstanceSender
from orthanclite.dimse.upper.accepted.server import DicomServer
from orthanclite.dimse.upper.requested.requestor import AssociationRequestor
from orthanclite.services.content.files import InstanceFiles
from orthanclite.services.content.outgoing import OutgoingInstances
from orthanclite.services.imaging.transcoding import TranscodingOptions, TranscodingService
from orthanclite.services.imaging.workers import WorkerPool
from orthanclite.services.remotes.selection import Selector
from orthanclite.services.search.retrieval import RetrievalService
from tests.dimse.support import Site
from tests.support.lab import Lab, lab

StartServer = Callable[..., Site]


@pytest.fixture
def laboratory(tmp_path: Path) -> Iterator[Lab]:
    """Index, storage and ingest in a folder of this test."""
    with lab(tmp_path) as opened:
        yield opened


def backends(laboratory: Lab) -> Backends:
    """What the services of a server reach."""
    return Backends(laboratory.ingest, laboratory.runtime, laboratory.dictionary)


@pytest.fixture
def outgoing(laboratory: Lab) -> OutgoingInstances:
    """What is stored, as it is sent."""
    files = InstanceFiles(
        laboratory.resources, laboratory.reader, laboratory.dictionary, laboratory.runtime, Metrics()
    )
    return OutgoingInstances(laboratory.resources, files, laboratory.reader)


@pytest.fixture
def transcoding(laboratory: Lab) -> Iterator[TranscodingService]:
    pool = WorkerPool()
    yield TranscodingService(pool, laboratory.resources, laboratory.reader, TranscodingOptions())
    pool.close()


@pytest.fixture
def requestor() -> Iterator[AssociationRequestor]:
    """Calls modalities."""
    requestor = AssociationRequestor(DicomClientOptions())
    yield requestor
    requestor.close()


@pytest.fixture
def destinations() -> list[Modality]:
    """Where C-MOVE may send to; tests add theirs."""
    return []


@pytest.fixture
def retrieval(
    laboratory: Lab,
    outgoing: OutgoingInstances,
    transcoding: TranscodingService,
    requestor: AssociationRequestor,
    destinations: list[Modality],
) -> Retrieval:
    """What C-GET and C-MOVE need."""
    service = RetrievalService(laboratory.index.search(MainTags.build()), laboratory.resources)
    selector = Selector(laboratory.resources, None)
    sender = InstanceSender(outgoing, transcoding)
    client = DicomClient(
        requestor,
        sender,
        CallDefaults("ORTHANC", 5),
        laboratory.runtime,
        laboratory.dictionary,
        EXPLICIT_LITTLE_ENDIAN,
    )
    return Retrieval(
        lambda identifier: selector.select([ref.id for ref in service.find(identifier)]),
        outgoing,
        sender,
        client,
        KnownModalities(DicomServerOptions(), lambda: destinations).destination,
    )


@pytest.fixture
def start(laboratory: Lab) -> Iterator[StartServer]:
    """Starts a server on a free port; keyword arguments are those of :class:`DicomServerOptions`."""
    with ExitStack() as stack:

        def start_server(
            modalities: list[Modality] | None = None,
            threads: int = 4,
            further: Sequence[Offer] = (),
            retrieval: Retrieval | None = None,
            commitment: Commitment | None = None,
            **options: Any,
        ) -> Site:
            chosen = replace(DicomServerOptions(host="127.0.0.1", port=0), **options)
            reached = replace(backends(laboratory), retrieval=retrieval, commitment=commitment)
            table = [*offers(reached, threads), *further]
            server = DicomServer(chosen, laboratory.runtime, lambda: modalities or [], table)
            server.start()
            stack.callback(server.stop, 0.5)
            return Site(server, laboratory, chosen)

        yield start_server
