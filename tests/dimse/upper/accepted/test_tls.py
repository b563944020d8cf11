"""DICOM over TLS: who is let in with which certificate."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
from pynetdicom.association import Association

from orthanclite.core.errors import NetworkProtocol
from orthanclite.dimse.options import TlsOptions
from orthanclite.dimse.upper.wire.tls import server_context
from tests.dimse.conftest import StartServer
from tests.dimse.support import CT, Site, ct
from tests.support.certificates import Identity, make_identity


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Identity]:
    folder = tmp_path_factory.mktemp("certificates")
    return {name: make_identity(folder, name) for name in ("server", "client", "stranger")}


def options(identities: dict[str, Identity], **changes: object) -> TlsOptions:
    server = identities["server"]
    values: dict[str, object] = {
        "certificate": server.certificate,
        "private_key": server.key,
        "trusted_certificates": identities["client"].certificate,
    }
    return TlsOptions(**(values | changes))  # type: ignore[arg-type]


def client_context(
    identities: dict[str, Identity], name: str | None, newest: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(identities["server"].certificate)
    if newest is not None:
        context.maximum_version = newest
    if name is not None:
        context.load_cert_chain(identities[name].certificate, identities[name].key)
    return context


def connects(site: Site, context: ssl.SSLContext) -> bool:
    """Whether an instance can be stored over TLS."""
    with site.associate(CT, tls_args=(context, "localhost")) as association:
        return _stores(association)


def _stores(association: Association) -> bool:
    return association.is_established and association.send_c_store(ct()).get("Status") == 0x0000


def test_trusted_modalities_are_let_in(start: StartServer, identities: dict[str, Identity]) -> None:
    site = start(tls=options(identities))
    assert connects(site, client_context(identities, "client"))
    assert not connects(site, client_context(identities, None))
    assert not connects(site, client_context(identities, "stranger"))
    with site.associate() as plain:
        assert not plain.is_established
    assert connects(site, client_context(identities, "client"))


def test_the_certificate_of_a_modality_may_be_optional(
    start: StartServer, identities: dict[str, Identity]
) -> None:
    site = start(tls=options(identities, remote_certificate_required=False))
    assert connects(site, client_context(identities, None))
    assert connects(site, client_context(identities, "client"))
    assert not connects(site, client_context(identities, "stranger"))


def test_protocol_version_and_ciphers(start: StartServer, identities: dict[str, Identity]) -> None:
    newest = start(tls=options(identities, minimum_version=5))
    assert not connects(newest, client_context(identities, "client", ssl.TLSVersion.TLSv1_2))
    assert connects(newest, client_context(identities, "client"))
    one = start(tls=options(identities, ciphers=("ECDHE-ECDSA-AES256-GCM-SHA384",)))
    context = client_context(identities, "client", ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    assert not connects(one, context)
    assert connects(one, client_context(identities, "client", ssl.TLSVersion.TLSv1_2))


def test_a_silent_hand_shake_does_not_stop_others(
    start: StartServer, identities: dict[str, Identity]
) -> None:
    site = start(tls=options(identities))
    with socket.create_connection(("127.0.0.1", site.port)):
        assert connects(site, client_context(identities, "client"))


def test_large_instances_over_tls(start: StartServer, identities: dict[str, Identity]) -> None:
    site = start(tls=options(identities))
    with site.associate(CT, tls_args=(client_context(identities, "client"), "localhost")) as association:
        assert association.send_c_store(ct(PixelData=bytes(1 << 20))).Status == 0x0000
    (stored,) = site.stored()
    assert len(stored.PixelData) == 1 << 20


@pytest.mark.parametrize("change", ["certificate", "ciphers", "trusted"])
def test_unusable_settings_are_told(identities: dict[str, Identity], tmp_path: Path, change: str) -> None:
    changes: dict[str, object] = {
        "certificate": {"certificate": tmp_path / "missing.crt"},
        "ciphers": {"ciphers": ("NO-SUCH-CIPHER",)},
        "trusted": {"trusted_certificates": None},
    }[change]  # type: ignore[assignment]
    with pytest.raises(NetworkProtocol):
        server_context(options(identities, **changes))


def test_old_protocols_are_raised_to_tls_1_2(identities: dict[str, Identity]) -> None:
    assert server_context(options(identities, minimum_version=1)).minimum_version is ssl.TLSVersion.TLSv1_2
