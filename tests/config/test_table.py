"""The table of keys: complete, documented, and in step with the generated files."""

from __future__ import annotations

from pathlib import Path

import pytest

from orthanclite.config import jsonc, load
from orthanclite.config.render import default_file, documentation
from orthanclite.config.settings import UNUSED, Settings, all_rows, chapters
from orthanclite.config.table import Fate, Row, nested, rows, sections

ROOT = Path(__file__).parents[2]

_REFERENCE = """
AcceptedSopClasses AcceptedTransferSyntaxes AuthenticationEnabled BuiltinDecoderTranscoderOrder
CaseSensitivePN CheckRevisions ConcurrentJobs DatabaseServerIdentifier DefaultEncoding
DefaultPrivateCreator DeflatedTransferSyntaxAccepted DeidentifyLogs DeidentifyLogsDicomVersion DicomAet
DicomAlwaysAllowEcho DicomAlwaysAllowFind DicomAlwaysAllowFindWorklist DicomAlwaysAllowGet
DicomAlwaysAllowMove DicomAlwaysAllowStore DicomAssociationCloseDelay DicomCheckCalledAet
DicomCheckModalityHost DicomDefaultRetrieveMethod DicomEchoChecksFind DicomLossyTranscodingQuality
DicomModalities DicomModalitiesInDatabase DicomParserCacheSize DicomParserMemoryCapacity
DicomParserThreadsCount DicomPort DicomScpTimeout DicomScuPreferredTransferSyntax DicomScuTimeout
DicomServerEnabled DicomThreadsCount DicomTlsCertificate DicomTlsCiphersAccepted DicomTlsEnabled
DicomTlsMinimumProtocolVersion DicomTlsPrivateKey DicomTlsRemoteCertificateRequired
DicomTlsTrustedCertificates Dictionary ExecuteLuaEnabled ExternalDictionaries ExtraMainDicomTags
H265TransferSyntaxAccepted HttpBindAddresses HttpCompressionEnabled HttpDescribeErrors HttpPort
HttpProxy HttpRequestTimeout HttpServerEnabled HttpThreadsCount HttpTimeout HttpVerbose
HttpsCACertificates HttpsVerifyPeers IndexDirectory IngestTranscoding IngestTranscodingOfCompressed
IngestTranscodingOfUncompressed JobsEngineThreadsCount JobsHistorySize Jpeg2000TransferSyntaxAccepted
JpegLosslessTransferSyntaxAccepted JpegTransferSyntaxAccepted JpipTransferSyntaxAccepted KeepAlive
KeepAliveTimeout LimitFindInstances LimitFindResults LoadPrivateDictionary Locale LogExportedResources
LuaHeartBeatPeriod LuaScripts MallocArenaMax MaximumConcurrentDcmtkTranscoders
MaximumFileSizeInArchiveMB MaximumPatientCount MaximumPduLength MaximumRequestBodySizeMB
MaximumStorageCacheSize MaximumStorageMode MaximumStorageSize MediaArchiveSize MetricsEnabled
Mpeg2TransferSyntaxAccepted Mpeg4TransferSyntaxAccepted Name OrthancExplorerEnabled OrthancPeers
OrthancPeersInDatabase OverwriteInstances PatientLevelEnabled Pkcs11 Plugins QueryRetrieveSize ReadOnly
RegisteredUsers RejectedSopClasses RemoteAccessAllowed RestApiWriteToFileSystemEnabled
RleTransferSyntaxAccepted SaveJobs SequentialDicomReaderThreadsCount SequentialDicomReaderWindowCapacity
SequentialDicomReaderWindowSize SslCertificate SslCiphersAccepted SslEnabled SslMinimumProtocolVersion
SslTrustedClientCertificates SslVerifyPeers StableAge StorageAccessOnFind StorageCommitmentReportsSize
StorageCompression StorageDirectory StorageLoaderThreadsCount StorageMemoryCapacity StoreDicom
StoreMD5ForAttachments StrictAetComparison SyncStorageArea SynchronousCMove SynchronousZipStream
TcpNoDelay TemporaryDirectory TranscodeDicomProtocol TranscoderCacheSize TranscoderMemoryCapacity
TranscoderThreadsCount UnknownSopClassAccepted UserContentType UserMetadata Warnings WebDavDeleteAllowed
WebDavEnabled WebDavUploadAllowed ZipLoaderThreads ZipUseUtf8
"""
REFERENCE_KEYS = _REFERENCE.split()
"""Every top-level key of the reference server's default configuration."""


def every_row() -> list[Row]:
    return [*all_rows(), *(row for _, section in nested(Settings) for row in rows(section.type))]


@pytest.mark.parametrize("name", REFERENCE_KEYS)
def test_every_key_of_the_reference_has_a_fate(name: str) -> None:
    known = {row.key.name for row in all_rows()} | {row.key.name for row in sections(Settings)}
    assert name in known


def test_keys_are_declared_once() -> None:
    names = [row.key.name for row in all_rows()]
    assert len(names) == len(set(names))


def test_every_key_stands_in_a_chapter() -> None:
    shown = {row.key.name for _, chapter in chapters() for row in chapter}
    assert shown == {row.key.name for row in all_rows()} | {row.key.name for row in sections(Settings)}


@pytest.mark.parametrize("row", every_row(), ids=lambda row: row.key.name)
def test_every_key_is_documented(row: Row) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert f"**`{row.key.name}`**" in text
    assert row.key.help
    if row.key.fate is not Fate.HONOURED:
        assert row.key.why or row.key.refuse is not None


@pytest.mark.parametrize(
    ("name", "text"), [("docs/configuration.md", documentation()), ("config/orthanc.json", default_file())]
)
def test_generated_files_are_up_to_date(name: str, text: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == text, "run python -m orthanclite.config"


def test_the_default_file_is_the_default_configuration(tmp_path: Path) -> None:
    (tmp_path / "default.json").write_text(default_file(), encoding="utf-8")
    loaded = load([tmp_path / "default.json"], {}, tmp_path / "secrets")
    assert loaded.warnings == ()
    assert loaded.settings == load([tmp_path], {}, tmp_path / "secrets").settings
    assert loaded.settings.dicom == Settings().dicom
    assert loaded.settings.storage.directory == tmp_path / "OrthancStorage"


def test_the_default_file_can_be_uncommented(tmp_path: Path) -> None:
    """What is commented out is valid too, commas included."""
    text = "\n".join(
        line.replace("// ", "", 1) if line.strip().startswith('// "') else line
        for line in default_file().splitlines()
    )
    content = jsonc.parse(text, "test", {})
    assert {row.key.name for row in all_rows()} <= set(content)


@pytest.mark.parametrize("row", UNUSED, ids=lambda row: row.key.name)
def test_unused_keys_tell_why(row: Row) -> None:
    assert row.key.fate is not Fate.HONOURED
    assert row.key.why
