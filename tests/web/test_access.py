"""Who is let in: other hosts, users, HTTPS and client certificates, on real sockets."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher

from tests.support.certificates import make_identity
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running


def own_address() -> str | None:
    """An address of this host that is not the loopback one; nothing is sent to find it out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if ipaddress.ip_address(address).is_loopback else address


ADDRESS = own_address()
needs_address = pytest.mark.skipif(ADDRESS is None, reason="This host has no address beside the loopback one")


def status(server: Server, host: str, user: tuple[str, str] | None = None, path: str = "/system") -> int:
    return httpx.get(f"http://{host}:{server.http_port}{path}", auth=user, timeout=60).status_code


@needs_address
def test_by_default_only_this_host_is_answered(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path)) as server:
        assert status(server, "127.0.0.1") == 200
        assert status(server, "localhost") == 200
        with pytest.raises(httpx.ConnectError):
            status(server, str(ADDRESS))


@needs_address
def test_other_hosts_are_refused_where_the_address_is_bound_all_the_same(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {"HttpBindAddresses": ["0.0.0.0"]})) as server:
        assert status(server, "127.0.0.1") == 200
        assert status(server, str(ADDRESS)) == 401
        assert status(server, str(ADDRESS), ("orthanc", "orthanc")) == 401


@needs_address
def test_remote_access_comes_with_authentication(tmp_path: Path) -> None:
    config = {"RemoteAccessAllowed": True, "RegisteredUsers": {"alice": "secret"}}
    with running(orthanclite(tmp_path, config)) as server:
        for host in ("127.0.0.1", str(ADDRESS)):
            assert status(server, host) == 401
            assert status(server, host, ("alice", "secret")) == 200
            assert status(server, host, ("orthanc", "orthanc")) == 401


def test_a_well_known_user_is_told(tmp_path: Path) -> None:
    users = {"orthanc": "orthanc"}
    with running(orthanclite(tmp_path, {"AuthenticationEnabled": True, "RegisteredUsers": users})) as server:
        answer = httpx.get(f"{server.url}/system", auth=("orthanc", "orthanc"))
        assert answer.json()["IsHttpServerSecure"] is False
        assert any(line.startswith("W") and "INSECURE" in line for line in server.log().splitlines())


@needs_address
def test_remote_access_without_authentication(tmp_path: Path) -> None:
    config = {"RemoteAccessAllowed": True, "AuthenticationEnabled": False}
    with running(orthanclite(tmp_path, config)) as server:
        assert status(server, str(ADDRESS)) == 200


def test_users(tmp_path: Path) -> None:
    users = {"alice": "plain:with colon", "bob": PasswordHasher().hash("hashed"), "zoë": "naïve"}
    config = {"AuthenticationEnabled": True, "RegisteredUsers": users}
    with running(orthanclite(tmp_path, config)) as server:
        challenge = server.client.get("/instances")
        assert (challenge.status_code, challenge.content) == (401, b"")
        assert challenge.headers["www-authenticate"] == 'Basic realm="Orthanc Secure Area"'
        for path in ("/", "/docs", "/openapi.json", "/app/style.css"):
            assert status(server, "127.0.0.1", path=path) == 401
        for user in (("alice", "plain:with colon"), ("bob", "hashed"), ("bob", "hashed"), ("zoë", "naïve")):
            assert status(server, "127.0.0.1", user) == 200, user
        for user in (("alice", "hashed"), ("bob", users["bob"]), ("orthanc", "orthanc"), ("", "")):
            assert status(server, "127.0.0.1", user) == 401, user
        stored = httpx.post(f"{server.url}/instances", content=dicom_file(), auth=("bob", "hashed")).json()
        metadata = httpx.get(
            f"{server.url}/instances/{stored['ID']}/metadata/HttpUsername", auth=("bob", "hashed")
        )
        assert metadata.text == "bob"


def trusting(server_identity: Path, client_identity: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(server_identity))
    if client_identity is not None:
        context.load_cert_chain(client_identity)
    return context


def test_https(tmp_path: Path) -> None:
    identity = make_identity(tmp_path, "server").both
    config = {"SslEnabled": True, "SslCertificate": str(identity)}
    with running(orthanclite(tmp_path, config)) as server:
        with httpx.Client(base_url=server.url, verify=trusting(identity)) as client:
            assert client.post("/instances", content=dicom_file(side=512)).status_code == 200
            assert client.get("/system").json()["IsHttpServerSecure"] is True
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{server.http_port}/system")
        old = trusting(identity)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert httpx.get(f"{server.url}/system", verify=old).status_code == 200
        assert "Traceback" not in server.log()


def test_https_of_tls_1_3_alone(tmp_path: Path) -> None:
    identity = make_identity(tmp_path, "server").both
    config = {"SslEnabled": True, "SslCertificate": str(identity), "SslMinimumProtocolVersion": 5}
    with running(orthanclite(tmp_path, config)) as server:
        old = trusting(identity)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/system", verify=old)
        assert httpx.get(f"{server.url}/system", verify=trusting(identity)).status_code == 200


def test_client_certificates(tmp_path: Path) -> None:
    identity, friend, stranger = (
        make_identity(tmp_path, name).both for name in ("server", "friend", "stranger")
    )
    config = {
        "SslEnabled": True,
        "SslCertificate": str(identity),
        "SslVerifyPeers": True,
        "SslTrustedClientCertificates": str(friend),
    }
    server = orthanclite(tmp_path, config)
    server.client = httpx.Client(base_url=server.url, verify=trusting(identity, friend))
    with running(server):
        assert server.get("/system")["ApiVersion"] == 31
        for context in (trusting(identity), trusting(identity, stranger)):
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{server.url}/system", verify=context)
        assert server.get("/system")["ApiVersion"] == 31


@pytest.mark.parametrize("certificate", ["absent.pem", "empty.pem"])
def test_a_certificate_that_is_none_stops_the_start(tmp_path: Path, certificate: str) -> None:
    (tmp_path / "empty.pem").write_text("")
    config = {"SslEnabled": True, "SslCertificate": str(tmp_path / certificate)}
    server = orthanclite(tmp_path, config)
    with pytest.raises(RuntimeError, match=r"ended at once"):
        server.start()
    assert "HTTPS cannot be set up" in server.log()
    assert "Traceback" not in server.log()
    server.client.close()
