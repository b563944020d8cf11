"""Settings of the storage area, of the index and of what happens to what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orthanclite.config.parsers import parse_overwrite
from orthanclite.config.table import setting
from orthanclite.core.model import OverwriteMode


class MaximumStorageMode(StrEnum):
    """What happens when a limit of the storage area is reached."""

    RECYCLE = "Recycle"
    REJECT = "Reject"


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where and how files are kept."""

    directory: Path = setting(
        "StorageDirectory",
        Path("OrthancStorage"),
        "Folder of the stored files. Relative paths refer to the folder of the configuration.",
        path=True,
    )
    index_directory: Path | None = setting(
        "IndexDirectory",
        None,
        "Folder of the SQLite index. Unset: StorageDirectory.",
        example="OrthancStorage",
        path=True,
    )
    temporary_directory: Path | None = setting(
        "TemporaryDirectory",
        None,
        "Existing folder for large temporary files. Unset: the temporary folder of the system.",
        example="/tmp/Orthanc/",
        path=True,
    )
    compression: bool = setting(
        "StorageCompression",
        False,
        "Compress new files with zlib. Files already stored are read either way.",
    )
    maximum_size_mb: int = setting(
        "MaximumStorageSize",
        0,
        "Largest size of the storage area in MB (1 MB = 1,048,576 bytes); 0 for no limit.",
        minimum=0,
    )
    maximum_patients: int = setting(
        "MaximumPatientCount", 0, "Largest number of patients; 0 for no limit.", minimum=0
    )
    maximum_mode: MaximumStorageMode = setting(
        "MaximumStorageMode",
        MaximumStorageMode.RECYCLE,
        "At a limit: Recycle deletes the oldest unprotected patients, Reject refuses new instances.",
    )
    sync: bool = setting(
        "SyncStorageArea",
        True,
        "Have each file on the disk (fsync) before its upload is acknowledged. Faster, but not safe against "
        "a power failure, when false.",
    )
    store_md5: bool = setting(
        "StoreMD5ForAttachments",
        True,
        "Keep the MD5 of each file, which lets verify-md5 and `orthanclite verify` detect damage.",
    )
    store_dicom: bool = setting(
        "StoreDicom", True, "When false, only the index is fed and the DICOM files are not kept."
    )
    overwrite: OverwriteMode = setting(
        "OverwriteInstances",
        OverwriteMode.NEVER,
        "What happens to an instance that is already stored: Never keeps the old one, Always replaces it, "
        "IfChanged replaces it if the files differ. false and true are read as Never and Always.",
        parse=parse_overwrite,
    )
    stable_age: int = setting(
        "StableAge",
        60,
        "Seconds without a new instance after which a patient, a study or a series is stable.",
        minimum=0,
    )
    read_only: bool = setting("ReadOnly", False, "Refuse whatever would change the index or the storage.")
    check_revisions: bool = setting(
        "CheckRevisions",
        False,
        "Writing a metadata or an attachment over an existing one needs its revision (If-Match).",
    )
    database_server_identifier: str | None = setting(
        "DatabaseServerIdentifier",
        None,
        "Name of this server among those that share one database. Unset: made from host name, AET and ports.",
        example="Orthanc1",
    )

    @property
    def index_folder(self) -> Path:
        """The folder of the SQLite index."""
        return self.index_directory or self.directory


def _refuse_true(value: object) -> str | None:
    return "this server keeps its files in StorageDirectory only" if value else None


@dataclass(frozen=True, slots=True)
class PostgreSQLSettings:
    """The section ``PostgreSQL``, as in Orthanc's plugin."""

    enable_index: bool = setting("EnableIndex", False, "Keep the index in PostgreSQL instead of SQLite.")
    enable_storage: bool = setting(
        "EnableStorage",
        False,
        "Keep the files in the database. Not supported: true is refused.",
        refuse=_refuse_true,
    )
    host: str = setting("Host", "localhost", "Host name, or folder of the Unix socket.")
    port: int = setting("Port", 5432, "TCP port.", minimum=1, maximum=65535)
    database: str = setting("Database", "orthanc", "Name of the database.")
    username: str = setting("Username", "orthanc", "Name of the user.")
    password: str = setting("Password", "", "Password of the user.", secret=True)
    connection_uri: str | None = setting(
        "ConnectionUri",
        None,
        "libpq connection URI; replaces Host, Port, Database, Username, Password and EnableSsl.",
        example="postgresql://username:password@localhost:5432/database",
        secret=True,
    )
    enable_ssl: bool = setting("EnableSsl", False, "Require an encrypted connection (sslmode=require).")
    connections: int = setting(
        "IndexConnectionsCount",
        50,
        "Largest number of connections to the database; at least 2, at most 17 are made.",
        minimum=1,
        maximum=1000,
    )
    connection_retries: int = setting(
        "MaximumConnectionRetries", 10, "Attempts to connect at the start before giving up.", minimum=0
    )
    connection_retry_interval: int = setting(
        "ConnectionRetryInterval", 5, "Seconds between two attempts to connect.", minimum=0
    )
    application_name: str = setting("ApplicationName", "", "Name shown in pg_stat_activity.")
    schema: str = setting("Schema", "public", "Schema of the tables.")
