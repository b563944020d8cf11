"""What the parts of the server are told, made from the settings."""

from __future__ import annotations

import hashlib
import socket

from sqlalchemy.engine import URL, make_url

from orthanclite.config import Settings
from orthanclite.config.storage import MaximumStorageMode, PostgreSQLSettings
from orthanclite.core.errors import IncompatibleConfigurations
from orthanclite.core.main_tags import MainTags
from orthanclite.core.ports import RuntimeSettings
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.pixels.syntaxes import WRITABLE
from orthanclite.dimse.options import DicomServerOptions, TlsOptions
from orthanclite.dimse.service import Service
from orthanclite.index import Limits
from orthanclite.services.imaging.transcoding import IngestTranscoding, TranscodingOptions, TranscodingService
from orthanclite.services.ingest.service import IngestOptions
from orthanclite.services.search.find import FindOptions
from orthanclite.services.search.requested_tags import FindWarnings
from orthanclite.services.server.runtime import RuntimeOptions
from orthanclite.web.policy import HttpPolicy

MEGABYTE = 1 << 20


def database_url(settings: Settings) -> URL:
    """Where the index is."""
    postgresql = settings.postgresql
    if postgresql.enable_index:
        return _postgresql_url(postgresql)
    return URL.create("sqlite", database=str(settings.storage.index_folder / "index-orthanclite"))


def _postgresql_url(settings: PostgreSQLSettings) -> URL:
    if settings.connection_uri:
        return make_url(settings.connection_uri).set(drivername="postgresql+psycopg")
    query = {"options": f"-csearch_path={settings.schema}"}
    if settings.enable_ssl:
        query["sslmode"] = "require"
    if settings.application_name:
        query["application_name"] = settings.application_name
    return URL.create(
        "postgresql+psycopg",
        username=settings.username,
        password=settings.password or None,
        host=settings.host,
        port=settings.port,
        database=settings.database,
        query=query,
    )


def server_name(settings: Settings) -> str:
    """What identifies this server over restarts among those on one database.

    ``DatabaseServerIdentifier``, or a SHA-1 hash as Orthanc has it: of the name of the host, the AET and the
    ports. The name of a container's host is made anew with each container.
    """
    configured = settings.storage.database_server_identifier
    if configured:
        return configured
    dicom, http = settings.dicom, settings.http
    parts = (socket.gethostname(), dicom.aet, str(dicom.port), str(http.port))
    return hashlib.sha1("|".join(parts).encode(), usedforsecurity=False).hexdigest()


def runtime_options(settings: Settings, changed: RuntimeSettings) -> RuntimeOptions:
    """:param changed: what clients have set."""
    dicom = settings.dicom
    return RuntimeOptions(
        dicom.accepted_transfer_syntaxes,
        {
            "DeflatedTransferSyntaxAccepted": dicom.deflated_accepted,
            "JpegTransferSyntaxAccepted": dicom.jpeg_accepted,
            "Jpeg2000TransferSyntaxAccepted": dicom.jpeg2000_accepted,
            "JpegLosslessTransferSyntaxAccepted": dicom.jpeg_ls_accepted,
            "JpipTransferSyntaxAccepted": dicom.jpip_accepted,
            "Mpeg2TransferSyntaxAccepted": dicom.mpeg2_accepted,
            "Mpeg4TransferSyntaxAccepted": dicom.mpeg4_accepted,
            "H265TransferSyntaxAccepted": dicom.h265_accepted,
            "RleTransferSyntaxAccepted": dicom.rle_accepted,
        },
        settings.data.default_encoding,
        dicom.unknown_sop_class_accepted,
        dicom.accepted_sop_classes,
        dicom.rejected_sop_classes,
        changed,
    )


def tag_dictionary(settings: Settings) -> TagDictionary:
    return TagDictionary.build(_dictionary_entries(settings), settings.data.load_private_dictionary)


def _dictionary_entries(settings: Settings) -> dict[int, tuple[str, str, str]]:
    return {
        entry.group << 16 | entry.element: (entry.vr, entry.name, entry.private_creator)
        for entry in settings.data.dictionary
    }


def transcoding_options(settings: Settings) -> TranscodingOptions:
    return TranscodingOptions(
        settings.transcoding.lossy_quality,
        _dictionary_entries(settings),
        settings.data.load_private_dictionary,
        settings.storage.temporary_directory,
    )


def ingest_transcoding(settings: Settings, service: TranscodingService) -> IngestTranscoding | None:
    """The option ``IngestTranscoding``.

    :raises IncompatibleConfigurations: where it names no transfer syntax that can be written.
    """
    transcoding = settings.transcoding
    if not transcoding.ingest:
        return None
    if transcoding.ingest not in WRITABLE:
        raise IncompatibleConfigurations(f"Cannot transcode to IngestTranscoding: {transcoding.ingest}")
    return IngestTranscoding(
        service, transcoding.ingest, transcoding.ingest_uncompressed, transcoding.ingest_compressed
    )


def main_tags(settings: Settings, dictionary: TagDictionary) -> MainTags:
    return MainTags.build(
        {
            level: [dictionary.parse_tag(name) for name in names]
            for level, names in settings.data.extra_main_tags.items()
        }
    )


def limits(settings: Settings) -> Limits:
    storage = settings.storage
    return Limits(
        storage.maximum_size_mb * MEGABYTE,
        storage.maximum_patients,
        storage.maximum_mode is MaximumStorageMode.REJECT,
    )


def ingest_options(settings: Settings) -> IngestOptions:
    storage = settings.storage
    return IngestOptions(
        storage.overwrite, storage.compression, storage.store_md5, storage.store_dicom, storage.read_only
    )


def find_warnings(settings: Settings) -> FindWarnings:
    warnings = settings.warnings
    return FindWarnings(
        warnings.tags_read_from_storage,
        warnings.inconsistent_tags,
        warnings.no_signature,
        warnings.tag_from_lower_level,
        warnings.tag_from_meta_header,
        warnings.missing_tags_not_read,
    )


def find_options(settings: Settings) -> FindOptions:
    find = settings.find
    return FindOptions(find.limit_results, find.limit_instances, find.storage_access == "Always")


def http_policy(settings: Settings) -> HttpPolicy:
    http, access = settings.http, settings.access
    return HttpPolicy(
        remote_access=access.remote_access,
        authentication=access.authentication_enabled,
        users=access.registered_users,
        allowed_hosts=frozenset(host.lower() for host in access.allowed_hosts),
        allowed_origins=frozenset(origin.lower() for origin in access.allowed_origins),
        get_method_override=http.get_method_override,
        read_only=settings.storage.read_only,
        describe_errors=http.describe_errors,
        compression=http.compression,
        keep_alive=http.keep_alive,
        keep_alive_timeout=http.keep_alive_timeout,
        request_timeout=float(http.request_timeout),
        maximum_body=http.maximum_body_mb * MEGABYTE,
        threads=http.threads,
        quick=not settings.postgresql.enable_index,
    )


def dicom_options(settings: Settings) -> DicomServerOptions:
    dicom, tls = settings.dicom, settings.dicom_tls
    allowed = {
        Service.ECHO: dicom.always_allow_echo,
        Service.STORE: dicom.always_allow_store,
        Service.FIND: dicom.always_allow_find,
        Service.FIND_WORKLIST: dicom.always_allow_find_worklist,
        Service.GET: dicom.always_allow_get,
        Service.MOVE: dicom.always_allow_move,
    }
    return DicomServerOptions(
        aet=dicom.aet,
        port=dicom.port,
        check_called_aet=dicom.check_called_aet,
        strict_aet=dicom.strict_aet,
        check_modality_host=dicom.check_modality_host,
        always_allow=frozenset(service for service, always in allowed.items() if always),
        maximum_pdu_length=dicom.maximum_pdu_length,
        scp_timeout=dicom.scp_timeout,
        tls=_tls_options(settings) if tls.enabled else None,
    )


def _tls_options(settings: Settings) -> TlsOptions:
    tls = settings.dicom_tls
    if tls.certificate is None or tls.private_key is None:
        raise IncompatibleConfigurations("DicomTlsEnabled needs DicomTlsCertificate and DicomTlsPrivateKey")
    return TlsOptions(
        tls.certificate,
        tls.private_key,
        tls.trusted_certificates,
        tls.remote_certificate_required,
        tls.minimum_version,
        tls.ciphers or (),
    )
