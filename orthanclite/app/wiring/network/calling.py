"""What this server asks of modalities: outgoing associations, and the routes and jobs that use them."""

from __future__ import annotations

from dataclasses import dataclass

from orthanclite.app.wiring.additions import Additions
from orthanclite.app.wiring.foundation import Foundation
from orthanclite.app.wiring.jobs import JobsWing
from orthanclite.app.wiring.keeping.content import ContentWing
from orthanclite.app.wiring.keeping.imaging import ImagingWing
from orthanclite.app.wiring.keeping.resources import ResourcesWing
from orthanclite.app.wiring.keeping.search import SearchWing
from orthanclite.app.wiring.network.remotes import RemotesWing
from orthanclite.config import Settings
from orthanclite.core.errors import IncompatibleConfigurations
from orthanclite.dicom.uids import KNOWN_TRANSFER_SYNTAXES
from orthanclite.dimse.options import DicomClientOptions, TlsClientOptions
from orthanclite.dimse.outgoing import CallDefaults
from orthanclite.dimse.scu.client import DicomClient
from orthanclite.dimse.sending import InstanceSender
from orthanclite.dimse.upper.requested.requestor import AssociationRequestor
from orthanclite.jobs.kinds.modality_store import ModalityStoreKind
from orthanclite.rest.network.commitment import CommitmentServices, commitment_routes
from orthanclite.rest.network.modalities import ModalityServices, modality_routes
from orthanclite.services.content.outgoing import OutgoingInstances
from orthanclite.services.remotes.requested_commitments import RequestedCommitments


@dataclass(frozen=True, slots=True)
class CallingWing:
    requestor: AssociationRequestor
    instances: OutgoingInstances
    sender: InstanceSender
    defaults: CallDefaults
    client: DicomClient
    store: ModalityStoreKind
    commitments: RequestedCommitments
    adds: Additions


def calling_wing(
    base: Foundation,
    content: ContentWing,
    imaging: ImagingWing,
    search: SearchWing,
    resources: ResourcesWing,
    jobs: JobsWing,
    remotes: RemotesWing,
) -> CallingWing:
    """:raises IncompatibleConfigurations: where ``DicomScuPreferredTransferSyntax`` names none"""
    settings = base.settings
    preferred = settings.scu.preferred_transfer_syntax
    if preferred not in KNOWN_TRANSFER_SYNTAXES:
        raise IncompatibleConfigurations(f"Unknown DicomScuPreferredTransferSyntax: {preferred}")
    requestor = AssociationRequestor(_client_options(settings))
    instances = OutgoingInstances(base.index.resources, content.files, base.reader)
    sender = InstanceSender(instances, imaging.transcoding, preferred, settings.transcoding.over_dicom)
    defaults = CallDefaults(settings.dicom.aet, settings.scu.timeout)
    client = DicomClient(requestor, sender, defaults, base.runtime, base.dictionary, preferred)
    commitments = RequestedCommitments(
        base.index.registries, search.search, client, settings.scu.storage_commitment_reports
    )
    store = ModalityStoreKind(instances, client, commitments)
    jobs.engine.register(store)
    services = ModalityServices(
        remotes.modalities,
        client,
        jobs.engine,
        store,
        remotes.selector,
        settings.scu.echo_checks_find,
    )
    commitment_services = CommitmentServices(
        remotes.modalities, remotes.selector, instances, commitments, resources.resources.delete_many
    )
    # Before the jobs are waited for: what they wait for without a limit ends with it.
    return CallingWing(
        requestor,
        instances,
        sender,
        defaults,
        client,
        store,
        commitments,
        Additions(
            routers=(modality_routes(services), commitment_routes(commitment_services)),
            endings=(requestor.close,),
        ),
    )


def _client_options(settings: Settings) -> DicomClientOptions:
    tls = settings.dicom_tls
    return DicomClientOptions(
        settings.dicom.maximum_pdu_length,
        tls=TlsClientOptions(
            tls.certificate,
            tls.private_key,
            tls.trusted_certificates,
            tls.verify_called,
            tls.minimum_version,
            tls.ciphers or (),
        ),
    )
