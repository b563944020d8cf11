"""Settings of the HTTP server: the REST API, its users and its encryption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orthanclite.config.parsers import parse_networks
from orthanclite.config.sections.users import is_well_known, why_refused
from orthanclite.config.table import setting


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The HTTP server."""

    enabled: bool = setting("HttpServerEnabled", True, "Whether to serve the REST API.")
    port: int = setting("HttpPort", 8042, "TCP port of the REST API.", minimum=1, maximum=65535)
    bind_addresses: tuple[str, ...] | None = setting(
        "HttpBindAddresses",
        None,
        "Addresses to listen on. Unset: all of them, or the loopback ones without RemoteAccessAllowed.",
        example=["1.2.3.4", "127.0.0.1"],
    )
    threads: int = setting(
        "HttpThreadsCount", 50, "Requests that are worked on at the same time.", minimum=1, maximum=1000
    )
    explorer_enabled: bool = setting("OrthancExplorerEnabled", True, "Whether to serve the web interface.")
    describe_errors: bool = setting(
        "HttpDescribeErrors", True, "Whether answers to failed requests have a JSON body that tells why."
    )
    compression: bool = setting(
        "HttpCompressionEnabled", False, "Compress answers (gzip, deflate) for clients that accept it."
    )
    keep_alive: bool = setting("KeepAlive", True, "Serve several requests over one connection.")
    keep_alive_timeout: int = setting(
        "KeepAliveTimeout", 1, "Seconds that an idle connection is kept open.", minimum=1
    )
    request_timeout: int = setting(
        "HttpRequestTimeout", 30, "Seconds that a client may stay silent within a request.", minimum=1
    )
    maximum_body_mb: int = setting(
        "MaximumRequestBodySizeMB", 8192, "Largest body of a request in MB; 0 for no limit.", minimum=0
    )
    maximum_archive_member_mb: int = setting(
        "MaximumFileSizeInArchiveMB",
        4096,
        "Largest file inside an uploaded archive, in MB once uncompressed; 0 for no limit.",
        minimum=0,
    )
    get_method_override: bool = setting(
        "HttpGetMethodOverride",
        False,
        "Whether GET with `?_method=DELETE` or `?_method=PUT` is taken for that method, as Orthanc does. Any "
        "web page can make a browser send such a GET.",
    )
    metrics_enabled: bool = setting(
        "MetricsEnabled", True, "Whether to collect what /tools/metrics-prometheus shows."
    )
    execute_lua_enabled: bool = setting(
        "ExecuteLuaEnabled",
        False,
        "Whether /tools/execute-script runs Lua scripts. Whoever may call it controls the server.",
    )
    write_to_file_system: bool = setting(
        "RestApiWriteToFileSystemEnabled",
        False,
        "Whether the REST API may write files on the server (/instances/{id}/export).",
    )


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who may use the REST API, and how it is encrypted."""

    remote_access: bool = setting(
        "RemoteAccessAllowed", False, "Whether other hosts than this one may use the REST API."
    )
    authentication: bool | None = setting(
        "AuthenticationEnabled",
        None,
        "Whether users must log in (HTTP Basic). Unset: as RemoteAccessAllowed.",
        example=False,
    )
    registered_users: Mapping[str, str] = setting(
        "RegisteredUsers",
        {},
        'Users and passwords. A password that starts with "$argon2" is a hash, which is safer. Remote access '
        "with authentication needs at least one user.",
        secret=True,
        refuse=why_refused,
    )
    allowed_hosts: tuple[str, ...] = setting(
        "AllowedHosts",
        (),
        "Names under which the server may be addressed, beside localhost and the name of this host: those "
        "of a reverse proxy. Checked where neither remote access nor authentication is on, since a web page "
        "can make a name of its own lead here (DNS rebinding). * is any name.",
        example=["pacs.example.com"],
    )
    allowed_origins: tuple[str, ...] = setting(
        "AllowedOrigins",
        (),
        "Web sites whose pages may send requests that change something, beside the one that the server is "
        "addressed as. Needed behind a reverse proxy that sends neither Host nor X-Forwarded-Host on. * is "
        "any site.",
        example=["https://viewer.example.com"],
    )
    trusted_proxies: tuple[str, ...] = setting(
        "TrustedProxies",
        ("127.0.0.1", "::1"),
        "Addresses, or networks such as 10.0.0.0/8, of the reverse proxies whose headers Forwarded and "
        "X-Forwarded-* are believed. URLs in answers are made of them.",
        parse=parse_networks,
    )
    ssl_enabled: bool = setting("SslEnabled", False, "Serve HTTPS instead of HTTP.")
    ssl_certificate: Path = setting(
        "SslCertificate",
        Path("certificate.pem"),
        "PEM file with the certificate and its private key.",
        path=True,
    )
    ssl_minimum_version: int = setting(
        "SslMinimumProtocolVersion",
        4,
        "Oldest protocol of HTTPS: 4 is TLS 1.2, 5 is TLS 1.3. Older ones (0 to 3) are insecure: TLS 1.2 is "
        "used instead.",
        minimum=0,
        maximum=5,
    )
    ssl_ciphers: tuple[str, ...] | None = setting(
        "SslCiphersAccepted",
        None,
        "Accepted ciphers of TLS 1.2, by their OpenSSL names. Unset: those of the OpenSSL library.",
        example=["ECDHE-RSA-AES128-GCM-SHA256"],
    )
    ssl_verify_peers: bool = setting(
        "SslVerifyPeers", False, "Whether clients must show a certificate that is trusted."
    )
    ssl_trusted_clients: Path = setting(
        "SslTrustedClientCertificates",
        Path("trustedClientCertificates.pem"),
        "PEM file with the certificates by which clients are trusted.",
        path=True,
    )

    @property
    def authentication_enabled(self) -> bool:
        """Orthanc's default: whoever opens the server to the network gets authentication."""
        return self.remote_access if self.authentication is None else self.authentication

    @property
    def has_well_known_user(self) -> bool:
        """Whether a user logs in with a name and a password that everybody knows. May take 50 ms (argon2)."""
        return self.authentication_enabled and is_well_known(self.registered_users)

    @property
    def secure(self) -> bool:
        """Whether strangers are kept out: what ``/system`` tells as ``IsHttpServerSecure``."""
        if self.has_well_known_user:
            return False
        asks = self.authentication_enabled or (self.ssl_enabled and self.ssl_verify_peers)
        return asks or not self.remote_access
