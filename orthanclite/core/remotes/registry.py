"""Remote DICOM modalities and remote Orthanc peers: the entries of ``DicomModalities`` and ``OrthancPeers``.

Both are written in the configuration, sent to ``PUT /modalities/{name}`` and ``PUT /peers/{name}``, and
kept in the database in the same JSON form (Orthanc Book, "Configuration", "Peers").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from orthanclite.core.errors import BadFileFormat, BadParameterType, ParameterOutOfRange
from orthanclite.core.remotes.endpoints import Endpoint, check_url

MOST_PARALLEL_ASSOCIATIONS = 16


class Manufacturer(StrEnum):
    """Whose habits a modality follows, for the queries sent to it."""

    GENERIC = "Generic"
    GENERIC_NO_WILDCARD_IN_DATES = "GenericNoWildcardInDates"
    GENERIC_NO_UNIVERSAL_WILDCARD = "GenericNoUniversalWildcard"
    VITREA = "Vitrea"
    GE = "GE"
    SIEMENS_SYNGO_CT = "SiemensSyngoCT"

    @staticmethod
    def parse(text: str) -> Manufacturer:
        """The manufacturer of that name; obsolete names give the one that replaced them.

        :raises ParameterOutOfRange: for an unknown name.
        """
        if (current := _OBSOLETE_MANUFACTURERS.get(text)) is not None:
            return current
        try:
            return Manufacturer(text)
        except ValueError as exc:
            raise ParameterOutOfRange(f'Unknown modality manufacturer: "{text}"') from exc


_OBSOLETE_MANUFACTURERS = {
    "MedInria": Manufacturer.GENERIC,
    "EFilm2": Manufacturer.GENERIC,
    "ClearCanvas": Manufacturer.GENERIC,
    "Dcm4Chee": Manufacturer.GENERIC,
    "AgfaImpax": Manufacturer.GENERIC_NO_WILDCARD_IN_DATES,
    "SyngoVia": Manufacturer.GENERIC_NO_WILDCARD_IN_DATES,
}


class RetrieveMethod(StrEnum):
    """How resources are fetched from a modality; ``SystemDefault`` is ``DicomDefaultRetrieveMethod``."""

    SYSTEM_DEFAULT = "SystemDefault"
    C_MOVE = "C-MOVE"
    C_GET = "C-GET"

    @staticmethod
    def parse(text: str) -> RetrieveMethod:
        """:raises ParameterOutOfRange: for an unknown name."""
        try:
            return RetrieveMethod(text)
        except ValueError as exc:
            raise ParameterOutOfRange(f'Unknown retrieve method: "{text}"') from exc


@dataclass(frozen=True, slots=True)
class Modality:
    """A remote DICOM application entity and what it may do here."""

    aet: str
    host: str
    port: int
    manufacturer: Manufacturer = Manufacturer.GENERIC
    allow_echo: bool = True
    allow_event_report: bool = True
    allow_find: bool = True
    allow_find_worklist: bool = True
    allow_get: bool = True
    allow_move: bool = True
    allow_n_action: bool = True
    allow_store: bool = True
    allow_transcoding: bool = True
    use_dicom_tls: bool = False
    local_aet: str = ""  # the AET to call it with; empty for DicomAet
    timeout: int = 0  # seconds; 0 for DicomScuTimeout
    retrieve_method: RetrieveMethod = RetrieveMethod.SYSTEM_DEFAULT
    parallel_associations: int = 1  # over which a job sends at the same time

    @staticmethod
    def parse(value: object) -> Modality:
        """From ``[AET, host, port]``, ``[AET, host, port, manufacturer]`` or an object.

        :raises BadFileFormat: for any other shape or type.
        :raises ParameterOutOfRange: for an unknown manufacturer or an impossible port.
        """
        if isinstance(value, list):
            return _modality_from_array(value)
        if isinstance(value, dict):
            return _modality_from_object(value)
        raise BadFileFormat

    def to_json(self) -> dict[str, Any]:
        """As shown by ``/modalities/{name}/configuration``; :meth:`parse` reads it back."""
        # The reference does not know this key.
        own = {} if self.parallel_associations == 1 else {"ParallelAssociations": self.parallel_associations}
        return {
            **own,
            "AET": self.aet,
            **{key: getattr(self, name) for key, name in _MODALITY_FLAGS.items()},
            "Host": self.host,
            "LocalAet": self.local_aet,
            "Manufacturer": str(self.manufacturer),
            "Port": self.port,
            "RetrieveMethod": str(self.retrieve_method),
            "Timeout": self.timeout,
        }


_MODALITY_FLAGS = {
    "AllowEcho": "allow_echo",
    "AllowEventReport": "allow_event_report",
    "AllowFind": "allow_find",
    "AllowFindWorklist": "allow_find_worklist",
    "AllowGet": "allow_get",
    "AllowMove": "allow_move",
    "AllowNAction": "allow_n_action",
    "AllowStore": "allow_store",
    "AllowTranscoding": "allow_transcoding",
    "UseDicomTls": "use_dicom_tls",
}

MODALITY_KEYS = frozenset(
    {*_MODALITY_FLAGS, "AET", "Host", "LocalAet", "Manufacturer", "Port", "RetrieveMethod", "Timeout"}
    | {"AllowStorageCommitment", "ParallelAssociations"}
)
"""The keys that the object form of a modality may have."""


def _modality_from_array(value: list[object]) -> Modality:
    if len(value) not in (3, 4) or not all(isinstance(text, str) for text in (*value[:2], *value[3:])):
        raise BadFileFormat
    aet, host, port, *manufacturer = value
    return Modality(
        str(aet),
        str(host),
        parse_port(port),
        Manufacturer.parse(str(manufacturer[0])) if manufacturer else Manufacturer.GENERIC,
    )


def _modality_from_object(value: dict[str, object]) -> Modality:
    # AllowStorageCommitment is the older spelling of both halves of the storage commitment service.
    commitment = _boolean(value, "AllowStorageCommitment", True)
    defaults = {"AllowEventReport": commitment, "AllowNAction": commitment, "UseDicomTls": False}
    flags = {name: _boolean(value, key, defaults.get(key, True)) for key, name in _MODALITY_FLAGS.items()}
    return Modality(
        aet=_string(value, "AET"),
        host=_string(value, "Host"),
        port=parse_port(value.get("Port")),
        manufacturer=Manufacturer.parse(_string(value, "Manufacturer", Manufacturer.GENERIC)),
        local_aet=_string(value, "LocalAet", ""),
        timeout=_seconds(value, "Timeout"),
        retrieve_method=RetrieveMethod.parse(_string(value, "RetrieveMethod", RetrieveMethod.SYSTEM_DEFAULT)),
        parallel_associations=_parallel_associations(value),
        **flags,
    )


@dataclass(frozen=True, slots=True)
class Peer:
    """A remote Orthanc server, reached over its REST API."""

    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    http_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate_file: str = ""  # PEM, client certificate
    certificate_key_file: str = ""
    certificate_key_password: str = field(default="", repr=False)
    timeout: int = 0  # seconds; 0 for HttpTimeout
    user_properties: Mapping[str, str] = field(default_factory=dict)
    """Keys of the object form that the server has no use for: kept and shown, as clients rely on it."""

    @staticmethod
    def parse(value: object) -> Peer:
        """From ``[url]``, ``[url, username, password]`` or an object.

        :raises BadFileFormat: for any other shape or type, for a URL that is none, and for ``Pkcs11``.
        :raises BadParameterType: for a negative timeout.
        """
        if isinstance(value, list):
            if len(value) not in (1, 3) or not all(isinstance(text, str) for text in value):
                raise BadFileFormat
            return Peer(check_url(value[0]), *value[1:])
        if isinstance(value, dict):
            return _peer_from_object(value)
        raise BadFileFormat

    def to_json(self) -> dict[str, Any]:
        """As shown by ``/peers/{name}/configuration``: secrets are hidden, only names of headers shown."""
        shown: dict[str, Any] = dict(self.user_properties)
        shown |= {
            "HttpHeaders": sorted(self.http_headers),
            "Pkcs11": False,
            "Timeout": self.timeout,
            "Url": self.url,
        }
        if self.username:
            shown |= {"Username": self.username, "Password": None}
        if self.certificate_file:
            shown |= {
                "CertificateFile": self.certificate_file,
                "CertificateKeyFile": None,
                "CertificateKeyPassword": None,
            }
        return shown

    @property
    def endpoint(self) -> Endpoint:
        """The server, for requests to it."""
        return Endpoint(
            self.url,
            self.username,
            self.password,
            self.http_headers,
            self.certificate_file,
            self.certificate_key_file,
            self.certificate_key_password,
            self.timeout,
        )

    def to_job_json(self) -> list[str] | dict[str, Any]:
        """As the content of jobs shows it: secrets are empty."""
        if not (self.http_headers or self.timeout or self.certificate_file or self.user_properties):
            return [self.url, self.username, ""] if self.username else [self.url]
        shown = {key: value for key, value in self.to_json().items() if value is not None}
        return shown | {"HttpHeaders": dict.fromkeys(sorted(self.http_headers), "")}

    def to_stored_json(self) -> dict[str, Any]:
        """Complete, secrets included, for ``OrthancPeersInDatabase``; :meth:`parse` reads it back."""
        stored: dict[str, Any] = dict(self.user_properties)
        for key, name in _PEER_TEXTS.items():
            if text := getattr(self, name):
                stored[key] = text
        return stored | {"HttpHeaders": dict(self.http_headers), "Timeout": self.timeout}


_PEER_TEXTS = {
    "Url": "url",
    "Username": "username",
    "Password": "password",
    "CertificateFile": "certificate_file",
    "CertificateKeyFile": "certificate_key_file",
    "CertificateKeyPassword": "certificate_key_password",
}

PEER_KEYS = frozenset({*_PEER_TEXTS, "URL", "HttpHeaders", "Pkcs11", "Timeout"})
"""The keys of the object form of a peer that have a meaning."""


def _peer_from_object(value: dict[str, object]) -> Peer:
    if _boolean(value, "Pkcs11", False):
        raise BadFileFormat("PKCS#11 authentication is not supported by this server")
    headers = value.get("HttpHeaders", {})
    if not isinstance(headers, dict) or not all(isinstance(text, str) for text in headers.values()):
        raise BadFileFormat
    return Peer(
        # The API documentation of the reference writes it in capitals, and it takes both.
        url=check_url(_string(value, "Url", "") or _string(value, "URL", "")),
        http_headers=dict(headers),
        timeout=_seconds(value, "Timeout"),
        user_properties={key: _as_text(item) for key, item in value.items() if key not in PEER_KEYS},
        **{name: _string(value, key, "") for key, name in _PEER_TEXTS.items() if name != "url"},
    )


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    raise BadFileFormat("User-defined properties of a peer must be strings")


def _parallel_associations(value: Mapping[str, object]) -> int:
    number = value.get("ParallelAssociations", 1)
    if not isinstance(number, int) or isinstance(number, bool):
        raise BadFileFormat("Integer value expected in field: ParallelAssociations")
    if not 1 <= number <= MOST_PARALLEL_ASSOCIATIONS:
        raise ParameterOutOfRange(f"ParallelAssociations must be in range [1..{MOST_PARALLEL_ASSOCIATIONS}]")
    return number


def parse_port(value: object) -> int:
    """A port, given as a number or as a decimal string.

    :raises BadFileFormat: for anything else
    :raises ParameterOutOfRange: for a number that is no port
    """
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadFileFormat
    if not 1 <= value <= 65534:
        raise ParameterOutOfRange(f"A TCP port number must be in range [1..65534], but found: {value}")
    return value


def _string(value: Mapping[str, object], key: str, default: str | None = None) -> str:
    text = value.get(key, default)
    if not isinstance(text, str):
        raise BadFileFormat(f"String value expected in field: {key}")
    return text


def _boolean(value: Mapping[str, object], key: str, default: bool) -> bool:
    flag = value.get(key, default)
    if not isinstance(flag, bool):
        raise BadFileFormat(f"Boolean value expected in field: {key}")
    return flag


def _seconds(value: Mapping[str, object], key: str) -> int:
    number = value.get(key, 0)
    if not isinstance(number, int) or isinstance(number, bool):
        raise BadFileFormat(f"Integer value expected in field: {key}")
    if number < 0:
        raise BadParameterType(f"Positive integer value expected in field: {key}")
    return number
