"""Which servers are trusted, and who we are to them."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass

from orthanclite.core.errors import BadFileFormat
from orthanclite.core.remotes.endpoints import Endpoint


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate of a client as its files are now: a renewed one is another identity."""

    certificate_file: str = ""
    key_file: str = ""
    key_password: str = ""
    changed: tuple[int, ...] = ()  # when the files were, in nanoseconds

    @staticmethod
    def of(endpoint: Endpoint) -> Identity:
        """:raises BadFileFormat: where a file is missing"""
        files = [file for file in (endpoint.certificate_file, endpoint.certificate_key_file) if file]
        if not endpoint.certificate_file:
            return Identity()
        try:
            changed = tuple(os.stat(file).st_mtime_ns for file in files)
        except (OSError, ValueError) as exc:
            raise BadFileFormat(f"The certificate of the client cannot be read: {exc}") from exc
        return Identity(
            endpoint.certificate_file,
            endpoint.certificate_key_file,
            endpoint.certificate_key_password,
            changed,
        )


def client_context(identity: Identity, verify: bool, authorities: str) -> ssl.SSLContext:
    """How TLS is spoken to servers.

    :param verify: whether their certificates are checked (``HttpsVerifyPeers``)
    :param authorities: PEM file of those who are trusted (``HttpsCACertificates``); empty for the system's
    :raises BadFileFormat: where a certificate cannot be used
    """
    try:
        context = ssl.create_default_context(cafile=authorities or None)
    except OSError as exc:
        raise BadFileFormat(f"The certificates of HttpsCACertificates cannot be read: {exc}") from exc
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if identity.certificate_file:
        # Without a password, OpenSSL would ask for one at the terminal.
        password = identity.key_password
        try:
            context.load_cert_chain(identity.certificate_file, identity.key_file or None, lambda: password)
        except (OSError, ValueError) as exc:  # SSLError is an OSError
            raise BadFileFormat(f"The certificate of the client cannot be used: {exc}") from exc
    return context
