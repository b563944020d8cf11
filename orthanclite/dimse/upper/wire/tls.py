"""DICOM over TLS (PS3.15 annex B)."""

from __future__ import annotations

import logging
import ssl

from orthanclite.core.errors import NetworkProtocol
from orthanclite.dimse.options import TlsClientOptions, TlsOptions

LOGGER = logging.getLogger(__name__)

_TLS_1_3 = 5  # of DicomTlsMinimumProtocolVersion


def server_context(options: TlsOptions) -> ssl.SSLContext:
    """What the hand-shakes of the server's connections need.

    :raises NetworkProtocol: if a file cannot be read or used, or no cipher is known.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _set_up(context, options)
    if options.remote_certificate_required:
        if options.trusted_certificates is None:
            raise NetworkProtocol("DICOM TLS needs DicomTlsTrustedCertificates to check remote certificates")
        context.verify_mode = ssl.CERT_REQUIRED
    elif options.trusted_certificates is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client_context(options: TlsClientOptions) -> ssl.SSLContext:
    """What the hand-shakes with modalities need that this server calls.

    The certificate must be trusted. The name in it is not compared with that of the host: modalities are
    called by their addresses, and PS3.15 does not ask for it.

    :raises NetworkProtocol: as :func:`server_context`
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if options.verify else ssl.CERT_NONE
    _set_up(context, options)
    if options.verify and options.trusted_certificates is None:
        raise NetworkProtocol(
            "DICOM TLS needs DicomTlsTrustedCertificates to check the certificates of modalities"
        )
    return context


def _set_up(context: ssl.SSLContext, options: TlsOptions | TlsClientOptions) -> None:
    context.minimum_version = (
        ssl.TLSVersion.TLSv1_3 if options.minimum_version >= _TLS_1_3 else ssl.TLSVersion.TLSv1_2
    )
    if 0 < options.minimum_version < _TLS_1_3 - 1:
        LOGGER.warning("DICOM TLS: protocols before TLS 1.2 are insecure, TLS 1.2 is the oldest accepted")
    try:
        if options.certificate is not None:
            context.load_cert_chain(options.certificate, options.private_key)
        if options.trusted_certificates is not None:
            context.load_verify_locations(options.trusted_certificates)
        if options.ciphers:
            context.set_ciphers(":".join(options.ciphers))
    except (OSError, ssl.SSLError) as exc:
        raise NetworkProtocol(f"Cannot set up DICOM TLS: {exc}") from exc
